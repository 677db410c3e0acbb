"""A mesh laid out flat: where each face lies in a texture, and where each texel lies in space.

The mesh is cut into charts: connected faces of one block of space whose normals are nearest to the
same direction of an axis. A chart is seen along that axis, which shortens no length on a face to
less than 1 / sqrt(3), and the charts are packed in shelves. No chart lies upon itself, and gutters
part them, so that a renderer that interpolates between texels never reads another chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.pinhole import Floats
from meddl.endodepth.surface import Faces, face_normals

GUTTER = 2  # texels around each chart, which show its outermost faces continued
_BLOCKS = 16  # along the longest edge of the mesh: small charts fill shelves and rarely curl up
_INSIDE = 0.25  # texels; a texel this deep inside two faces is covered twice, not on their edge
_SEARCH = 16  # halvings of the interval in which the density lies
_jit = numba.njit(nogil=True, cache=True)


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where the faces of a mesh lie in a square texture.

    Attributes:
        corners: (M, 3, 2) positions (x, y) of the faces' corners in texels; (0, 0) is the corner of
            the texture's first texel, at the top left.
        chart: (M,) the chart of each face.
        across: (M, 2) which axes of space (0, 1, 2) run along x and y.
        owner: (size, size) int32, the face that a texel shows, -1 for none.
        density: texels per unit of length along those axes.
    """

    corners: Floats
    chart: NDArray[np.int64]
    across: NDArray[np.int64]
    owner: NDArray[np.int32]
    density: float


def make_atlas(vertices: Floats, faces: Faces, size: int) -> Atlas:
    """Lay out a mesh (N, 3), (M, 3) in a texture of ``size`` x ``size`` texels, as large as fits.

    Raises:
        InputError: more charts than the texture has room for.
        DependencyError: trimesh is not installed.
    """
    normals = face_normals(vertices, faces)
    axis = np.abs(normals).argmax(axis=1)
    backwards = np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] < 0
    chart = _charts(vertices, faces, 2 * axis + backwards)
    atlas, covered = _lay_out(vertices[faces], axis, chart, size)
    if covered.any():  # a chart that winds like a spiral stair: such faces are charts of their own
        alone = chart.max() + 1 + np.arange(len(chart))
        atlas, _ = _lay_out(vertices[faces], axis, np.where(covered, alone, chart), size)
    return atlas


def coordinates(atlas: Atlas, faces: Faces) -> tuple[Floats, Faces]:
    """Texture coordinates (T, 2), u to the right and v upwards, 0..1, and their (M, 3) faces.

    The corners of faces that share a vertex and a chart share their coordinates.
    """
    size = len(atlas.owner)
    key = (faces * (int(atlas.chart.max()) + 1) + atlas.chart[:, None]).ravel()
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    texels = atlas.corners.reshape(-1, 2)[first] / size
    return np.stack([texels[:, 0], 1 - texels[:, 1]], axis=1), number.reshape(faces.shape)


def places(atlas: Atlas, vertices: Floats, faces: Faces) -> tuple[NDArray[np.int64], Any]:
    """The texels that show a face, as indices into the flat texture (n,), and where they lie.

    Returns:
        Indices, and (n, 3) float32 positions of their centres on the planes of their faces.
    """
    index = np.flatnonzero(atlas.owner.ravel() >= 0)
    points = np.empty((len(index), 3), np.float32)
    normals, first = face_normals(vertices, faces), vertices[faces[:, 0]]
    _place(points, index, atlas.owner, atlas.corners, atlas.across, normals, first, atlas.density)
    return index, points


def _charts(vertices: Floats, faces: Faces, direction: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M,) charts: faces of one direction and one block, connected by edges."""
    graph = require("trimesh.graph", "laying out a texture")
    lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    block = (vertices[faces].mean(axis=1) - lower) * (_BLOCKS / (upper - lower).max())
    place = np.ravel_multi_index(tuple(block.astype(int).T), (_BLOCKS + 1,) * 3)
    group = 6 * place + direction
    beside = graph.face_adjacency(faces)
    joined = beside[group[beside[:, 0]] == group[beside[:, 1]]]
    labels = graph.connected_component_labels(joined, node_count=len(faces))
    return np.asarray(labels, dtype=np.int64)


def _lay_out(
    triangles: Floats, axis: NDArray[np.int64], chart: NDArray[np.int64], size: int
) -> tuple[Atlas, NDArray[np.bool_]]:
    """The atlas of faces (M, 3, 3) in charts, and (M,) which of them lie upon others."""
    _, chart = np.unique(chart, return_inverse=True)
    across = np.array([[1, 2], [0, 2], [0, 1]])[axis]
    flat = np.take_along_axis(triangles, across[:, None, :], axis=2)
    lower, extent = _extents(flat, chart)
    tall = extent[:, 1] > extent[:, 0]  # all charts lie on their longer side: lower shelves
    lower[tall], extent[tall] = lower[tall, ::-1], extent[tall, ::-1]
    turned = tall[chart]
    across[turned], flat[turned] = across[turned, ::-1], flat[turned][..., ::-1]
    corner, density = _pack(extent, size)
    corners = (flat - lower[chart, None]) * density + (corner[chart, None] + GUTTER)
    owner = np.full((size, size), -1, np.int32)
    covered = np.zeros(len(chart), np.bool_)
    _own(owner, np.full((size, size), np.inf, np.float32), covered, corners)
    return Atlas(corners, chart, across, owner, density), covered


def _extents(flat: Floats, chart: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Lower corners (C, 2) and sizes (C, 2) of the charts' bounding boxes."""
    lower = np.full((int(chart.max()) + 1, 2), np.inf)
    upper = -lower
    np.minimum.at(lower, chart, flat.min(axis=1))
    np.maximum.at(upper, chart, flat.max(axis=1))
    return lower, upper - lower


