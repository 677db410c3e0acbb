"""Triangle meshes out of a distance field, and their cleaning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.pinhole import Floats
from meddl.endodepth.tsdf import Volume

Faces = NDArray[np.int64]

# Along an edge of a true surface the distance changes by a voxel, over the truncation (at least a
# voxel, four by default). From the back of what one view saw to the free space of another it jumps
# from about -1 to 1.
_JUMP = 1.2


def zero_level(volume: Volume, minimum_weight: float = 0.0) -> tuple[Floats, Faces, Floats]:
    """The zero level of a distance field by marching cubes (Lewiner et al., 2003).

    Only cubes whose eight corners were seen, each with more than ``minimum_weight``, make surface.
    Cubes in which the distance jumps are left out: they are the back of a wall, not a wall.

    Returns:
        Vertices (N, 3) in world units, faces (M, 3), counter-clockwise as seen from free space,
        and the weights (N,) at the vertices.

    Raises:
        InputError: there is no surface.
        DependencyError: scikit-image is not installed.
    """
    measure = require("skimage.measure", "marching cubes")
    seen = volume.weight > minimum_weight
    box = _box(seen & (volume.distance < 0))
    distance, seen, weight = volume.distance[box], seen[box], volume.weight[box]
    cubes = np.zeros_like(seen)  # scikit-image asks the mask at the upper corner of each cube
    cubes[1:, 1:, 1:] = _over_corners(seen, np.logical_and)
    spread = _over_corners(distance, np.maximum) - _over_corners(distance, np.minimum)
    cubes[1:, 1:, 1:] &= spread < _JUMP
    try:
        vertices, faces, _, _ = measure.marching_cubes(distance, 0.0, mask=cubes)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            "the depth maps make no surface: too few views of one place, or the weight asked for "
            f"({minimum_weight}) is too high ({error})"
        ) from error
    nearest = tuple(np.round(vertices).astype(int).T)
    start = np.array([part.start for part in box])
    world = volume.origin + volume.voxel * (vertices.astype(np.float64) + start)
    return world, faces.astype(np.int64), weight[nearest].astype(np.float64)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The part of the grid that holds the mask, one voxel wider."""
    spans = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        if not len(found):
            raise InputError(
                "the depth maps make no surface: nothing was seen often enough, or depth and poses "
                "are not in one unit"
            )
        spans.append(slice(max(int(found[0]) - 1, 0), int(found[-1]) + 2))
    return tuple(spans)


def _over_corners(array: NDArray[Any], combine: Any) -> NDArray[Any]:
    """A ufunc over the eight corners of each cube: (I - 1, J - 1, K - 1)."""
    array = combine(array[1:], array[:-1])
    array = combine(array[:, 1:], array[:, :-1])
    return np.asarray(combine(array[:, :, 1:], array[:, :, :-1]))


def parts(faces: Faces, vertices: int) -> NDArray[np.int64]:
    """(M,) number of the connected part that each face belongs to."""
    sparse = require("scipy.sparse", "connected parts")
    graph = require("scipy.sparse.csgraph", "connected parts")
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    links = sparse.coo_matrix((np.ones(len(pairs), bool), tuple(pairs.T)), (vertices, vertices))
    return np.asarray(graph.connected_components(links, directed=False)[1])[faces[:, 0]]


def large_parts(faces: Faces, vertices: int, smallest: float) -> NDArray[np.bool_]:
    """(M,) which faces lie in connected parts of at least ``smallest`` (0..1) of all faces."""
    part = parts(faces, vertices)
    return np.asarray(np.bincount(part)[part] >= smallest * len(faces))


def keep_faces(faces: Faces, chosen: NDArray[np.bool_]) -> tuple[Faces, NDArray[np.int64]]:
    """The chosen faces, renumbered, and the (n,) old numbers of the vertices that they use."""
    used, inverse = np.unique(faces[chosen], return_inverse=True)
    return inverse.reshape(-1, 3).astype(np.int64), used


def boundary_loops(faces: Faces) -> list[NDArray[np.int64]]:
    """The closed borders of a mesh as vertex numbers, in the direction of the faces' edges.

    Borders that touch themselves at a vertex are left out.
    """
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    count = int(edges.max()) + 1
    own, opposite = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    border = edges[~np.isin(own, opposite)]
    starts, times = np.unique(border[:, 0], return_counts=True)
    after = {int(a): int(b) for a, b in border if times[np.searchsorted(starts, a)] == 1}
    loops = []
    while after:
        first, here = after.popitem()
        loop = [first]
        while here != first and here in after:
            loop.append(here)
            here = after.pop(here)
        if here == first:
            loops.append(np.array(loop))
    return loops


def fill_holes(vertices: Floats, faces: Faces, perimeter: float) -> tuple[Floats, Faces]:
    """Close borders up to a perimeter (world units) by fans about their centres.

    Returns:
        Vertices with one centre added per closed hole, and all faces.
    """
    centres: list[Floats] = []
    fans: list[Faces] = []
    for loop in boundary_loops(faces) if perimeter > 0 else []:
        ring = vertices[loop]
        if np.linalg.norm(ring - np.roll(ring, -1, axis=0), axis=1).sum() > perimeter:
            continue
        centre = np.full(len(loop), len(vertices) + len(centres))
        centres.append(ring.mean(axis=0))
        fans.append(np.stack([np.roll(loop, -1), loop, centre], axis=1))
    if not centres:
        return vertices, faces
    return np.concatenate([vertices, centres]), np.concatenate([faces, *fans])


def _areas(vertices: Floats, faces: Faces) -> Floats:
    """(M, 3) normals as long as twice the faces' areas."""
    corners = vertices[faces]
    normals: Floats = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def face_normals(vertices: Floats, faces: Faces) -> Floats:
    """(M, 3) unit normals of the faces; zero where a face has no area."""
    return _unit(_areas(vertices, faces))
