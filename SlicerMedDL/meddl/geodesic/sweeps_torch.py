"""Raster sweeps in torch, on any device: whole planes at once, until nothing falls any more.

The order and the arithmetic are those of :mod:`meddl.geodesic.sweeps`; converged, the distances are
the exact ones of :mod:`meddl.geodesic.bucket_queue`. It is slower than either, also
on a GPU: on an H200 9.4 s for 256x256x128 voxels, beside 1.8 s of numba.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.grid import Grid
from meddl.geodesic.steps import EPSILON, StepCost


def needed_bytes(shape: tuple[int, ...], channels: int) -> int:
    """Of the device: image, distance and its copy, and a plane's nine neighbours."""
    voxels = int(np.prod([n + 2 for n in shape]))
    plane = voxels // (min(shape) + 2)
    return 4 * (voxels * (channels + 2) + 9 * plane * (2 * channels + 3))


def distance_map(
    grid: Grid,
    seeds: NDArray[np.generic],
    iterations: int | None,
    device: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """(K, J, I) the distance from the nearest seed.

    Args:
        grid: the image.
        seeds: (K, J, I), not 0 at the seeds.
        iterations: over all axes; None until no distance falls.
        device: as torch writes it.

    Raises:
        Cancelled: by the token, between sweeps.
    """
    padded = (len(grid.image), *grid.padded_shape)
    flat = grid.padded[: int(np.prod(padded))].reshape(padded)
    image = torch.nan_to_num(torch.as_tensor(flat, device=device), nan=0.0)
    distance = torch.full(padded[1:], torch.inf, device=device)
    inside = distance[1:-1, 1:-1, 1:-1]
    inside[torch.as_tensor(seeds != 0, device=device)] = 0
    lengths = torch.as_tensor(grid.lengths.reshape(10, 4)[:9, :3], device=device).reshape(3, 3, 3)
    done = 0
    while iterations is None or done < iterations:
        before = distance.clone() if iterations is None else None
        for axis in range(3):
            for direction in (1, -1):
                if cancel is not None:
                    cancel.check()
                _sweep(
                    distance.movedim(axis, 0),
                    image.movedim(1 + axis, 1),
                    lengths.movedim(axis, 0)[0],
                    grid.cost,
                    direction,
                )
        done += 1
        if before is not None:
            falling = int((distance < before).sum())
            progress(1 - falling / distance.numel(), f"sweeping, {falling} voxels fall")
            if falling == 0:
                break
        elif iterations is not None:
            progress(done / iterations, f"sweeping {done}/{iterations}")
    result: NDArray[np.float32] = inside.cpu().numpy()
    return np.ascontiguousarray(result)


def _sweep(
    distance: Tensor, image: Tensor, lengths: Tensor, cost: StepCost, direction: int
) -> None:
    """One sweep along the first axis.

    distance: (A, B, C) padded, lowered in place; image: (channels, A, B, C); lengths: (3, 3).
    """
    count = distance.shape[0]
    planes = range(2, count - 1) if direction > 0 else range(count - 3, 0, -1)
    for plane in planes:
        near = _windows(distance[plane - direction])
        values = _windows(image[:, plane - direction])
        here = image[:, plane, None, None, 1:-1, 1:-1]
        steps = _steps(here - values, lengths[:, :, None, None], cost)
        inside = distance[plane, 1:-1, 1:-1]
        torch.minimum(inside, (near + steps).amin((0, 1)), out=inside)


def _windows(plane: Tensor) -> Tensor:
    """(..., 3, 3, B, C) the neighbours of the inside of a padded plane (..., B + 2, C + 2)."""
    return plane.unfold(-2, 3, 1).unfold(-2, 3, 1).movedim((-2, -1), (-4, -3))


def _steps(differences: Tensor, lengths: Tensor, cost: StepCost) -> Tensor:
    """The step costs of differences (channels, ...) of the scaled image, of the scaled lengths."""
    if cost.name == "fastgeodis":
        return lengths + _sum(differences.abs())
    if len(differences) == 1:
        difference = differences[0].abs()
    else:
        difference = _sum(differences.square()).sqrt()
    if cost.name == "product":
        return lengths * difference
    weight = torch.tensor(cost.lambda_, dtype=torch.float32, device=lengths.device)
    return lengths / ((1 - weight) + weight / (difference + EPSILON))


def _sum(parts: Tensor) -> Tensor:
    """Over the first axis, one after the other, as the compiled loops add."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
