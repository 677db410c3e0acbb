"""Exact lengths of rays inside closed triangle meshes, on the CPU by numba.

Each triangle is drawn onto the detector; a ray is inside it if it passes its three edges on the
same side. The side is the sign of d . (a x b), d the ray's direction and a, b the edge's ends seen
from the source, so that triangles beside or behind the source need no clipping (Olano and Greer
1997) and two triangles decide about a shared edge by the same number. Exact zeros are decided as if
the ray were moved by an infinitesimal amount (Edelsbrunner and Muecke 1990), so that no ray slips
through an edge or a vertex. What rounding still spoils shows: the crossings of a closed mesh cancel
out. Such a ray is moved by a ten-millionth of a pixel and drawn again.

Between its crossings a ray is inside a mesh where the winding number is not zero; parts of one mesh
may overlap. Where two meshes overlap, the later one has the place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import apply
from meddl.core.mesh import Mesh
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.projector import (
    ROWS_PER_BLOCK,
    clip_ray,
    integrate_ray,
    run_blocks,
)

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
NUDGE = 1e-7  # pixels
ATTEMPTS = 8

_jit = numba.njit(nogil=True, cache=True)  # no fast-math: equal edges must give equal numbers


@_jit
def _is_left(a, b, d):  # type: ignore[no-untyped-def]  # numba infers the types
    """On which side of the edge from a to b (seen from the source) the direction d passes."""
    x = a[1] * b[2] - a[2] * b[1]
    y = a[2] * b[0] - a[0] * b[2]
    z = a[0] * b[1] - a[1] * b[0]
    side = x * d[0] + y * d[1] + z * d[2]
    if side != 0.0:
        return side > 0.0
    if x != 0.0:
        return x > 0.0
    if y != 0.0:
        return y > 0.0
    return z > 0.0


@_jit
def _cross(a, b, c, d):  # type: ignore[no-untyped-def]
    """Where the ray t d (t > 0) meets the triangle, and +1 if it enters, -1 leaves, 0 misses."""
    left = _is_left(a, b, d)
    if _is_left(b, c, d) != left or _is_left(c, a, d) != left:
        return 0.0, 0
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    slope = x * d[0] + y * d[1] + z * d[2]
    if slope == 0.0:
        return 0.0, 0
    t = (x * a[0] + y * a[1] + z * a[2]) / slope
    return (t, -1 if left else 1) if t > 0.0 else (0.0, 0)


@_jit
def _draw(corners, bounds, bodies, rays, row_start, rows, width, fill):  # type: ignore[no-untyped-def]
    """Find the crossings of a block of rows.

    fill: (rows * width + 1,) where each pixel's crossings begin; an empty array counts them.
    Returns the counts, and per crossing the distance t and the signed body number (1, 2, ...).
    """
    counts = np.zeros(rows * width, np.int64)
    total = fill[rows * width] if fill.size else 0
    distance, body = np.empty(total), np.empty(total, np.int32)
    d = np.empty(3)
    for face in range(len(corners)):
        a, b, c = corners[face, 0], corners[face, 1], corners[face, 2]
        for row in range(
            max(bounds[face, 1] - row_start, 0), min(bounds[face, 3] - row_start, rows)
        ):
            for column in range(bounds[face, 0], bounds[face, 2]):
                for axis in range(3):
                    d[axis] = (
                        rays[axis, 0] * column + rays[axis, 1] * (row_start + row) + rays[axis, 2]
                    )
                t, sign = _cross(a, b, c, d)
                if sign != 0:
                    pixel = row * width + column
                    if fill.size:
                        distance[fill[pixel] + counts[pixel]] = t
                        body[fill[pixel] + counts[pixel]] = sign * bodies[face]
                    counts[pixel] += 1
    return counts, distance, body


@_jit
def _draw_one(corners, bodies, rays, column, row):  # type: ignore[no-untyped-def]
    """The crossings of one ray with all triangles."""
    distance, body = np.empty(len(corners)), np.empty(len(corners), np.int32)
    count = 0
    d = np.empty(3)
    for axis in range(3):
        d[axis] = rays[axis, 0] * column + rays[axis, 1] * row + rays[axis, 2]
    for face in range(len(corners)):
        t, sign = _cross(corners[face, 0], corners[face, 1], corners[face, 2], d)
        if sign != 0:
            distance[count], body[count] = t, sign * bodies[face]
            count += 1
    return distance[:count], body[:count]


@_jit
def crossings(corners, bounds, bodies, rays, row_start, rows, width):  # type: ignore[no-untyped-def]
    """The crossings of a block of rows: where each pixel's begin (rows * width + 1,), t, bodies."""
    none = np.empty(0, np.int64)
    counts, _, _ = _draw(corners, bounds, bodies, rays, row_start, rows, width, none)
    fill = np.zeros(rows * width + 1, np.int64)
    fill[1:] = np.cumsum(counts)
    _, distance, body = _draw(corners, bounds, bodies, rays, row_start, rows, width, fill)
    return fill, distance, body


