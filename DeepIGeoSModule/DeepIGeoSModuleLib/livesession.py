"""A session that follows the scribbles in the scene and shows its result as a preview.

The effect and the module share the one of an edited segmentation. What is computed runs on the
shared worker; strokes that come meanwhile replace the running call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from DeepIGeoSModuleLib import preview, scribbles, writing
from DeepIGeoSModuleLib.computing import Request, Result, Start, State, compute, stacked
from meddl.core.errors import InputError, MedDLError
from meddl.core.image import Image
from meddl.deepigeos.roi import box_of_corners
from SlicerMedDLLib.labelmaps import Box
from SlicerMedDLLib.markups import corners_of_roi
from SlicerMedDLLib.nodes import require_node
from SlicerMedDLLib.transforms import world_from_node
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.volumes import view_of_volume

DEBOUNCE_MILLISECONDS = 100  # between the end of a stroke and the call: a double click is one call
CHANNEL_ROLE = "MedDL.DeepIGeoS.Channel"  # references from the edited segmentation
BOX_ROLE = "MedDL.DeepIGeoS.Box"
_ATTRIBUTE = "MedDL.DeepIGeoS."
MOST_SEGMENTS = 254


class LiveSession:
    """Scribbles, preview and result of one edited segmentation.

    Args:
        segmentation: the edited one.
        runner: a task runner of :mod:`SlicerMedDLLib.tasks`.

    Attributes:
        editor: an effect's ``scriptedEffect`` or a :class:`writing.Editor`; says where may be
            edited, and writes.
        listeners: called with an event ("strokes", "preview", "busy", "status",
            "settings", "closed") after each change.
        status: one line for the user.
        device: where networks compute.
    """

    def __init__(self, segmentation: Any, runner: Any) -> None:
        self.segmentation = segmentation
        self.runner = runner
        self.editor: Any = None
        self.listeners: list[Callable[[str], None]] = []
        self.status = ""
        self.fraction = 0.0
        self.device = "auto"
        self.numbers: dict[str, int] = {}
        self._state: State | None = None
        self._result: Result | None = None
        self._image: tuple[Any, Image] | None = None
        self._base: Any = None
        self._generation = 0
        self._initial: Callable[[], NDArray[np.uint8] | None] = lambda: None
        self._undone: list[Callable[[], Any]] = []  # what draws each again
        self._again = False
        self._hidden = False
        preview.restore_edited(segmentation)
        for one in scribbles.strokes(segmentation):
            self._number(one.segment)

    # Settings, kept with the segmentation

    @property
    def volume(self) -> Any:
        """The source volume of the editor."""
        node = self.editor.parameterSetNode() if self.editor is not None else None
        return node.GetSourceVolumeNode() if node is not None else None

    def _setting(self, name: str, default: str) -> str:
        return str(self.segmentation.GetAttribute(_ATTRIBUTE + name) or default)

    @property
    def method(self) -> str:
        """Name of the method, "auto" by default."""
        return self._setting("Method", "auto")

    @method.setter
    def method(self, name: str) -> None:
        if name != self.method:
            self.segmentation.SetAttribute(_ATTRIBUTE + "Method", name)
            self._changed()

    @property
    def keep_others(self) -> bool:
        """Whether other segments are kept although the editor would overwrite them."""
        return self._setting("KeepOthers", "1") == "1"

    @keep_others.setter
    def keep_others(self, keep: bool) -> None:
        if keep != self.keep_others:
            self.segmentation.SetAttribute(_ATTRIBUTE + "KeepOthers", str(int(keep)))
            self._changed()

    def channels(self) -> list[Any]:
        """The volumes that are further channels of the source volume."""
        count = self.segmentation.GetNumberOfNodeReferences(CHANNEL_ROLE)
        nodes = [
            self.segmentation.GetNthNodeReference(CHANNEL_ROLE, number) for number in range(count)
        ]
        return [node for node in nodes if node is not None and node is not self.volume]

    def set_channels(self, volumes: list[Any]) -> None:
        """Choose further channels; they must have the grid of the source volume."""
        self.segmentation.RemoveNodeReferenceIDs(CHANNEL_ROLE)
        for node in volumes:
            self.segmentation.AddNodeReferenceID(CHANNEL_ROLE, node.GetID())
        self._changed()

    @property
    def box(self) -> Any:
        """The ROI node about the target that is to be initialised; None without one."""
        return self.segmentation.GetNodeReference(BOX_ROLE)

    @box.setter
    def box(self, roi: Any) -> None:
        if roi is not self.box:
            self.segmentation.SetNodeReferenceID(BOX_ROLE, roi and roi.GetID())
            self._tell("settings")

    def _changed(self) -> None:
        """Another setting: what is shown is computed anew."""
        self._tell("settings")
        if self._result is not None:
            self.update()

    # Strokes

    def add_stroke(self, voxels: NDArray[np.int64], kind: str, segment: str) -> str:
        """Store a stroke of i, j, k voxels (M, 3); the preview follows.

        Raises:
            InputError: it lies outside the volume.
        """
        self._number(segment)
        name = scribbles.add_stroke(self.segmentation, self.volume, voxels, kind, segment)
        self._undone.clear()
        self._tell("strokes")
        return name

    def remove_strokes(self, ids: list[str]) -> None:
        """Delete strokes; the preview follows."""
        scribbles.remove_strokes(self.segmentation, ids)
        self._undone.clear()
        self._tell("strokes")

    def undo(self) -> bool:
        """Take back the last stroke or *Initialise*; False if there is none."""
        found = scribbles.strokes(self.segmentation)
        if not found:
            return False
        last = found[-1]
        node, volume = self.segmentation, self.volume
        if last.drawn:
            where, mask = scribbles.stroke_mask(node, last.id, self.image())
            voxels = (np.argwhere(mask) + np.array([part.start for part in where]))[:, ::-1]
            again = partial(scribbles.add_stroke, node, volume, voxels, last.kind, last.segment)
        else:
            again = partial(scribbles.add_start, node, volume, last.box, last.segment)
        self._undone.append(again)
        scribbles.remove_strokes(node, [last.id])
        self._tell("strokes")
        return True

    def redo(self) -> bool:
        """Do again what :meth:`undo` took back; False if there is none."""
        if not self._undone:
            return False
        self._undone.pop()()
        self._tell("strokes")
        return True

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke."""
        return bool(scribbles.strokes(self.segmentation))

    @property
    def pending(self) -> bool:
        """Whether there are strokes whose result was not yet applied."""
        return any(not one.applied for one in scribbles.strokes(self.segmentation))

    @property
    def can_redo(self) -> bool:
        """Whether a stroke was taken back."""
        return bool(self._undone)

    # Preview

    @property
    def has_preview(self) -> bool:
        """Whether there is a result that can be applied."""
        return self._result is not None and preview.preview_of(self.segmentation) is not None

    def image(self) -> Image:
        """The source volume and its channels as one image, made anew after each change.

        Raises:
            InputError: no volume, a non-linear transform, or channels on other grids.
        """
        volumes = [require_node(self.volume, "vtkMRMLScalarVolumeNode", _("source volume"))]
        volumes += self.channels()
        key = tuple(map(_version, volumes))
        if self._image is None or self._image[0] != key:
            self._image = key, stacked([view_of_volume(node) for node in volumes])
        return self._image[1]

    def initialise(self, segment: str) -> None:
        """Predict a segment without scribbles, in the box if there is one; one step of undo.

        Raises:
            InputError: the box lies beside the volume.
        """
        self._number(segment)
        box = None
        if self.box is not None:
            found = box_of_corners(corners_of_roi(self.box), self.image())
            k, j, i = zip(found.start, found.stop, strict=True)
            box = k, j, i
        scribbles.add_start(self.segmentation, self.volume, box, segment)
        self._undone.clear()
        self._tell("strokes")
        self.update()

    def update(self) -> None:
        """Compute anew from what the scene holds; a running call is replaced."""
        if self.runner.busy:
            self._again = True
            self.runner.cancel()
            return
        self._again = False
        try:
            request = self._request()
        except MedDLError as error:
            self._say(said(error))
            return
        if self._result is None and not request.starts and not request.seeds.any():
            return
        self._say("")
        self.runner.run(
            compute,
            self._state,
            request,
            on_done=self._show,
            on_progress=self._progress,
            on_error=self._failed,
            on_cancelled=self._cancelled,
            watch=[self.segmentation, self.volume],
        )
        self._tell("busy")

    def _request(self) -> Request:
        image = self.image()
        numbers = self._present_numbers()
        targets = list(numbers)
        base = (self._content(targets), self._image and self._image[0])
        if base != self._base:
            self._base, self._generation = base, self._generation + 1
            self._initial = writing.deferred_segments(self.segmentation, image, numbers)
        values = {name: number + 1 for name, number in numbers.items()}
        starts = [
            Start(one.id, numbers[one.segment], one.box, one.applied)
            for one in scribbles.strokes(self.segmentation)
            if not one.drawn and one.segment in numbers
        ]
        return Request(
            (self._generation, self.method, self.device),
            image,
            self.method,
            self.device,
            scribbles.seeds(self.segmentation, image, values),
            writing.deferred_lock(self.editor, image, targets, self.keep_others),
            self._initial,
            numbers,
            starts,
            self._last_stroke(),
        )

    def _last_stroke(self) -> tuple[Box, NDArray[np.bool_]] | None:
        found = scribbles.strokes(self.segmentation)
        if not found or not found[-1].drawn:
            return None
        return scribbles.stroke_mask(self.segmentation, found[-1].id, self.image())

    def _content(self, targets: list[str]) -> tuple[Any, ...]:
        """Changes when the voxels of an edited segment do, by whatever tool."""
        name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
        found = []
        for target in targets:
            labelmap = self._edited(target).GetRepresentation(name)
            found.append((target, labelmap and labelmap.GetMTime()))
        return tuple(found)

    def _edited(self, name: str) -> Any:
        return self.segmentation.GetSegmentation().GetSegment(name)

    def _number(self, segment: str) -> int:
        if not segment:
            return 0
        if segment not in self.numbers:
            if len(self.numbers) == MOST_SEGMENTS:
                raise InputError(
                    _("a session has at most {most} segments; apply it first").format(
                        most=MOST_SEGMENTS
                    )
                )
            # Its place in the list, which is the class of weights with several; or the first free.
            place = self.segmentation.GetSegmentation().GetSegmentIndex(segment) + 1
            free = set(range(1, MOST_SEGMENTS + 1)) - set(self.numbers.values())
            self.numbers[segment] = place if place in free else min(free)
        return self.numbers[segment]

    def _show(self, result: Result) -> None:
        self._state = result.state
        self._result = result
        self._say(_lost_stroke() if result.lost else "")
        self._draw(result)
        self._finished()

    def _draw(self, result: Result) -> None:
        preview.show_preview(self.segmentation, self.volume, result.labels, self._present_numbers())
        self._tell("preview")

    def _present_numbers(self) -> dict[str, int]:
        """The segments of the session that the segmentation still has."""
        return {name: n for name, n in self.numbers.items() if self._edited(name) is not None}

    def _progress(self, fraction: float, message: str) -> None:
        self.fraction, self.status = fraction, message
        self._tell("status")

    def _failed(self, line: str) -> None:
        self._say(line)
        self._finished()

    def _cancelled(self) -> None:
        self._say("")
        self._finished()

    def _finished(self) -> None:
        self._tell("busy")
        if self._again:
            self.update()

    # The end of it

    def apply(self) -> int:
        """Write the preview into the edited segmentation: one step of the editor's undo.

        Returns:
            How many voxels differed.

        Raises:
            InputError: there is no preview, or it is being computed.
        """
        if self.runner.busy:
            raise InputError(_("the preview is being computed; wait or cancel"))
        if not self.has_preview or self._result is None:
            raise InputError(_("there is no preview; draw a stroke or initialise first"))
        labels, image = self._result.labels, self.image()
        known = self._present_numbers()
        changed = writing.write_labels(self.editor, self.volume, image, labels, known)
        scribbles.mark_applied(self.segmentation)
        preview.remove_preview(self.segmentation)
        # The session goes on with what it has; only the change of another tool starts it anew.
        self._base = (self._content(list(known)), self._image and self._image[0])
        self._tell("preview")
        return changed

    def cancel(self) -> None:
        """Stop, and forget the preview and the strokes since the last :meth:`apply`."""
        self._again = False
        self.runner.cancel()
        found = scribbles.strokes(self.segmentation)
        scribbles.remove_strokes(self.segmentation, [one.id for one in found if not one.applied])
        preview.remove_preview(self.segmentation)
        self._undone.clear()
        self._state = self._result = self._base = None
        self._tell("preview")

    def region(self, segment: str) -> Any:
        """The box (k, j, i) in which a segment was computed; None before."""
        if self._result is None:
            return None
        return self._result.regions.get(self.numbers.get(segment, 0))

    def hide(self) -> None:
        """Take the preview from the views, but keep it."""
        self._hidden = self.has_preview
        preview.remove_preview(self.segmentation)

    def resume(self) -> None:
        """Show the preview again that :meth:`hide` took away."""
        if self._hidden and self._result is not None and self.volume is not None:
            self._hidden = False
            self._draw(self._result)

    def stop(self) -> None:
        """Stop what runs; the last good preview stays."""
        self._again = False
        self.runner.cancel()

    def close(self) -> None:
        """The scene is closed or the segmentation removed."""
        self.stop()
        self._tell("closed")
        self.listeners.clear()
        self._state = self._result = self._image = None

    def _say(self, text: str) -> None:
        self.status, self.fraction = text, 0.0
        self._tell("status")

    def _tell(self, event: str) -> None:
        for listener in list(self.listeners):
            listener(event)


def _lost_stroke() -> str:
    return _(
        "The last stroke lies in another segment or outside the editable area, where nothing "
        "changes; see Other segments and Masking"
    )


def _version(node: Any) -> tuple[Any, ...]:
    """Changes with the voxels of a volume and with where they lie; not with its name or colours."""
    local_from_ijk = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(local_from_ijk)
    ras_from_ijk = world_from_node(node) @ slicer.util.arrayFromVTKMatrix(local_from_ijk)
    data = node.GetImageData()
    return node.GetID(), data and data.GetMTime(), ras_from_ijk.tobytes()
