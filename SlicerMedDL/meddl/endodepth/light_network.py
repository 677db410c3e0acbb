"""The light depth network: a residual encoder-decoder for real-time depth on a CPU."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 96, 128)  # channels at 1/2, 1/4, … of what the network sees
BLOCKS = (0, 1, 2, 2, 1)  # residual blocks there
LARGEST_LOG = 6.0  # of the depth; keeps exp() finite in half precision


def _unit(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Block(nn.Module):
    """Two convolutions whose input is added to their output (He et al., CVPR 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _unit(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, values: Tensor) -> Tensor:
        return functional.relu(values + self.second(self.first(values)))


class _Context(nn.Module):
    """Adds to every pixel what the mean over the picture says (Liu et al., ParseNet, 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        return functional.relu(values + self.linear(values.mean((2, 3), keepdim=True)))


class LightNetwork(nn.Module):
    """Relative depth of one picture.

    A U-Net (Ronneberger, Fischer, Brox, MICCAI 2015) of residual blocks that works on the picture
    shrunk by ``reduction``: 183 million multiplications for a picture of 256x320. Its fourth input
    channel is the logarithm of the brightness, of which the log depth of an evenly coloured surface
    under a headlight is a linear function.

    Args:
        reduction: pixels of the picture per pixel that the network sees. With 1 a call takes four
            times as long and is no better (Docs/validation.md).
        widths: channels of the levels, each of half the size of the one before.
        blocks: residual blocks of the levels.
    """

    def __init__(
        self,
        reduction: int = 2,
        widths: tuple[int, ...] = WIDTHS,
        blocks: tuple[int, ...] = BLOCKS,
    ) -> None:
        super().__init__()
        self.reduction = reduction
        self.down = nn.ModuleList(_unit(a, b, stride=2) for a, b in pairwise((4, *widths)))
        self.encode = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.context = _Context(widths[-1])
        self.up = nn.ModuleList(_unit(b, a, size=1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(_unit(a, a) for a in widths[:-1])
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in -1..1 to depth (B, 1, H, W).

        The depth is positive and has no unit: it is true up to one factor per picture.
        """
        small = functional.avg_pool2d(picture, self.reduction)
        brightness = (small.mean(1, keepdim=True) + 1) / 2
        result = torch.cat([small, torch.log(brightness.clamp(min=0) + 0.02) / 2 + 1], 1)
        passed = []
        for down, encode in zip(self.down, self.encode, strict=True):
            result = encode(down(result))
            passed.append(result)
        result = self.context(result)
        for up, decode, skip in zip(
            reversed(self.up), reversed(self.decode), reversed(passed[:-1]), strict=True
        ):
            # The 1x1 convolution comes first, while there are a quarter of the pixels.
            result = functional.interpolate(up(result), skip.shape[-2:], mode="bilinear")
            result = decode(result + skip)
        log_depth = self.last(result).clamp(-LARGEST_LOG, LARGEST_LOG)
        log_depth = functional.interpolate(log_depth, picture.shape[-2:], mode="bilinear")
        return torch.exp(log_depth)