@_jit
def sort_crossings(distance, body):  # type: ignore[no-untyped-def]
    """Sort both by distance, in place; a ray has few crossings."""
    for n in range(1, len(distance)):
        t, signed, place = distance[n], body[n], n
        while place > 0 and distance[place - 1] > t:
            distance[place], body[place] = distance[place - 1], body[place - 1]
            place -= 1
        distance[place], body[place] = t, signed


@_jit
def _closes(body, start):  # type: ignore[no-untyped-def]
    """Whether entries and exits of every body cancel, with the source inside start[n] times."""
    for number in range(len(start)):
        balance = start[number]
        for signed in body:
            if abs(signed) == number + 1:
                balance += 1 if signed > 0 else -1
        if balance != 0:
            return False
    return True


@_jit
def closed(distance, body, start, corners, bodies, rays, column, row):  # type: ignore[no-untyped-def]
    """The crossings of a ray if they close, or else those of a ray close by that do.

    The last value says whether any did.
    """
    for attempt in range(1, ATTEMPTS + 1):
        if _closes(body, start):
            return distance, body, True
        # An irrational direction, so that a second attempt does not follow the same edge.
        aside, down = attempt * NUDGE, attempt * NUDGE * 0.6180339887
        distance, body = _draw_one(corners, bodies, rays, column + aside, row + down)
    return distance, body, _closes(body, start)


@_jit
def _trace(distance, body, start, owners, lengths):  # type: ignore[no-untyped-def]
    """Walk one ray: add to lengths (B,) the t inside each body, return the intervals inside any.

    owners: scratch (B,). Returns (n, 2), disjoint and increasing.
    """
    sort_crossings(distance, body)
    for number in range(len(start)):
        owners[number] = start[number]
    intervals = np.empty((len(distance) + 1, 2))
    count = 0
    before = 0.0
    for n in range(len(distance)):
        owner = -1
        for candidate in range(len(owners) - 1, -1, -1):
            if owners[candidate] != 0:
                owner = candidate
                break
        if owner >= 0 and distance[n] > before:
            lengths[owner] += distance[n] - before
            if count and intervals[count - 1, 1] == before:
                intervals[count - 1, 1] = distance[n]
            else:
                intervals[count, 0] = before
                intervals[count, 1] = distance[n]
                count += 1
        before = distance[n]
        owners[abs(body[n]) - 1] += 1 if body[n] > 0 else -1
    return intervals[:count]


@_jit
def _rows(  # type: ignore[no-untyped-def]
    corners,
    bounds,
    bodies,
    start,
    rays,
    density,
    label,
    ijk,
    low,
    high,
    row_start,
    lengths,
    displaced,
):
    """Lengths (rows, W, B) and displaced integrals (rows, W, M) of a block of rows, both in mm.

    ijk: :meth:`Camera.ray_table` of the volume. Returns how many rays never closed.
    """
    rows, width = lengths.shape[:2]
    fill, all_distance, all_body = crossings(corners, bounds, bodies, rays, row_start, rows, width)
    owners = np.empty_like(start)
    direction = np.empty(3)
    inside_source = False
    for number in start:
        inside_source = inside_source or number != 0
    failed = 0
    for pixel in range(rows * width):
        if fill[pixel + 1] == fill[pixel] and not inside_source:
            continue
        row, column = pixel // width, pixel % width
        some, line = slice(fill[pixel], fill[pixel + 1]), row_start + row
        distance, body, found = closed(
            all_distance[some], all_body[some], start, corners, bodies, rays, column, line
        )
        if not found:
            failed += 1
            continue
        intervals = _trace(distance, body, start, owners, lengths[row, column])
        mm = 0.0
        for axis in range(3):
            mm += (rays[axis, 0] * column + rays[axis, 1] * (row_start + row) + rays[axis, 2]) ** 2
            direction[axis] = (
                ijk[axis, 1] * column + ijk[axis, 2] * (row_start + row) + ijk[axis, 3]
            )
        for number in range(len(start)):
            lengths[row, column, number] *= np.sqrt(mm)
        t0, t1 = clip_ray(ijk[:, 0], direction, low, high)
        for n in range(len(intervals)):
            begin, end = max(intervals[n, 0], t0), min(intervals[n, 1], t1)
            if end > begin:
                integrate_ray(
                    density, label, ijk[:, 0], direction, begin, end, displaced[row, column]
                )
        for component in range(displaced.shape[2]):
            displaced[row, column, component] *= np.sqrt(mm)
    return failed


