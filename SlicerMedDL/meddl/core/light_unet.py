"""A light U-Net of residual blocks, the body of the networks that run in real time on a CPU."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional


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


class LightUNet(nn.Module):
    """A U-Net (Ronneberger, Fischer, Brox, MICCAI 2015) that begins at half the input's size.

    Args:
        inputs, outputs: channels.
        widths: channels of the levels, at 1/2, 1/4, … of the input.
        blocks: residual blocks of the levels.
    """

    def __init__(
        self, inputs: int, outputs: int, widths: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(_unit(a, b, stride=2) for a, b in pairwise((inputs, *widths)))
        self.encode = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(count)))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.context = _Context(widths[-1])
        self.up = nn.ModuleList(_unit(b, a, size=1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(_unit(a, a) for a in widths[:-1])
        self.last = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def maps(self, values: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H/2, W/2), rounded up."""
        passed = []
        for down, encode in zip(self.down, self.encode, strict=True):
            values = encode(down(values))
            passed.append(values)
        values = self.context(values)
        for up, decode, skip in zip(
            reversed(self.up), reversed(self.decode), reversed(passed[:-1]), strict=True
        ):
            # The 1x1 convolution comes first, while there are a quarter of the pixels.
            values = functional.interpolate(up(values), skip.shape[-2:], mode="bilinear")
            values = decode(values + skip)
        result: Tensor = self.last(values)
        return result

    def forward(self, values: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W), interpolated from half the size."""
        return functional.interpolate(self.maps(values), values.shape[-2:], mode="bilinear")
