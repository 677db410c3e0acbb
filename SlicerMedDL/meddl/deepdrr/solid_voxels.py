"""Bodies of meshes as shares of voxels, for what works on voxels: the scatter.

Lines along the voxels' i axis are cut with the triangles: exact along i, many lines a voxel across.
The lines become the rays of :mod:`meddl.deepdrr.ray_mesh` by a projective map, which takes planes
to planes and parallel lines to lines through one point: (i, j, k) to (j, k, 1) / (I - i), for an I
beyond all bodies. So the same decisions hold at edges and vertices, and about bodies that overlap.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.geometry import Matrix, apply
from meddl.core.progress import CancelToken, no_progress
from meddl.deepdrr.projector import run_blocks
from meddl.deepdrr.ray_mesh import closed, crossings, sort_crossings

if TYPE_CHECKING:
    from meddl.core.mesh import Mesh
    from meddl.deepdrr.solids import Solid

logger = logging.getLogger(__name__)

LINES = 1_000_000  # at most, through the box of all bodies, but for the least
ACROSS = 4, 32  # lines across a voxel along j and k, least and most

_jit = numba.njit(nogil=True, cache=True)


@_jit
def _fill(corners, bounds, bodies, rays, layer, across, beyond, shares):  # type: ignore[no-untyped-def]
    """Add to shares (J, I, B) what the lines of one layer of voxels (k) have of each body.

    corners: (F, 3, 3) after the projective map; bounds: (F, 4) first and end line along j and k;
    bodies: (F,) 1, 2, ...; rays: 3x3, from (line along j, line along k, 1); across: lines a voxel;
    beyond: the I of the map. Returns how many lines could not be traced.
    """
    first, width = layer * across, shares.shape[0] * across
    last, weight, failed = shares.shape[1] - 0.5, 1.0 / across**2, 0
    fill, distances, owners = crossings(corners, bounds, bodies, rays, first, across, width)
    outside = np.zeros(shares.shape[2], np.int64)
    inside = np.empty_like(outside)
    for line in range(across * width):
        some = slice(fill[line], fill[line + 1])
        if some.start == some.stop:
            continue
        column, row = line % width, first + line // width
        distance, body, found = closed(
            distances[some], owners[some], outside, corners, bodies, rays, column, row
        )
        if not found:
            failed += 1
            continue
        sort_crossings(distance, body)
        inside[:] = 0
        for n in range(len(distance) - 1):
            inside[abs(body[n]) - 1] += 1 if body[n] > 0 else -1
            owner = inside.size - 1
            while owner >= 0 and inside[owner] == 0:
                owner -= 1
            begin = max(beyond - 1.0 / distance[n], -0.5)
            end = min(beyond - 1.0 / distance[n + 1], last)
            i = math.floor(begin + 0.5)
            while owner >= 0 and begin < end:
                stop = min(end, i + 0.5)
                shares[column // across, i, owner] += weight * (stop - begin)
                begin, i = stop, i + 1
    return failed


def solid_shares(
    meshes: Sequence[Mesh],
    ijk_from_ras: Matrix,
    shape: tuple[int, ...],
    cancel: CancelToken | None = None,
) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """Which share of each voxel each body fills; where bodies overlap, a later one has the place.

    Args:
        meshes: B closed meshes, RAS mm.
        shape: (K, J, I) of the grid.

    Returns:
        the part (K', J', I') of the grid that may hold some of a body, and (K', J', I', B) float32.

    Raises:
        Cancelled: between layers of voxels.
    """
    seen = [apply(ijk_from_ras, mesh.vertices)[mesh.faces] for mesh in meshes]
    corners = np.concatenate(seen)
    low, high = voxel_bounds(corners)
    low = np.clip(low, 0, shape[::-1])
    size = np.clip(high, low, shape[::-1]) - low
    part = tuple(slice(a, a + n) for a, n in zip(low[::-1], size[::-1], strict=True))
    shares = np.zeros((*size[::-1], len(meshes)), np.float32)
    if not shares.size:
        return part, shares
    corners = corners - low
    across = int(np.clip(math.sqrt(LINES / (size[1] * size[2])), *ACROSS))
    step, start = 1.0 / across, 0.5 / across - 0.5
    rays = np.array([[step, 0.0, start], [0.0, step, start], [0.0, 0.0, 1.0]])
    lines = (corners[..., 1:] - start) / step
    bounds = np.concatenate(
        [np.ceil(lines.min(axis=1) - 1e-6), np.floor(lines.max(axis=1) + 1e-6) + 1], axis=1
    )
    bounds = np.clip(bounds, 0, np.tile(size[1:] * across, 2)).astype(np.int64)
    beyond = float(corners[..., 0].max()) + 1.0
    scale = 1.0 / (beyond - corners[..., 0])
    mapped = np.stack([corners[..., 1] * scale, corners[..., 2] * scale, scale], axis=-1)
    # The map may turn entries into exits, of all bodies alike: only their balance counts.
    bodies = np.repeat(np.arange(1, len(meshes) + 1, dtype=np.int32), [len(s) for s in seen])
    lost: list[int] = []

    def layer(k: int) -> None:
        found = np.zeros(shares.shape[1:])
        lost.append(_fill(mapped, bounds, bodies, rays, k, across, beyond, found))
        shares[k] = found

    run_blocks(layer, range(len(shares)), no_progress, cancel)
    if any(lost):
        logger.warning("%d lines could not be traced through the meshes", sum(lost))
    return part, shares


def voxel_bounds(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(3,), (3,) first and end voxel (i, j, k) that points (..., 3) in ijk reach."""
    points = points.reshape(-1, 3)
    low, high = np.floor(points.min(axis=0) + 0.5), np.floor(points.max(axis=0) + 0.5) + 1
    return low.astype(np.int64), high.astype(np.int64)


