"""Signed distance fields on a regular grid: the surfaces that are rendered.

Values are in mm, positive in free space and negative inside tissue; between the nodes they are
trilinear, and the surface is the zero of that interpolant. World axes are the grid's axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.core.mesh import Mesh
from meddl.core.optional import require

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DistanceField:
    """A signed distance field.

    Attributes:
        values: (K, J, I) float32, mm, positive in free space.
        spacing: mm between nodes, the same along all axes.
        origin: (3,) world position (x, y, z) of node (0, 0, 0), mm; x runs along i.

    Raises:
        InputError: another shape, a value that is not finite, a spacing that is not positive, or
            no surface (all values of one sign).
    """

    values: Grid
    spacing: float
    origin: Floats

    def __post_init__(self) -> None:
        values = np.require(self.values, np.float32, ["C", "W"])  # marching cubes wants it writable
        origin = np.array(self.origin, dtype=np.float64)
        if values.ndim != 3 or min(values.shape) < 2:
            raise InputError(f"a distance field has (K, J, I) nodes, got shape {values.shape}")
        if not (np.isfinite(self.spacing) and self.spacing > 0):
            raise InputError(f"the spacing is {self.spacing} mm, a positive number was expected")
        if origin.shape != (3,) or not np.isfinite(origin).all():
            raise InputError(f"the origin is {origin.tolist()}, three finite mm were expected")
        if not np.isfinite(values).all():
            raise InputError("the distance field has values that are NaN or infinite")
        if values.min() > 0 or values.max() <= 0:
            raise InputError(
                f"the distances lie between {values.min():g} and {values.max():g} mm: there is no "
                "surface, both signs were expected"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "spacing", float(self.spacing))

    @cached_property
    def slope(self) -> float:
        """The largest gradient of the trilinear interpolant, at least 1; it bounds a safe step.

        The squared gradient is convex along each axis of a cell, so that it is largest at a node.
        """
        squared = np.zeros(self.values.shape, np.float32)
        for axis in range(3):
            step = np.abs(np.diff(self.values, axis=axis)) / np.float32(self.spacing)
            first, last = np.take(step, [0], axis), np.take(step, [-1], axis)
            ahead = np.concatenate([step, last], axis)
            squared += np.maximum(ahead, np.concatenate([first, step], axis)) ** 2
        return max(float(np.sqrt(squared.max())), 1.0)

    @property
    def extent(self) -> Floats:
        """(2, 3) world positions of the first and the last node, mm."""
        size = np.array(self.values.shape[::-1]) - 1
        return np.stack([self.origin, self.origin + size * self.spacing])


def node_positions(shape: tuple[int, int, int], spacing: float, origin: ArrayLike) -> list[Grid]:
    """World x, y, z of the nodes of a (K, J, I) grid as three arrays that broadcast, mm."""
    x0, y0, z0 = np.asarray(origin, dtype=np.float64)
    k, j, i = shape
    return [
        (x0 + spacing * np.arange(i)).astype(np.float32)[None, None, :],
        (y0 + spacing * np.arange(j)).astype(np.float32)[None, :, None],
        (z0 + spacing * np.arange(k)).astype(np.float32)[:, None, None],
    ]


def distances(values: NDArray[np.floating], spacing: float) -> Grid:
    """Signed distances (mm) to the zero of any field that is positive in free space.

    Within a node or two of the surface f / |grad f| (first order), farther away the Euclidean
    distance transform of the sign, blended between, so that the surface has no steps.
    """
    from scipy import ndimage

    values = np.asarray(values, dtype=np.float32)
    free = values > 0
    far = ndimage.distance_transform_edt(free).astype(np.float32)
    far -= ndimage.distance_transform_edt(~free).astype(np.float32)
    far -= 0.5 * np.sign(far)  # the surface lies between the nodes
    slope = np.sqrt(sum(g**2 for g in np.gradient(values)))
    near = np.clip(values / np.maximum(slope, 1e-6), -2.5, 2.5)
    weight = np.clip(2.5 - np.abs(far), 0, 1)
    # Sharp folds leave teeth of a node's size; a blur of 0.7 nodes takes them away.
    blended = ndimage.gaussian_filter(weight * near + (1 - weight) * far, 0.7)
    return np.asarray(blended * np.float32(spacing), np.float32)


def sample(field: DistanceField, points: ArrayLike) -> Floats:
    """Distances (...) at world points (..., 3), mm; outside of the grid the nearest border's."""
    from scipy import ndimage

    ijk = (np.asarray(points, dtype=np.float64) - field.origin) / field.spacing
    flat = ijk.reshape(-1, 3)[:, ::-1].T
    values = ndimage.map_coordinates(field.values, flat, np.float64, order=1, mode="nearest")
    return np.asarray(values.reshape(ijk.shape[:-1]))


def gradient(field: DistanceField, points: ArrayLike) -> Floats:
    """Central differences (..., 3) over one node to either side; points into free space."""
    points = np.asarray(points, dtype=np.float64)
    steps = field.spacing * np.eye(3)
    parts = [sample(field, points + step) - sample(field, points - step) for step in steps]
    return np.stack(parts, axis=-1) / (2 * field.spacing)


def surface(field: DistanceField) -> Mesh:
    """The zero of the field as triangles (marching cubes), normals into free space.

    Raises:
        DependencyError: scikit-image is not installed.
    """
    measure = require("skimage.measure", "the surface of a scene")
    vertices, faces, _, _ = measure.marching_cubes(
        field.values, 0.0, gradient_direction="ascent", allow_degenerate=False
    )
    return Mesh(vertices[:, ::-1] * field.spacing + field.origin, faces)
