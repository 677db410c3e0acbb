"""Models: MRML model nodes <-> :class:`meddl.core.Mesh` (triangles, RAS, mm)."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.mesh import Mesh
from SlicerMedDLLib.nodes import describe, new_node, require_node
from SlicerMedDLLib.transforms import node_from_world, transform_points


def mesh_from_model(node: Any) -> Mesh:
    """Copy a model's surface, polygons and strips split into triangles, into world coordinates.

    Parent transforms, linear or not, are honoured.

    Raises:
        InputError: no model, no surface, or lines and points only.
    """
    require_node(node, "vtkMRMLModelNode", _("model"))
    surface = node.GetPolyData()
    if surface is None or surface.GetNumberOfPoints() == 0:
        raise InputError(
            _("{node} holds no surface; load or create its mesh first").format(node=describe(node))
        )
    triangulate = vtk.vtkTriangleFilter()
    triangulate.SetInputData(surface)
    triangulate.PassLinesOff()
    triangulate.PassVertsOff()
    triangulate.Update()
    triangles = triangulate.GetOutput().GetPolys()
    if triangles.GetNumberOfCells() == 0:
        raise InputError(
            _("{node} has no polygons, a surface was expected").format(node=describe(node))
        )
    faces = vtk_to_numpy(triangles.GetConnectivityArray()).reshape(-1, 3)
    vertices = vtk_to_numpy(triangulate.GetOutput().GetPoints().GetData())
    return Mesh(transform_points(node, vertices), faces.astype(np.int64))


def surface_from_mesh(mesh: Mesh) -> vtk.vtkPolyData:
    """A copy of ``mesh`` as vtkPolyData."""
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(mesh.vertices), deep=True))
    cells = vtk.vtkCellArray()
    cells.SetData(3, numpy_to_vtkIdTypeArray(mesh.faces.astype(np.int64).ravel(), deep=True))
    surface = vtk.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)
    return surface


def model_from_mesh(
    mesh: Mesh,
    name: str = "Model",
    node: Any = None,
    color: tuple[float, float, float] | None = None,
    opacity: float | None = None,
) -> Any:
    """Put ``mesh`` (world coordinates) into a model node and return it.

    Args:
        mesh: vertices in world RAS, mm.
        name: of a new node.
        node: an existing model to replace; its linear parent transform stays and is allowed for.
        color: red, green, blue, each 0..1; unchanged if None.
        opacity: 0..1; unchanged if None.

    Raises:
        InputError: ``node`` is no model or is under a non-linear transform.
    """
    if node is None:
        node = new_node("vtkMRMLModelNode", name)
    else:
        local_from_world = node_from_world(require_node(node, "vtkMRMLModelNode", _("model")))
        mesh = Mesh(apply(local_from_world, mesh.vertices), mesh.faces)
    node.SetAndObserveMesh(surface_from_mesh(mesh))
    node.CreateDefaultDisplayNodes()
    if color is not None:
        node.GetDisplayNode().SetColor(*color)
    if opacity is not None:
        node.GetDisplayNode().SetOpacity(opacity)
    return node
