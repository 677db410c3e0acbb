"""The C-arm in the scene: detector, source, beam, central ray and isocentre under one transform.

The C-arm's frame is the camera's (x along the picture's columns, y along its rows, z to the
detector), moved to the isocentre. Everything is drawn once in this frame; a new pose only changes
the matrix ``world_from_carm`` of the transform.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from meddl.core.geometry import Matrix, affine, apply
from meddl.deepdrr.carm import CArm
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.transforms import transform_from_matrix

SOURCE_RADIUS = 12.0  # mm; a marker that is seen beside a body
LARGEST_TEXTURE = 256  # cells per side; a full-size picture would make the scene file large

_MODEL, _LINE, _POINTS = "vtkMRMLModelNode", "vtkMRMLMarkupsLineNode", "vtkMRMLMarkupsFiducialNode"
_PARTS = {
    "detector": (_MODEL, "Detector"),
    "source": (_MODEL, "X-ray source"),
    "beam": (_MODEL, "X-ray beam"),
    "ray": (_LINE, "Central ray"),
    "isocenter": (_POINTS, "Isocentre"),
}


class CArmNodes(NamedTuple):
    """The nodes of one C-arm; all others lie under ``transform`` (``world_from_carm``)."""

    transform: Any
    detector: Any
    source: Any
    beam: Any
    ray: Any
    isocenter: Any


def world_from_carm(carm: CArm, center: ArrayLike) -> Matrix:
    """4x4 pose of the C-arm's frame; ``center`` (3,) RAS mm as in :meth:`CArm.camera`."""
    camera_from_carm = np.eye(4)
    camera_from_carm[2, 3] = carm.source_isocenter
    return carm.camera(center).world_from_camera @ camera_from_carm


def show_carm(
    carm: CArm, center: ArrayLike, transform: Any = None, picture: NDArray[np.uint8] | None = None
) -> CArmNodes:
    """Draw the C-arm, or move and update the one that belongs to ``transform``.

    Args:
        center: (3,) RAS mm, the isocentre if ``carm`` names none.
        transform: the ``transform`` of an earlier call; None makes new nodes.
        picture: (H, W) grey picture for the detector plane; None leaves the plane plain.
    """
    pose = world_from_carm(carm, center)
    transform = transform_from_matrix(pose, "C-arm", transform)
    nodes = CArmNodes(transform, **{role: _part(transform, role) for role in _PARTS})
    camera = carm.camera(center)
    carm_from_world = affine(np.linalg.inv(pose))
    corners = apply(carm_from_world, camera.detector_corners(carm.source_detector))
    source = np.array([0.0, 0.0, -carm.source_isocenter])
    middle = np.array([0.0, 0.0, carm.source_detector - carm.source_isocenter])
    _draw_detector(nodes.detector, corners, picture)
    nodes.source.SetAndObservePolyData(_sphere(source))
    nodes.beam.SetAndObservePolyData(_beam(source, corners))
    slicer.util.updateMarkupsControlPointsFromArray(nodes.ray, np.array([source, middle]))
    slicer.util.updateMarkupsControlPointsFromArray(nodes.isocenter, np.zeros((1, 3)))
    nodes.isocenter.SetNthControlPointLabel(0, nodes.isocenter.GetName())
    return nodes


def set_visible(transform: Any, visible: bool) -> None:
    """Show or hide the C-arm that belongs to ``transform``."""
    for role in _PARTS:
        node = transform.GetNodeReference(f"MedDL.{role}")
        if node is not None:
            node.SetDisplayVisibility(visible)


def _part(transform: Any, role: str) -> Any:
    """The node of ``role`` under ``transform``; made if it is missing or was deleted."""
    reference = f"MedDL.{role}"
    node = transform.GetNodeReference(reference)
    if node is None:
        class_name, name = _PARTS[role]
        node = new_node(class_name, name)
        node.SetAndObserveTransformNodeID(transform.GetID())
        transform.SetNodeReferenceID(reference, node.GetID())
        _style(node, role)
    return node


def _style(node: Any, role: str) -> None:
    display = node.GetDisplayNode()
    if role == "source":
        display.SetColor(0.95, 0.75, 0.1)
    elif role == "beam":
        display.SetColor(0.95, 0.75, 0.1)
        display.SetLineWidth(1)
        display.SetLighting(False)
    elif role == "detector":
        display.SetColor(0.75, 0.8, 0.85)
        display.SetBackfaceCulling(False)
        display.SetLighting(False)  # the radiograph's grey values as they are
    else:
        node.SetLocked(True)
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


def _beam(source: NDArray[np.float64], corners: NDArray[np.float64]) -> vtk.vtkPolyData:
    """Edges from the source to the four corners of the detector."""
    lines = np.array([[0, 1], [0, 2], [0, 3], [0, 4]])
    return _polydata(np.vstack([source, corners]), lines, lines=True)


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
