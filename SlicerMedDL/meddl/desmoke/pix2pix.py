"""The published desmoking network: a U-Net that paints the clear picture.

Generator of pix2pix (Isola, Zhu, Zhou and Efros, CVPR 2017, appendix 6.1.1) with the dark channel
of the smoky picture as a fourth input (Salazar-Colores et al., IEEE Access 8:208898, 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH, RADIUS, EPS = 15, 15, 1e-4  # of the published dark channel: pixels, pixels, squared 0..1
WIDEST = 8  # a layer has up to so many times the channels of the first


def minimum_guide(pictures: Tensor) -> Tensor:
    """Each pixel's least colour, (B, 3, h, w) -> (B, 1, h, w): the guide in the paper's program."""
    return pictures.amin(1, keepdim=True)


def refined_guide(
    pictures: Tensor, patch: int = PATCH, radius: int = RADIUS, eps: float = EPS
) -> Tensor:
    """The dark channel, refined by a guided filter: the guide in the paper's text.

    Least colour within ``patch`` x ``patch`` pixels (He, Sun and Tang, IEEE TPAMI 33:2341, 2011),
    smoothed along the edges of the grey picture (the same, IEEE TPAMI 35:1397, 2013, algorithm 1).

    Args:
        pictures: (B, 3, h, w) RGB 0..1.
        patch: odd, pixels.
        radius: of the filter's windows, pixels.
        eps: variance of the guide below which the filter averages.

    Returns:
        (B, 1, h, w) 0..1.
    """
    dark = -functional.max_pool2d(-minimum_guide(pictures), patch, 1, patch // 2)
    weights = pictures.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)
    grey = (pictures * weights).sum(1, keepdim=True)
    mean_grey, mean_dark = _box(grey, radius), _box(dark, radius)
    variance = _box(grey * grey, radius) - mean_grey * mean_grey
    slope = (_box(grey * dark, radius) - mean_grey * mean_dark) / (variance + eps)
    offset = mean_dark - slope * mean_grey
    return (_box(slope, radius) * grey + _box(offset, radius)).clamp(0, 1)


def _box(x: Tensor, radius: int) -> Tensor:
    """Means over windows, at the border over the part of a window inside the picture."""
    size = 2 * radius + 1
    x = functional.avg_pool2d(x, (size, 1), 1, (radius, 0), count_include_pad=False)
    return functional.avg_pool2d(x, (1, size), 1, (0, radius), count_include_pad=False)


class Generator(nn.Module):
    """(B, 3, h, w) smoky RGB 0..1 -> (B, 3, h, w) clear RGB 0..1; sides are multiples of 2^layers.

    54,415,555 parameters (published: 54.4 M).

    Args:
        guide: ``"refined"``, ``"minimum"`` or ``"none"``: what the fourth input channel is.
        layers: halvings of the picture (published: 8, for 256 x 256).
        filters: channels of the first layer.
    """

    def __init__(self, guide: str = "refined", layers: int = 8, filters: int = 64) -> None:
        super().__init__()
        self.guide, self.layers = guide, layers
        widths = [filters * min(2**n, WIDEST) for n in range(layers)]
        inputs = [3 if guide == "none" else 4, *widths]
        self.down = nn.ModuleList(
            _halving(inputs[n], width, first=n == 0, last=n == layers - 1)
            for n, width in enumerate(widths)
        )
        outputs = [*widths[-2::-1], 3]
        entering = [widths[-1], *(2 * width for width in widths[-2::-1])]  # with the skips
        self.up = nn.ModuleList(
            _doubling(entering[n], width, last=n == layers - 1, drop=n < layers - 5)
            for n, width in enumerate(outputs)
        )
        self.apply(initialize)

    def condition(self, pictures: Tensor) -> Tensor:
        """(B, 3, h, w) RGB 0..1 -> (B, 3 or 4, h, w) in -1..1: with the guide."""
        if self.guide == "none":
            return 2 * pictures - 1
        guide = refined_guide if self.guide == "refined" else minimum_guide
        return 2 * torch.cat([pictures, guide(pictures)], dim=1) - 1

    def forward(self, pictures: Tensor) -> Tensor:
        return (self.paint(self.condition(pictures)) + 1) / 2

    def paint(self, condition: Tensor) -> Tensor:
        """From the input of :meth:`condition` to the clear picture in -1..1."""
        features = [condition]
        for block in self.down:
            features.append(block(features[-1]))
        x = features.pop()
        for block in self.up[:-1]:
            x = torch.cat([block(x), features.pop()], dim=1)
        result: Tensor = self.up[-1](x)
        return result


def _halving(inputs: int, outputs: int, first: bool, last: bool) -> nn.Sequential:
    normed = not (first or last)  # the last layer's one pixel has no variance
    layers: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not normed))
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outputs)] if normed else []))


def _doubling(inputs: int, outputs: int, last: bool, drop: bool) -> nn.Sequential:
    layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=last)]
    layers.append(nn.Tanh() if last else nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, *([nn.Dropout(0.5)] if drop else []))


def initialize(module: nn.Module) -> None:
    """Normal weights with a deviation of 0.02 (pix2pix, appendix 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1, 0.02)
