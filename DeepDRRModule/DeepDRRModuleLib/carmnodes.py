"""The C-arm in the scene: detector, source, beam, central ray and isocentre under one transform.

The C-arm's frame is the camera's (x along the picture's columns, y along its rows, z to the
detector), moved to the isocentre. Everything is drawn once in this frame; a new pose only changes
the matrix ``world_from_carm`` of the transform. The other way round, :func:`carm_of` reads the pose
of a transform that was moved.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from meddl.core.geometry import apply, inverse
from meddl.deepdrr.carm import CArm
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.transforms import matrix_from_transform, transform_from_matrix

SOURCE_RADIUS = 12.0  # mm; a marker that is seen beside a body
LARGEST_TEXTURE = 256  # cells per side; a full-size picture would make the scene file large

_MODEL, _LINE, _POINTS = "vtkMRMLModelNode", "vtkMRMLMarkupsLineNode", "vtkMRMLMarkupsFiducialNode"
YELLOW = (0.95, 0.75, 0.1)
SAME_POSE = 1e-6  # mm, and of the axes: a pose that came from the transform is not written back

PART = "MedDL.CArmPart"  # attribute of the drawn nodes: their role
SHAPE = "MedDL.CArmShape"  # attribute of the transform: what was drawn under it
_PARTS = {
    "detector": (_MODEL, "Detector"),
    "source": (_MODEL, "X-ray source"),
    "frustum": (_MODEL, "X-ray beam"),
    "beam": (_MODEL, "Edges of the X-ray beam"),
    "ray": (_LINE, "Central ray"),
    "isocenter": (_POINTS, "Isocentre"),
}


class CArmNodes(NamedTuple):
    """The nodes of one C-arm; all others lie under ``transform`` (``world_from_carm``)."""

    transform: Any
    detector: Any
    source: Any
    frustum: Any
    beam: Any
    ray: Any
    isocenter: Any


def carm_of(transform: Any, carm: CArm) -> CArm:
    """``carm`` at the pose of a transform, parent transforms included.

    Raises:
        InputError: no linear transform.
        GeometryError: it scales, shears or mirrors.
    """
    return carm.moved(matrix_from_transform(transform))


def is_at(transform: Any, carm: CArm, center: ArrayLike) -> bool:
    """Whether a transform already has the pose of a C-arm."""
    pose = carm.world_from_carm(center)
    return np.allclose(matrix_from_transform(transform), pose, rtol=0, atol=SAME_POSE)


def is_new(transform: Any) -> bool:
    """Whether a transform says nothing about a pose: it carries no C-arm and is the identity."""
    drawn = any(transform.GetNodeReference(f"MedDL.{role}") for role in _PARTS)
    return not drawn and np.array_equal(matrix_from_transform(transform), np.eye(4))


def isocenter_node(transform: Any) -> Any:
    """The point list at the isocentre, which moves with the transform."""
    node = _part(transform, "isocenter")
    if node.GetNumberOfControlPoints() == 0:
        _put_points(node, np.zeros((1, 3)))
        node.SetNthControlPointLabel(0, node.GetName())
    return node


def show_carm(
    carm: CArm, center: ArrayLike, transform: Any = None, picture: NDArray[np.uint8] | None = None
) -> CArmNodes:
    """Draw the C-arm, or move and update the one that belongs to ``transform``.

    Args:
        center: (3,) RAS mm, the isocentre if ``carm`` names none.
        transform: the ``transform`` of an earlier call; None makes new nodes.
        picture: (H, W) grey picture for the detector plane; None leaves the plane plain.
    """
    transform = move(transform, carm, center)
    known = is_drawn(transform, carm)
    nodes = CArmNodes(transform, **{role: _part(transform, role) for role in _PARTS})
    corners = _corners(carm)
    if not known:
        transform.SetAttribute(SHAPE, _shape(carm))
        source = np.array([0.0, 0.0, -carm.source_isocenter])
        middle = np.array([0.0, 0.0, carm.source_detector - carm.source_isocenter])
        nodes.source.SetAndObservePolyData(_sphere(source))
        nodes.frustum.SetAndObservePolyData(_beam(source, corners, faces=True))
        nodes.beam.SetAndObservePolyData(_beam(source, corners))
        _put_points(nodes.ray, np.array([source, middle]))
    _draw_detector(nodes.detector, corners, picture)
    _put_points(isocenter_node(transform), np.zeros((1, 3)))
    return nodes


def put_picture(transform: Any, carm: CArm, picture: NDArray[np.uint8] | None) -> None:
    """Put a picture (H, W) onto the detector of a drawn C-arm, whatever its pose."""
    _draw_detector(_part(transform, "detector"), _corners(carm), picture)


def _corners(carm: CArm) -> NDArray[np.float64]:
    """(4, 3) corners of the detector in the C-arm's frame, as of ``detector_corners``."""
    corners = carm.camera().detector_corners(carm.source_detector)
    return apply(inverse(carm.world_from_carm()), corners)


