"""A volume as the projectors take it: one density and one material per voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import Matrix, inverse
from meddl.deepdrr.voxel_means import voxel_means


@dataclass(frozen=True, eq=False)
class DensityGrid:
    """One density and one material per voxel, 5 bytes each.

    Attributes:
        density: (K, J, I) float32 g/cm3 (or what else is to be integrated), contiguous along k
            (:mod:`meddl.deepdrr.columns`).
        label: (K, J, I) uint8, index into ``components``, in the same order; None: all is 0.
        components: which of the rendering's materials each label is.
        ijk_from_ras: 4x4.
    """

    density: NDArray[np.float32]
    label: NDArray[np.uint8] | None
    components: tuple[int, ...]
    ijk_from_ras: Matrix

    @property
    def labels(self) -> NDArray[np.uint8]:
        """``label``, or zeros that take no memory."""
        if self.label is not None:
            return self.label
        return np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), self.density.shape, (0, 0, 0))

    @cached_property
    def box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What :func:`meddl.deepdrr.projector.occupied_box` says of the density."""
        from meddl.deepdrr.projector import occupied_box

        return occupied_box(self.density)

    def component(self, index: int) -> NDArray[np.float32]:
        """(K, J, I) float32 density of the voxels with one label, 0 elsewhere."""
        if self.label is None:
            return self.density
        return np.where(self.label == index, self.density, np.float32(0))

    def stacked(self) -> NDArray[np.float32]:
        """(K, J, I, C) float32, see :func:`stack`."""
        return stack(self.density, self.labels, len(self.components))


def stack(
    density: NDArray[np.float32], label: NDArray[np.uint8], count: int
) -> NDArray[np.float32]:
    """(K, J, I, count) float32, C-contiguous: the density of each label in each voxel."""
    result = np.zeros((*density.shape, count), np.float32)
    # Along j, because the volumes are contiguous along k: slices along k took ten times as long.
    for j in range(density.shape[1]):
        values, which = np.ascontiguousarray(density[:, j]), np.ascontiguousarray(label[:, j])
        for number in range(count):
            np.copyto(result[:, j, :, number], values, where=which == number)
    return result


def volume_of(grids: Sequence[DensityGrid]) -> tuple[tuple[int, ...], NDArray[np.float32], Matrix]:
    """All volumes as one, on the voxels of the last, which has the lowest priority.

    What of the others lies beside the last volume is left out.

    Args:
        grids: volumes that do not overlap (:func:`meddl.deepdrr.layers.stack_layers`), or one whose
            materials are spread over several.

    Returns:
        the components, their (K, J, I, C) float32 densities, and ``ijk_from_ras``.
    """
    last = grids[-1]
    if len(grids) == 1:
        return last.components, last.stacked(), last.ijk_from_ras
    components = tuple(sorted({number for grid in grids for number in grid.components}))
    densities = np.zeros((*last.density.shape, len(components)), np.float32)
    for grid in grids:
        last_from_grid = last.ijk_from_ras @ inverse(grid.ijk_from_ras)
        same = grid.density.shape == last.density.shape
        same = same and np.allclose(last_from_grid, np.eye(4), atol=1e-6)
        for index, component in enumerate(grid.components):
            values, place = grid.component(index), densities[..., components.index(component)]
            if same:
                place += values
            else:
                part, means = voxel_means(values, last_from_grid, place.shape)
                place[part] += means
    return components, densities, last.ijk_from_ras
