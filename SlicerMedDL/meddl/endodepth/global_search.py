"""A first pose of a partial scan on a surface, without landmarks.

Tens of thousands of starts put a few points of the scan, normals included, on points of the
surface, at every turn about the normal and every scale that fits. All are scored at once on a grid
that knows the nearest surface point of each cell, the better ones moved by a few steps of ICP, and
so on by successive halving, until a handful is left for the exact search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.endodepth.alignment import plane_steps, rotations, scale_of
from meddl.endodepth.closest_points import Surface

# (part of the starts kept, steps of ICP, points of the scan) of each round.
ROUNDS = ((0.1, 0, 100), (0.025, 6, 100), (0.005, 10, 200), (0.001, 20, 500))
_FEWEST = 40  # poses that are kept at least
_TURNS = 12
_ANCHORS = 3  # points of the scan that are put on the surface
_SCALE_STEP = 1.25
_GRID = 96  # cells along the longest edge
_KEPT = 0.8  # part of the points that counts
_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class NearestGrid:
    """The nearest surface point of every cell of a grid.

    Attributes:
        origin: (3,) corner of the grid.
        cell: edge length.
        index: (I, J, K) row of ``points`` and ``normals``.
        points, normals: (C, 3) means of the surface points of each occupied cell.
    """

    origin: Floats
    cell: float
    index: NDArray[np.int32]
    points: Floats
    normals: Floats

    def find(self, places: NDArray[Any]) -> NDArray[np.int32]:
        """(...) rows for places (..., 3); beyond the grid those of its border."""
        cells = ((places - self.origin) / self.cell).astype(np.int32)
        limits = np.array(self.index.shape, np.int32) - 1
        i, j, k = np.moveaxis(np.clip(cells, 0, limits), -1, 0)
        return self.index[i, j, k]


def nearest_grid(surface: Surface) -> NearestGrid:
    """The grid of a surface, a quarter larger on every side."""
    ndimage = require("scipy.ndimage", "the search for a pose")
    low, high = surface.points.min(axis=0), surface.points.max(axis=0)
    longest = float((high - low).max())
    cell = longest / _GRID
    origin = low - 0.25 * longest
    shape = np.ceil((high - low + 0.5 * longest) / cell).astype(int) + 1
    cells = ((surface.points - origin) / cell).astype(int)
    flat = np.ravel_multi_index(tuple(cells.T), tuple(shape))
    occupied, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)

    def mean(values: Floats) -> Floats:
        sums = [np.bincount(inverse, values[:, axis]) for axis in range(3)]
        return np.stack(sums, axis=1) / counts[:, None]

    row = np.zeros(int(np.prod(shape)), np.int32)
    row[occupied] = np.arange(len(occupied))
    empty = np.ones(len(row), bool)
    empty[occupied] = False
    nearest = ndimage.distance_transform_edt(
        empty.reshape(shape), return_distances=False, return_indices=True
    )
    normals = mean(surface.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return NearestGrid(
        origin,
        cell,
        row.reshape(shape)[tuple(nearest)],
        mean(surface.points),
        normals,
    )


def find_poses(
    points: Floats,
    normals: Floats,
    surface: Surface,
    scales: tuple[float, float],
    rng: np.random.Generator,
    starts: int = 60000,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Floats:
    """(n, 4, 4) ``target_from_source`` of the most promising poses, the best first.

    Args:
        points, normals: (N, 3) of the scan, in random order.
        surface: of which the scan shows a part.
        scales: smallest and largest scale; equal ones fix it.
        rng: draws the places.
        starts: how many poses are tried, about.

    Raises:
        InputError: scales that are not positive.
    """
    smallest, largest = scales
    if not (np.isfinite(scales).all() and 0 < smallest <= largest):
        raise InputError(f"scales from {smallest} to {largest}; positive numbers were expected")
    grid = nearest_grid(surface)
    scaled = smallest < largest
    poses = _starts(points, normals, surface, scales, rng, starts)
    whole = len(poses)
    for number, (share, iterations, count) in enumerate(ROUNDS):
        scores = np.empty(len(poses))
        for first in range(0, len(poses), _CHUNK):
            if cancel is not None:
                cancel.check()
            part = slice(first, first + _CHUNK)
            poses[part], scores[part] = _improve(
                poses[part], points[:count], normals[:count], grid, scaled, iterations
            )
            inner = min(first + _CHUNK, len(poses)) / len(poses)
            progress((number + inner) / len(ROUNDS), f"searching {len(poses)} poses")
        if scaled:
            here = scale_of(poses)
            scores[(here < smallest / _SCALE_STEP) | (here > largest * _SCALE_STEP)] = np.inf
        order = np.argsort(scores)[: max(round(share * whole), _FEWEST)]
        poses, scores = poses[order], scores[order]
    return _distinct(poses, points, surface)


def _starts(
    points: Floats,
    normals: Floats,
    surface: Surface,
    scales: tuple[float, float],
    rng: np.random.Generator,
    starts: int,
) -> Floats:
    steps = round(np.log(scales[1] / scales[0]) / np.log(_SCALE_STEP)) + 1
    sizes = np.geomspace(scales[0], scales[1], steps)
    # Both sides of the surface: which way its normals point is not known.
    per_place = _TURNS * steps * 2 * _ANCHORS
    places = rng.choice(
        len(surface.points), min(max(starts // per_place, 50), len(surface.points)), replace=False
    )
    centre = points.mean(axis=0)
    # Anchors in the thick of the scan: its border is where depth is worst.
    near = np.argsort(((points - centre) ** 2).sum(axis=1))
    anchors = rng.choice(near[: max(len(near) // 2, _ANCHORS)], _ANCHORS, replace=False)
    poses = []
    for anchor in anchors:
        for side in (1.0, -1.0):
            aligned = _aligning(normals[anchor], side * surface.normals[places])
            for turn in np.arange(_TURNS) * 2 * np.pi / _TURNS:
                rotation = rotations(turn * surface.normals[places]) @ aligned
                for size in sizes:
                    pose = np.zeros((len(places), 4, 4))
                    pose[:, :3, :3] = size * rotation
                    pose[:, :3, 3] = surface.points[places] - size * rotation @ points[anchor]
                    pose[:, 3, 3] = 1
                    poses.append(pose)
    return np.concatenate(poses)


def _aligning(source: Floats, targets: Floats) -> Floats:
    """(n, 3, 3) rotations that turn one unit vector to each of ``targets`` (n, 3)."""
    axis = np.cross(source, targets)
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, targets @ source)
    across = np.cross(source, np.eye(3)[np.argmin(np.abs(source))])
    across /= np.linalg.norm(across)  # for opposite vectors any axis across does
    unit = np.where(sine[:, None] > 1e-9, axis / np.maximum(sine, 1e-9)[:, None], across)
    return rotations(unit * angle[:, None])


def _improve(
    poses: Floats,
    points: Floats,
    normals: Floats,
    grid: NearestGrid,
    scaled: bool,
    iterations: int,
) -> tuple[Floats, Floats]:
    """The poses after some steps of trimmed ICP on the grid, and their scores (lower is better)."""
    kept = int(_KEPT * len(points))
    scores = np.zeros(len(poses))
    for step in range(iterations + 1):
        scale = scale_of(poses)
        moved = points @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
        turned = normals @ np.swapaxes(poses[:, :3, :3], 1, 2) / scale[:, None, None]
        rows = grid.find(moved)
        target, target_normals = grid.points[rows], grid.normals[rows]
        offset = moved - target
        distance = np.sqrt((offset**2).sum(axis=-1))
        plane = np.abs((offset * target_normals).sum(axis=-1))
        cosine = (turned * target_normals).sum(axis=-1)
        cosine *= np.sign(cosine.sum(axis=1, keepdims=True))
        # The grid rounds positions to a cell: within one the distance is that to the plane. Walls
        # that face the wrong way are as bad as far ones.
        reach = np.maximum(plane, distance - 2 * grid.cell)
        reach += np.clip(0.5 - cosine, 0, 1) * 4 * grid.cell
        nearest = np.partition(reach, kept - 1, axis=1)[:, :kept]
        scores = np.sqrt((nearest**2).mean(axis=1)) / scale
        if step < iterations:
            weights = (reach <= nearest.max(axis=1, keepdims=True)).astype(np.float64)
            poses = plane_steps(moved, target, target_normals, weights, scaled) @ poses
    return poses, scores


def _distinct(poses: Floats, points: Floats, surface: Surface) -> Floats:
    """The poses in their order, less those that put the scan nearly where a better one does."""
    probe = points[:50]
    moved = probe @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    chosen: list[int] = []
    for number in range(len(poses)):
        apart = [
            np.sqrt(((moved[number] - moved[other]) ** 2).sum(axis=1).mean()) for other in chosen
        ]
        if not apart or min(apart) > 0.02 * surface.size:
            chosen.append(number)
    return poses[chosen]
