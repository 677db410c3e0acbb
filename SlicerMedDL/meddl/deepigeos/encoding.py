"""What the generalist networks see: an image and its seeds as channels of one grid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from meddl.core.errors import InputError
from meddl.geodesic import geodesic_distance

Array = NDArray[np.float32]
CHANNELS = (
    "image, its 1st..99th percentile to -1..1",
    "image about the foreground seeds, -1..1",
    "log-likelihood ratio of the value, -1..1",
    "foreground geodesic, exponential",
    "background geodesic, exponential",
    "geodesic contrast, -1..1",
    "foreground distance, exponential",
    "background distance, exponential",
)
REACH = 6.0  # voxels of the finest axis after which the Euclidean encoding falls to 1/e
GEODESIC_SCALE = 1.0  # of the value about the foreground seeds, after which the other one does
STEP = 0.02  # geodesic length of a voxel of the finest axis where nothing changes
BINS, RANGE = 64, 8.0  # of the histograms; they reach RANGE deviations to either side
PRIOR = 0.1  # weight of the whole image in the background's histogram


def encode(image: Array, seeds: NDArray[np.uint8], spacing: Sequence[float]) -> Array:
    """The channels of an image with seeds.

    The values about the foreground seeds and the likelihood ratio make the contrast that matters
    large whatever the modality; geodesic distances run on those values, saturated, so that one
    crossing of the target's border costs about as much as any other.

    Args:
        image: (K, J, I), any range.
        seeds: uint8 of the same shape, 0 none, 1 background, 2 foreground.
        spacing: voxel size in mm along k, j, i.

    Returns:
        (8, K, J, I) float32, see CHANNELS. Where one kind of seed is missing its encodings and the
        geodesic contrast are 0.

    Raises:
        InputError: other shapes.
    """
    if image.ndim != 3 or image.shape != seeds.shape:
        raise InputError(f"image {image.shape} and seeds {seeds.shape}: equal (K, J, I) expected")
    steps = tuple(float(step) / min(spacing) for step in spacing)
    foreground, background = seeds == 2, seeds == 1
    low, high = np.percentile(image, (1, 99))
    overall = np.clip(2 * (image - low) / max(high - low, 1e-12) - 1, -1, 1)
    centre, width = _target_values(image, foreground, steps, max(high - low, 1e-12))
    relative = (image - centre) / width
    local = np.tanh(relative / 3).astype(np.float32)
    channels = np.zeros((len(CHANNELS), *image.shape), np.float32)
    channels[0], channels[1] = overall, local
    channels[2] = _likelihood_ratio(relative, foreground, background)

    def distances(number: int, mask: NDArray[np.bool_]) -> Array:
        cost = geodesic_distance(local, mask, steps, cost="fastgeodis", lambda_=1 / (1 + STEP))
        channels[3 + number] = np.exp(-cost / GEODESIC_SCALE)
        distance = ndimage.distance_transform_edt(~mask, sampling=steps)
        channels[6 + number] = np.exp(-distance / REACH)
        return cost

    kinds = [(n, mask) for n, mask in enumerate((foreground, background)) if mask.any()]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda kind: distances(*kind), kinds))
    if len(found) == 2:
        channels[5] = (found[1] - found[0]) / (found[1] + found[0] + 1e-6)
    return channels


def _target_values(
    image: Array, foreground: NDArray[np.bool_], steps: Sequence[float], contrast: float
) -> tuple[float, float]:
    """Median and robust deviation of the values at the foreground seeds and beside them."""
    if not foreground.any():
        return float(np.median(image)), float(contrast / 4)
    around = np.ones([3 if step < 2 else 1 for step in steps], bool)
    values = image[ndimage.binary_dilation(foreground, around)]
    centre = float(np.median(values))
    width = 1.4826 * float(np.median(np.abs(values - centre)))
    return centre, max(width, 0.01 * contrast)


def _likelihood_ratio(
    relative: Array, foreground: NDArray[np.bool_], background: NDArray[np.bool_]
) -> Array:
    """log p(value | foreground) / p(value | background) / 4, from smoothed histograms."""
    if not foreground.any():
        return np.zeros(relative.shape, np.float32)
    bins = np.clip((relative / RANGE + 1) * (BINS / 2), 0, BINS - 1).astype(np.uint8)
    everywhere = _histogram(bins)
    inside = _histogram(bins[ndimage.binary_dilation(foreground)])
    outside = everywhere
    if background.any():
        outside = (1 - PRIOR) * _histogram(bins[background]) + PRIOR * everywhere
    ratio = np.log((inside + 1e-3) / (outside + 1e-3))
    return np.clip(ratio / 4, -1, 1).astype(np.float32)[bins]


def _histogram(bins: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of the bins, smoothed more where there are few values (Silverman's rule)."""
    counts = np.bincount(bins.ravel(), minlength=BINS).astype(np.float64)
    spread = 1.06 * max(bins.std(), 1.0) * bins.size**-0.2
    return np.asarray(ndimage.gaussian_filter1d(counts / counts.sum(), max(spread, 0.7)))
