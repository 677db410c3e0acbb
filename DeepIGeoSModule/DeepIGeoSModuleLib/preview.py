"""The preview: a segmentation beside the edited one, shown over the slices and in 3-D."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from DeepIGeoSModuleLib.scribbles import labelmap_at
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.volumes import vtk_image

ROLE = "MedDL.DeepIGeoS.Preview"  # of the reference from the edited segmentation
REGION_ROLE = "MedDL.DeepIGeoS.Region"
_FILL = "MedDL.DeepIGeoS.Fill"  # attributes: the opacities that edited segments had before
_BINARY = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
_SURFACE = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
SURFACE_VOXELS = 500_000  # a finer surface would hold up the window for more than 0.1 s


def preview_of(segmentation: Any) -> Any:
    """The preview of an edited segmentation; None without one."""
    return segmentation.GetNodeReference(ROLE) if segmentation is not None else None


def show_preview(
    segmentation: Any, volume: Any, labels: NDArray[np.uint8], numbers: Mapping[str, int]
) -> Any:
    """Show labels over the slices, in place of the edited segments.

    Args:
        segmentation: the edited one.
        volume: the volume whose voxels are labelled.
        labels: (K, J, I) of the volume.
        numbers: segment id -> its label.

    Returns:
        The preview's node, which is not saved with the scene.
    """
    node = preview_of(segmentation) or _make(segmentation)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    own = node.GetSegmentation()
    labelmap = _cropped(labels, volume)
    with slicer.util.NodeModify(node):
        for name in own.GetSegmentIDs():
            if name not in numbers:
                own.RemoveSegment(name)
        for name, number in numbers.items():
            edited = segmentation.GetSegmentation().GetSegment(name)
            one = own.GetSegment(name)
            if one is None:
                one = slicer.vtkSegment()
                one.SetName(edited.GetName())
                one.SetColor(*edited.GetColor())
                own.AddSegment(one, name)
            one.SetLabelValue(number)
            one.RemoveRepresentation(_SURFACE)
            one.AddRepresentation(_BINARY, labelmap)
    _fade_edited(segmentation, numbers, node.GetDisplayNode().GetOpacity())
    return node


def remove_preview(segmentation: Any) -> None:
    """Take the preview away; the edited segments are shown as before."""
    node = preview_of(segmentation)
    if node is not None:
        restore_edited(segmentation)
        segmentation.SetNodeReferenceID(ROLE, None)
        slicer.mrmlScene.RemoveNode(node)
    region = segmentation.GetNodeReference(REGION_ROLE)
    if region is not None:
        slicer.mrmlScene.RemoveNode(region)


def set_balance(segmentation: Any, after: float) -> None:
    """Show the state before (0) or after (1), or both faintly in between."""
    node = preview_of(segmentation)
    if node is None:
        return
    node.GetDisplayNode().SetOpacity(after)
    _fade_edited(segmentation, list(node.GetSegmentation().GetSegmentIDs()), after)


def set_3d(segmentation: Any, shown: bool) -> None:
    """Show the preview in 3-D, or not."""
    node = preview_of(segmentation)
    if node is None:
        return
    own = node.GetSegmentation()
    node.GetDisplayNode().SetVisibility3D(shown)
    for name in own.GetSegmentIDs():
        one = own.GetSegment(name)
        if shown and one.GetRepresentation(_SURFACE) is None:
            one.AddRepresentation(_SURFACE, _surface(one))
        elif not shown:
            one.RemoveRepresentation(_SURFACE)
    node.Modified()


def show_region(segmentation: Any, volume: Any, box: Any, shown: bool) -> Any:
    """Show which voxels are computed, as a box that cannot be moved.

    Args:
        box: with ``start`` and ``stop``, k, j, i; None takes the box away.

    Returns:
        The ROI node, which is not saved with the scene, or None.
    """
    node = segmentation.GetNodeReference(REGION_ROLE)
    if box is None or not shown:
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
        return None
    if node is None:
        node = new_node(
            "vtkMRMLMarkupsROINode", _("{name} region").format(name=segmentation.GetName())
        )
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)  # none of the boxes that a user may choose
        node.SetLocked(True)
        display = node.GetDisplayNode()
        display.SetHandlesInteractive(False)
        display.SetFillOpacity(0.0)
        display.SetPropertiesLabelVisibility(False)
        segmentation.SetNodeReferenceID(REGION_ROLE, node.GetID())
    _place(node, volume, np.array(box.start[::-1], float), np.array(box.stop[::-1], float))
    return node


def fit_box(node: Any, volume: Any, part: float) -> None:
    """Place an ROI node in the middle of a volume, with this part of its extents."""
    size = np.array(volume.GetImageData().GetDimensions(), float)
    _place(node, volume, (1 - part) / 2 * size, (1 + part) / 2 * size)


def _place(node: Any, volume: Any, start: NDArray[np.float64], stop: NDArray[np.float64]) -> None:
    """Let an ROI node hold the voxels ``start`` to ``stop`` (i, j, k; exclusive) of a volume."""
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    local_from_ijk = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(local_from_ijk)
    matrix = slicer.util.arrayFromVTKMatrix(local_from_ijk)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    node_from_box = np.eye(4)
    node_from_box[:3, :3] = matrix[:3, :3] / spacing
    node_from_box[:3, 3] = (matrix @ [*((start + stop - 1) / 2), 1])[:3]
    with slicer.util.NodeModify(node):
        node.SetSize(*((stop - start) * spacing))
        node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(node_from_box))


def _make(segmentation: Any) -> Any:
    node = new_node(
        "vtkMRMLSegmentationNode", _("{name} preview").format(name=segmentation.GetName())
    )
    node.SetSaveWithScene(False)
    node.SetSelectable(False)
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetOpacity(1.0)
    display.SetVisibility3D(False)
    segmentation.SetNodeReferenceID(ROLE, node.GetID())
    return node


def _cropped(labels: NDArray[np.uint8], volume: Any) -> Any:
    """Labels as a labelmap of the box that holds them; one voxel where there are none."""
    low, high = [], []
    for axis in (2, 1, 0):
        used = np.flatnonzero(labels.any(axis=tuple({0, 1, 2} - {axis})))
        low.append(int(used[0]) if used.size else 0)
        high.append(int(used[-1]) + 1 if used.size else 1)
    part = labels[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    return labelmap_at(np.ascontiguousarray(part), np.array(low), volume)


def _surface(segment: Any) -> Any:
    """The surface of a preview's segment, from every n-th voxel where there are many."""
    labelmap = segment.GetRepresentation(_BINARY)
    low = np.array(labelmap.GetExtent()[::2])
    values = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    mask = values.reshape(labelmap.GetDimensions()[::-1]) == segment.GetLabelValue()
    step = max(1, int(np.ceil((mask.size / SURFACE_VOXELS) ** (1 / 3))))
    padded = np.pad(mask[::step, ::step, ::step].astype(np.uint8), 1)  # closed at the border, too
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(vtk_image(padded))
    contour.SetValue(0, 0.5)
    local_from_ijk = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(local_from_ijk)
    local_from_step = vtk.vtkTransform()
    local_from_step.SetMatrix(local_from_ijk)
    local_from_step.Translate(*(float(value) - step for value in low))
    local_from_step.Scale(step, step, step)
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetTransform(local_from_step)
    moved.SetInputConnection(contour.GetOutputPort())
    moved.Update()
    return moved.GetOutput()


def _fade_edited(segmentation: Any, names: Iterable[str], after: float) -> None:
    """Fill the edited segments as little as the preview is filled; their outlines stay.

    What they had is noted at the segmentation: a scene that is saved meanwhile holds the faded one.
    """
    display = segmentation.GetDisplayNode()
    for name in names if display is not None else ():
        key = f"{_FILL}.{name}"
        if segmentation.GetAttribute(key) is None:
            segmentation.SetAttribute(key, str(display.GetSegmentOpacity2DFill(name)))
        fill = float(segmentation.GetAttribute(key))
        display.SetSegmentOpacity2DFill(name, fill * (1 - after))


def restore_edited(segmentation: Any) -> None:
    """Show the edited segments of a segmentation without preview as they were."""
    display, own = segmentation.GetDisplayNode(), segmentation.GetSegmentation()
    for key in list(segmentation.GetAttributeNames()):
        if not key.startswith(f"{_FILL}."):
            continue
        name = key.removeprefix(f"{_FILL}.")
        if display is not None and own.GetSegment(name) is not None:
            display.SetSegmentOpacity2DFill(name, float(segmentation.GetAttribute(key)))
        segmentation.RemoveAttribute(key)
