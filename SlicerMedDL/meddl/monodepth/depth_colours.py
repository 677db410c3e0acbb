"""Depth as colours, for eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Turbo (Mikhailov, 2019, Apache-2.0) at 9 points: near is warm, far is cold.
_TURBO = np.array(
    [
        (48, 18, 59),
        (70, 107, 227),
        (40, 188, 235),
        (50, 242, 152),
        (164, 252, 60),
        (238, 207, 58),
        (251, 126, 33),
        (208, 47, 5),
        (122, 4, 3),
    ],
    dtype=np.float64,
)


def coloured(depth: NDArray[np.floating], nearest: float, farthest: float) -> NDArray[np.uint8]:
    """(H, W) depth -> (H, W, 3) uint8; black where it is 0 or not finite.

    Args:
        nearest, farthest: the ends of the colour scale, in the depth's unit.
    """
    depth = np.asarray(depth, dtype=np.float64)
    known = np.isfinite(depth) & (depth > 0)
    share = (farthest - np.where(known, depth, farthest)) / max(farthest - nearest, 1e-9)
    position = np.clip(share, 0, 1) * (len(_TURBO) - 1)
    grid = np.arange(len(_TURBO))
    colours = np.stack([np.interp(position, grid, channel) for channel in _TURBO.T], axis=-1)
    return np.where(known[..., None], colours + 0.5, 0).astype(np.uint8)
