"""How good depth maps are: against points of structure from motion or true maps, and each other.

Two predictions that know nothing are scored beside the maps, scaled alike: one depth for the whole
frame, and the inverse square root of the brightness, which a headlight on a surface of one colour
would make right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import DepthFolder, camera_of
from meddl.core.errors import InputError
from meddl.core.geometry import apply, inverse
from meddl.core.metrics import depth_metrics
from meddl.core.pinhole import Floats, backproject, pixel_centres, project
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.endodepth.evaluation_parameters import EvaluationParameters
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.tsdf import JUMP
from meddl.endodepth.views import (
    PosedDepths,
    View,
    corner,
    frame_positions,
    posed_depths,
    seen_points,
)

PREDICTIONS = ("depth", "constant", "brightness")
FIGURES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")
# So many pixels of a true map tell as much about a frame as all of them do.
_PIXELS = 20000


@dataclass(frozen=True, eq=False)
class Samples:
    """What one frame is scored by.

    Attributes:
        name: of the frame.
        truth: (n,) depths, positive.
        predicted: name of :data:`PREDICTIONS` -> (n,), positive, before scaling.
    """

    name: str
    truth: Floats
    predicted: dict[str, Floats]


def evaluate(
    sequence: EndoscopicSequence,
    depths: DepthFolder,
    truth: DepthFolder | None = None,
    parameters: EvaluationParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Score depth maps; the result is in plain JSON types.

    Args:
        sequence: with poses, and with points if there is no ``truth``.
        depths: the maps to score.
        truth: true maps of the same frames; None: the points of structure from motion.
        parameters: how.

    Returns:
        ``truth`` (``"structure from motion"`` or ``"maps"``), ``unit`` of ``rmse``, ``parameters``;
        ``frames``, a row each with ``samples``, the ``scale`` and the figures of
        :func:`meddl.core.metrics.depth_metrics`; ``pooled``, the same over all samples;
        ``baselines``, the pooled figures of the predictions that know nothing; ``consistency``
        (:func:`consistency`). A row of a frame that has nothing to be scored by has samples 0.

    Raises:
        InputError: maps, truth and sequence that do not belong together, or nothing to score by.
        FileError: a damaged map or frame.
        Cancelled: by the token.
    """
    parameters = parameters or EvaluationParameters()
    posed = posed_depths(sequence, depths, "none")
    if truth is None:
        sequence.require_structure()
        unit = "mm" if depths.unit == "mm" and parameters.scaling == "none" else "relative"
    else:
        unit = truth.unit
    samples = list(steps(_samples(posed, truth), len(posed), "scoring frame", progress, cancel))
    if not any(len(own.truth) for own in samples):
        raise InputError(
            f"nothing in {depths.folder} can be scored: no true depth falls on a known pixel in "
            "the field of view"
        )
    scales = {name: _scales(samples, name, parameters.scaling) for name in PREDICTIONS}
    rows = []
    for own, *factors in zip(samples, *scales.values(), strict=True):
        row: dict[str, Any] = {"name": own.name, "samples": len(own.truth), "scale": factors[0]}
        if len(own.truth):
            row |= figures(own.predicted["depth"] * factors[0], own.truth)
            for name, factor in zip(PREDICTIONS[1:], factors[1:], strict=True):
                scaled = own.predicted[name] * factor
                row[f"abs_rel_{name}"] = figures(scaled, own.truth)["abs_rel"]
        rows.append(row)
    pooled = {name: _pooled(samples, name, scales[name]) for name in PREDICTIONS}
    return {
        "truth": "structure from motion" if truth is None else "maps",
        "unit": unit,
        "parameters": asdict(parameters),
        "frames": rows,
        "pooled": {"samples": sum(len(own.truth) for own in samples), **pooled["depth"]},
        "baselines": {name: pooled[name] for name in PREDICTIONS[1:]},
        "consistency": consistency(posed, scales["depth"], parameters, cancel),
    }


def figures(predicted: Floats, truth: Floats) -> dict[str, float]:
    """:data:`FIGURES` of :func:`meddl.core.metrics.depth_metrics`."""
    found = depth_metrics(predicted, truth)
    return {name: found[name] for name in FIGURES}


def consistency(
    posed: PosedDepths,
    scales: Sequence[float],
    parameters: EvaluationParameters,
    cancel: CancelToken | None = None,
) -> dict[str, Any] | None:
    """How well the depth of each frame predicts that of the frame ``gap`` views later, and back.

    Every pixel is carried into the other frame by depth and poses; |z - d| / d compares it with the
    depth there. What lies behind by more than ``hidden`` is taken to be hidden and does not count.

    Returns:
        Pooled over all pairs ``mean``, ``median`` and ``percentile_95`` of the relative difference,
        ``hidden`` (0..1) and ``pairs``; None if no two frames see the same place.
    """
    differences, hidden = [], []
    for first in range(len(posed) - parameters.gap):
        if cancel is not None:
            cancel.check()
        second = first + parameters.gap
        one, other = posed.view(first), posed.view(second)
        one_depth, other_depth = one.depth * scales[first], other.depth * scales[second]
        for here, there, depth, expected in (
            (one, other, one_depth, other_depth),
            (other, one, other_depth, one_depth),
        ):
            found = depth_differences(depth, here, expected, there)
            behind = found > parameters.hidden
            differences.append(np.abs(found[~behind]))
            hidden.append(behind)
    if not sum(map(len, differences)):
        return None
    together = np.concatenate(differences)
    return {
        "pairs": len(differences) // 2,
        "mean": float(together.mean()),
        "median": float(np.median(together)),
        "percentile_95": float(np.percentile(together, 95)),
        "hidden": float(np.concatenate(hidden).mean()),
    }