def move(transform: Any, carm: CArm, center: ArrayLike) -> Any:
    """Give a transform the pose of a C-arm, without an event if it has it; None makes a new one."""
    if transform is not None and is_at(transform, carm, center):
        return transform
    return transform_from_matrix(carm.world_from_carm(center), _("C-arm"), transform)


def is_drawn(transform: Any, carm: CArm) -> bool:
    """Whether a transform carries a C-arm of these distances and this detector."""
    return (
        transform is not None
        and transform.GetAttribute(SHAPE) == _shape(carm)
        and all(transform.GetNodeReference(f"MedDL.{role}") for role in _PARTS)
    )


def _shape(carm: CArm) -> str:
    detector = carm.detector_size, carm.pixel_spacing, carm.principal_point
    return repr((carm.source_detector, carm.source_isocenter, *detector))


def _put_points(node: Any, points: NDArray[np.float64]) -> None:
    """Control points in the C-arm's frame; no event if they lie there already."""
    before = slicer.util.arrayFromMarkupsControlPoints(node, world=False)
    if before.shape != points.shape or not np.allclose(before, points, rtol=0, atol=SAME_POSE):
        slicer.util.updateMarkupsControlPointsFromArray(node, points, world=False)


def set_handles(transform: Any, visible: bool) -> None:
    """Show or hide the handles that move and turn the C-arm in the views; never any that scale."""
    transform.CreateDefaultDisplayNodes()
    display = transform.GetDisplayNode()
    display.SetEditorScalingEnabled(False)
    display.SetEditorScalingSliceEnabled(False)
    display.SetEditorVisibility(visible)
    display.SetEditorSliceIntersectionVisibility(visible)


def handles_visible(transform: Any) -> bool:
    """Whether the handles of :func:`set_handles` are shown."""
    display = transform.GetDisplayNode()
    return display is not None and bool(display.GetEditorVisibility())


def set_visible(transform: Any, visible: bool) -> None:
    """Show or hide the C-arm that belongs to ``transform``."""
    for role in _PARTS:
        node = transform.GetNodeReference(f"MedDL.{role}")
        if node is not None:
            node.SetDisplayVisibility(visible)


def remove_orphans() -> None:
    """Remove what was drawn of C-arms whose transform is no longer in the scene."""
    for class_name in (_MODEL, _LINE, _POINTS):
        for node in slicer.util.getNodesByClass(class_name):
            if node.GetAttribute(PART) and node.GetParentTransformNode() is None:
                slicer.mrmlScene.RemoveNode(node)


def _part(transform: Any, role: str) -> Any:
    """The node of ``role`` under ``transform``; made if it is missing or was deleted."""
    reference = f"MedDL.{role}"
    node = transform.GetNodeReference(reference)
    if node is None:
        class_name, name = _PARTS[role]
        node = new_node(class_name, name)
        node.SetAttribute(PART, role)
        node.SetAndObserveTransformNodeID(transform.GetID())
        transform.SetNodeReferenceID(reference, node.GetID())
        _style(node, role)
    return node


