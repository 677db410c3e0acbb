"""Boxes of voxels: the part of an image that a session computes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image

Triple = tuple[int, int, int]

# Room around the scribbles of a target: at least this, and half their largest extent, because a
# stroke along the middle axis of an organ's section reaches almost from end to end.
MARGIN_MM = 20.0
MARGIN_PART = 0.5
LEAST_VOXELS = 4
GROWTH = 0.5  # part of a side's length that is added where the result touches that side


@dataclass(frozen=True)
class Box:
    """Voxels ``start`` (inclusive) to ``stop`` (exclusive) along k, j, i."""

    start: Triple
    stop: Triple

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """What cuts the box out of an array of (K, J, I, …)."""
        k, j, i = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    @property
    def shape(self) -> Triple:
        """Voxels along k, j, i."""
        k, j, i = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            _triple(np.minimum(self.start, other.start)), _triple(np.maximum(self.stop, other.stop))
        )

    def intersection(self, other: Box) -> Box | None:
        """What both boxes have in common, or None."""
        start = _triple(np.maximum(self.start, other.start))
        stop = _triple(np.minimum(self.stop, other.stop))
        return Box(start, stop) if all(a < b for a, b in zip(start, stop, strict=True)) else None

    def holds_any(self, axes: Sequence[NDArray[np.integer[Any]]]) -> bool:
        """Whether one of the voxels lies within; ``axes`` are their k, j and i, each (n,)."""
        inside = np.ones(axes[0].shape, bool)
        for axis, start, stop in zip(axes, self.start, self.stop, strict=True):
            inside &= (axis >= start) & (axis < stop)
        return bool(inside.any())

    def inside(self, outer: Box) -> tuple[slice, slice, slice]:
        """What cuts this box out of an array that holds ``outer``, which contains it."""
        start = _triple(np.subtract(self.start, outer.start))
        return Box(start, _triple(np.add(start, self.shape))).slices


def _triple(values: Any) -> Triple:
    k, j, i = (int(value) for value in values)
    return k, j, i


def whole(shape: Sequence[int]) -> Box:
    """The box of an image of (K, J, I, …) voxels."""
    return Box((0, 0, 0), _triple(shape[:3]))


def box_of_voxels(indices: NDArray[np.integer[Any]], shape: Sequence[int]) -> Box | None:
    """The smallest box of flat indices (n,) into an array of ``shape`` (K, J, I); None for none."""
    if indices.size == 0:
        return None
    return box_of_positions(np.stack(np.unravel_index(indices, tuple(shape[:3])), axis=1))


def box_of_positions(positions: NDArray[np.integer[Any]]) -> Box:
    """The smallest box of voxels (n, 3) in the order k, j, i; n is at least 1."""
    return Box(_triple(positions.min(axis=0)), _triple(positions.max(axis=0) + 1))


def around(box: Box, spacing: Sequence[float], shape: Sequence[int]) -> Box:
    """``box`` with room on all sides, within an image.

    The room is :data:`MARGIN_MM` or :data:`MARGIN_PART` of the box's largest extent, whichever is
    more, and at least :data:`LEAST_VOXELS` voxels.

    Args:
        box: of the scribbles.
        spacing: (3,) mm along k, j, i.
        shape: (K, J, I, …) of the image.
    """
    steps = np.asarray(spacing, dtype=np.float64)
    room = max(MARGIN_MM, MARGIN_PART * float(np.max(np.array(box.shape) * steps)))
    return padded(box, np.maximum(room / steps, LEAST_VOXELS), shape)


def padded(box: Box, voxels: NDArray[np.floating[Any]], shape: Sequence[int]) -> Box:
    """``box`` with ``voxels`` (3,; rounded up) more on both sides, within an image of ``shape``."""
    room = np.ceil(voxels).astype(int)
    return Box(
        _triple(np.maximum(np.subtract(box.start, room), 0)),
        _triple(np.minimum(np.add(box.stop, room), shape[:3])),
    )


def touched_sides(mask: NDArray[np.bool_], box: Box, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Which sides of a box a result reaches, those of the image left out.

    Args:
        mask: (k, j, i) the result within ``box``.
        box: where it lies in the image.
        shape: (K, J, I, …) of the image.

    Returns:
        Pairs of axis and side: 0 the lower, 1 the upper.
    """
    sides = []
    for axis in range(3):
        if box.start[axis] > 0 and mask.take(0, axis).any():
            sides.append((axis, 0))
        if box.stop[axis] < shape[axis] and mask.take(-1, axis).any():
            sides.append((axis, 1))
    return sides


def grown(box: Box, sides: Sequence[tuple[int, int]], shape: Sequence[int]) -> Box:
    """``box`` longer by :data:`GROWTH` at each of ``sides``, within an image of ``shape``."""
    start, stop = list(box.start), list(box.stop)
    for axis, side in sides:
        more = max(int(np.ceil(GROWTH * box.shape[axis])), LEAST_VOXELS)
        if side == 0:
            start[axis] = max(start[axis] - more, 0)
        else:
            stop[axis] = min(stop[axis] + more, shape[axis])
    return Box(_triple(start), _triple(stop))


def box_of_corners(corners: Any, image: Image) -> Box:
    """The voxels of an image between the outermost of some corners along its axes.

    A box that is turned against the image is enlarged to one along the image's axes.

    Args:
        corners: (N, 3) RAS, mm.

    Raises:
        InputError: no centre of a voxel lies within.
    """
    ras = np.asarray(corners, dtype=np.float64)
    kji = apply(image.ijk_from_ras, ras)[:, ::-1]
    low, high = kji.min(axis=0), kji.max(axis=0)
    shape = image.array.shape[:3]
    start = np.maximum(np.ceil(low - 1e-6), 0)
    stop = np.minimum(np.floor(high + 1e-6) + 1, shape)
    if (start >= stop).any():
        ends = [np.round(end(axis=0), 3).tolist() for end in (ras.min, ras.max)]
        raise InputError(
            f"the box from RAS {ends[0]} to {ends[1]} mm holds no voxel of the image; draw it "
            "about the target"
        )
    return Box(_triple(start), _triple(stop))


def parse_roi(roi: Any, shape: Sequence[int]) -> Box | None:
    """A user's region of interest as a box.

    Args:
        roi: None, a :class:`Box`, or ((k0, k1), (j0, j1), (i0, i1)), voxels, upper ends exclusive.
        shape: (K, J, I, …) of the image.

    Raises:
        InputError: another form, an empty box, or one that leaves the image.
    """
    if roi is None:
        return None
    if isinstance(roi, Box):
        roi = tuple(zip(roi.start, roi.stop, strict=True))
    try:
        bounds = np.array(roi, dtype=np.float64)
    except (TypeError, ValueError):
        bounds = np.zeros(0)
    if bounds.shape != (3, 2) or not (bounds == np.round(bounds)).all():
        raise InputError(
            f"roi is {roi!r}, whole numbers ((k0, k1), (j0, j1), (i0, i1)) were expected"
        )
    start, stop = bounds.T
    if (start < 0).any() or (stop > shape[:3]).any() or (start >= stop).any():
        raise InputError(
            f"roi {bounds.astype(int).tolist()} is empty or leaves the image of "
            f"{_triple(shape[:3])} voxels (k, j, i)"
        )
    return Box(_triple(start), _triple(stop))