def _pack(extent: Floats, size: int) -> tuple[Floats, float]:
    """Corners (C, 2) of the charts' boxes in texels, and the largest density that fits."""

    def shelves(density: float) -> Floats | None:
        return _shelves(np.ceil(extent * density).astype(int) + 2 * GUTTER, size)

    none = shelves(0.0)
    if none is None:
        raise InputError(
            f"a texture of {size} x {size} pixels has no room for the {len(extent)} pieces of the "
            "surface; take a larger texture or fewer voxels"
        )
    low, high = 0.0, size / max(float(extent.max()), 1e-300)
    best = none
    for _ in range(_SEARCH):
        middle = (low + high) / 2
        found = shelves(middle)
        if found is None:
            high = middle
        else:
            low, best = middle, found
    return best, low


def _shelves(boxes: NDArray[np.int64], size: int) -> Floats | None:
    """Next fit by decreasing height (Coffman et al., 1980); None if a shelf stands out."""
    order = np.argsort(-boxes[:, 1], kind="stable")
    width, height = boxes[order].T
    ends = np.cumsum(width)
    corner = np.zeros(boxes.shape)
    first, y = 0, 0
    while first < len(order):
        start = ends[first] - width[first]
        last = int(np.searchsorted(ends, start + size, side="right"))
        if last == first or y + height[first] > size:
            return None
        corner[order[first:last], 0] = ends[first:last] - width[first:last] - start
        corner[order[first:last], 1] = y
        first, y = last, y + height[first]
    return corner


@_jit
def _own(owner, distance, covered, corners):  # type: ignore[no-untyped-def]
    """Give every texel the face that it is deepest in, or, in the gutters, nearest to."""
    size = len(owner)
    edges = np.empty((3, 3))
    for face in range(len(corners)):
        triangle = corners[face]
        area = (triangle[1, 0] - triangle[0, 0]) * (triangle[2, 1] - triangle[0, 1])
        area -= (triangle[1, 1] - triangle[0, 1]) * (triangle[2, 0] - triangle[0, 0])
        if area == 0:
            continue
        for n in range(3):  # distances from the edges, positive outside
            dx = triangle[(n + 1) % 3, 0] - triangle[n, 0]
            dy = triangle[(n + 1) % 3, 1] - triangle[n, 1]
            length = np.copysign(np.hypot(dx, dy), area)
            edges[n, 0], edges[n, 1] = dy / length, -dx / length
            edges[n, 2] = -(triangle[n, 0] * edges[n, 0] + triangle[n, 1] * edges[n, 1])
        left = max(int(triangle[:, 0].min()) - GUTTER, 0)
        right = min(int(triangle[:, 0].max()) + GUTTER, size - 1)
        top = max(int(triangle[:, 1].min()) - GUTTER, 0)
        bottom = min(int(triangle[:, 1].max()) + GUTTER, size - 1)
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                away = -np.inf
                for n in range(3):
                    here = (column + 0.5) * edges[n, 0] + (row + 0.5) * edges[n, 1] + edges[n, 2]
                    away = max(away, here)
                if away > GUTTER:
                    continue
                if away < -_INSIDE and distance[row, column] < -_INSIDE:
                    covered[face] = True
                if away < distance[row, column]:
                    distance[row, column] = away
                    owner[row, column] = face


@_jit
def _place(points, index, owner, corners, across, normals, first, density):  # type: ignore[no-untyped-def]
    size = owner.shape[1]
    for n in range(len(index)):
        row, column = index[n] // size, index[n] % size
        face = owner[row, column]
        one, two = across[face, 0], across[face, 1]
        along = 3 - one - two
        dx = (column + 0.5 - corners[face, 0, 0]) / density
        dy = (row + 0.5 - corners[face, 0, 1]) / density
        rise = dx * normals[face, one] + dy * normals[face, two]
        points[n, one] = first[face, one] + dx
        points[n, two] = first[face, two] + dy
        points[n, along] = first[face, along] - rise / normals[face, along]
