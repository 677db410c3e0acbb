"""What the voxels of one grid hold of a volume on another one."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import Matrix, apply, inverse

SUBPOINTS = 3  # per axis of a voxel


def voxel_means(
    values: NDArray[Any], target_from_values: Matrix, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """Mean of a volume over each voxel of another grid, 0 beside the volume.

    The mean of 27 points, each of the nearest voxel: exact where the grids are aligned and one
    spacing is a third or a multiple of a third of the other, otherwise right on the average.

    Args:
        values: (K, J, I).
        target_from_values: 4x4, between the grids' ijk.
        shape: (K', J', I') of the other grid.

    Returns:
        the part of the other grid that may reach the volume, and the means there.
    """
    from scipy.ndimage import affine_transform

    corners = np.array(list(product(*[(-0.5, n - 0.5) for n in values.shape[::-1]])))
    reached = apply(target_from_values, corners)[:, ::-1]  # k, j, i
    low = np.clip(np.floor(reached.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.ceil(reached.max(axis=0)) + 1, 0, shape).astype(int)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    size = np.maximum(high - low, 0)
    means = np.zeros(size, np.float32)
    if not means.size:
        return part, means
    matrix = inverse(target_from_values)[::-1, ::-1]  # values from target, in (1, k, j, i)
    linear, offset = matrix[1:, 1:], matrix[1:, 0]
    points = (np.arange(SUBPOINTS) + 0.5) / SUBPOINTS - 0.5
    for shift in product(points, repeat=3):
        start = offset + linear @ (low + np.array(shift))
        means += affine_transform(
            values, linear, start, output_shape=tuple(size), order=0, mode="grid-constant"
        )
    means /= np.float32(SUBPOINTS**3)
    return part, means
