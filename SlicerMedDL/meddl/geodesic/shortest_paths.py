"""Distance maps that grow and shrink: the padded arrays between calls of the bucket queue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.bucket_queue import NO_OWNER, NO_RANK, propagate
from meddl.geodesic.grid import Grid

INSIDE = (slice(1, -1),) * 3
INFINITY = np.float32(np.inf)


def empty_distance(grid: Grid) -> NDArray[np.float32]:
    """A padded map without seeds: infinity inside, -1 in the padding."""
    distance = np.full(grid.padded_shape, -1, np.float32)
    distance[INSIDE] = INFINITY
    return distance


def unpadded(padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inside of a padded array, moved to the front of its own memory: no second volume."""
    shape = tuple(n - 2 for n in padded.shape)
    flat, rows = padded.reshape(-1), padded[INSIDE]
    columns = shape[2]
    for number, (k, j) in enumerate(np.ndindex(shape[:2])):
        flat[number * columns : (number + 1) * columns] = rows[k, j].copy()
    return flat[: shape[0] * shape[1] * columns].reshape(shape)


def distance_map(
    grid: Grid,
    seeds: NDArray[np.generic],
    cap: np.float32,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``."""
    distance = empty_distance(grid)
    distance[INSIDE][seeds != 0] = 0
    start = np.flatnonzero(distance.reshape(-1) == 0).astype(np.uint64)
    propagate(grid, distance.reshape(-1), start, cap, NO_OWNER, NO_RANK, progress, cancel)
    return np.minimum(unpadded(distance), cap)


def nearest_map(
    grid: Grid,
    labels: NDArray[np.uint8],
    cap: np.float32,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``, and that seed's label."""
    distance, owner = empty_distance(grid), np.zeros(grid.padded_shape, np.uint16)
    distance[INSIDE][labels != 0] = 0
    owner[INSIDE] = labels
    start = np.flatnonzero(distance.reshape(-1) == 0).astype(np.uint64)
    rank = np.arange(256, dtype=np.uint8)
    propagate(grid, distance.reshape(-1), start, cap, owner.reshape(-1), rank, progress, cancel)
    return np.minimum(unpadded(distance), cap), owner[INSIDE].astype(np.uint8)