def _style(node: Any, role: str) -> None:
    display = node.GetDisplayNode()
    if role == "source":
        display.SetColor(*YELLOW)
    elif role in ("beam", "frustum"):
        display.SetColor(*YELLOW)
        display.SetLineWidth(1)
        display.SetLighting(False)
        display.SetOpacity(0.07 if role == "frustum" else 1.0)  # the patient stays the subject
        display.SetBackfaceCulling(False)
    elif role == "detector":
        display.SetColor(0.75, 0.8, 0.85)
        display.SetBackfaceCulling(False)
        display.SetLighting(False)  # the radiograph's grey values as they are
    else:
        node.SetLocked(role == "ray")
        display.SetSelectedColor(0.2, 0.75, 0.9)
    if role == "ray":
        display.SetPropertiesLabelVisibility(False)


def _sphere(center: NDArray[np.float64]) -> vtk.vtkPolyData:
    sphere = vtk.vtkSphereSource()
    sphere.SetCenter(*center)
    sphere.SetRadius(SOURCE_RADIUS)
    sphere.SetThetaResolution(32)
    sphere.SetPhiResolution(16)
    sphere.Update()
    return sphere.GetOutput()


def _beam(
    source: NDArray[np.float64], corners: NDArray[np.float64], faces: bool = False
) -> vtk.vtkPolyData:
    """Edges from the source to the four corners of the detector, or the faces between them."""
    corner = np.arange(1, 5)
    cells = [np.zeros(4, int), corner] + ([np.roll(corner, -1)] if faces else [])
    return _polydata(np.vstack([source, corners]), np.stack(cells, axis=1), lines=not faces)


def _polydata(points: ArrayLike, cells: NDArray[Any], lines: bool = False) -> vtk.vtkPolyData:
    vertices = vtk.vtkPoints()
    vertices.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64), deep=True))
    array = vtk.vtkCellArray()
    array.SetData(
        cells.shape[1], numpy_to_vtkIdTypeArray(cells.astype(np.int64).ravel(), deep=True)
    )
    result = vtk.vtkPolyData()
    result.SetPoints(vertices)
    (result.SetLines if lines else result.SetPolys)(array)
    return result


def detector_mesh(
    corners: NDArray[np.float64], picture: NDArray[np.uint8] | None = None
) -> vtk.vtkPolyData:
    """The detector plane: one quad, or one quad for each block of pixels with its mean grey.

    Args:
        corners: (4, 3) top left, top right, bottom right, bottom left of the picture's border.
        picture: (H, W) grey.

    Returns:
        Quads row by row; with a picture the cell array ``Radiograph``, RGB.
    """
    height, width = (1, 1) if picture is None else picture.shape
    step = max(1, -(-max(width, height) // LARGEST_TEXTURE))
    columns, rows = np.arange(0, width, step), np.arange(0, height, step)
    u = np.append(columns, width)[None, :, None] / width
    v = np.append(rows, height)[:, None, None] / height
    top_left, top_right, _, bottom_left = corners
    points = top_left + u * (top_right - top_left) + v * (bottom_left - top_left)
    index = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1)
    mesh = _polydata(points.reshape(-1, 3), quads.reshape(-1, 4))
    if picture is not None:
        sums = np.add.reduceat(np.add.reduceat(picture.astype(np.float64), rows), columns, axis=1)
        areas = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))
        grey = np.rint(sums / areas).astype(np.uint8)
        scalars = numpy_to_vtk(np.repeat(grey.reshape(-1, 1), 3, axis=1), deep=True)
        scalars.SetName("Radiograph")
        mesh.GetCellData().SetScalars(scalars)
    return mesh


def _draw_detector(
    node: Any, corners: NDArray[np.float64], picture: NDArray[np.uint8] | None
) -> None:
    node.SetAndObservePolyData(detector_mesh(corners, picture))
    display = node.GetDisplayNode()
    display.SetEdgeVisibility(picture is None)
    display.SetOpacity(0.4 if picture is None else 1.0)
    display.SetScalarVisibility(picture is not None)
    if picture is not None:
        display.SetActiveScalar("Radiograph", vtk.vtkAssignAttribute.CELL_DATA)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseDirectMapping)
