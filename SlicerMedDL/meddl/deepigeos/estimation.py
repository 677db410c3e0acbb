"""One segment's probability from seeds: by which method, in which region, from what before."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress
from meddl.deepigeos import roi as regions
from meddl.deepigeos.anchors import anchored_seeds
from meddl.deepigeos.box_hints import box_hints, with_room
from meddl.deepigeos.composition import INSIDE, seeds_against_the_rest
from meddl.deepigeos.history import Bytes, Estimate
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Maker, Method, make_method
from meddl.deepigeos.roi import Box

CORNER = Box((0, 0, 0), (1, 1, 1))


class Estimator:
    """Estimates of the segments of one image; knows no seeds, keeps a prepared method per segment.

    Args:
        image, roi, method, weights, device: of :class:`meddl.deepigeos.session.InteractiveSession`,
            ``roi`` as a box or None.
    """

    def __init__(
        self, image: Image, roi: Box | None, method: str | Maker, weights: str | None, device: str
    ) -> None:
        self._image, self._roi = image, roi
        self._method, self._weights, self._device = method, weights, device
        self._shape = image.array.shape[:3]
        self.spacing = tuple(float(step) for step in image.spacing[::-1])  # mm along k, j, i
        self._prepared: dict[int, tuple[Box, Method]] = {}

    @cached_property
    def _example(self) -> Method:
        """The method for one voxel, which is made at once, to ask what it can."""
        return self._made(1, CORNER)

    @property
    def classes(self) -> range:
        """The segments that trained weights have a class for."""
        seeded = getattr(self._example, "needs_seeds", True)
        return range(1, 1 + (0 if seeded else getattr(self._example, "classes", 1)))

    @property
    def can_start_in_box(self) -> bool:
        """Whether a segment can begin without seeds in a box about it."""
        return bool(self.classes) or bool(getattr(self._example, "takes_hints", False))

    def estimated(
        self,
        segment: int,
        box: Box,
        seeds: Bytes,
        initial: Bytes | None,
        former: Estimate | None,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> Estimate:
        """A segment's new estimate; the region grows while the result touches its border.

        Args:
            box: the region to begin with.
            seeds: (K, J, I) of all segments, as those of a session.
            initial: (K, J, I) labels that the segment is corrected from; None: from nothing.
            former: the estimate before.

        Raises:
            InputError: the method returned another shape.
            Cancelled: by the token.
        """
        while True:
            if cancel is not None:
                cancel.check()
            own = seeds_against_the_rest(seeds[box.slices], segment)
            mask = None if initial is None else initial[box.slices] == segment
            found = self._quantised(segment, box, own, mask, former, progress, cancel)
            values = _with_seeds(found, own)
            sides = regions.touched_sides(values >= INSIDE, box, self._shape)
            if self._roi is not None or not sides:
                return Estimate(box, values)
            box = regions.grown(box, sides, self._shape)

    def started(
        self,
        segment: int,
        target: Box,
        seeds: Bytes,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> Estimate:
        """A segment's first estimate from a box about it, which lies within the box.

        Args, Raises: as :meth:`estimated`.
        """
        part = with_room(target, self._shape)
        own = seeds_against_the_rest(seeds[part.slices], segment)
        method: Any = self._made(segment, part)
        found = method(own, None, progress=progress, cancel=cancel, hints=box_hints(target, part))
        values = _with_seeds(self._in_steps(found, part), own)
        if cancel is not None:
            cancel.check()
        kept = self._roi or part
        estimate = Estimate(kept, np.zeros(kept.shape, np.uint8))
        estimate.values[target.inside(kept)] = values[target.inside(part)]
        return estimate

    def _quantised(
        self,
        segment: int,
        box: Box,
        seeds: Bytes,
        initial: NDArray[np.bool_] | None,
        former: Estimate | None,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> Bytes:
        method = self._method_for(segment, box)
        if initial is not None and not getattr(method, "uses_previous", True):
            seeds = anchored_seeds(seeds, initial, self.spacing)
        if getattr(method, "needs_seeds", True) and not (seeds == FOREGROUND).any():
            return np.zeros(box.shape, np.uint8)
        previous = _previous(box, initial, former)
        return self._in_steps(method(seeds, previous, progress=progress, cancel=cancel), box)

    def _in_steps(self, found: Any, box: Box) -> Bytes:
        """What a method returned for a box, in steps of 1/255."""
        probability = np.asarray(found)
        if probability.shape != box.shape:
            raise InputError(
                f"method {self._method!r} returned shape {probability.shape}, {box.shape} expected"
            )
        return np.rint(np.clip(probability, 0, 1) * 255).astype(np.uint8)

    def _method_for(self, segment: int, box: Box) -> Method:
        """The method prepared for a segment's region; the one of the last call if it is that."""
        made = self._prepared.get(segment)
        if made is None or made[0] != box:
            made = self._prepared[segment] = box, self._made(segment, box)
        return made[1]

    def _made(self, segment: int, box: Box) -> Method:
        crop = self._image.array[box.slices]
        volume = np.ascontiguousarray(crop.reshape(*box.shape, -1), dtype=np.float32)
        ras_from_ijk = self._image.ras_from_ijk.copy()
        ras_from_ijk[:3, 3] = apply(ras_from_ijk, box.start[::-1])
        options = self._device, self._weights, ras_from_ijk, segment
        return make_method(self._method, volume, self.spacing, *options)


def _previous(
    box: Box, initial: NDArray[np.bool_] | None, former: Estimate | None
) -> NDArray[np.float32] | None:
    """What a method corrects, 0..1 in the box: the estimate before, or the initial mask."""
    if former is None:
        return None if initial is None else initial.astype(np.float32)
    previous = np.zeros(box.shape, np.float32)
    both = box.intersection(former.box)
    if both is not None:
        previous[both.inside(box)] = former.values[both.inside(former.box)] / np.float32(255)
    return previous


def _with_seeds(values: Bytes, seeds: Bytes) -> Bytes:
    """Quantised probabilities that hold their seeds, in place."""
    values[seeds == FOREGROUND] = 255
    values[seeds == BACKGROUND] = 0
    return values
