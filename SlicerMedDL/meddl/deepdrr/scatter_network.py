"""A small U-Net that corrects the kernel model of scatter on its coarse picture."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from meddl.core.weights import load_weights

NAME = "scatter-network"
INPUTS = 8
SINGLE = 6  # the input that is the share of single scatter
# Of the inputs over random torsos: mean and spread.
MEANS = (0.9, 0.9, -0.5, 0.83, 1.0, 0.2, 0.45, 0.8)
SPREADS = (0.35, 0.3, 0.55, 0.22, 0.16, 0.5, 0.17, 0.3)


class ScatterNet(nn.Module):
    """Logarithm of the true scatter over the kernel model's, from :func:`scatter.features`.

    What it learns is a factor on the multiple scatter; single scatter stays as it was integrated.

    Two levels of resolution below the first, so that one output sees about 50 cells: the picture.

    Args:
        width: channels of the first level; the others have twice and three times as many.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        wide, wider = 2 * width, 3 * width
        self.first = _block(INPUTS, width)
        self.second = _block(width, wide)
        self.third = _block(wide, wider)
        self.up_second = _block(wide + wider, wide)
        self.up_first = _block(width + wide, width)
        self.last = nn.Conv2d(width, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)  # it starts as the kernel model

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 8, h, w) to (N, h, w); any h and w from 4 on."""
        means = inputs.new_tensor(MEANS)[:, None, None]
        first = self.first((inputs - means) / inputs.new_tensor(SPREADS)[:, None, None])
        second = self.second(functional.avg_pool2d(first, 2, ceil_mode=True))
        third = self.third(functional.avg_pool2d(second, 2, ceil_mode=True))
        second = self.up_second(torch.cat([second, _like(third, second)], 1))
        first = self.up_first(torch.cat([first, _like(second, first)], 1))
        factor = self.last(first)[:, 0].clamp(-3, 3).exp()
        share = inputs[:, SINGLE].clamp(0, 1)
        result: Tensor = (share + (1 - share) * factor).log()
        return result


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate"),
        nn.GELU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, padding_mode="replicate"),
        nn.GELU(),
    )


def _like(picture: Tensor, other: Tensor) -> Tensor:
    size: Any = other.shape[-2:]
    return functional.interpolate(picture, size=size, mode="bilinear", align_corners=False)


def correct(
    inputs: NDArray[np.float32], kernel: NDArray[np.float64], weights: str = NAME
) -> NDArray[np.float64]:
    """(h, w) scatter by the network.

    Args:
        inputs, kernel: of :func:`meddl.deepdrr.scatter.features`.
        weights: name or path.

    Raises:
        FileError: no such weights, or damaged ones.
    """
    network = _network(str(weights))
    with torch.inference_mode():
        factor = network(torch.from_numpy(inputs)[None])[0].exp().double().numpy()
    result: NDArray[np.float64] = kernel * factor
    return result


@lru_cache(maxsize=2)
def _network(weights: str) -> ScatterNet:
    from meddl.core.weights import find_weights, read_card

    network = ScatterNet(**read_card(find_weights(weights)).arguments)
    load_weights(network, weights)
    return network.eval()