def depth_differences(
    depth: NDArray[np.floating[Any]],
    here: View,
    expected: NDArray[np.floating[Any]],
    there: View,
) -> Floats:
    """(n,) (z - d) / d of the pixels of one frame that fall on known depths d of another."""
    points = backproject(depth, here.camera.intrinsics)[depth > 0]
    there_from_here = inverse(there.world_from_camera) @ here.world_from_camera
    pixels, z = project(apply(there_from_here, points), there.camera.intrinsics)
    seen = bilinear_depth(expected, pixels)
    known = (z > 0) & (seen > 0)
    return z[known] / seen[known] - 1


def bilinear_depth(depth: NDArray[np.floating[Any]], pixels: Floats) -> Floats:
    """(n,) depths at positions (x, y), linear in the inverse depth, as planes are.

    Between pixels of two surfaces (:data:`meddl.endodepth.tsdf.JUMP`) the nearest one's. 0 outside
    the map, beside unknown pixels, and at NaN positions.
    """
    height, width = depth.shape
    x, y = pixels.T - 0.5
    known = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)  # NaN is nowhere
    x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
    column = np.minimum(x.astype(int), width - 2)
    row = np.minimum(y.astype(int), height - 2)
    a, b = x - column, y - row
    corners = np.stack([depth[row + r, column + c] for r in (0, 1) for c in (0, 1)])
    known &= (corners > 0).all(axis=0)
    q = 1.0 / np.where(known, corners, 1.0)
    shares = np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])
    nearest = np.take_along_axis(q, shares.argmax(axis=0)[np.newaxis], axis=0)[0]
    apart = q.max(axis=0) - q.min(axis=0) > JUMP * q.min(axis=0)
    return np.where(known, 1.0 / np.where(apart, nearest, (shares * q).sum(axis=0)), 0.0)


def _samples(posed: PosedDepths, truth: DepthFolder | None) -> Iterator[Samples]:
    for view in posed:
        if truth is None:
            pixels, true = seen_points(posed.sequence, view.index, view.camera)
        else:
            pixels, true = _true_pixels(view, posed, truth)
        depth = bilinear_depth(view.depth, pixels)
        known = depth > 0
        pixels, true, depth = pixels[known], true[known], depth[known]
        light = _brightness(posed.sequence.frame(view.number), frame_positions(view.camera, pixels))
        yield Samples(
            view.name,
            true,
            {"depth": depth, "constant": np.ones(len(true)), "brightness": light**-0.5},
        )


def _true_pixels(view: View, posed: PosedDepths, truth: DepthFolder) -> tuple[Floats, Floats]:
    """Positions in the map's pixels, and the true depths there."""
    true = truth.depth(view.name)
    height, width = true.shape
    sequence = posed.sequence
    camera = camera_of(truth, sequence.require_intrinsics(), sequence.size, (height, width))
    pixels = pixel_centres(height, width)[true > 0]
    depth = true[true > 0].astype(np.float64)
    stride = max(len(depth) // _PIXELS, 1)
    frame = frame_positions(camera, pixels[::stride])
    return frame / view.camera.downsampling - corner(view.camera), depth[::stride]


def _brightness(frame: NDArray[np.uint8], positions: Floats) -> Floats:
    """(n,) brightest channel (HSV's value) at positions in the frame, smoothed; above 0."""
    from scipy.ndimage import uniform_filter

    value = frame.max(axis=-1).astype(np.float32)
    smooth = uniform_filter(value, size=max(round(max(value.shape) / 100), 1))
    column, row = positions.astype(int).T
    height, width = value.shape
    found = smooth[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.maximum(found.astype(np.float64), 1.0) / 255


def _scales(samples: Sequence[Samples], name: str, scaling: str) -> list[float]:
    """A factor per frame; predictions that know nothing cannot go unscaled."""
    if scaling == "none" and name == "depth":
        return [1.0] * len(samples)
    ratios = [own.truth / own.predicted[name] for own in samples]
    pooled = float(np.median(np.concatenate(ratios)))
    if scaling == "frame":
        return [float(np.median(own)) if len(own) else pooled for own in ratios]
    return [pooled] * len(samples)


def _pooled(samples: Sequence[Samples], name: str, scales: Sequence[float]) -> dict[str, float]:
    predicted = [own.predicted[name] * scale for own, scale in zip(samples, scales, strict=True)]
    return figures(np.concatenate(predicted), np.concatenate([own.truth for own in samples]))
