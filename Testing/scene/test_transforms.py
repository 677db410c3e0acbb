"""Transform nodes <-> matrices."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from meddl.core import GeometryError, InputError
from meddl.core.geometry import apply, rotation
from SlicerMedDLLib.transforms import (
    matrix_from_transform,
    transform_from_matrix,
    transform_points,
    world_from_node,
)

POSE = rotation((1, -1, 2), 40)
POSE[:3, 3] = (5, 6, 7)


def test_matrix_comes_back_and_acts_as_the_scene_says(scene):
    node = transform_from_matrix(POSE, "pose")
    np.testing.assert_allclose(matrix_from_transform(node), POSE, atol=1e-12)
    point = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    point.AddControlPoint(1.0, 2.0, 3.0)
    point.SetAndObserveTransformNodeID(node.GetID())
    world = np.array(point.GetNthControlPointPositionWorld(0))
    np.testing.assert_allclose(world, apply(POSE, (1, 2, 3)), atol=1e-9)
    np.testing.assert_allclose(world_from_node(point), POSE, atol=1e-12)
    np.testing.assert_allclose(transform_points(point, [(1, 2, 3)])[0], world, atol=1e-9)


def test_update_under_a_parent_gives_the_world_pose(scene):
    parent = transform_from_matrix(rotation((0, 0, 1), 30), "parent")
    child = transform_from_matrix(np.eye(4), "child")
    child.SetAndObserveTransformNodeID(parent.GetID())
    transform_from_matrix(POSE, node=child)
    np.testing.assert_allclose(matrix_from_transform(child), POSE, atol=1e-12)
    assert child.GetParentTransformNode() is parent


def test_without_parent_the_world_is_the_node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    np.testing.assert_array_equal(world_from_node(node), np.eye(4))
    assert transform_points(node, np.zeros((0, 3))).shape == (0, 3)


def test_refusals_leave_no_node(scene):
    count = scene.GetNumberOfNodes()
    with pytest.raises(GeometryError, match="zero spacing"):
        transform_from_matrix(np.diag([1.0, 0.0, 1.0, 1.0]))
    assert scene.GetNumberOfNodes() == count
    with pytest.raises(InputError, match="no transform is selected"):
        matrix_from_transform(None)
    with pytest.raises(InputError, match="non-linear"):
        matrix_from_transform(scene.AddNewNodeByClass("vtkMRMLGridTransformNode"))
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "M")
    with pytest.raises(InputError, match="Model 'M' was given"):
        transform_from_matrix(POSE, node=model)
