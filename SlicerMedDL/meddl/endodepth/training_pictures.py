"""The picture grid of a training run: frame, depth, sparse flow and dense flow of some pairs."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float32]


def jet(values: NDArray[np.floating]) -> Colours:
    """(h, w) in 0..1 to (h, w, 3) in 0..1: blue over green to red, as the colour map JET."""
    centres = np.array([3, 2, 1], dtype=np.float32)
    return np.clip(1.5 - np.abs(4 * values[..., np.newaxis] - centres), 0, 1).astype(np.float32)


_WHEEL = np.array([colorsys.hsv_to_rgb(n / 360, 1, 1) for n in range(361)], np.float32)


def flow_colours(flow: NDArray[np.floating], largest: float) -> Colours:
    """Flow (2, h, w) to (h, w, 3) in 0..1: the hue is its direction, the value its length.

    Args:
        largest: length of full value.
    """
    angle = np.degrees(np.arctan2(flow[1], flow[0])) % 360
    length = np.clip(np.hypot(*flow) / max(largest, 1e-12), 0, 1)
    return (_WHEEL[angle.astype(np.int64)] * length[..., np.newaxis]).astype(np.float32)


def picture_grid(
    colour: NDArray[np.floating],
    depth: NDArray[np.floating],
    sparse_flow: NDArray[np.floating],
    dense_flow: NDArray[np.floating],
    mask: NDArray[np.floating],
) -> Colours:
    """One row per picture: frame, depth in JET, sparse flow (dots of 3 x 3 pixels), dense flow.

    Args:
        colour: (N, 3, h, w), -1..1.
        depth: (N, 1, h, w); blue is the nearest inside the mask, red the farthest.
        sparse_flow, dense_flow: (N, 2, h, w), in one colour scale per picture.
        mask: (N, 1, h, w).

    Returns:
        (N h, 4 w, 3) float32, 0..1.
    """
    from scipy.ndimage import maximum_filter

    rows = []
    for picture, distance, sparse, dense, inside in zip(
        colour, depth, sparse_flow, dense_flow, mask, strict=True
    ):
        field = inside[0] > 0
        largest = np.percentile(np.hypot(*dense)[field], 99)
        near, far = np.percentile(distance[0][field], (1, 99))
        dots = maximum_filter(flow_colours(sparse, largest), (3, 3, 1))
        seen = inside[0][..., np.newaxis]
        rows.append(
            np.concatenate(
                [
                    (picture.transpose(1, 2, 0) + 1) / 2 * seen,
                    jet((distance[0] - near) / max(far - near, 1e-12)) * seen,
                    dots,
                    flow_colours(dense, largest) * seen,
                ],
                1,
            )
        )
    return np.clip(np.concatenate(rows), 0, 1).astype(np.float32)
