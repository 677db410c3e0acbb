"""Label maps of several segments, each estimated against the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.deepigeos.history import Bytes, Estimate
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, NONE
from meddl.deepigeos.roi import Box

INSIDE = 128  # quantised probabilities from here on are above one half


def seeds_against_the_rest(seeds: NDArray[np.uint8], segment: int) -> Bytes:
    """A session's seeds as one segment's method takes them: all others are background.

    Args:
        seeds: (K, J, I) uint8, 0 none, 1 background, 2 and above segment + 1.

    Returns:
        (K, J, I) uint8, 0 none, 1 background, 2 foreground.
    """
    table = np.full(256, BACKGROUND, np.uint8)
    table[0], table[segment + 1] = NONE, FOREGROUND
    return np.asarray(table[seeds])


def compose(
    region: Box,
    estimates: Mapping[int, Estimate],
    initial: Bytes | None,
    seeds: Bytes,
    frozen: Bytes,
    labels: Bytes,
) -> Bytes:
    """The labels within a box: arg-max of the estimates, then seeds, then frozen voxels.

    Args:
        region: where.
        estimates: segment -> its probability.
        initial: (K, J, I) uint8 labels that hold where their segment has no estimate, or None.
        seeds: (K, J, I) uint8, 0 none, 1 background, 2 and above segment + 1.
        frozen: (K, J, I) uint8, non-zero voxels keep what they have in ``labels``.
        labels: (K, J, I) uint8, the labels so far.

    Returns:
        uint8 labels of the region's shape: the segment of the highest probability if that is above
        one half, the lower number where two are equal; else 0.
    """
    result = np.zeros(region.shape, np.uint8)
    best = np.full(region.shape, INSIDE - 1, np.uint8)
    if initial is not None:
        result[:] = initial[region.slices]
    parts = {
        segment: both
        for segment, estimate in sorted(estimates.items())
        if (both := region.intersection(estimate.box)) is not None
    }
    for segment, both in parts.items():  # an estimate replaces what was there initially
        inside = result[both.inside(region)]
        inside[inside == segment] = 0
    for segment, both in parts.items():
        values = estimates[segment].values[both.inside(estimates[segment].box)]
        inside, highest = result[both.inside(region)], best[both.inside(region)]
        better = values > highest
        inside[better] = segment
        highest[better] = values[better]
    seeded = seeds[region.slices] != NONE
    result[seeded] = seeds[region.slices][seeded] - 1
    kept = frozen[region.slices] != 0
    result[kept] = labels[region.slices][kept]
    return result


def label_boxes(labels: NDArray[Any] | None) -> dict[int, Box]:
    """Label -> the smallest box that holds it, 0 left out."""
    if labels is None:
        return {}
    from scipy.ndimage import find_objects

    boxes = {}
    for label, found in enumerate(find_objects(labels), start=1):
        if found is not None:
            k, j, i = found
            boxes[label] = Box((k.start, j.start, i.start), (k.stop, j.stop, i.stop))
    return boxes
