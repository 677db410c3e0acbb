"""Fewer, larger voxels, for volumes that exceed the memory of a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.deepdrr.columns import empty_columns
from meddl.deepdrr.density_grid import DensityGrid


def coarsen_grid(grid: DensityGrid, factor: int) -> list[DensityGrid]:
    """Averages of factor x factor x factor voxels, a grid per material: large voxels are mixtures.

    A factor of 1 returns the grid itself.
    """
    if factor == 1:
        return [grid]
    ijk_from_ras = coarse_geometry(grid.ijk_from_ras, factor)
    return [
        DensityGrid(coarsen(grid.component(number), factor), None, (material,), ijk_from_ras)
        for number, material in enumerate(grid.components)
    ]


def coarsen(volume: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of factor x factor x factor voxels.

    Where the size is no multiple of ``factor`` the last block is filled up with zeros, so that the
    mass of a density volume stays.

    Args:
        volume: (K, J, I).
        factor: at least 1.

    Returns:
        (ceil(K / factor), ceil(J / factor), ceil(I / factor)) float32.
    """
    slices, rows, columns = volume.shape
    result = empty_columns(tuple(-(-n // factor) for n in volume.shape), np.float32)
    result[...] = 0
    across = [np.arange(0, n, factor) for n in (rows, columns)]
    for k in range(slices):
        sums = np.add.reduceat(np.add.reduceat(volume[k], across[0], axis=0), across[1], axis=1)
        result[k // factor] += sums / np.float32(factor**3)
    return result


def coarse_geometry(ijk_from_world: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """``ijk_from_world`` of the voxels of :func:`coarsen`."""
    coarse_from_fine = np.diag([1 / factor] * 3 + [1.0])
    coarse_from_fine[:3, 3] = 0.5 / factor - 0.5  # the first block's centre is its middle voxel
    return coarse_from_fine @ ijk_from_world
