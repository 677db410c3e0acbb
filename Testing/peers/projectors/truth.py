"""Exact line integrals under the three ways of reading voxels between their centres."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.deepdrr import Camera
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.projector import line_integrals

from .volumes import Volume

MODELS = {
    "trilinear": "trilinear, the outermost half voxel as its centre (the truth of all errors)",
    "centres": "trilinear, ending at the centres of the outermost voxels",
    "constant": "constant within a voxel (Siddon 1985)",
}


def integrate(volume: Volume, view: dict[str, Any], model: str) -> NDArray[np.float32]:
    """(H, W) of the view, value x mm.

    ``trilinear`` and ``centres`` come from the library's exact projector, which its tests compare
    with dense sampling; ``constant`` from :func:`siddon`.
    """
    camera = Camera.from_dict(view["camera"])
    if model == "constant":
        names = ("source", "first", "per_column", "per_row")
        source, first, column, row = (np.array(view[name]) / volume.spacing for name in names)
        lengths = np.array(volume.spacing)
        out = np.zeros(camera.size[::-1], np.float32)
        siddon(volume.values, source, first - source, column, row, lengths, out)
        return out
    outer = 0.5 if model == "trilinear" else 0.0
    box = np.zeros(3) - outer, volume.size - 1 + outer
    per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    ijk_from_mm = np.diag([*(1 / np.array(volume.spacing)), 1])
    grid = DensityGrid(volume.values, None, (0,), ijk_from_mm)
    return line_integrals(grid, camera.source, per_pixel, camera.size, box)[..., 0]


@numba.njit(cache=True)
def siddon(volume, source, first, column, row, spacing, out):  # type: ignore[no-untyped-def]
    """Sum value x length in voxel, from face to face (Siddon 1985, Med Phys 12:252).

    All vectors in voxels, the faces of voxel n at n - 0.5 and n + 0.5.
    """
    size = np.array([volume.shape[2], volume.shape[1], volume.shape[0]])
    at = np.empty(3, np.int64)
    for v in range(out.shape[0]):
        for u in range(out.shape[1]):
            direction = first + u * column + v * row
            t0, t1 = 0.0, np.inf
            for axis in range(3):
                if direction[axis] == 0.0:
                    if not -0.5 < source[axis] < size[axis] - 0.5:
                        t1 = -1.0
                    continue
                a = (-0.5 - source[axis]) / direction[axis]
                b = (size[axis] - 0.5 - source[axis]) / direction[axis]
                t0, t1 = max(t0, min(a, b)), min(t1, max(a, b))
            length = math.sqrt(np.sum((direction * spacing) ** 2))
            total, t = 0.0, t0
            while t < t1 - 1e-12:
                # The next face beyond t, found from a point a little further on.
                following = t1
                for axis in range(3):
                    if direction[axis] == 0.0:
                        continue
                    cell = math.floor(source[axis] + (t + 1e-10) * direction[axis] + 0.5)
                    face = cell + 0.5 if direction[axis] > 0 else cell - 0.5
                    crossing = (face - source[axis]) / direction[axis]
                    if t < crossing < following:
                        following = crossing
                middle = 0.5 * (t + following)
                inside = True
                for axis in range(3):
                    at[axis] = math.floor(source[axis] + middle * direction[axis] + 0.5)
                    inside = inside and 0 <= at[axis] < size[axis]
                if inside:
                    total += (following - t) * volume[at[2], at[1], at[0]]
                t = following
            out[v, u] = total * length