def with_solids(
    densities: NDArray[np.float32],
    materials: Sequence[str],
    ijk_from_ras: Matrix,
    solids: Sequence[Solid],
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], tuple[str, ...], Matrix]:
    """A volume of mixtures with bodies in the place of what it has there.

    Args:
        densities: (K, J, I, M) float32 g/cm3, see :func:`meddl.deepdrr.density_grid.volume_of`.
        materials: M names.
        ijk_from_ras: 4x4.
        solids: a later one displaces an earlier one.

    Returns:
        (K', J', I', M') densities on the same voxels, with empty ones around as far as the bodies
        reach; M' names; ``ijk_from_ras``.

    Raises:
        DeviceError: too little memory, as for a body far away.
        Cancelled: between layers of voxels.
    """
    names = tuple(dict.fromkeys([*materials, *(solid.material for solid in solids)]))
    points = np.concatenate([apply(ijk_from_ras, solid.mesh.vertices) for solid in solids])
    low, high = voxel_bounds(points)
    inner = np.array(densities.shape[2::-1])
    before, size = np.maximum(-low, 0), np.maximum(high, inner) - np.minimum(low, 0)
    what = "scatter with the bodies in {}x{}x{} voxels".format(*size)
    require_memory(4 * int(size.prod()) * len(names), what)
    result = np.zeros((*size[::-1], len(names)), np.float32)
    (i, j, k), (wide, high_, deep) = before, inner
    result[k : k + deep, j : j + high_, i : i + wide, : len(materials)] = densities
    moved = ijk_from_ras.copy()
    moved[:3, 3] += before
    meshes = [solid.mesh for solid in solids]
    part, shares = solid_shares(meshes, moved, result.shape[:3], cancel)
    result[part] *= np.maximum(1 - shares.sum(axis=-1, keepdims=True), 0)
    for number, solid in enumerate(solids):
        mass = np.float32(solid.density or 0) * shares[..., number]
        result[part][..., names.index(solid.material)] += mass
    return result, names, moved
