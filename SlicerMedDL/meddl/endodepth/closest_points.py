"""Closest points on a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.mesh import Mesh
from meddl.core.optional import require
from meddl.core.pinhole import Floats


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh with points spread over it, for quick closest points.

    Attributes:
        corners: (M, 3, 3) corners of the triangles.
        points: (S, 3) points on the triangles, evenly by area.
        normals: (S, 3) unit normals there.
        faces: (S,) the triangle of each point.
        tree: k-d tree of the points.
        size: diagonal of the bounding box.
        spacing: a typical distance between neighbouring points.
    """

    corners: Floats
    points: Floats
    normals: Floats
    faces: NDArray[np.int64]
    tree: Any
    size: float
    spacing: float


def make_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> Surface:
    """Spread ``count`` points over a mesh.

    Raises:
        InputError: a mesh without area.
    """
    spatial = require("scipy.spatial", "closest points")
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1)
    if not area.sum() > 0:
        raise InputError("the mesh has no area: its triangles are points or lines")
    # Even steps along the summed area: every triangle gets its share to within one point.
    places = (np.arange(count) + rng.uniform(size=count)) / count
    faces = np.minimum(
        np.searchsorted(np.cumsum(area) / area.sum(), places, side="right"), len(area) - 1
    )
    a, b = np.sqrt(rng.uniform(size=count))[:, None], rng.uniform(size=count)[:, None]
    first, second, third = np.moveaxis(corners[faces], 1, 0)
    points = (1 - a) * first + a * (1 - b) * second + a * b * third
    return Surface(
        corners,
        points,
        normal[faces] / np.maximum(area[faces], 1e-300)[:, None],
        faces,
        spatial.cKDTree(points),
        float(np.linalg.norm(np.ptp(mesh.vertices, axis=0))),
        float(np.sqrt(0.5 * area.sum() / count)),
    )


def closest(surface: Surface, points: Floats, candidates: int = 8) -> tuple[Floats, Floats]:
    """Closest points (N, 3) on the triangles near each point (N, 3), and the distances (N,).

    The triangles of the nearest ``candidates`` spread points are tried: exact where the points lie
    densely beside the triangles' size, and never too small.
    """
    _, near = surface.tree.query(points, k=candidates)
    best = np.full(len(points), np.inf)
    result = np.zeros_like(points)
    for column in np.reshape(near, (len(points), -1)).T:
        found = closest_on_triangles(points, surface.corners[surface.faces[column]])
        distance = ((found - points) ** 2).sum(axis=1)
        better = distance < best
        best[better], result[better] = distance[better], found[better]
    return result, np.sqrt(best)


def closest_on_triangles(points: Floats, corners: Floats) -> Floats:
    """(N, 3) closest points to ``points`` (N, 3) on a triangle (N, 3, 3) each.

    Ericson, Real-Time Collision Detection, 2005, section 5.1.5: by the Voronoi regions of corners,
    edges and inside.
    """
    a, b, c = np.moveaxis(corners, 1, 0)
    ab, ac, bc = b - a, c - a, c - b

    def dot(x: Floats, y: Floats) -> Floats:
        return np.asarray((x * y).sum(axis=1))

    def ratio(part: Floats, whole: Floats) -> Floats:
        return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)[:, None]

    d1, d2 = dot(ab, points - a), dot(ac, points - a)
    d3, d4 = dot(ab, points - b), dot(ac, points - b)
    d5, d6 = dot(ab, points - c), dot(ac, points - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    inside = a + ratio(vb, va + vb + vc) * ab + ratio(vc, va + vb + vc) * ac
    regions = [
        ((d1 <= 0) & (d2 <= 0), a),
        ((d3 >= 0) & (d4 <= d3), b),
        ((d6 >= 0) & (d5 <= d6), c),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), a + ratio(d1, d1 - d3) * ab),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), a + ratio(d2, d2 - d6) * ac),
        ((va <= 0) & (d4 >= d3) & (d5 >= d6), b + ratio(d4 - d3, d4 - d3 + d5 - d6) * bc),
    ]
    conditions = [condition[:, None] for condition, _ in regions]
    return np.asarray(np.select(conditions, [place for _, place in regions], inside))
