"""Undo and redo: what an action changed, packed, and the two stacks.

A difference is the exclusive or of a box before and after, compressed: applying it turns either
state into the other, and unchanged voxels take next to no memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meddl.deepigeos.roi import Box, whole

Bytes = NDArray[np.uint8]
LEVEL = 1  # of zlib: a stroke at 128^3 packs in milliseconds, and higher levels gain a few per cent
LIMIT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Difference:
    """What changed in one box of a uint8 array."""

    box: Box
    packed: bytes

    def apply(self, array: Bytes) -> None:
        """Turn ``array`` from the state before to the state after, or back, in place."""
        change = np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.box.shape)
        array[self.box.slices] ^= change


def difference(before: Bytes, after: Bytes, box: Box) -> Difference:
    """The change from ``before`` to ``after``, both (k, j, i) uint8 and lying at ``box``."""
    return Difference(box, zlib.compress(np.bitwise_xor(before, after).tobytes(), LEVEL))


@dataclass(frozen=True)
class Estimate:
    """One segment's probability, quantised to 0..255, within its region of interest.

    Attributes:
        box: the region of interest; the probability is 0 outside.
        values: (k, j, i) uint8.
    """

    box: Box
    values: Bytes


@dataclass(frozen=True)
class EstimateChange:
    """From one estimate of a segment to another; either may be absent."""

    before: Box | None
    after: Box | None
    change: Difference

    def apply(self, estimate: Estimate | None, *, back: bool) -> Estimate | None:
        """The estimate after the change (before it if ``back``), given the other one."""
        target = self.before if back else self.after
        if target is None:
            return None
        outer = self.change.box
        values = _embedded(estimate, outer)
        Difference(whole(outer.shape), self.change.packed).apply(values)
        return Estimate(target, np.ascontiguousarray(values[target.inside(outer)]))


def _embedded(estimate: Estimate | None, outer: Box) -> Bytes:
    values = np.zeros(outer.shape, np.uint8)
    if estimate is not None:
        values[estimate.box.inside(outer)] = estimate.values
    return values


def estimate_change(before: Estimate | None, after: Estimate | None) -> EstimateChange | None:
    """The change between two estimates of one segment, or None if both are absent."""
    boxes = [estimate.box for estimate in (before, after) if estimate is not None]
    if not boxes:
        return None
    outer = boxes[0].union(boxes[-1])
    change = difference(_embedded(before, outer), _embedded(after, outer), outer)
    first, second = (None if estimate is None else estimate.box for estimate in (before, after))
    return EstimateChange(first, second, change)


@dataclass(frozen=True)
class Action:
    """One step of a session.

    Attributes:
        arrays: name of a full-size array ("seeds", "labels", "frozen", "initial") -> its change.
        estimates: segment -> change of its estimate.
    """

    arrays: Mapping[str, Difference]
    estimates: Mapping[int, EstimateChange] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that the packed changes take."""
        packed = [change.packed for change in self.arrays.values()]
        packed += [change.change.packed for change in self.estimates.values()]
        return sum(map(len, packed))


class History:
    """The stacks of done and undone actions; the oldest go when ``limit`` bytes are exceeded."""

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self.limit = limit
        self.done: list[Action] = []
        self.undone: list[Action] = []

    def push(self, action: Action) -> None:
        """Add a new action; what was undone is forgotten. The newest action always stays."""
        self.undone.clear()
        self.done.append(action)
        while len(self.done) > 1 and self.size > self.limit:
            del self.done[0]

    @property
    def size(self) -> int:
        """Bytes that both stacks take."""
        return sum(action.size for action in (*self.done, *self.undone))
