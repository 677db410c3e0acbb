"""Scribbles in the scene: a segmentation of their own, one segment for each stroke, in order.

That a segment was initialised has its place in that order: a segment without voxels, which notes
the box. The edited segmentation refers to the node, so that a saved scene resumes the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from meddl.core.errors import InputError
from meddl.core.image import Image
from SlicerMedDLLib.labelmaps import Box
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.segmentations import layers_of_segmentation, painted
from SlicerMedDLLib.volumes import vtk_image

ROLE = "MedDL.DeepIGeoS.Scribbles"  # of the reference from the edited segmentation
FOREGROUND, BACKGROUND, START = "foreground", "background", "initialise"
COLORS = {FOREGROUND: (0.2, 0.9, 0.3), BACKGROUND: (0.95, 0.25, 0.2), START: (0.9, 0.8, 0.3)}
_KIND, _SEGMENT, _APPLIED = "MedDL.Kind", "MedDL.Segment", "MedDL.Applied"
_BOX = "MedDL.Box"
Roi = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]  # k, j, i; upper ends exclusive
_BINARY = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()


class Stroke(NamedTuple):
    """One stroke, or that a segment was initialised.

    Attributes:
        id: of its segment among the scribbles.
        name: what lists show.
        kind: :data:`FOREGROUND`, :data:`BACKGROUND` or :data:`START`.
        segment: id of the segment that was selected; a background stroke counts for all segments.
        applied: whether its result was written into the segmentation.
        box: in which a segment was initialised; None for the whole volume, and for strokes.
    """

    id: str
    name: str
    kind: str
    segment: str
    applied: bool
    box: Roi | None = None

    @property
    def drawn(self) -> bool:
        """Whether it marks voxels."""
        return self.kind != START


def scribbles_of(segmentation: Any) -> Any:
    """The node with the scribbles of an edited segmentation; None before the first stroke."""
    return segmentation.GetNodeReference(ROLE) if segmentation is not None else None


def make_scribbles(segmentation: Any, volume: Any) -> Any:
    """The node with the scribbles of an edited segmentation, made if there is none.

    It lies on the grid and under the parent transform of ``volume``.
    """
    node = scribbles_of(segmentation)
    if node is None:
        node = new_node(
            "vtkMRMLSegmentationNode", _("{name} scribbles").format(name=segmentation.GetName())
        )
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        node.GetDisplayNode().SetVisibility3D(False)
        segmentation.SetNodeReferenceID(ROLE, node.GetID())
    return node


def strokes(segmentation: Any) -> list[Stroke]:
    """The strokes of an edited segmentation in the order in which they were drawn."""
    node = scribbles_of(segmentation)
    if node is None:
        return []
    own = node.GetSegmentation()
    found = []
    for name in own.GetSegmentIDs():
        one = own.GetSegment(name)
        if _tag(one, _KIND) in COLORS:
            applied = _tag(one, _APPLIED) == "1"
            own_box = _roi(_tag(one, _BOX))
            found.append(
                Stroke(name, one.GetName(), _tag(one, _KIND), _tag(one, _SEGMENT), applied, own_box)
            )
    return found


def add_stroke(
    segmentation: Any, volume: Any, voxels: NDArray[np.int64], kind: str, segment: str
) -> str:
    """Store a stroke.

    Args:
        segmentation: the edited one.
        volume: the volume that was drawn on.
        voxels: (M, 3) i, j, k in the volume.
        kind: :data:`FOREGROUND` or :data:`BACKGROUND`.
        segment: id of the segment that was selected.

    Returns:
        The stroke's id.

    Raises:
        InputError: no voxels, as a stroke outside the volume has.
    """
    if len(voxels) == 0:
        raise InputError(_("the stroke lies outside the volume; draw within its voxels"))
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    mask = np.zeros((high - low + 1)[::-1], np.uint8)
    mask[tuple((voxels - low)[:, ::-1].T)] = 1
    labelmap = labelmap_at(mask, low, volume)
    return _add(segmentation, volume, labelmap, {_KIND: kind, _SEGMENT: segment})


def add_start(segmentation: Any, volume: Any, box: Roi | None, segment: str) -> str:
    """Note that a segment is predicted, in a box or in the whole volume; returns the note's id."""
    tags = {_KIND: START, _SEGMENT: segment}
    if box is not None:
        tags[_BOX] = " ".join(str(end) for ends in box for end in ends)
    nothing = labelmap_at(np.zeros((1, 1, 1), np.uint8), np.zeros(3, int), volume)
    return _add(segmentation, volume, nothing, tags)


