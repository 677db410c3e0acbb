"""Writing a result into the edited segmentation, by the rules of the Segment Editor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from DeepIGeoSModuleLib.scribbles import labelmap_at
from meddl.core.image import Image
from SlicerMedDLLib.labelmaps import sampled
from SlicerMedDLLib.segmentations import layers_of_segmentation, masks_from_segmentation, painted

_LOGIC = slicer.vtkSlicerSegmentEditorLogic
_MODES = slicer.vtkMRMLSegmentationNode


class Editor:
    """The Segment Editor's rules without its panel: masking, overwriting and undo.

    It has what an effect's ``self.scriptedEffect`` offers for editing, so that either can write.

    Args:
        node: ``vtkMRMLSegmentEditorNode`` with segmentation, source volume and rules.
    """

    ModificationModeAdd = _LOGIC.ModificationModeAdd
    ModificationModeRemove = _LOGIC.ModificationModeRemove

    def __init__(self, node: Any) -> None:
        self.logic = _LOGIC()
        self.logic.SetMRMLScene(node.GetScene())
        self.logic.SetSegmentEditorNode(node)

    def parameterSetNode(self) -> Any:
        """The node with the rules."""
        return self.logic.GetSegmentEditorNode()

    def saveStateForUndo(self) -> None:
        """The next change can be undone by ``logic.Undo()``."""
        self.logic.SaveStateForUndo()

    def referenceGeometryImage(self) -> Any:
        """The grid of the segmentation; None without one."""
        ready = self.logic.UpdateReferenceGeometryImage()
        return self.logic.GetReferenceGeometryImage() if ready else None

    def maskLabelmap(self) -> Any:
        """1 where editing is not allowed; None if it cannot be told."""
        ready = self.logic.UpdateMaskLabelmap()
        return self.logic.GetMaskLabelmap() if ready else None

    def modifySegmentByLabelmap(
        self, segmentation: Any, name: str, labelmap: Any, mode: Any
    ) -> None:
        """Add or remove voxels of a segment, as the rules allow."""
        self.logic.ModifySegmentByLabelmap(segmentation, name, labelmap, mode, True, False)


def segment_masks(
    segmentation: Any, image: Image, names: list[str] | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Segment id -> its mask (K, J, I) on the voxels of an image; empty segments as well."""
    known = list(segmentation.GetSegmentation().GetSegmentIDs())
    names = known if names is None else [name for name in names if name in known]
    if not names:
        return {}
    found = masks_from_segmentation(segmentation, image, names)
    return {segment.id: mask.view(bool) for segment, mask in found}


def write_labels(
    editor: Any,
    volume: Any,
    image: Image,
    labels: NDArray[np.uint8],
    numbers: Mapping[str, int],
) -> int:
    """Make segments equal to labels where the rules of the editor allow it: one step of its undo.

    Only voxels that differ are touched, so what lies outside the volume stays.

    Args:
        editor: an effect's ``scriptedEffect``, or an :class:`Editor`.
        volume, image: what was segmented, as node and as image.
        labels: (K, J, I).
        numbers: segment id -> its label.

    Returns:
        How many voxels differed.
    """
    segmentation = editor.parameterSetNode().GetSegmentationNode()
    masks = segment_masks(segmentation, image, list(numbers))
    remove, add = editor.ModificationModeRemove, editor.ModificationModeAdd
    steps = [(name, mask & (labels != numbers[name]), remove) for name, mask in masks.items()]
    steps += [(name, ~mask & (labels == numbers[name]), add) for name, mask in masks.items()]
    steps = [step for step in steps if step[1].any()]
    if not steps:
        return 0
    editor.saveStateForUndo()
    with slicer.util.NodeModify(segmentation):
        for name, mask, mode in steps:
            editor.modifySegmentByLabelmap(
                segmentation, name, _modifier(editor, segmentation, volume, mask), mode
            )
    return sum(int(np.count_nonzero(mask)) for _name, mask, _mode in steps)


