"""Markups <-> points."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from meddl.core import InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.core.markups import read_roi
from SlicerMedDLLib.markups import (
    CLOSED_CURVE,
    CURVE,
    LINE,
    ROI,
    corners_of_roi,
    curve_from_markups,
    markups_from_points,
    points_from_markups,
)
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.transforms import transform_from_matrix

RAS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, 8.0, -9.0]])


def test_labels_and_positions_come_back(scene):
    node = markups_from_points(RAS, ["a", "b", "c"], "tumours")
    labels, ras = points_from_markups(node)
    assert node.GetName() == "tumours"
    assert labels == ["a", "b", "c"]
    np.testing.assert_allclose(ras, RAS)


def test_positions_are_in_the_world(scene):
    node = markups_from_points(RAS)
    pose = rotation((0, 0, 1), 90)
    node.SetAndObserveTransformNodeID(transform_from_matrix(pose).GetID())
    np.testing.assert_allclose(points_from_markups(node)[1], apply(pose, RAS), atol=1e-9)
    markups_from_points(RAS, node=node)
    np.testing.assert_allclose(points_from_markups(node)[1], RAS, atol=1e-9)


def test_refilling_drops_the_old_points(scene):
    node = markups_from_points(RAS)
    markups_from_points(RAS[:1], node=node)
    assert node.GetNumberOfControlPoints() == 1


def test_points_that_are_not_placed_are_left_out(scene):
    node = markups_from_points(RAS, ["a", "b", "c"])
    node.SetNthControlPointPositionMissing(1)
    labels, ras = points_from_markups(node)
    assert labels == ["a", "c"]
    np.testing.assert_allclose(ras, RAS[[0, 2]])


def test_curve_is_denser_than_its_control_points(scene):
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = 50 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    points = curve_from_markups(markups_from_points(circle, class_name=CLOSED_CURVE))
    assert len(points) > 50
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 50, rtol=0.01)
    ends = curve_from_markups(markups_from_points(RAS[:2], class_name=LINE))
    np.testing.assert_allclose(ends[[0, -1]], RAS[:2])


def test_corners_of_a_turned_box(scene, tmp_path):
    node = new_node(ROI, "box")
    with pytest.raises(InputError, match="no extent"):
        corners_of_roi(node)
    node.SetSize(2, 4, 6)
    pose = compose((1, 1, 1), (10, 20, 30)) @ rotation((1, 2, 3), 40)
    node.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(pose))
    ends = [[x, y, z] for z in (-3, 3) for y in (-2, 2) for x in (-1, 1)]
    np.testing.assert_allclose(corners_of_roi(node), apply(pose, np.array(ends, float)), atol=1e-9)
    path = str(tmp_path / "box.mrk.json")  # as Slicer writes it
    storage = slicer.vtkMRMLMarkupsROIJsonStorageNode()
    storage.SetFileName(path)
    assert storage.WriteData(node)
    np.testing.assert_allclose(read_roi(path), corners_of_roi(node), atol=1e-4)
    parent = rotation((0, 0, 1), 90)
    node.SetAndObserveTransformNodeID(transform_from_matrix(parent).GetID())
    expected = apply(parent @ pose, np.array(ends, float))
    np.testing.assert_allclose(corners_of_roi(node), expected, atol=1e-9)


def test_refusals(scene):
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        markups_from_points([1, 2, 3])
    with pytest.raises(InputError, match="finite"):
        markups_from_points([[np.nan, 0, 0]])
    with pytest.raises(InputError, match="2 labels were given for 3 points"):
        markups_from_points(RAS, ["a", "b"])
    with pytest.raises(InputError, match="a line has 2 points, 3 were given"):
        markups_from_points(RAS, class_name=LINE)
    assert scene.GetNumberOfNodes() == count
    with pytest.raises(InputError, match="no markups node is selected"):
        points_from_markups(None)
    empty = slicer.mrmlScene.AddNewNodeByClass(CURVE, "C")
    with pytest.raises(InputError, match="'C' has no points"):
        points_from_markups(empty)
    with pytest.raises(InputError, match="'C' has fewer than two points"):
        curve_from_markups(empty)
    with pytest.raises(InputError, match="a line or curve was expected"):
        curve_from_markups(markups_from_points(RAS))
