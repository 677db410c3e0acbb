"""Which voxels a brush stroke marks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.geometry import apply
from meddl.core.image import Image


def stroke_voxels(
    image: Image, points: ArrayLike, radius: float, normal: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Voxels whose centres lie within ``radius`` of a stroke, and those that hold its points.

    Args:
        image: the image that is marked; gives shape and ``ras_from_ijk``.
        points: (N, 3) RAS, mm: the way of the mouse, joined by straight lines.
        radius: mm; 0 marks the voxels under the points alone.
        normal: (3,) RAS direction of the slice view: only voxels that its plane cuts are marked,
            those that the view shows. None for a brush that is a ball.

    Returns:
        (M, 3) i, j, k of the marked voxels within the image, each once, in ascending k, j, i.
    """
    way = np.atleast_2d(np.asarray(points, dtype=np.float64))
    size = np.array(image.array.shape[2::-1])
    axis = np.asarray(normal, np.float64) if normal is not None else None
    found = [np.round(apply(image.ijk_from_ras, way)).astype(np.int64)]
    for start, end in zip(way, way[1:] if len(way) > 1 else way, strict=False):
        found.append(_near_segment(image, start, end, radius, axis, size))
    marked = np.concatenate(found)
    marked = marked[((marked >= 0) & (marked < size)).all(axis=1)]
    flat = np.unique(np.ravel_multi_index(tuple(marked[:, ::-1].T), tuple(size[::-1])))
    return np.stack(np.unravel_index(flat, tuple(size[::-1])), axis=1)[:, ::-1]


def _near_segment(
    image: Image,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: float,
    normal: NDArray[np.float64] | None,
    size: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Voxels (M, 3) near the line from ``start`` to ``end``, RAS."""
    # A voxel's index differs by at most radius x |row of ijk_from_ras| within the radius.
    reach = radius * np.linalg.norm(image.ijk_from_ras[:3, :3], axis=1) + 1
    ends = apply(image.ijk_from_ras, np.stack([start, end]))
    low = np.maximum(np.floor(ends.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=0) + reach) + 1, size).astype(int)
    if (low >= high).any():
        return np.zeros((0, 3), np.int64)
    grid = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), -1
    ).reshape(-1, 3)
    offset = apply(image.ras_from_ijk, grid) - start
    line = end - start
    length = float(line @ line)
    along = np.clip(offset @ line / length, 0, 1) if length > 0 else np.zeros(len(grid))
    distance = offset - along[:, None] * line
    near = np.ones(len(grid), bool)
    if normal is not None:
        unit = normal / np.linalg.norm(normal)
        height = distance @ unit
        # Half of what a voxel measures along the normal: the plane cuts exactly these voxels.
        half = 0.5 * np.abs(unit @ image.ras_from_ijk[:3, :3]).sum()
        near &= (height > -half * (1 + 1e-9)) & (height <= half * (1 - 1e-9))
        distance = distance - height[:, None] * unit
    near &= (distance * distance).sum(axis=1) <= radius * radius
    return grid[near]
