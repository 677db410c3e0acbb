"""How good depth from one picture is: the field's figures, beside the mean-depth baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import write_json
from meddl.core.metrics import depth_metrics
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.monodepth.pairs import Pairs

FIGURES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "delta1", "delta2", "delta3")
LIMITS = (1e-3, 10.0)  # m, to which predictions are clipped, as for NYU Depth v2
# Rows 45 to 470 and columns 41 to 600 of 480 x 640 pixels (Eigen, Puhrsch and Fergus, NIPS 2014).
EIGEN = (45 / 480, 471 / 480, 41 / 640, 601 / 640)


def eigen_crop(shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that count; for other sizes than 480 x 640 in proportion."""
    top, bottom, left, right = EIGEN
    height, width = shape
    return (
        slice(round(top * height), round(bottom * height)),
        slice(round(left * width), round(right * width)),
    )


def compare(
    prediction: NDArray[np.floating],
    truth: NDArray[np.floating],
    crop: bool = True,
    median_scaling: bool = False,
) -> dict[str, float]:
    """:func:`meddl.core.metrics.depth_metrics` of a picture, over the Eigen crop.

    Args:
        prediction, truth: (H, W), m; truth 0 where unknown.
        crop: count the Eigen crop only.

    Raises:
        InputError: see there; also no known pixel inside the crop.
    """
    mask = np.isfinite(truth) & (truth > 0)
    if crop:
        inside = np.zeros_like(mask)
        inside[eigen_crop(truth.shape)] = True
        mask &= inside
    return depth_metrics(prediction, truth, mask, median_scaling=median_scaling, limits=LIMITS)


def evaluate_pairs(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    pairs: Pairs,
    baseline: NDArray[np.floating] | float,
    crop: bool = True,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Figures of every pair and their means over the pairs.

    Args:
        predict: colour (H, W, 3) uint8 -> depth (H, W), m.
        baseline: the mean depth of the training data in m: a number, or a small map (h, w) that is
            enlarged to the picture.
        crop: count the Eigen crop only.

    Returns:
        ``pairs`` (rows with ``name``), and ``mean`` with ``metric`` and ``median_scaled``, each
        with ``network`` and ``mean_depth``: figure -> value. With median scaling the prediction is
        multiplied by median(truth) / median(prediction), picture by picture.

    Raises:
        InputError: no pair, or one without a known pixel.
        Cancelled: between two pairs.
    """
    rows = []
    total = len(pairs.names)
    for n in steps(range(total), total, "judging pair", progress, cancel):
        colour, truth = pairs[n]
        guesses = {"network": predict(colour), "mean_depth": enlarged(baseline, truth.shape)}
        row: dict[str, Any] = {"name": pairs.names[n]}
        for kind, scaling in (("metric", False), ("median_scaled", True)):
            row[kind] = {
                who: compare(depth, truth, crop, scaling) for who, depth in guesses.items()
            }
        rows.append(row)
    if not rows:
        raise InputError("there are no pairs to judge on")
    mean = {
        kind: {
            who: {name: float(np.mean([row[kind][who][name] for row in rows])) for name in FIGURES}
            for who in ("network", "mean_depth")
        }
        for kind in ("metric", "median_scaled")
    }
    return {"pairs": rows, "mean": mean}


def enlarged(depth: NDArray[np.floating] | float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A small map or a number as a map of ``shape``, bilinear between the centres of its pixels."""
    from PIL import Image as pillow

    small = np.atleast_2d(np.asarray(depth, dtype=np.float32))
    picture = pillow.fromarray(small).resize((shape[1], shape[0]), pillow.Resampling.BILINEAR)
    return np.asarray(picture)


def mean_depth_map(
    depths: NDArray[np.float32], size: tuple[int, int] = (12, 16)
) -> list[list[float]]:
    """The mean of the known depths over all pairs in each cell of a coarse grid, m.

    Args:
        depths: (N, h, w), 0 where unknown.
        size: of the grid; cells without a known depth get the mean of all.
    """
    total = np.zeros(depths.shape[1:])
    count = np.zeros(depths.shape[1:])
    for depth in depths:
        total += depth
        count += depth > 0
    rows, columns = (np.array_split(np.arange(total.shape[n]), size[n]) for n in (0, 1))
    mean = total.sum() / max(count.sum(), 1)
    cells = [
        [(total[np.ix_(r, c)].sum(), count[np.ix_(r, c)].sum()) for c in columns] for r in rows
    ]
    return [[round(float(t / n if n else mean), 3) for t, n in row] for row in cells]


def write_report(path: str | Path, report: Mapping[str, Any], weights: str, crop: bool) -> None:
    """Write what :func:`evaluate_pairs` returned as JSON.

    Raises:
        FileError: the folder takes no file.
    """
    header = {"weights": weights, "unit": "m", "crop": "eigen" if crop else "none"}
    write_json(path, {**header, "limits": list(LIMITS), **report})
