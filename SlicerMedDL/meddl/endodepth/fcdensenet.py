"""The published depth network: FC-DenseNet57 (Jegou et al., CVPRW 2017) with one output channel.

Liu et al., IEEE TMI 2019 (arXiv 1902.07766): transposed convolutions are replaced by nearest
neighbours and a 3x3 convolution, and the absolute value of the output is the depth.
"""

from __future__ import annotations

from torch import Tensor, nn

from meddl.core.errors import InputError
from meddl.endodepth.dense_block import DenseBlock
from meddl.endodepth.networks import MULTIPLE

WIDTH = 48  # channels of the first convolution
LEVELS = 5


class Down(nn.Sequential):
    """Half the size, by batch normalisation, ReLU, 1x1 convolution and the maximum of 2x2."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
            nn.MaxPool2d(2),
        )


class Up(nn.Sequential):
    """Twice the size, by nearest neighbours and a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(channels, channels, 3, padding=1),
        )


class FCDenseNet57(nn.Module):
    """Pictures (B, 3, h, w), -1..1, to relative depth (B, 1, h, w), not negative.

    1,374,865 parameters. Weights begin as Kaiming's for the fan in, biases at 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        channels, skips = WIDTH, []
        self.blocks_down, self.downs = nn.ModuleList(), nn.ModuleList()
        for _ in range(LEVELS):
            block = DenseBlock(channels)
            channels += block.new_channels
            skips.append(channels)
            self.blocks_down.append(block)
            self.downs.append(Down(channels))
        self.bottleneck = DenseBlock(channels)
        new = self.bottleneck.new_channels
        self.ups = nn.ModuleList(Up(new) for _ in skips)
        self.blocks_up = nn.ModuleList(DenseBlock(new + skip) for skip in reversed(skips))
        self.last = nn.Conv2d(new + skips[0] + new, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class.

        Raises:
            InputError: another number of channels, or a side that is no multiple of 32.
        """
        _, channels, height, width = pictures.shape
        if channels != 3 or height % MULTIPLE or width % MULTIPLE:
            raise InputError(
                f"the pictures are {tuple(pictures.shape)}, (B, 3, h, w) with sides that are "
                f"multiples of {MULTIPLE} were expected"
            )
        features, skips = self.first(pictures), []
        for block, down in zip(self.blocks_down, self.downs, strict=True):
            skips.append(block(features))
            features = down(skips[-1])
        block = self.bottleneck
        features = block(features)
        for up, next_block in zip(self.ups, self.blocks_up, strict=True):
            features = next_block(up(features[:, -block.new_channels :]), skips.pop())
        depth: Tensor = self.last(features).abs()
        return depth