def _add(segmentation: Any, volume: Any, labelmap: Any, tags: Mapping[str, str]) -> str:
    kind = tags[_KIND]
    number = 1 + max((_number(one.name) for one in strokes(segmentation)), default=0)
    node = make_scribbles(segmentation, volume)
    one = slicer.vtkSegment()
    one.SetName(f"{number} {kind}")
    one.SetColor(*COLORS[kind])
    one.SetNameAutoGenerated(False)
    one.SetColorAutoGenerated(False)
    for tag, value in tags.items():
        one.SetTag(tag, value)
    one.AddRepresentation(_BINARY, labelmap)
    name = node.GetSegmentation().GenerateUniqueSegmentID(f"Stroke_{number}")
    node.GetSegmentation().AddSegment(one, name)
    return name


def remove_strokes(segmentation: Any, ids: list[str]) -> None:
    """Delete strokes; the node goes with the last one."""
    node = scribbles_of(segmentation)
    if node is None:
        return
    with slicer.util.NodeModify(node):
        for name in ids:
            node.GetSegmentation().RemoveSegment(name)
    if node.GetSegmentation().GetNumberOfSegments() == 0:
        slicer.mrmlScene.RemoveNode(node)


def mark_applied(segmentation: Any) -> None:
    """Note that the result of all strokes was written into the segmentation."""
    for one in strokes(segmentation):
        scribbles_of(segmentation).GetSegmentation().GetSegment(one.id).SetTag(_APPLIED, "1")


def seeds(segmentation: Any, image: Image, numbers: Mapping[str, int]) -> NDArray[np.uint8]:
    """All strokes as one array; where strokes cross, the later one holds.

    Args:
        segmentation: the edited one.
        image: the volume as an image; gives shape and ``ras_from_ijk``.
        numbers: segment id -> value of its foreground, 2 or more; strokes of segments that are not
            named are left out.

    Returns:
        (K, J, I) uint8: 0 none, 1 background, otherwise the value of a segment.
    """
    values = {
        one.id: value
        for one in strokes(segmentation)
        if one.drawn
        and (value := 1 if one.kind == BACKGROUND else numbers.get(one.segment)) is not None
    }
    layers = (
        layers_of_segmentation(scribbles_of(segmentation), image, list(values)) if values else ()
    )
    return painted(layers, values, image.array.shape[:3])


def stroke_mask(segmentation: Any, stroke: str, image: Image) -> tuple[Box, NDArray[np.bool_]]:
    """Where a stroke lies in an image and its mask there, as boolean (k, j, i)."""
    [layer] = layers_of_segmentation(scribbles_of(segmentation), image, [stroke])
    [(value, _segment)] = layer.segments
    return layer.box, layer.values == value


def stroke_size(segmentation: Any, stroke: str) -> int:
    """How many voxels a stroke has; one that only notes a box has none."""
    one = scribbles_of(segmentation).GetSegmentation().GetSegment(stroke)
    scalars = one.GetRepresentation(_BINARY).GetPointData().GetScalars()
    return int(np.count_nonzero(vtk_to_numpy(scalars) == one.GetLabelValue()))


def labelmap_at(mask: NDArray[np.uint8], low: NDArray[np.integer[Any]], volume: Any) -> Any:
    """A mask (k, j, i) whose first voxel is voxel ``low`` (i, j, k) of a volume, as labelmap."""
    labelmap = slicer.vtkOrientedImageData()
    labelmap.ShallowCopy(vtk_image(mask))
    extent = np.stack([low, low + mask.shape[::-1] - 1], axis=1).ravel()
    labelmap.SetExtent(*(int(value) for value in extent))
    local_from_ijk = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(local_from_ijk)
    labelmap.SetGeometryFromImageToWorldMatrix(local_from_ijk)
    return labelmap


def _roi(text: str) -> Roi | None:
    if not text:
        return None
    k0, k1, j0, j1, i0, i1 = map(int, text.split())
    return (k0, k1), (j0, j1), (i0, i1)


def _number(name: str) -> int:
    head = name.split(" ", 1)[0]
    return int(head) if head.isdigit() else 0


def _tag(segment: Any, name: str) -> str:
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""
