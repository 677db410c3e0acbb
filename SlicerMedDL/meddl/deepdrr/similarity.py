"""Gradient correlation of two pictures, over several scales, in torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

FLOOR = 1e-12  # keeps the correlation of a flat picture, which is 0, differentiable


def gradient_correlation(first: Tensor, second: Tensor, scales: int = 2) -> Tensor:
    """Normalised cross correlation of the gradients (Penney et al. 1998, IEEE TMI 17:586).

    Mean over the pictures themselves and over ``scales - 1`` halvings of the mean of the
    correlations of horizontal and vertical central differences. Unchanged by any gain and offset of
    either picture.

    Args:
        first, second: (..., H, W), broadcast, at least 3 pixels a side after the halvings.

    Returns:
        (...) in -1..1; 1 for pictures that agree up to gain (positive) and offset.
    """
    pair = torch.stack(torch.broadcast_tensors(first, second))
    total = first.new_zeros(())
    for scale in range(scales):
        if scale:
            pair = avg_pool2d(pair.flatten(0, -3)[None], 2)[0].unflatten(0, pair.shape[:-2])
        horizontal = pair[..., 1:-1, 2:] - pair[..., 1:-1, :-2]
        vertical = pair[..., 2:, 1:-1] - pair[..., :-2, 1:-1]
        for a, b in (horizontal.flatten(-2), vertical.flatten(-2)):
            a, b = (x - x.mean(-1, keepdim=True) for x in (a, b))
            dot = torch.linalg.vecdot
            total = total + dot(a, b) / (dot(a, a) * dot(b, b) + FLOOR).sqrt()
    return total / (2 * scales)
