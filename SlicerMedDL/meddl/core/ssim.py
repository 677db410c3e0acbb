"""Structural similarity in torch, as a loss; of numpy arrays: :mod:`meddl.core.metrics`."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


@lru_cache(maxsize=8)
def _gaussian(device: torch.device, dtype: torch.dtype) -> Tensor:
    x = torch.arange(WINDOW, device=device, dtype=dtype) - WINDOW // 2
    weights = torch.exp(-(x**2) / (2 * SIGMA**2))
    return weights / weights.sum()


def _blurred(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, h - 10, w - 10): only windows inside the picture."""
    channels = x.shape[1]
    window = _gaussian(x.device, x.dtype)
    x = functional.conv2d(x, window.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return functional.conv2d(x, window.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)


def ssim_map(first: Tensor, second: Tensor, data_range: float) -> Tensor:
    """Structural similarity of every window (Wang et al., IEEE TIP 13(4), 2004).

    In single precision at least, also where autocast would take half.

    Args:
        first, second: (B, C, h, w), both sides at least 11.
        data_range: the span of possible values.

    Returns:
        (B, C, h - 10, w - 10), at most 1.
    """
    # A variance is a difference of two nearly equal numbers: half precision leaves noise of it.
    with torch.autocast(first.device.type, enabled=False):
        first, second = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (first, second))
        moments = torch.cat([first, second, first**2, second**2, first * second], dim=1)
        mean1, mean2, square1, square2, product = _blurred(moments).chunk(5, dim=1)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    variances = square1 - mean1**2 + square2 - mean2**2
    covariance = product - mean1 * mean2
    numerator = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return numerator / ((mean1**2 + mean2**2 + c1) * (variances + c2))
