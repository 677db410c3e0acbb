"""Distance maps that grow and shrink: the padded arrays between calls of the bucket queue."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.bucket_queue import propagate
from meddl.geodesic.grid import Grid
from meddl.geodesic.sweeps import sweep


def compact(grid: Grid, padded: NDArray[np.float32], cap: np.float32) -> NDArray[np.float32]:
    """What a padded array has inside, at most ``cap``, in the array's own memory.

    padded: (N + SLACK,), of no use afterwards. A copy would be a volume more at the peak.
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
    iterations: int | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``.

    iterations: of sweeps; None for the exact distance.
    """
    distance, start = grid.unreached(), grid.places(seeds)
    distance[start] = 0
    if iterations is None:
        propagate(grid, distance, start, cap, progress=progress, cancel=cancel)
    else:
        sweep(grid, distance, iterations, progress, cancel)
    return compact(grid, distance, cap)


def nearest_map(
    grid: Grid,
    labels: NDArray[np.uint8],
    cap: np.float32,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(K, J, I) the distance from the nearest seed, at most ``cap``, and that seed's label."""
    distance, owner = grid.unreached(), np.zeros(math.prod(grid.padded_shape), np.uint16)
    grid.inside(distance)[labels != 0] = 0
    grid.inside(owner)[...] = labels
    start = grid.places(labels)
    propagate(
        *(grid, distance, start, cap),
        owner=owner,
        rank=np.arange(256, dtype=np.uint8),
        progress=progress,
        cancel=cancel,
    )
    label = grid.inside(owner).astype(np.uint8)
    np.copyto(label, labels, where=labels != 0)  # a seed has its own, whatever else is as near
    return compact(grid, distance, cap), label
