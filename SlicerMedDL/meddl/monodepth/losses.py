"""The loss: structural dissimilarity and mean squared error, over the pixels with a true depth."""

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

    Args:
        first, second: (B, 1, h, w), both sides at least 11.
        data_range: the span of possible values.

    Returns:
        (B, 1, h - 10, w - 10), at most 1.
    """
    moments = torch.cat([first, second, first**2, second**2, first * second], dim=1)
    mean1, mean2, square1, square2, product = _blurred(moments).split(1, dim=1)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    variances = square1 - mean1**2 + square2 - mean2**2
    covariance = product - mean1 * mean2
    numerator = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return numerator / ((mean1**2 + mean2**2 + c1) * (variances + c2))


def depth_loss(
    prediction: Tensor,
    truth: Tensor,
    ssim_weight: float,
    mse_weight: float,
    data_range: float,
) -> dict[str, Tensor]:
    """``ssim_weight`` mean((1 - SSIM) / 2) + ``mse_weight`` mean((prediction - truth)^2).

    A pixel without a truth takes part in neither: for SSIM it has the prediction's value in both
    pictures and no gradient, and the windows centred on such pixels do not count.

    Args:
        prediction: (B, 1, h, w), m.
        truth: (B, 1, h, w), m, 0 where unknown.
        data_range: of the depths, m.

    Returns:
        ``loss``, ``dissimilarity`` (0..1) and ``mse`` (m^2), scalars; 0 if no pixel counts.
    """
    valid = truth > 0
    count = valid.sum().clamp(min=1)
    mse = torch.where(valid, prediction - truth, 0.0).square().sum() / count
    constant = prediction.detach()
    first = torch.where(valid, prediction, constant)
    second = torch.where(valid, truth, constant)
    edge = WINDOW // 2
    centres = valid[..., edge:-edge, edge:-edge]
    dissimilarity = (1 - ssim_map(first, second, data_range)) / 2
    total = torch.where(centres, dissimilarity, 0.0).sum() / centres.sum().clamp(min=1)
    loss = ssim_weight * total + mse_weight * mse
    return {"loss": loss, "dissimilarity": total, "mse": mse}
