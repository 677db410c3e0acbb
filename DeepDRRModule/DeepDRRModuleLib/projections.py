"""Markups, segments and models where a radiograph shows them: nodes in the picture's plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from DeepDRRModuleLib.radiographs import (
    camera_of,
    ct_of,
    points_on_radiograph,
    radiograph_from_node,
)
from meddl.core.errors import InputError
from meddl.core.geometry import apply, inverse
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.shadows import contour_lines, crop_label, label_masks
from SlicerMedDLLib.markups import (
    CLOSED_CURVE,
    CURVE,
    LINE,
    POINTS,
    curve_from_markups,
    markups_from_points,
    points_from_markups,
)
from SlicerMedDLLib.models import mesh_from_model
from SlicerMedDLLib.nodes import describe, new_node, require_node
from SlicerMedDLLib.segmentations import Segment, masks_from_segmentation, segmentation_from_masks

# Translated here: a worker must not (see tasks).
SEGMENT = _("segment")

MOST_CURVE_POINTS = 64  # control points of a projected curve; enough for its bends, few to draw


def project_markups(markups: Any, radiograph: Any) -> Any:
    """Draw markups on a radiograph: a line stays a line, a curve a curve, all else points.

    What lies behind the source is left out, and with it the kind: a line or curve of which a part
    does becomes points.

    Returns:
        A new markups node, on the radiograph as the slice views show it.

    Raises:
        InputError: no markups, no radiograph of this module, or no point before the source.
    """
    labels, ras = points_from_markups(markups)
    kind = markups.GetClassName()
    if kind in (CURVE, CLOSED_CURVE):
        # Perspective bends a spline's pieces otherwise than a spline through projected points does.
        ras = _thinned(curve_from_markups(markups), closed=kind == CLOSED_CURVE)
        labels = []
    positions, depth = points_on_radiograph(ras, radiograph)
    seen = depth > 0
    if not seen.any():
        raise InputError(
            _("{node} has no point in front of the X-ray source").format(node=describe(markups))
        )
    if kind not in (LINE, CURVE, CLOSED_CURVE) or not seen.all():
        kind = POINTS
    node = markups_from_points(
        positions[seen],
        [label for label, visible in zip(labels, seen, strict=True) if visible] if labels else None,
        _("{name} on radiograph").format(name=markups.GetName()),
        class_name=kind,
    )
    if kind in (CURVE, CLOSED_CURVE):
        node.GetDisplayNode().SetPointLabelsVisibility(False)
    if kind == LINE:  # its length in the picture is magnified, not the length in the patient
        node.GetDisplayNode().SetPropertiesLabelVisibility(False)
    return node


def _thinned(points: NDArray[np.float64], closed: bool) -> NDArray[np.float64]:
    """Points at even distances along a curve; a closed one does not repeat its first."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = min(len(points), MOST_CURVE_POINTS)
    at = np.linspace(0, length[-1], count + closed)[: count if closed else None]
    return np.stack([np.interp(at, length, axis) for axis in points.T], axis=1)


class Body(NamedTuple):
    """A segment as a copy of its voxels, cropped."""

    segment: Segment
    mask: Image


def bodies_of(segmentation: Any, reference: Image) -> list[Body]:
    """The visible segments on the voxels of ``reference``; empty ones are left out.

    Raises:
        InputError: no segmentation, or nothing of a visible segment in the volume.
    """
    require_node(segmentation, "vtkMRMLSegmentationNode", _("segmentation"))
    display = segmentation.GetDisplayNode()
    ids = segmentation.GetSegmentation().GetSegmentIDs()
    shown = [one for one in ids if display is None or display.GetSegmentVisibility(one)]
    found = []
    for segment, mask in masks_from_segmentation(segmentation, reference, shown) if shown else ():
        if mask.any():
            member, ijk_from_ras = crop_label(reference.with_array(mask), 1)
            found.append(Body(segment, Image(member.astype(np.uint8), inverse(ijk_from_ras))))
    if not found:
        raise InputError(
            _(
                "{node} has no visible segment with voxels inside the CT; show one in the "
                "Segmentations module"
            ).format(node=describe(segmentation))
        )
    return found


def shadows(
    bodies: Sequence[Body],
    camera: Camera,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[NDArray[np.uint8]]:
    """(H, W) of 0 and 1 for each body: the pixels whose ray meets it."""
    return [
        label_masks(body.mask, camera, [1], cancel=cancel).array[0, ..., 0]
        for body in steps(bodies, len(bodies), SEGMENT, progress, cancel)
    ]


def shadows_to_node(
    bodies: Sequence[Body], masks: Sequence[NDArray[np.uint8]], radiograph: Any, name: str
) -> Any:
    """A new segmentation in the geometry of a radiograph: the shadows, named and coloured alike.

    Raises:
        InputError: no radiograph, or one whose size has changed.
    """
    picture = radiograph_from_node(radiograph)
    node = segmentation_from_masks(
        [
            (body.segment, Image(mask[None], picture.ras_from_ijk))
            for body, mask in zip(bodies, masks, strict=True)
        ],
        _("{name} on radiograph").format(name=name),
    )
    node.SetReferenceImageGeometryParameterFromVolumeNode(radiograph)
    return node


def project_model(model: Any, radiograph: Any) -> Any:
    """Draw the outline of a surface model on a radiograph.

    Returns:
        A new model of line segments in the picture's plane, in the model's colour, which slice
        views show.

    Raises:
        InputError: no surface, no radiograph, or no outline before the source.
    """
    lines = contour_lines(mesh_from_model(model), camera_of(radiograph))
    if len(lines) == 0:
        raise InputError(
            _("{node} has no outline in front of the X-ray source").format(node=describe(model))
        )
    pixels = lines.reshape(-1, 2)
    ijk = np.column_stack([pixels, np.zeros(len(pixels))])
    points = vtk.vtkPoints()
    ras = apply(radiograph_from_node(radiograph).ras_from_ijk, ijk)
    points.SetData(numpy_to_vtk(np.ascontiguousarray(ras), deep=True))
    cells = vtk.vtkCellArray()
    for start in range(0, len(pixels), 2):
        cells.InsertNextCell(2, (start, start + 1))
    outline = vtk.vtkPolyData()
    outline.SetPoints(points)
    outline.SetLines(cells)
    node = new_node("vtkMRMLModelNode", _("{name} on radiograph").format(name=model.GetName()))
    node.SetAndObservePolyData(outline)
    display = node.GetDisplayNode()
    display.SetColor(model.GetDisplayNode().GetColor() if model.GetDisplayNode() else (1, 1, 0))
    display.SetVisibility2D(True)
    # Lines in the plane of the slice have no intersection with it: they are drawn, not cut.
    display.SetSliceDisplayModeToProjection()
    display.SetSliceIntersectionThickness(2)
    return node


def reference_of(radiograph: Any, volume: Any = None) -> Any:
    """The CT of a radiograph, else ``volume``.

    Raises:
        InputError: neither.
    """
    ct = ct_of(radiograph) or volume
    if ct is None:
        raise InputError(
            _("the CT of {node} is no longer in the scene; select one").format(
                node=describe(radiograph)
            )
        )
    return ct
