"""The packages GeodisTK and FastGeodis as backends, where they import. Neither has a wheel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.geodesic.steps import StepCost

ITERATIONS = 4  # of the raster scans, if none are named: what both recommend
_FAR = 1e10  # FastGeodis's distance before the first sweep


def geodistk(
    image: NDArray[np.float32],
    seeds: NDArray[Any],
    spacing: NDArray[np.float64],
    cost: StepCost,
    iterations: int | None,
) -> NDArray[np.float32]:
    """``product`` by GeodisTK's fast marching (exact), ``geodistk`` by its raster scan (too long).

    image: (C, K, J, I); seeds: (K, J, I); spacing: (k, j, i) mm.

    Raises:
        InputError: the cost ``fastgeodis``, or a number of iterations for fast marching.
        DependencyError: GeodisTK does not import.
    """
    if cost.name == "fastgeodis":
        raise InputError("GeodisTK has no cost fastgeodis; use the backend numba or fastgeodis")
    if cost.name == "product" and iterations is not None:
        raise InputError(
            f"iterations {iterations}: GeodisTK's product is exact; leave them out or use numba"
        )
    package = require("GeodisTK", "the backend geodistk")
    values = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    chosen = np.ascontiguousarray(seeds != 0).astype(np.uint8)
    if cost.name == "product":
        result = package.geodesic3d_fast_marching(values, chosen, spacing.tolist())
    else:
        result = package.geodesic3d_raster_scan(
            values, chosen, spacing.tolist(), cost.lambda_, iterations or ITERATIONS
        )
    return np.asarray(result, np.float32)


def fastgeodis(
    image: NDArray[np.float32],
    seeds: NDArray[Any],
    spacing: NDArray[np.float64],
    cost: StepCost,
    iterations: int | None,
) -> NDArray[np.float32]:
    """``fastgeodis`` by FastGeodis's raster scan on the CPU (too long).

    Arguments as :func:`geodistk`.

    Raises:
        InputError: another cost.
        DependencyError: FastGeodis or torch does not import.
    """
    if cost.name != "fastgeodis":
        raise InputError(f"FastGeodis has no cost {cost.name}; use the backend numba or geodistk")
    torch = require("torch", "the backend fastgeodis")
    package = require("FastGeodis", "the backend fastgeodis")
    outside = torch.from_numpy((seeds == 0).astype(np.float32))[None, None]
    result = package.generalised_geodesic3d(
        torch.from_numpy(np.ascontiguousarray(image))[None],
        outside,
        spacing.tolist(),
        _FAR,
        cost.lambda_,
        iterations or ITERATIONS,
    )
    return np.asarray(result[0, 0].numpy(), np.float32)
