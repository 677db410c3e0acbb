"""Geodesic distance: the cheapest path over the grid from the nearest seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic import external
from meddl.geodesic.grid import Grid
from meddl.geodesic.inputs import check_cap, check_image, check_seeds, check_spacing
from meddl.geodesic.steps import StepCost

BACKENDS = ("auto", "numba", "torch", "pycuda", "geodistk", "fastgeodis")


def geodesic_distance(
    image: ArrayLike,
    seeds: ArrayLike,
    spacing: ArrayLike,
    *,
    cost: str = "product",
    lambda_: float = 1.0,
    cap: float | None = None,
    iterations: int | None = None,
    backend: str = "auto",
    device: str = "auto",
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """The geodesic distance of every voxel from the nearest seed.

    D = min over paths from a seed of the sum of step costs; steps lead to the 26 neighbours (8 in a
    picture). Where the cost ignores the image (lambda 0) the Euclidean distance, exactly.

    Args:
        image: (K, J, I) or (K, J, I, C), raw values; (J, I) or (J, I, C) if the seeds have two
            axes.
        seeds: (K, J, I) or (J, I), boolean or a number that is not 0 at the seeds.
        spacing: mm along the array's axes (k, j, i) or (j, i).
        cost: of a step, see :mod:`meddl.geodesic.steps`.
        lambda_: 0..1, weight of the image.
        cap: larger distances become this; saves their computation.
        iterations: None for the exact distance; a number for so many raster sweeps along all axes,
            faster and too long (:mod:`meddl.geodesic.sweeps`; FastGeodis has 2 to 4).
        backend: ``numba`` (CPU; what ``auto`` takes), ``torch`` (any device), ``pycuda`` (CUDA), or
            the packages ``geodistk`` and ``fastgeodis`` where they import, whose raster scans are
            never exact (:mod:`meddl.geodesic.external`).
        device: of ``torch`` and ``pycuda``.

    Returns:
        float32, the seeds' shape, >= 0, in mm times the cost's unit.

    Raises:
        InputError: shapes that do not fit, NaN, no seed, an unknown name.
        GeometryError: a spacing that is not positive.
        DependencyError: the backend's package does not import.
        DeviceError: the device is absent or has too little memory.
        Cancelled: by the token.
    """
    step_cost, most = _settings(cost, lambda_, cap, backend)
    if iterations is not None and iterations < 1:
        raise InputError(f"iterations {iterations}, 1 or more were expected, or None for exact")
    chosen, volume, mm, dimensions = _grids(image, seeds, spacing)
    if step_cost.is_euclidean:
        distance, _ = _euclidean(chosen != 0, mm, cancel)
    elif backend == "geodistk":
        distance = external.geodistk(volume, chosen, mm, step_cost, iterations)
    elif backend == "fastgeodis":
        distance = external.fastgeodis(volume, chosen, mm, step_cost, iterations)
    else:
        compute = _BACKENDS[backend]
        distance = compute(
            Grid(volume, mm, step_cost), chosen, most, iterations, device, progress, cancel
        )
    np.minimum(distance, most, out=distance)
    return distance[0] if dimensions == 2 else distance


def nearest_seed(
    image: ArrayLike,
    labels: ArrayLike,
    spacing: ArrayLike,
    *,
    cost: str = "product",
    lambda_: float = 1.0,
    cap: float | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The geodesic distance of every voxel from the nearest seed, and that seed's label.

    Args:
        labels: (K, J, I) or (J, I) integers, 0 where no seed is, 1..255 the seed's label.
        image, spacing, cost, lambda_, cap: as :func:`geodesic_distance`, which see for the errors.

    Returns:
        The distance as :func:`geodesic_distance`; uint8 labels of the same shape. Of several
        labels at the same distance the lowest is taken (where the cost ignores the image, any);
        0 beyond the cap.
    """
    step_cost, most = _settings(cost, lambda_, cap, "auto")
    chosen, volume, mm, dimensions = _grids(image, labels, spacing)
    if (chosen < 0).any() or (chosen > 255).any() or (chosen != np.floor(chosen)).any():
        raise InputError(
            f"labels from {chosen.min()} to {chosen.max()}, whole numbers from 0 to 255 were "
            "expected"
        )
    chosen = chosen.astype(np.uint8)
    from meddl.geodesic.shortest_paths import nearest_map

    if step_cost.is_euclidean:
        distance, nearest = _euclidean(chosen != 0, mm, cancel)
        label = np.where(distance <= most, chosen[tuple(nearest)], 0).astype(np.uint8)
        distance = np.minimum(distance, most)
    else:
        distance, label = nearest_map(Grid(volume, mm, step_cost), chosen, most, progress, cancel)
    return (distance[0], label[0]) if dimensions == 2 else (distance, label)