def _modifier(editor: Any, segmentation: Any, volume: Any, mask: NDArray[np.bool_]) -> Any:
    """A mask on the voxels of a volume as a labelmap on the grid of the segmentation."""
    used = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    part = tuple(slice(int(where[0]), int(where[-1]) + 1) for where in used)
    low = np.array([where.start for where in part[::-1]])
    labelmap = labelmap_at(np.ascontiguousarray(mask[part], np.uint8), low, volume)
    reference = editor.referenceGeometryImage()
    same_frame = volume.GetTransformNodeID() == segmentation.GetTransformNodeID()
    resample = slicer.vtkOrientedImageDataResample
    if same_frame and resample.DoGeometriesMatch(labelmap, reference):
        return labelmap
    segmentation_from_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        volume.GetParentTransformNode(),
        segmentation.GetParentTransformNode(),
        segmentation_from_volume,
    )
    resampled = slicer.vtkOrientedImageData()
    resample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, reference, resampled, False, False, segmentation_from_volume
    )
    return resampled


def deferred_segments(
    segmentation: Any, image: Image, numbers: Mapping[str, int]
) -> Callable[[], NDArray[np.uint8] | None]:
    """A function that paints segments as labels, in any thread; their voxels are copied now.

    Args:
        numbers: segment id -> its label.

    Returns:
        It gives (K, J, I) labels, or None where the segments are empty.
    """
    layers = list(layers_of_segmentation(segmentation, image, list(numbers))) if numbers else []

    def make() -> NDArray[np.uint8] | None:
        labels = painted(layers, numbers, image.array.shape[:3])
        return labels if labels.any() else None

    return make


def deferred_lock(
    editor: Any, image: Image, targets: list[str], keep_others: bool
) -> Callable[[], NDArray[np.bool_]]:
    """A function that tells, in any thread, where the editor's rules of now allow no change.

    Locked is what lies outside the editable area or in segments that are kept. In 160x400x400
    voxels with two other segments a stroke held the window up for 0.24 s while the mask was made
    here; the copies for it take a tenth of that.

    Args:
        editor: an effect's ``scriptedEffect``, or an :class:`Editor`.
        image: what is segmented.
        targets: ids of the segments that are segmented.
        keep_others: whether other segments are kept although the editor would overwrite them.

    Returns:
        It gives a mask (K, J, I), true where nothing may change.
    """
    node = editor.parameterSetNode()
    segmentation, shape = node.GetSegmentationNode(), image.array.shape[:3]
    masked = limits = None
    if node.GetMaskMode() != _MODES.EditAllowedEverywhere:
        masked = sampled(editor.maskLabelmap(), segmentation, image)
    if node.GetSourceVolumeIntensityMask():
        limits = node.GetSourceVolumeIntensityMaskRange()
    others = overwritable(node, targets) if keep_others else []
    layers = list(layers_of_segmentation(segmentation, image, others)) if others else []

    def make() -> NDArray[np.bool_]:
        locked = painted(layers, dict.fromkeys(others, 1), shape).view(bool)
        if masked is not None:
            box, values = masked
            locked[box] |= values != 0
        if limits is not None:
            values = image.array if image.components == 1 else image.array[..., 0]
            locked |= (values < limits[0]) | (values > limits[1])
        return locked

    return make


def overwritable(node: Any, targets: list[str]) -> list[str]:
    """Ids of the segments beside ``targets`` that the editor would overwrite."""
    segmentation, mode = node.GetSegmentationNode(), node.GetOverwriteMode()
    if mode == node.OverwriteNone:
        return []
    others = [
        name for name in segmentation.GetSegmentation().GetSegmentIDs() if name not in targets
    ]
    display = segmentation.GetDisplayNode()
    if mode == node.OverwriteVisibleSegments and display is not None:
        others = [name for name in others if display.GetSegmentVisibility(name)]
    return others