def mesh_integrals(
    meshes: Sequence[Mesh],
    camera: Camera,
    volume: DensityGrid | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far each pixel's ray runs inside each mesh, and what of a volume lies in their place.

    Args:
        meshes: B closed meshes, RAS mm (:func:`meddl.deepdrr.solids.closed_mesh` checks them). A
            later one displaces an earlier one.
        camera: the view.
        volume: M materials, or None.

    Returns:
        (H, W, B) float32 mm inside each mesh; (H, W, M) float32, the volume's line integral
        (density x mm) inside any mesh.

    Raises:
        Cancelled: between blocks of rows.
    """
    if volume is None:
        volume = DensityGrid(np.zeros((1, 1, 1), np.float32), None, (), np.eye(4))
    density, label = volume.density, volume.labels
    low, high = volume.box
    width, height = camera.size
    seen = [apply(camera.camera_from_world, mesh.vertices)[mesh.faces] for mesh in meshes]
    corners = np.ascontiguousarray(np.concatenate(seen))
    bodies = np.repeat(np.arange(1, len(meshes) + 1, dtype=np.int32), [len(s) for s in seen])
    start = np.array([_winding_number(s) for s in seen], np.int64)
    rays = np.linalg.inv(camera.K)
    ijk = camera.ray_table(volume.ijk_from_ras)
    bounds = _pixel_bounds(corners, camera)
    lengths = np.zeros((height, width, len(meshes)), np.float32)
    displaced = np.zeros((height, width, len(volume.components)), np.float32)
    lost: list[int] = []  # per block; a sum would race between threads

    def block(first: int) -> None:
        rows = slice(first, min(first + ROWS_PER_BLOCK, height))
        mm = np.zeros(lengths[rows].shape)
        tissue = np.zeros(displaced[rows].shape)
        lost.append(
            _rows(
                corners,
                bounds,
                bodies,
                start,
                rays,
                density,
                label,
                ijk,
                low,
                high,
                first,
                mm,
                tissue,
            )
        )
        lengths[rows], displaced[rows] = mm, tissue

    run_blocks(block, range(0, height, ROWS_PER_BLOCK), progress, cancel)
    if any(lost):
        logger.warning(
            "%d rays of %d could not be traced through the meshes; they count as beside them",
            sum(lost),
            width * height,
        )
    return lengths, displaced


def _winding_number(corners: Array) -> int:
    """How often the closed mesh (F, 3, 3) surrounds the origin (Van Oosterom and Strackee 1983)."""
    a, b, c = np.moveaxis(corners, 1, 0)
    la, lb, lc = (np.linalg.norm(n, axis=1) for n in (a, b, c))
    determinant = np.einsum("ij,ij->i", a, np.cross(b, c))
    dots = [np.einsum("ij,ij->i", *pair) for pair in ((a, b), (b, c), (c, a))]
    below = la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb
    return round(float(np.arctan2(determinant, below).sum()) / (2 * np.pi))


def _pixel_bounds(corners: Array, camera: Camera) -> NDArray[np.int64]:
    """(F, 4) first and end column, first and end row that a triangle may cover."""
    width, height = camera.size
    depth = corners[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = (corners @ camera.K.T)[..., :2] / depth[..., None]
    before = (depth > 1e-6 * np.abs(depth).max()).all(axis=1)  # else it may cover any pixel
    bounds = np.tile(np.array([0, 0, width, height]), (len(corners), 1))
    low, high = pixels[before].min(axis=1), pixels[before].max(axis=1)
    size = np.array([width, height])
    bounds[before, :2] = np.clip(np.ceil(low - 1e-6), 0, size)
    bounds[before, 2:] = np.clip(np.floor(high + 1e-6) + 1, 0, size)
    bounds[(depth <= 0).all(axis=1)] = 0
    return bounds
