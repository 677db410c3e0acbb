"""Distance maps that grow and shrink: the padded arrays between calls of the bucket queue."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.bucket_queue import propagate
from meddl.geodesic.grid import Grid


def compact(grid: Grid, padded: NDArray[np.float32], cap: np.float32) -> NDArray[np.float32]:
    """What a padded array has inside, at most ``cap``, in the array's own memory.

    padded: (N + 2,), of no use afterwards. A copy would be a volume more at the peak.
    """
    inside = grid.inside(padded)
    rows = padded[: inside.size].reshape(-1, grid.shape[2])
    for number, (k, j) in enumerate(np.ndindex(grid.shape[:2])):
        rows[number] = np.minimum(inside[k, j], cap)
    return rows.reshape(grid.shape)


def distance_map(
    grid: Grid,
    seeds: NDArray[Any],
    cap: np.float32,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``."""
    distance = grid.array(math.inf)
    grid.inside(distance)[seeds != 0] = 0
    start = np.flatnonzero(distance == 0).astype(np.uint64)
    propagate(grid, distance, start, cap, fresh=True, progress=progress, cancel=cancel)
    return compact(grid, distance, cap)


def nearest_map(
    grid: Grid,
    labels: NDArray[np.uint8],
    cap: np.float32,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``, and that seed's label."""
    distance, owner = grid.array(math.inf), np.zeros(math.prod(grid.padded_shape), np.uint16)
    grid.inside(distance)[labels != 0] = 0
    grid.inside(owner)[...] = labels
    start = np.flatnonzero(distance == 0).astype(np.uint64)
    propagate(
        *(grid, distance, start, cap),
        fresh=True,
        owner=owner,
        rank=np.arange(256, dtype=np.uint8),
        progress=progress,
        cancel=cancel,
    )
    label = grid.inside(owner).astype(np.uint8)
    return compact(grid, distance, cap), label
