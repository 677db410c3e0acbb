"""An interactive segmentation: scribbles in, masks out, everything undoable.

Segments are numbered from 1. Each is segmented against the rest within a region of interest of its
own; a voxel belongs to the segment with the highest probability if that is above one half, to the
lower number where two are equal. The probabilities are kept in steps of 1/255.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import Cancelled, InputError
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos import roi as regions
from meddl.deepigeos.composition import INSIDE, compose, label_boxes
from meddl.deepigeos.estimation import Estimator
from meddl.deepigeos.history import Action, Bytes, Estimate, History, difference, estimate_change
from meddl.deepigeos.marks import Indices, label_map, voxels
from meddl.deepigeos.methods import BACKGROUND, Maker
from meddl.deepigeos.roi import Box

MOST_SEGMENTS = 254  # a label map of seeds has 1 for background and segment + 1


class InteractiveSession:
    """Segments of one image, from scribbles and clicks.

    Whatever the method does, every seed voxel gets its label, frozen voxels keep theirs, and the
    same calls give the same result. A call that is cancelled or fails leaves everything as it was.

    Args:
        image: (K, J, I[, C]), finite; C channels of one grid.
        roi: ((k0, k1), (j0, j1), (i0, i1)) voxels, upper ends exclusive: where segments may lie.
            Default: around the scribbles, growing while the result touches its border.
        weights: name or path of your own P-Net, R-Net or both (joined by a comma); of several
            classes the n-th is segment n.
        device: where networks compute.
        method: a name of :data:`meddl.deepigeos.methods.METHODS`, ``"auto"``, or a maker.
        initial: (K, J, I) segmentation to start from, 0 background, 1 and above segments.
        seeds: (K, J, I) as :attr:`seeds` gave them, to resume a session.
        frozen: (K, J, I) mask of voxels whose label never changes.

    Raises:
        InputError: an argument that does not fit the image, or an image with NaN.
        Cancelled: while the result of ``seeds`` was computed.
    """

    def __init__(
        self,
        image: Image,
        roi: Any = None,
        weights: str | None = None,
        device: str = "auto",
        *,
        method: str | Maker = "auto",
        initial: Any = None,
        seeds: Any = None,
        frozen: Any = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> None:
        self.image = image.require_finite()
        self.roi = regions.parse_roi(roi, image.array.shape)
        self.weights, self.device, self.method = weights, device, method
        self._shape = image.array.shape[:3]
        self._seeds: Bytes = np.zeros(self._shape, np.uint8)
        self._frozen: Bytes = np.zeros(self._shape, np.uint8)
        self._initial = None if initial is None else label_map(initial, image, "initial labels")
        self._labels = np.zeros_like(self._seeds) if initial is None else self._initial.copy()  # type: ignore[union-attr]
        self._initial_boxes = label_boxes(self._initial)
        self._estimates: dict[int, Estimate] = {}
        self._estimator = Estimator(self.image, self.roi, method, weights, device)
        self._history = History()
        self.interrupted = False  # whether the last call was cancelled
        self.changed: Box | None = None  # where the last call may have changed labels
        if frozen is not None:
            self._frozen[:] = label_map(np.asarray(frozen) != 0, image, "frozen voxels")
        if seeds is not None:
            self._edit(*_all_seeds(label_map(seeds, image, "seeds")), progress, cancel)
            self._history = History()

    # What the user does

    def add(
        self,
        foreground: Any = None,
        background: Any = None,
        segment: int = 1,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> NDArray[np.bool_]:
        """Add seeds and segment anew.

        Seeds on frozen voxels are left out; a new seed replaces an older one of the same voxel.

        Args:
            foreground: what belongs to ``segment``: a (K, J, I) mask, or points (N, 3), RAS mm.
            background: what belongs to no segment, in the same forms.
            segment: number of the segment, from 1.

        Returns:
            (K, J, I) mask of ``segment``. After a cancel the one from before, with
            :attr:`interrupted` set and the new seeds dropped.

        Raises:
            InputError: nothing marked, a voxel marked as both, or marks that do not fit the image.
        """
        segment = _segment_number(segment)
        inside = voxels(foreground, self.image, "foreground")
        outside = voxels(background, self.image, "background")
        both = np.intersect1d(inside, outside, assume_unique=True)
        if both.size:
            kji = [int(n) for n in np.unravel_index(both[0], self._shape)]
            raise InputError(
                f"{both.size} voxels are marked as foreground and background, the first at ijk "
                f"{tuple(kji[::-1])}; mark each once"
            )
        if not inside.size + outside.size:
            raise InputError("nothing is marked; give foreground or background voxels or points")
        values = np.repeat([segment + 1, BACKGROUND], [inside.size, outside.size]).astype(np.uint8)
        self._try_edit(np.concatenate([inside, outside]), values, progress, cancel)
        return self.mask(segment)

    def remove(
        self,
        marks: Any,
        segment: int = 1,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> NDArray[np.bool_]:
        """Delete the seeds in a (K, J, I) mask or at points (N, 3; RAS mm); else as :meth:`add`."""
        indices = voxels(marks, self.image, "removed")
        self._try_edit(indices, np.zeros(indices.size, np.uint8), progress, cancel)
        return self.mask(segment)

    def set_seeds(
        self, seeds: Any, progress: Progress = no_progress, cancel: CancelToken | None = None
    ) -> None:
        """Replace all seeds by a (K, J, I) map: 0 none, 1 background, 2 and above segments."""
        new = label_map(seeds, self.image, "seeds").reshape(-1)
        indices = np.flatnonzero(new != self._seeds.reshape(-1))
        self._try_edit(indices, new[indices], progress, cancel)

    def predict(
        self,
        segment: int = 1,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
        *,
        roi: Any = None,
    ) -> NDArray[np.bool_]:
        """Segment without seeds, by trained weights or from a box; returns as :meth:`add`.

        With the weights of a P-Net trained on the target it is looked for in the box, or in the
        whole image. Other methods need the box: its outside is taken for background and its middle
        for foreground, which guides them and holds no voxel. Seeds then correct what was found as
        they correct ``initial``.

        Args:
            roi: box about the target, as the session takes it; default: the session's.

        Raises:
            InputError: the method cannot start without seeds, or not without a box; a box that
                does not fit the image or lies outside the session's.
        """
        segment = _segment_number(segment)
        box = self._box_of_target(roi)
        self.changed = None
        try:
            if self._estimator.classes:
                box = box or regions.whole(self._shape)
                self._commit({segment: self._estimated(segment, box, progress, cancel)}, box, {})
            elif box is not None:
                estimate = self._estimator.started(segment, box, self._seeds, progress, cancel)
                changed = self._set_initial(segment, estimate)
                self._commit({segment: estimate}, changed["initial"].box, changed)
            self.interrupted = False
        except Cancelled:
            self.interrupted = True
        return self.mask(segment)

    def undo(self) -> bool:
        """Take back the last action exactly; False if there is none."""
        return self._step(self._history.done, self._history.undone, back=True)

    def redo(self) -> bool:
        """Do the action again that :meth:`undo` took back; False if there is none."""
        return self._step(self._history.undone, self._history.done, back=False)

    # What the user sees

    def mask(self, segment: int = 1) -> NDArray[np.bool_]:
        """(K, J, I) boolean mask of a segment."""
        return np.asarray(self._labels == _segment_number(segment))

    def labels(self) -> Bytes:
        """(K, J, I) uint8 label map, read-only: 0 background, 1 and above segments."""
        return _read_only(self._labels)

    def probability(self, segment: int = 1) -> NDArray[np.float32]:
        """(K, J, I) float32 in 0..1, of the segment against all else; 0 outside its region."""
        segment = _segment_number(segment)
        result = np.zeros(self._shape, np.float32)
        if self._initial is not None:
            result[self._initial == segment] = 1
        if segment in self._estimates:
            estimate = self._estimates[segment]
            result[estimate.box.slices] = estimate.values / np.float32(255)
        return result

    def region(self, segment: int = 1) -> Box | None:
        """Where a segment is computed, or None before its first seed."""
        estimate = self._estimates.get(_segment_number(segment))
        return None if estimate is None else estimate.box

    @property
    def seeds(self) -> Bytes:
        """(K, J, I) uint8, read-only: 0 none, 1 background, 2 and above segment + 1."""
        return _read_only(self._seeds)

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """(K, J, I) mask of voxels whose label never changes; assigning a mask is an action."""
        return _read_only(self._frozen.view(bool))

    @frozen.setter
    def frozen(self, mask: Any) -> None:
        new = np.zeros_like(self._frozen)
        if mask is not None:
            new[:] = label_map(np.asarray(mask) != 0, self.image, "frozen voxels")
        box = regions.box_of_voxels(np.flatnonzero(new != self._frozen), self._shape)
        if box is not None:
            change = difference(self._frozen[box.slices], new[box.slices], box)
            self._history.push(Action({"frozen": change}))
            self._frozen = new

    @property
    def can_predict(self) -> bool:
        """Whether :meth:`predict` can start without seeds and without a further box."""
        return bool(self.predictable)

    @property
    def can_start_in_box(self) -> bool:
        """Whether :meth:`predict` can start without seeds, if it gets a box about the target."""
        return self._estimator.can_start_in_box

    @property
    def predictable(self) -> range:
        """The segments that can be predicted without seeds and without a further box.

        Those that trained weights have a class for; with a region of interest of the session's
        own the first, for other methods that can start from a box; else none.
        """
        if not self._estimator.classes and self.roi is not None and self.can_start_in_box:
            return range(1, 2)
        return self._estimator.classes

    @property
    def can_undo(self) -> bool:
        """Whether :meth:`undo` has something to take back."""
        return bool(self._history.done)

    @property
    def can_redo(self) -> bool:
        """Whether :meth:`redo` has something to do again."""
        return bool(self._history.undone)

    @property
    def history_bytes(self) -> int:
        """Memory that undo and redo take."""
        return self._history.size

    # How it is done

    def _try_edit(
        self,
        indices: Indices,
        values: Bytes,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> None:
        self.interrupted = False
        try:
            self._edit(indices, values, progress, cancel)
        except Cancelled:
            self.interrupted = True

    def _edit(
        self, indices: Indices, values: Bytes, progress: Progress, cancel: CancelToken | None
    ) -> None:
        """Set the seeds at flat ``indices``, segment what they concern, and record the action."""
        self.changed = None
        seeds, frozen = self._seeds.reshape(-1), self._frozen.reshape(-1)
        free = frozen[indices] == 0
        if indices.size and not free.any():
            raise InputError(f"all {indices.size} marked voxels are frozen; mark others")
        new = free & (seeds[indices] != values)
        indices, values = indices[new], values[new]
        box = regions.box_of_voxels(indices, self._shape)
        if box is None:
            return
        before = self._seeds[box.slices].copy()
        old = seeds[indices]
        seeds[indices] = values
        try:
            concerned = self._concerned(indices, old, values)
            estimates = {}
            for count, (segment, region) in enumerate(concerned.items()):
                part = subprogress(progress, count / len(concerned), (count + 1) / len(concerned))
                estimates[segment] = self._estimated(segment, region, part, cancel)
        except BaseException:
            seeds[indices] = old
            raise
        change = difference(before, self._seeds[box.slices], box)
        self._commit(estimates, box, {"seeds": change})

    def _concerned(self, indices: Indices, old: Bytes, new: Bytes) -> dict[int, Box]:
        """The segments that changed seeds concern, each with its region."""
        axes = np.unravel_index(indices, self._shape)
        own = {int(value) - 1 for value in np.union1d(old, new) if value > BACKGROUND}
        concerned = {}
        for segment in sorted(own | set(self._estimates) | set(self._initial_boxes)):
            region = self.region(segment)
            if region is None and segment in self._initial_boxes:
                region = self._around(self._initial_boxes[segment])
            added = regions.box_of_voxels(indices[new == segment + 1], self._shape)
            if added is not None:
                region = self._around(added).union(region or added)
            if self.roi is not None and region is not None:
                region = self.roi
            if region is not None and (segment in own or region.holds_any(axes)):
                concerned[segment] = region
        return concerned

    def _around(self, box: Box) -> Box:
        return regions.around(box, self._estimator.spacing, self._shape)

    def _estimated(
        self, segment: int, box: Box, progress: Progress, cancel: CancelToken | None
    ) -> Estimate:
        """A segment's new estimate from all seeds, and from what it is corrected from."""
        initial = self._initial if segment in self._initial_boxes else None
        former = self._estimates.get(segment)
        return self._estimator.estimated(
            segment, box, self._seeds, initial, former, progress, cancel
        )

    def _box_of_target(self, roi: Any) -> Box | None:
        """The box that :meth:`predict` works in; refused where the method cannot do without."""
        box = regions.parse_roi(roi, self._shape)
        if box is None:
            box = self.roi
        elif self.roi is not None:
            inside = box.intersection(self.roi)
            if inside is None:
                raise InputError(
                    f"the box {box.start}..{box.stop} (k, j, i) lies outside the session's region "
                    f"of interest {self.roi.start}..{self.roi.stop}"
                )
            box = inside
        if not self._estimator.classes and (box is None or not self.can_start_in_box):
            remedy = "give a roi, a box about the target, " if self.can_start_in_box else ""
            raise InputError(
                f"method {self.method!r} cannot predict without seeds; add some, {remedy}or give "
                "the weights of a P-Net trained on the target"
            )
        return box

    def _set_initial(self, segment: int, estimate: Estimate) -> dict[str, Any]:
        """Let a segment's estimate be what it is corrected from; the change, for undo."""
        region = estimate.box
        if segment in self._initial_boxes:
            region = region.union(self._initial_boxes[segment])
        if self._initial is None:
            self._initial = np.zeros_like(self._labels)
        part = self._initial[region.slices]
        before = part.copy()
        part[part == segment] = 0
        part[estimate.box.inside(region)][estimate.values >= INSIDE] = segment
        self._initial_boxes = label_boxes(self._initial)
        return {"initial": difference(before, part, region)}

    def _commit(
        self, estimates: Mapping[int, Estimate], seeded: Box, arrays: Mapping[str, Any]
    ) -> None:
        """Take over new estimates, compose the labels that they concern, record the action."""
        region, changes = seeded, {}
        for segment, estimate in estimates.items():
            change = estimate_change(self._estimates.get(segment), estimate)
            if change is not None:
                changes[segment] = change
                region = region.union(change.change.box)
        self._estimates.update(estimates)
        labels = compose(
            region, self._estimates, self._initial, self._seeds, self._frozen, self._labels
        )
        change_of_labels = difference(self._labels[region.slices], labels, region)
        self._labels[region.slices] = labels
        self._history.push(Action({**arrays, "labels": change_of_labels}, changes))
        self.changed = region

    def _step(self, source: list[Action], target: list[Action], *, back: bool) -> bool:
        self.changed, self.interrupted = None, False
        if not source:
            return False
        action = source.pop()
        for name, change in action.arrays.items():
            change.apply(getattr(self, f"_{name}"))
            if name == "labels":
                self.changed = change.box
            if name == "initial":
                self._initial_boxes = label_boxes(self._initial)
        for segment, change_of_estimate in action.estimates.items():
            estimate = change_of_estimate.apply(self._estimates.pop(segment, None), back=back)
            if estimate is not None:
                self._estimates[segment] = estimate
        target.append(action)
        return True


def _segment_number(segment: int) -> int:
    if isinstance(segment, bool) or not 1 <= segment <= MOST_SEGMENTS or segment != int(segment):
        raise InputError(f"segment {segment!r}, a whole number 1..{MOST_SEGMENTS} was expected")
    return int(segment)


def _all_seeds(seeds: Bytes) -> tuple[Indices, Bytes]:
    indices = np.flatnonzero(seeds)
    return indices, seeds.reshape(-1)[indices]


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
