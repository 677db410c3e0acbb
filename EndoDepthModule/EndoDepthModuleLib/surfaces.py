"""Coloured clouds and meshes as model nodes, and numbers painted on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from meddl.core.errors import InputError
from meddl.core.mesh import Mesh
from SlicerMedDLLib.models import surface_from_mesh
from SlicerMedDLLib.nodes import describe, new_node

COLORS = "Colour"  # name of the array of RGB bytes
# From yellow over orange, ever darker, to red. Slicer's ReverseRainbow is violet, magenta and red.
DISTANCE_COLORS = "vtkMRMLColorTableNodeWarm1"


def model_from_cloud(
    points: NDArray[np.floating[Any]], colors: NDArray[np.uint8], name: str, node: Any = None
) -> Any:
    """Put a cloud of points (N, 3), RGB (N, 3) uint8, into a model node in its own coordinates."""
    cloud = vtk.vtkPolyData()
    cloud.SetPoints(_points(points))
    vertices = vtk.vtkCellArray()
    vertices.SetData(
        numpy_to_vtk(
            np.arange(len(points) + 1, dtype=np.int64), deep=True, array_type=vtk.VTK_ID_TYPE
        ),
        numpy_to_vtk(np.arange(len(points), dtype=np.int64), deep=True, array_type=vtk.VTK_ID_TYPE),
    )
    cloud.SetVerts(vertices)
    node = _model(cloud, colors, name, node)
    display = node.GetDisplayNode()
    display.SetRepresentation(display.PointsRepresentation)
    display.SetPointSize(3)
    display.SetLighting(False)
    return node


def model_from_surface(
    mesh: Mesh, colors: NDArray[np.uint8] | None, name: str, node: Any = None
) -> Any:
    """Put a mesh, with RGB (N, 3) uint8 of its vertices, into a model node, own coordinates."""
    return _model(surface_from_mesh(mesh), colors, name, node)


def paint(
    node: Any, name: str, values: NDArray[np.floating[Any]], value_range: tuple[float, float]
) -> None:
    """Show a number for each point of a model in colours of a fixed range, no texture; NaN is grey.

    Raises:
        InputError: another number of values than points.
    """
    count = node.GetPolyData().GetNumberOfPoints() if node.GetPolyData() is not None else 0
    if len(values) != count:
        raise InputError(
            _("{node} has {count} points, {others} values were given").format(
                node=describe(node), count=count, others=len(values)
            )
        )
    array = numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float32), deep=True)
    array.SetName(name)
    node.GetPolyData().GetPointData().AddArray(array)
    display = node.GetDisplayNode()
    display.SetTextureImageDataConnection(None)
    display.SetActiveScalar(name, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetAndObserveColorNodeID(DISTANCE_COLORS)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(*value_range)
    display.SetScalarVisibility(True)


def show_colors(node: Any) -> None:
    """Show a model in its own colours."""
    display = node.GetDisplayNode()
    display.SetActiveScalar(COLORS, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(display.UseDirectMapping)
    display.SetScalarVisibility(True)


def _points(points: NDArray[np.floating[Any]]) -> Any:
    result = vtk.vtkPoints()
    result.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float32), deep=True))
    return result


def _model(surface: Any, colors: NDArray[np.uint8] | None, name: str, node: Any) -> Any:
    if colors is not None:
        array = numpy_to_vtk(np.ascontiguousarray(colors, dtype=np.uint8), deep=True)
        array.SetName(COLORS)
        surface.GetPointData().SetScalars(array)
    if node is None:
        node = new_node("vtkMRMLModelNode", name)
    node.SetAndObserveMesh(surface)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetBackfaceCulling(False)
    if colors is not None:
        show_colors(node)
    return node
