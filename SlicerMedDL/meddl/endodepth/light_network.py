"""The light depth network: a residual encoder-decoder for real-time depth on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meddl.core.light_unet import LightUNet

WIDTHS = (16, 32, 64, 96, 128)  # channels at 1/2, 1/4, … of what the network sees
BLOCKS = (0, 1, 2, 2, 1)  # residual blocks there
LARGEST_LOG = 6.0  # of the depth; keeps exp() finite in half precision


class LightNetwork(LightUNet):
    """Relative depth of one picture.

    It works on the picture shrunk by ``reduction``: 183 million multiplications for a picture of
    256x320. Its fourth input channel is the logarithm of the brightness, of which the log depth of
    an evenly coloured surface under a headlight is a linear function.

    Args:
        reduction: pixels of the picture per pixel that the network sees. With 1 a call takes four
            times as long; it was better on rendered pictures only (Docs/validation.md).
        widths: channels of the levels, each of half the size of the one before.
        blocks: residual blocks of the levels.
    """

    def __init__(
        self,
        reduction: int = 2,
        widths: tuple[int, ...] = WIDTHS,
        blocks: tuple[int, ...] = BLOCKS,
    ) -> None:
        super().__init__(4, 1, widths, blocks)
        self.reduction = reduction

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in -1..1 to depth (B, 1, H, W).

        The depth is positive and has no unit: it is true up to one factor per picture.
        """
        small = functional.avg_pool2d(picture, self.reduction)
        brightness = (small.mean(1, keepdim=True) + 1) / 2
        seen = torch.cat([small, torch.log(brightness.clamp(min=0) + 0.02) / 2 + 1], 1)
        log_depth = self.maps(seen).clamp(-LARGEST_LOG, LARGEST_LOG)
        log_depth = functional.interpolate(log_depth, picture.shape[-2:], mode="bilinear")
        return torch.exp(log_depth)
