"""The loss: structural dissimilarity and mean squared error, over the pixels with a true depth."""

from __future__ import annotations

import torch
from torch import Tensor

from meddl.core.ssim import WINDOW, ssim_map


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
