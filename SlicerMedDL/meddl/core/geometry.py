"""Rigid and affine geometry with named frames.

A transform is a 4x4 float64 matrix named ``target_from_source``; it acts on column vectors, so
that ``world_from_ijk = world_from_camera @ camera_from_ijk`` reads like a sentence. Frames:

- ``ras``: patient coordinates in mm; right, anterior, superior are positive (Slicer's world).
- ``lps``: the same with the first two axes negated (DICOM, ITK).
- ``ijk``: voxel indices, i fastest; integer coordinates are voxel centres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError

Matrix = NDArray[np.float64]

RAS_FROM_LPS: Matrix = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine(matrix: ArrayLike, name: str = "transform") -> Matrix:
    """Check and copy a 4x4 invertible affine matrix.

    Raises:
        GeometryError: wrong shape, not finite, last row not (0, 0, 0, 1), or singular.
    """
    try:
        result = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"{name} is no matrix of numbers: {error}") from error
    if result.shape != (4, 4):
        raise GeometryError(f"{name} has shape {result.shape}, a 4x4 matrix was expected")
    if not np.isfinite(result).all():
        raise GeometryError(f"{name} contains NaN or infinity")
    if not np.allclose(result[3], [0, 0, 0, 1], atol=1e-9):
        raise GeometryError(f"{name} has last row {result[3].tolist()}, expected [0, 0, 0, 1]")
    lengths = np.linalg.norm(result[:3, :3], axis=0)
    if not lengths.all():
        axis = int(np.argmin(lengths))
        raise GeometryError(f"{name} has zero spacing along {'ijk'[axis]}; it must be positive")
    if abs(np.linalg.det(result[:3, :3] / lengths)) < 1e-6:
        raise GeometryError(f"{name} is singular: its axes lie in one plane")
    return result


def apply(target_from_source: NDArray[np.floating[Any]], points: ArrayLike) -> Matrix:
    """Map points (..., 3) through a 4x4 affine matrix; returns float64 (..., 3)."""
    points = np.asarray(points, dtype=np.float64)
    return points @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def inverse(target_from_source: Matrix) -> Matrix:
    """``source_from_target`` of an invertible 4x4 matrix."""
    return np.asarray(np.linalg.inv(target_from_source), dtype=np.float64)


def compose(
    spacing: ArrayLike = (1.0, 1.0, 1.0),
    origin: ArrayLike = (0.0, 0.0, 0.0),
    direction: ArrayLike | None = None,
) -> Matrix:
    """``world_from_ijk`` of spacing (i, j, k; mm), origin (mm) and direction (3x3, columns = axes).

    Raises:
        GeometryError: a spacing that is not positive and finite, or a singular direction.
    """
    spacing = np.asarray(spacing, dtype=np.float64)
    if spacing.shape != (3,) or not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise GeometryError(f"spacing {spacing.tolist()} mm: three positive numbers were expected")
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) if direction is None else np.asarray(direction)) * spacing
    matrix[:3, 3] = origin
    return affine(matrix, "image geometry")


def corners_of_box(target_from_box: Matrix, size: ArrayLike) -> Matrix:
    """The corners (8, 3) of a box of ``size`` (3,) about its origin, in the target frame."""
    ends = np.array([[i, j, k] for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)]) / 2
    return apply(target_from_box, ends * np.asarray(size))


def rotation(axis: ArrayLike, degrees: float) -> Matrix:
    """4x4 rotation about ``axis`` (3,) by ``degrees``, right-handed (Rodrigues' formula).

    Raises:
        GeometryError: an axis that is zero or not finite.
    """
    vector = np.asarray(axis, dtype=np.float64)
    length = np.linalg.norm(vector)
    if not (np.isfinite(length) and length > 0):
        raise GeometryError(f"rotation axis {vector.tolist()}: a direction was expected")
    x, y, z = vector / length
    angle = np.deg2rad(degrees)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return matrix


def orientation_code(ras_from_ijk: Matrix) -> str:
    """Three letters: the patient direction towards which i, j and k grow, for example ``"LPS"``."""
    letters = ("RL", "AP", "SI")
    code = ""
    axes = ras_from_ijk[:3, :3] / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    free = [0, 1, 2]
    for column in axes.T:
        row = max(free, key=lambda r: abs(column[r]))
        free.remove(row)
        code += letters[row][int(column[row] < 0)]
    return code


def is_orthogonal(ras_from_ijk: Matrix, tolerance: float = 1e-3) -> bool:
    """Whether the voxel axes are perpendicular (no shear) to within ``tolerance`` (cosine)."""
    axes = ras_from_ijk[:3, :3] / np.linalg.norm(ras_from_ijk[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() < tolerance)
