"""Fewer, larger voxels, for volumes that exceed the memory of a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.deepdrr.layers import DensityGrid


def coarsen_grid(grid: DensityGrid, factor: int) -> DensityGrid:
    """A grid with averages of factor x factor x factor voxels; 1 returns the grid itself."""
    from meddl.deepdrr.projector import occupied_box

    if factor == 1:
        return grid
    values, ijk_from_ras = coarsen(grid.values, grid.ijk_from_ras, factor)
    return DensityGrid(values, grid.components, ijk_from_ras, occupied_box(values))


def coarsen(
    volume: NDArray[np.float32], ijk_from_world: NDArray[np.float64], factor: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average blocks of factor x factor x factor voxels.

    Where the size is no multiple of ``factor`` the last block is filled up with zeros, so that the
    mass of a density volume stays.

    Args:
        volume: (K, J, I, M).
        ijk_from_world: 4x4 of the volume.
        factor: at least 1.

    Returns:
        (ceil(K / factor), ceil(J / factor), ceil(I / factor), M) and its 4x4 ``ijk_from_world``.
    """
    slices, rows, columns, components = volume.shape
    size = [-(-n // factor) for n in (slices, rows, columns)]
    result = np.zeros((*size, components), np.float32)
    across = [np.arange(0, n, factor) for n in (rows, columns)]
    for k in range(slices):
        sums = np.add.reduceat(np.add.reduceat(volume[k], across[0], axis=0), across[1], axis=1)
        result[k // factor] += sums / np.float32(factor**3)
    coarse_from_fine = np.diag([1 / factor] * 3 + [1.0])
    coarse_from_fine[:3, 3] = 0.5 / factor - 0.5  # the first block's centre is its middle voxel
    return result, coarse_from_fine @ ijk_from_world
