"""A simulated user: seeds where a segmentation and the truth differ.

Training and evaluation both draw from here, so that a network is used as it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from meddl.core.errors import InputError

Mask = NDArray[np.bool_]
LEAST = 30  # voxels; smaller errors get no seed in the published rule
VOXELS_PER_SEED = 100
RING = 0.3  # distance of the first background stroke, over the square root of the target's area
LEAST_RING = 3  # pixels


def random_seeds(
    segmentation: NDArray[np.generic], truth: NDArray[np.generic], rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Seeds drawn at random in every connected error, the rule of the DeepIGeoS paper.

    A missed or a wrongly segmented component of N voxels (face neighbours) gets no seed if N < 30
    and ceil(N / 100) voxels otherwise (Wang et al., IEEE TPAMI 41(7), 2019, section 3.4).

    Args:
        segmentation, truth: masks of equal shape, 2-D or 3-D; non-zero is inside.

    Returns:
        Masks of the new foreground seeds (what was missed) and of the background seeds.

    Raises:
        InputError: the shapes differ.
    """
    missed, wrong = _errors(segmentation, truth)
    return _random_in_components(missed, rng), _random_in_components(wrong, rng)


def scribbles(
    segmentation: NDArray[np.generic],
    truth: NDArray[np.generic],
    spacing: Sequence[float],
    rng: np.random.Generator,
) -> tuple[Mask, Mask]:
    """The strokes that a user would draw next, in one slice.

    The largest connected error gets one stroke along the middle axis of its cut in one of its
    largest slices. An empty segmentation gets two strokes: one in the target and one in the
    background, a ring about the target in the same slice.

    Args:
        segmentation, truth: masks of equal shape, 2-D or 3-D; non-zero is inside.
        spacing: voxel size in mm along each array axis; slices are cut across the axes whose
            pixels are not more than 1.5 times as long as the finest.

    Returns:
        Masks of the foreground and the background stroke; both empty if nothing is wrong.

    Raises:
        InputError: the shapes differ, or a spacing that is not positive.
    """
    missed, wrong = _errors(segmentation, truth)
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape != (missed.ndim,) or not (np.isfinite(steps).all() and (steps > 0).all()):
        raise InputError(f"the spacing is {spacing} mm, {missed.ndim} positive numbers expected")
    first = not np.any(segmentation)
    biggest = [_largest_component(mask) for mask in (missed, wrong)]
    strokes = np.zeros_like(missed), np.zeros_like(missed)
    which = int(biggest[1].sum() > biggest[0].sum())
    error = biggest[which]
    if not error.any():
        return strokes
    plane = _slice(error, steps, rng)
    strokes[which][plane] = _stroke(error[plane], rng)
    if first:
        strokes[1][plane] = _ring(np.asarray(truth)[plane] != 0)
    return strokes


def _errors(segmentation: NDArray[np.generic], truth: NDArray[np.generic]) -> tuple[Mask, Mask]:
    """What the segmentation missed, and what it has too much."""
    found: Mask = np.asarray(segmentation) != 0
    true: Mask = np.asarray(truth) != 0
    if found.shape != true.shape or true.ndim not in (2, 3):
        raise InputError(
            f"segmentation and truth have shapes {found.shape} and {true.shape}, equal ones of 2 "
            "or 3 axes were expected"
        )
    return true & ~found, found & ~true


def _random_in_components(error: Mask, rng: np.random.Generator) -> Mask:
    labels, count = ndimage.label(error)
    seeds = np.zeros(error.shape, bool)
    order = np.argsort(labels, axis=None, kind="stable")
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for stop, size in zip(np.cumsum(sizes)[1:], sizes[1:], strict=True):
        if size >= LEAST:
            voxels = order[stop - size : stop]
            seeds.flat[rng.choice(voxels, -(-size // VOXELS_PER_SEED), replace=False)] = True
    return seeds


def _largest_component(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + np.bincount(labels.ravel())[1:].argmax())


def _slice(
    mask: Mask, spacing: NDArray[np.float64], rng: np.random.Generator
) -> tuple[slice | int, ...]:
    """Index of a 2-D slice through the mask: a random view, one of its largest cuts."""
    if mask.ndim == 2:
        return slice(None), slice(None)
    views = []
    for axis in range(3):
        pixels = np.delete(spacing, axis)
        if pixels.max() <= 1.5 * spacing.min():
            views.append(axis)
    axis = int(rng.choice(views)) if views else int(spacing.argmax())
    areas = mask.sum(axis=tuple(n for n in range(3) if n != axis))
    index = int(rng.choice(np.flatnonzero(areas >= 0.9 * areas.max())))
    return tuple(index if n == axis else slice(None) for n in range(3))


def _stroke(region: Mask, rng: np.random.Generator) -> Mask:
    """A line along the middle axis of the largest part of a 2-D region, one pixel wide.

    The axis is the path between two far ends that keeps away from the border: each step costs its
    length over the squared distance to the border. Its ends, where the region is less than half as
    wide as at its widest, are left out, and up to a third of the rest.
    """
    region = _largest_component(region)
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    number = np.full(region.shape, -1)
    pixels = np.argwhere(region)
    number[region] = np.arange(len(pixels))
    lengths, axis_costs = _pixel_graph(region, number, depth)
    middle = int(depth[region].argmax())
    start = int(dijkstra(lengths, indices=middle).argmax())
    end = int(dijkstra(lengths, indices=start).argmax())
    before = dijkstra(axis_costs, indices=start, return_predecessors=True)[1]
    path = [end]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    wide = depth[tuple(pixels[path].T)] >= 0.5 * depth.max()
    first, last = np.flatnonzero(wide)[[0, -1]] if wide.any() else (0, len(path) - 1)
    drawn = path[first : last + 1]
    kept = int(np.ceil(rng.uniform(2 / 3, 1) * len(drawn)))
    shift = int(rng.integers(len(drawn) - kept + 1))
    stroke = np.zeros(region.shape, bool)
    stroke[tuple(pixels[drawn[shift : shift + kept]].T)] = True
    return stroke


def _pixel_graph(
    region: Mask, number: NDArray[np.int_], depth: NDArray[np.float64]
) -> tuple[coo_array, coo_array]:
    """The graphs of a region's pixels and their 8 neighbours, by length and by length / depth^2."""
    sources, targets, lengths, costs = [], [], [], []
    for rows, columns in ((0, 1), (1, 0), (1, 1), (1, -1)):
        length = float(np.hypot(rows, columns))
        here = (
            slice(0, region.shape[0] - rows),
            slice(max(0, -columns), region.shape[1] - max(0, columns)),
        )
        there = (slice(rows, None), slice(max(0, columns), region.shape[1] + min(0, columns)))
        both = region[here] & region[there]
        sources.append(number[here][both])
        targets.append(number[there][both])
        lengths.append(np.full(int(both.sum()), length))
        costs.append(length / (depth[here][both] * depth[there][both]))
    ends = np.concatenate(sources + targets), np.concatenate(targets + sources)
    size = int(region.sum())
    by_length, by_cost = (
        coo_array((np.tile(np.concatenate(values), 2), ends), (size, size)).tocsr()
        for values in (lengths, costs)
    )
    return by_length, by_cost


def _ring(target: Mask) -> Mask:
    """A closed line in the background about a 2-D target."""
    outside = ndimage.distance_transform_edt(np.pad(~target, 1, mode="edge"))[1:-1, 1:-1]
    distance = max(LEAST_RING, RING * np.sqrt(target.sum()))
    return np.asarray((outside >= distance) & (outside < distance + 1))
