"""Transforms: MRML transform nodes <-> 4x4 matrices in world RAS, mm."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, affine
from SlicerMedDLLib.nodes import describe, new_node, require_node


def _matrix_to_world(transform_node: Any, owner: Any) -> Matrix:
    if not transform_node.IsTransformToWorldLinear():
        raise InputError(
            _(
                "{node} is under a non-linear transform, a linear one was expected; harden "
                "the transform first (Data module, Harden transform)"
            ).format(node=describe(owner))
        )
    matrix = vtk.vtkMatrix4x4()
    transform_node.GetMatrixTransformToWorld(matrix)
    what = _("the transform of {node}").format(node=describe(owner))
    return affine(slicer.util.arrayFromVTKMatrix(matrix), what)


def world_from_node(node: Any) -> Matrix:
    """4x4 ``world_from_node``: all parent transforms of ``node`` as one matrix; identity without.

    Raises:
        InputError: a parent transform is not linear.
        GeometryError: a parent transform is singular.
    """
    parent = node.GetParentTransformNode()
    return np.eye(4) if parent is None else _matrix_to_world(parent, node)


def node_from_world(node: Any) -> Matrix:
    """4x4 inverse of :func:`world_from_node`; same errors."""
    return affine(np.linalg.inv(world_from_node(node)))


def matrix_from_transform(node: Any) -> Matrix:
    """4x4 matrix that ``node`` applies to what lies under it, its own parents included.

    Raises:
        InputError: no transform node, or one that is not linear.
    """
    return _matrix_to_world(require_node(node, "vtkMRMLTransformNode", _("transform")), node)


def transform_from_matrix(matrix: Matrix, name: str = "Transform", node: Any = None) -> Any:
    """A ``vtkMRMLLinearTransformNode`` whose transform to world is ``matrix``.

    Args:
        matrix: 4x4 affine, mm.
        name: of a new node.
        node: an existing node to update; its parent transform stays and is allowed for.

    Raises:
        GeometryError: ``matrix`` is no invertible affine 4x4.
        InputError: ``node`` is no linear transform.
    """
    matrix = affine(matrix)
    if node is None:
        node = new_node("vtkMRMLLinearTransformNode", name)
    else:
        require_node(node, "vtkMRMLLinearTransformNode", _("linear transform"))
    local = node_from_world(node) @ matrix
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(local))
    return node


def transform_points(node: Any, points: Any) -> Matrix:
    """Map points (N, 3) from ``node``'s own frame to world; linear and non-linear parents alike."""
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    parent = node.GetParentTransformNode()
    if parent is None:
        return points
    to_world = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(to_world)
    local, world = vtk.vtkPoints(), vtk.vtkPoints()
    world.SetDataTypeToDouble()
    local.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    to_world.TransformPoints(local, world)  # in C++; a call for each takes 4 us
    return vtk_to_numpy(world.GetData()).copy()
