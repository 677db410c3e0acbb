"""The guided filter of He, Sun and Tang (IEEE TPAMI 35:1397, 2013), by box filters.

In every window the result is a straight line of the guide, a g + b, fitted to the target by least
squares with the ridge ``eps`` on a; each pixel takes the mean line of the windows that hold it. So
the result has the guide's edges and the target's level. Windows end at the picture's rim. The fast
variant (He and Sun, arXiv:1505.00996, 2015) fits on a coarse grid and applies the lines, enlarged,
to the full guide.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

Array = NDArray[np.float32]


def box_sum(values: Array, radius: int) -> Array:
    """Sums over windows of 2 radius + 1 pixels, of (H, W[, C]) float32; nothing lies outside."""
    side = 2 * radius + 1
    sums = cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, np.float32).reshape(values.shape)


def guided_lines(
    guide: Array, target: Array, radius: int, eps: float, weight: Array | None = None
) -> tuple[Array, Array]:
    """The lines (a, b) of each pixel, so that the filtered target is a guide + b.

    Args:
        guide: (H, W) float32, 0..1.
        target: (H, W) float32.
        radius: of the window, pixels; the window has 2 radius + 1.
        eps: ridge on a, in squares of the guide's unit: edges of the guide far below sqrt(eps) are
            smoothed away.
        weight: (H, W) float32 >= 0 of each pixel in the fits; by default 1. Where a window has
            none, a = b = 0.

    Returns:
        Two (H, W) float32.

    Raises:
        InputError: shapes that differ, a radius below 0, or eps that is not positive.
    """
    guide, target = np.asarray(guide, np.float32), np.asarray(target, np.float32)
    w = np.ones_like(guide) if weight is None else np.asarray(weight, np.float32)
    if guide.ndim != 2 or not guide.size or not guide.shape == target.shape == w.shape:
        raise InputError(
            f"guide {guide.shape}, target {target.shape} and weight {w.shape}: one (H, W) needed"
        )
    if radius < 0 or not eps > 0:
        raise InputError(f"radius {radius} and eps {eps}: at least 0 and above 0 were expected")
    moments = np.stack([w, w * guide, w * target, w * guide * guide, w * guide * target], axis=-1)
    sums = box_sum(moments, radius)
    count = sums[..., 0]
    share: Array = np.divide(1, count, out=np.zeros_like(count), where=count > 1e-6)
    means = sums[..., 1:] * share[..., None]
    g, t, gg, gt = (means[..., n] for n in range(4))
    a = (gt - g * t) / (np.maximum(gg - g * g, 0) + np.float32(eps))
    lines: Array = np.stack([a, t - a * g], axis=-1) * w[..., None]
    mean = box_sum(lines, radius) * share[..., None]
    return mean[..., 0], mean[..., 1]


def guided_filter(
    guide: Array,
    target: Array,
    radius: int,
    eps: float,
    weight: Array | None = None,
    subsampling: int = 1,
) -> Array:
    """``target`` (H, W), smoothed along the edges of ``guide`` (H, W); float32.

    Args:
        subsampling: pixels per pixel of the grid on which the lines are fitted; 1 is the exact
            filter, more the fast one. The radius stays in pixels of the guide.

    Other arguments and errors as :func:`guided_lines`.
    """
    guide = np.asarray(guide, np.float32)
    if subsampling <= 1:
        a, b = guided_lines(guide, target, radius, eps, weight)
        return a * guide + b
    height, width = guide.shape
    size = (max(round(width / subsampling), 1), max(round(height / subsampling), 1))

    def coarse(array: Array) -> Array:
        small = cv2.resize(np.asarray(array, np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)

    a, b = guided_lines(
        coarse(guide),
        coarse(target),
        max(round(radius / subsampling), 1),
        eps,
        None if weight is None else coarse(weight),
    )
    fine = cv2.resize(np.stack([a, b], axis=-1), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[..., 0] * guide + fine[..., 1], np.float32)
