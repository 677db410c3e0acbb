"""P-Net and R-Net: networks that keep the full resolution from their input to their output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DILATIONS = (1, 2, 4, 8, 16)
CONVOLUTIONS = (2, 2, 3, 3, 3)  # of each block
WIDTHS = {2: 64, 3: 16}  # channels C by dimensions, as published
RECEPTIVE_FIELD = 183  # pixels in plane


class PNet(nn.Module):
    """Five blocks of dilated convolutions whose outputs are joined and classified.

    Wang et al., DeepIGeoS, IEEE TPAMI 41(7), 2019 (arXiv:1707.00652), section 3.1. R-Net is the
    same network with more input channels, see :func:`correction_channels`. In 3-D the first
    convolution of a block has 3 x 3 x 3 taps and the others 1 x 3 x 3; the dilation acts within the
    planes of constant k, and the blocks' outputs are compressed to C/4 channels each, which spares
    memory; in 2-D they are joined as they are. Zero padding keeps the size. With one channel, two
    classes and the published widths there are 48,262 parameters in 3-D (R-Net: 49,558) and 465,474
    in 2-D (published: 0.465 million).

    Args:
        channels: of the input.
        classes: of the output, background included.
        dimensions: 2 or 3.
        width: C, channels of a block; None takes the published one. A multiple of 4.
        dropout: share of the values that training drops before each of the last two convolutions.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 2,
        dimensions: int = 3,
        width: int | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        width = width or WIDTHS[dimensions]
        pointwise = nn.Conv2d if dimensions == 2 else nn.Conv3d
        joined = width if dimensions == 2 else width // 4  # channels that a block contributes
        self.blocks = nn.ModuleList()
        self.compress = nn.ModuleList()
        inputs = channels
        for dilation, count in zip(DILATIONS, CONVOLUTIONS, strict=True):
            block = nn.Sequential()
            for index in range(count):
                block.append(_convolution(inputs, width, dimensions, dilation, flat=index > 0))
                block.append(nn.ReLU())
                inputs = width
            self.blocks.append(block)
            self.compress.append(pointwise(width, joined, 1) if joined < width else nn.Identity())
        self.classify = nn.Sequential(
            nn.Dropout(dropout),
            pointwise(len(DILATIONS) * joined, width, 1),
            nn.ReLU(),
            nn.Dropout(dropout),
            _convolution(width, classes, dimensions, dilation=1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, channels, [K,] J, I) to logits (N, classes, [K,] J, I)."""
        values, compressed = inputs, []
        for block, compress in zip(self.blocks, self.compress, strict=True):
            values = block(values)
            compressed.append(compress(values))
        logits: Tensor = self.classify(torch.cat(compressed, 1))
        return logits


def correction_channels(channels: int, classes: int) -> int:
    """Input channels of R-Net for images of ``channels`` channels.

    The image, the previous probability of every class but the background, and an encoded geodesic
    distance to the seeds of every class: four for one channel and two classes, as published.
    """
    return channels + (classes - 1) + classes


def _convolution(
    inputs: int, outputs: int, dimensions: int, dilation: int, flat: bool = False
) -> nn.Module:
    if dimensions == 2:
        return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
    depth = 1 if flat else 3
    return nn.Conv3d(
        inputs,
        outputs,
        (depth, 3, 3),
        padding=(depth // 2, dilation, dilation),
        dilation=(1, dilation, dilation),
    )
