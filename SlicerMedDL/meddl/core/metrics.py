"""Figures of merit that several systems report. numpy arrays in, floats out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

Array = NDArray[Any]


class SurfaceDistances(NamedTuple):
    """Average symmetric surface distance and 95th-percentile Hausdorff distance in mm."""

    assd: float
    hd95: float


def _pair(a: Array, b: Array, names: str) -> tuple[Array, Array]:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.size == 0:
        raise InputError(
            f"{names} have shapes {a.shape} and {b.shape}, equal non-empty ones needed"
        )
    for array in (a, b):
        if array.dtype.kind not in "buif" or not np.isfinite(array).all():
            raise InputError(f"{names} hold values that are not finite numbers")
    return a, b


def dice(a: Array, b: Array) -> float:
    """Dice overlap 2 |A and B| / (|A| + |B|) of two masks of equal shape (non-zero is inside).

    Two empty masks agree: 1. One empty mask: 0.

    Raises:
        InputError: shapes differ, are empty, or values are not finite.
    """
    a, b = (array != 0 for array in _pair(a, b, "the masks"))
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


def surface_distances(a: Array, b: Array, spacing: Sequence[float]) -> SurfaceDistances:
    """ASSD and HD95 between the border voxels of two 2-D or 3-D masks (non-zero is inside).

    A border voxel is inside and touches the outside by a face (an edge in 2-D); outside the picture
    is outside. Distances run between voxel centres (Euclidean, exact). ASSD is the mean of the
    distances of all border voxels of both masks to the other border; HD95 the larger of the two
    directed 95th percentiles (linear interpolation).

    Two empty masks have distance 0; one empty mask gives infinity.

    Args:
        a, b: masks of equal shape.
        spacing: voxel size in mm along each array axis (for an Image: ``spacing[::-1]``).

    Raises:
        InputError: shapes differ, another number of dimensions, or a spacing that is not positive.
    """
    one, other = _border_distances(a, b, spacing)
    if not one.size or not other.size:
        empty = 0.0 if one.size == other.size else float("inf")
        return SurfaceDistances(empty, empty)
    return SurfaceDistances(
        assd=float(np.concatenate([one, other]).mean(dtype=np.float64)),
        hd95=float(max(np.percentile(distances, 95) for distances in (one, other))),
    )


def surface_dice(a: Array, b: Array, spacing: Sequence[float], tolerance: float) -> float:
    """Normalised surface distance (NSD) of two 2-D or 3-D masks (non-zero is inside), 0..1.

    The part of the border voxels of both masks that lie within ``tolerance`` of the other border
    (Nikolov et al., J Med Internet Res 23(7), 2021, with border voxels in place of surface
    elements, as MONAI's ``SurfaceDiceMetric`` counts them). Borders and distances are those of
    :func:`surface_distances`.

    Two empty masks agree: 1. One empty mask: 0.

    Args:
        a, b: masks of equal shape.
        spacing: voxel size in mm along each array axis (for an Image: ``spacing[::-1]``).
        tolerance: in mm.

    Raises:
        InputError: as :func:`surface_distances`, or a negative tolerance.
    """
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"the tolerance is {tolerance} mm, a number of at least 0 was expected")
    one, other = _border_distances(a, b, spacing)
    if not one.size or not other.size:
        return 1.0 if one.size == other.size else 0.0
    # A thousandth of a millimetre for the rounding of float32 distances.
    within = np.count_nonzero(one <= tolerance + 1e-3) + np.count_nonzero(other <= tolerance + 1e-3)
    return within / (one.size + other.size)


def _border_distances(a: Array, b: Array, spacing: Sequence[float]) -> tuple[Array, Array]:
    """Distances (n,) in mm of the border voxels of each mask to the other's border.

    Both are empty if both masks are; one of them is if one mask is.
    """
    import SimpleITK as sitk

    a, b = _pair(a, b, "the masks")
    steps = [float(step) for step in spacing]
    if a.ndim not in (2, 3) or len(steps) != a.ndim:
        raise InputError(
            f"masks of {a.ndim} dimensions with {len(steps)} spacings, 2 or 3 expected"
        )
    if not all(np.isfinite(step) and step > 0 for step in steps):
        raise InputError(f"the spacing is {steps} mm, positive numbers were expected")
    inside_a, inside_b = a != 0, b != 0
    union = inside_a | inside_b
    if not inside_a.any() or not inside_b.any():
        return np.zeros(int(inside_a.any())), np.zeros(int(inside_b.any()))
    # Nothing beyond the two masks matters: a small organ in a large picture costs little.
    found = [np.flatnonzero(union.any(tuple({*range(a.ndim)} - {axis}))) for axis in range(a.ndim)]
    crop = tuple(slice(int(where[0]), int(where[-1]) + 1) for where in found)
    borders, maps = [], []
    for mask in (inside_a[crop], inside_b[crop]):
        # A margin of one voxel, so that voxels at the edge of the picture count as border.
        image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
        image.SetSpacing(steps[::-1])
        border = sitk.LabelContour(image, fullyConnected=False)
        distance = sitk.SignedMaurerDistanceMap(border, squaredDistance=False, useImageSpacing=True)
        borders.append(sitk.GetArrayFromImage(border) != 0)
        maps.append(np.abs(sitk.GetArrayFromImage(distance)))
    return maps[1][borders[0]], maps[0][borders[1]]


def _check_range(data_range: float) -> float:
    if not (np.isfinite(data_range) and data_range > 0):
        raise InputError(f"the data range is {data_range}, a positive number was expected")
    return float(data_range)


def psnr(image: Array, reference: Array, data_range: float) -> float:
    """Peak signal-to-noise ratio 10 log10(data_range^2 / mean squared error) in dB.

    Equal images give infinity. ``data_range`` is the span of possible values (255 for 8 bits).

    Raises:
        InputError: shapes differ, values not finite, or no positive range.
    """
    data_range = _check_range(data_range)
    image, reference = _pair(image, reference, "the images")
    error = np.mean((image.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return float(10 * np.log10(data_range**2 / error)) if error > 0 else float("inf")


def ssim(image: Array, reference: Array, data_range: float) -> float:
    """Structural similarity, Gaussian window (sigma 1.5, 11 x 11 pixels), K1 0.01, K2 0.03.

    Wang et al., IEEE TIP 13(4), 2004; the mean over all pixels whose window lies inside the
    picture, and over the channels.

    Args:
        image, reference: (H, W) or (H, W, C), both sides at least 11 pixels.
        data_range: the span of possible values.

    Raises:
        InputError: shapes differ or are unsuited, values not finite, or no positive range.
    """
    data_range = _check_range(data_range)
    image, reference = _pair(image, reference, "the images")
    if image.ndim not in (2, 3) or min(image.shape[:2]) < 11:
        raise InputError(f"the images are {image.shape}, (H, W[, C]) of at least 11 x 11 expected")
    constants = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    channels = (np.moveaxis(np.atleast_3d(array), -1, 0) for array in (image, reference))
    return float(
        np.mean([_ssim_of_channel(x, y, *constants) for x, y in zip(*channels, strict=True)])
    )


def _ssim_of_channel(x: Array, y: Array, c1: float, c2: float) -> float:
    from scipy import ndimage

    x, y = x.astype(np.float64), y.astype(np.float64)
    # Separable: 20 ms for 256 x 256 RGB, where the 11 x 11 convolution of torchmetrics takes 1 s.
    windows = np.stack([x, y, x * x, y * y, x * y])
    for axis in (1, 2):
        windows = ndimage.gaussian_filter1d(windows, 1.5, axis, radius=5)
    mean_x, mean_y, square_x, square_y, product = windows[..., 5:-5, 5:-5]
    both, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    means = (2 * both + c1) / (squares + c1)
    structure = (2 * (product - both) + c2) / (square_x + square_y - squares + c2)
    return float((means * structure).mean())


def depth_metrics(
    prediction: Array,
    truth: Array,
    mask: Array | None = None,
    *,
    median_scaling: bool = False,
    limits: tuple[float, float] | None = None,
) -> dict[str, float]:
    """The error figures of depth estimation (Eigen, Puhrsch and Fergus, NIPS 2014, section 4.1).

    Args:
        prediction, truth: depths of equal shape in one unit (mm or m), positive where used.
        mask: which pixels count; by default those with a truth that is finite and above 0.
        median_scaling: multiply the prediction by median(truth) / median(prediction) first, as for
            networks without a metric scale.
        limits: (nearest, farthest); predictions are clipped to them after scaling.

    Returns:
        ``abs_rel``, ``log10``, ``rmse_log`` (natural logarithm), ``delta1``, ``delta2``, ``delta3``
        (fractions with ratio below 1.25, 1.25^2, 1.25^3), ``rmse`` and ``sq_rel`` in the depths'
        unit, ``scale`` (1 without median scaling) and ``pixels``.

    Raises:
        InputError: shapes differ, no pixel counts, or a depth that counts is not positive.
    """
    prediction = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.float64)
    valid = np.isfinite(truth) & (truth > 0) if mask is None else np.asarray(mask, dtype=bool)
    if not prediction.shape == truth.shape == valid.shape:
        raise InputError(
            f"prediction, truth and mask have shapes {prediction.shape}, {truth.shape} and "
            f"{valid.shape}, equal ones were expected"
        )
    if not valid.any():
        raise InputError("no pixel has a true depth, the depth metrics are undefined")
    d, t = prediction[valid], truth[valid]
    for name, depth in (("prediction", d), ("truth", t)):
        if not (np.isfinite(depth).all() and depth.min() > 0):
            raise InputError(f"the {name} holds depths that are not finite and above 0; mask them")
    scale = float(np.median(t) / np.median(d)) if median_scaling else 1.0
    d = d * scale
    if limits is not None:
        d = np.clip(d, *limits)
    ratio = np.maximum(d / t, t / d)
    log = np.log(d) - np.log(t)
    return {
        "abs_rel": float(np.mean(np.abs(d - t) / t)),
        "sq_rel": float(np.mean((d - t) ** 2 / t)),
        "rmse": float(np.sqrt(np.mean((d - t) ** 2))),
        "rmse_log": float(np.sqrt(np.mean(log**2))),
        "log10": float(np.mean(np.abs(log)) / np.log(10)),
        **{f"delta{n}": float(np.mean(ratio < 1.25**n)) for n in (1, 2, 3)},
        "scale": scale,
        "pixels": float(t.size),
    }
