"""Geodesic distances on a device against the exact ones of the CPU."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom

from meddl.geodesic import geodesic_distance

from .measuring import Row, Setting, failure, memory

SPACING = (1.5, 0.8, 0.8)  # mm along k, j, i
COSTS = (("product", 1.0), ("geodistk", 1.0), ("fastgeodis", 0.5))


def image_and_seeds(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Soft blobs with noise, about as a CT; one stroke of at most 60 voxels."""
    rng = np.random.default_rng(0)
    coarse = tuple(-(-n // 8) for n in shape)
    blobs = zoom(gaussian_filter(rng.normal(size=coarse), 1.5), 8, order=1)
    blobs = blobs[tuple(slice(0, n) for n in shape)]
    image = 100 * blobs / blobs.std() + rng.normal(0, 10, shape)
    seeds = np.zeros(shape, bool)
    k, j, i = (n // 3 for n in shape)
    seeds[k, j, i : i + 60] = True
    return image.astype(np.float32), seeds


def distances(setting: Setting) -> Iterator[Row]:
    """Seconds and errors: of the exact distances all costs, of two sweeps one."""
    for shape, costs, repeat in setting.size(
        [((128, 256, 256), COSTS, 3), ((200, 512, 512), COSTS[:1], 2)], [((16, 24, 32), COSTS, 2)]
    ):
        image, seeds = image_and_seeds(shape)
        size = "x".join(map(str, shape[::-1]))
        for cost, lambda_ in costs:
            for iterations in (None, 2) if cost == COSTS[0][0] else (None,):
                truth = None
                for backend in ("numba", "pycuda", "torch"):
                    row: Row = {"voxels": size, "cost": f"{cost}, {lambda_:g}"}
                    row |= {"sweeps": iterations or "exact", "backend": backend}
                    device = "cpu" if backend == "numba" else setting.device
                    options = {"cost": cost, "lambda_": lambda_, "iterations": iterations}
                    options |= {"backend": backend, "device": device}
                    try:
                        times = []
                        with memory(row, device):
                            while len(times) < repeat and sum(times) < 5:
                                start = time.perf_counter()
                                found = geodesic_distance(image, seeds, SPACING, **options)
                                times.append(time.perf_counter() - start)
                        row["first s"] = round(times[0], 3)
                        row["s"] = round(min(times), 3)
                        truth = found if truth is None else truth
                        away = truth > 0
                        error = np.abs(found[away] - truth[away]) / truth[away]
                        row["mean error"] = f"{error.mean(dtype=np.float64):.1e}"
                        row["largest error"] = f"{error.max():.1e}"
                        yield row
                    except Exception as error:
                        yield {**row, **failure(error)}


def returned_memory(setting: Setting) -> Iterator[Row]:
    """What the device has less after ten calls more; torch keeps the device's context alive."""
    if setting.device == "cpu":
        return
    image, seeds = image_and_seeds(setting.size((64, 128, 128), (16, 24, 32)))
    torch.zeros(1, device=setting.device)
    for backend in ("torch", "pycuda"):
        row: Row = {"backend": backend, "volume MB": round(image.nbytes / 2**20, 2)}
        try:
            free = []
            for calls in (1, 10):
                for _ in range(calls):
                    geodesic_distance(
                        image, seeds, SPACING, iterations=1, backend=backend, device=setting.device
                    )
                gc.collect()
                torch.cuda.empty_cache()
                free.append(torch.cuda.mem_get_info(setting.device)[0])
            yield {**row, "lost MB": (free[0] - free[1]) >> 20}
        except Exception as error:
            yield {**row, **failure(error)}
