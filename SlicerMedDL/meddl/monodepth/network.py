"""A fully convolutional encoder-decoder of half a million parameters: picture in, depth out.

Residual blocks (He et al., CVPR 2016) down to 1/32 of the picture, where one pixel sees all of it;
on the way up the features are enlarged bilinearly and added to those of the same size, as in
LinkNet (Chaurasia and Culurciello, VCIP 2017), which costs a third of the parameters of
concatenation. The depth is made at half the picture's size and enlarged.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (24, 40, 56, 68, 76)  # at 1/2, 1/4, 1/8, 1/16, 1/32
START = 2.5  # m: what an untrained network says everywhere, the middle of a room
LEAST = 1e-3  # m


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Context(nn.Module):
    """Adds what the whole picture says to every pixel: the metric scale is global."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x.mean((2, 3), keepdim=True))


class DepthNetwork(nn.Module):
    """(B, 3, h, w) float32 RGB in [-1, 1] -> (B, 1, h, w) depth in metres, above 0.

    Both sides at least 32 pixels; any size, but distances are right only for pictures as large and
    with a lens as in training.

    Args:
        widths: channels at 1/2, 1/4, … of the picture.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.stem = _convolution(3, widths[0], stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(a, b, stride=2), Residual(b)) for a, b in pairwise(widths)
        )
        self.context = Context(widths[-1])
        upward = list(pairwise(widths[::-1]))
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in upward)
        self.up = nn.ModuleList(_convolution(b, b) for _, b in upward)
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.apply(_xavier)
        nn.init.constant_(self.head.bias, START)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Tensor:
        features = [self.stem(pictures)]
        for block in self.down:
            features.append(block(features[-1]))
        x = self.context(features.pop())
        for reduce, block in zip(self.reduce, self.up, strict=True):
            skip = features.pop()
            x = block(_enlarged(reduce(x), skip) + skip)
        return functional.softplus(_enlarged(self.head(x), pictures)) + LEAST


def _enlarged(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)


def _xavier(module: nn.Module) -> None:
    """Glorot and Bengio, AISTATS 2010."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
