"""The grid along the patient's axes on which the material network works."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import Matrix, apply
from meddl.core.image import Image

SPACING = 2.0  # mm, of the voxels that the material network sees


def patient_grid(
    image: Image, spacing: float, multiple: int = 1, least: int = 1
) -> tuple[Matrix, tuple[int, int, int]]:
    """A grid along R, A and S around an image, the same however its voxels are stored.

    Args:
        spacing: mm between voxels.
        multiple: of which the numbers of voxels are.
        least: smallest number of voxels along an axis, a multiple of ``multiple``.

    Returns:
        ``ras_from_grid`` 4x4 and the shape (K, J, I).
    """
    corners = np.array(list(product(*[(-0.5, n - 0.5) for n in image.size])))
    reached = apply(image.ras_from_ijk, corners)
    extent = np.ptp(reached, axis=0) - 1e-3  # rounding must not add a voxel
    counts = np.ceil(extent / spacing / multiple).astype(int) * multiple
    counts = np.maximum(counts, least)
    ras_from_grid = np.diag([spacing, spacing, spacing, 1.0])
    ras_from_grid[:3, 3] = image.center - spacing * (counts - 1) / 2
    i, j, k = (int(n) for n in counts)
    return ras_from_grid, (k, j, i)


def sample(
    array: NDArray[Any],
    array_from_grid: Matrix,
    shape: tuple[int, int, int],
    order: int = 1,
    extend: bool = False,
) -> NDArray[Any]:
    """Look an array up on another grid.

    Args:
        array: (K, J, I).
        array_from_grid: 4x4, index (i, j, k) of the array from index of the grid.
        order: 1 linear, 0 nearest neighbour.
        extend: whether the outermost voxels go on beyond the array; it is 0 there otherwise.
    """
    from scipy.ndimage import affine_transform

    matrix = array_from_grid[::-1, ::-1]  # in (1, k, j, i)
    result: NDArray[Any] = affine_transform(
        array,
        matrix[1:, 1:],
        matrix[1:, 0],
        output_shape=shape,
        order=order,
        mode="nearest" if extend else "grid-constant",
    )
    return result