def exponential_encoding(distance: ArrayLike, scale: float) -> NDArray[np.float32]:
    """exp(-distance / scale): 1 at the seeds, towards 0 far from them.

    Args:
        distance: >= 0, any shape.
        scale: distance at which 0.37 is left, > 0, in the distance's unit.

    Raises:
        InputError: a scale that is not positive.
    """
    if not 0 < scale < np.inf:
        raise InputError(f"scale {scale}, a positive distance was expected")
    return np.exp(np.asarray(distance, np.float32) / np.float32(-scale))


def _numba(
    grid: Grid,
    seeds: NDArray[Any],
    cap: np.float32,
    iterations: int | None,
    device: str,
    progress: Progress,
    cancel: CancelToken | None,
) -> NDArray[np.float32]:
    from meddl.geodesic.shortest_paths import distance_map

    if device not in ("auto", "cpu"):
        raise InputError(f"the backend numba computes on the CPU, not on {device}; use torch")
    return distance_map(grid, seeds, cap, iterations, progress, cancel)


def _torch(
    grid: Grid,
    seeds: NDArray[Any],
    cap: np.float32,
    iterations: int | None,
    device: str,
    progress: Progress,
    cancel: CancelToken | None,
) -> NDArray[np.float32]:
    require("torch", "the backend torch")
    from meddl.geodesic import sweeps_torch

    needed = sweeps_torch.needed_bytes(grid.shape, len(grid.image))
    chosen = choose_device(device, needed).name
    return sweeps_torch.distance_map(grid, seeds, iterations, chosen, progress, cancel)


def _pycuda(
    grid: Grid,
    seeds: NDArray[Any],
    cap: np.float32,
    iterations: int | None,
    device: str,
    progress: Progress,
    cancel: CancelToken | None,
) -> NDArray[np.float32]:
    from meddl.geodesic import sweeps_cuda

    return sweeps_cuda.distance_map(grid, seeds, iterations, device, progress, cancel)


_BACKENDS = {"auto": _numba, "numba": _numba, "torch": _torch, "pycuda": _pycuda}


def _settings(
    cost: str, lambda_: float, cap: float | None, backend: str
) -> tuple[StepCost, np.float32]:
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r}, one of {', '.join(BACKENDS)} was expected")
    return StepCost(cost, lambda_), check_cap(cap)


def _grids(
    image: ArrayLike, seeds: ArrayLike, spacing: ArrayLike
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float64], int]:
    """Seeds (K, J, I), image (C, K, J, I), spacing (3,) and the number of axes of the seeds."""
    dimensions = np.ndim(seeds)
    checked = check_seeds(seeds)
    volume = check_image(image, dimensions)
    check_seeds(checked, volume.shape[1:])
    if not checked.any():
        raise InputError("there is no seed: every voxel of the seeds is 0; mark at least one voxel")
    return checked, volume, check_spacing(spacing, dimensions), dimensions


def _euclidean(
    seeds: NDArray[np.bool_], spacing: NDArray[np.float64], cancel: CancelToken | None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Distance in mm and index (3, K, J, I) of the nearest seed, of several any."""
    from scipy.ndimage import distance_transform_edt

    if cancel is not None:
        cancel.check()
    distance, nearest = distance_transform_edt(~seeds, spacing, return_indices=True)
    if cancel is not None:  # SciPy asks nobody on its way
        cancel.check()
    return distance.astype(np.float32), nearest
