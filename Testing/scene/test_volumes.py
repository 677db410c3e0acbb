"""Volumes between the scene and the library: voxels, places, classes, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from meddl.core import Image, InputError
from meddl.core.geometry import apply, rotation
from SlicerMedDLLib.transforms import transform_from_matrix
from SlicerMedDLLib.volumes import LABELS, image_from_volume, volume_from_image

OBLIQUE = rotation((1, 2, 3), 25) @ np.diag([-0.7, -0.7, 2.5, 1.0])
OBLIQUE[:3, 3] = (11, -22, 33)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_voxels_and_geometry_come_back_exactly(scene, dtype):
    image = Image(np.arange(60).reshape(3, 4, 5).astype(dtype), OBLIQUE)
    node = volume_from_image(image, "CT")
    back = image_from_volume(node)
    assert node.GetName() == "CT"
    assert node.GetDisplayNode() is not None
    assert back.array.dtype == dtype
    np.testing.assert_array_equal(back.array, image.array)
    np.testing.assert_allclose(back.ras_from_ijk, OBLIQUE, atol=1e-9)


def test_the_scene_itself_agrees_about_a_voxel(scene):
    array = np.zeros((3, 4, 5), np.int16)
    array[1, 2, 4] = 77
    node = volume_from_image(Image(array, OBLIQUE))
    assert node.GetImageData().GetScalarComponentAsDouble(4, 2, 1, 0) == 77
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    corners = np.array([[i, j, k] for i in (-0.5, 4.5) for j in (-0.5, 3.5) for k in (-0.5, 2.5)])
    world = apply(OBLIQUE, corners)
    np.testing.assert_allclose(bounds[::2], world.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(bounds[1::2], world.max(axis=0), atol=1e-6)


def test_image_is_a_copy(scene):
    node = volume_from_image(Image(np.zeros((2, 2, 2), np.int16)))
    image = image_from_volume(node)
    slicer.util.arrayFromVolume(node)[:] = 9
    assert not image.array.any()


def test_classes_follow_the_components(scene):
    picture = np.arange(60, dtype=np.uint8).reshape(1, 4, 5, 3)
    color = volume_from_image(Image(picture))
    assert color.GetClassName() == "vtkMRMLVectorVolumeNode"
    np.testing.assert_array_equal(image_from_volume(color).array, picture)
    one = volume_from_image(Image(picture[..., :1]))
    assert one.GetClassName() == "vtkMRMLScalarVolumeNode"
    labels = volume_from_image(Image(np.ones((2, 2, 2), np.uint8)), class_name=LABELS)
    assert labels.GetDisplayNode().IsA("vtkMRMLLabelMapVolumeDisplayNode")


def test_64_bit_integers_are_narrowed_or_refused(scene):
    node = volume_from_image(Image(np.full((2, 2, 2), 70000, np.int64)))
    assert image_from_volume(node).array.dtype == np.int32
    before = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="32 bits"):
        volume_from_image(Image(np.full((2, 2, 2), 2**40, np.int64)))
    assert scene.GetNumberOfNodes() == before


def test_linear_parents_are_folded_in_both_ways(scene):
    outer = transform_from_matrix(rotation((0, 0, 1), 90), "outer")
    shift = np.eye(4)
    shift[:3, 3] = (10, 0, 0)
    inner = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "inner")
    inner.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shift))
    inner.SetAndObserveTransformNodeID(outer.GetID())
    image = Image(np.zeros((2, 3, 4), np.int16), np.diag([-1.0, -1.0, 2.0, 1.0]))
    node = volume_from_image(image)
    node.SetAndObserveTransformNodeID(inner.GetID())
    # Voxel 0 lies at the origin; the inner shift takes it to R 10, the outer turn to A 10.
    np.testing.assert_allclose(image_from_volume(node).origin, (0, 10, 0), atol=1e-9)
    volume_from_image(image, node=node)
    np.testing.assert_allclose(image_from_volume(node).ras_from_ijk, image.ras_from_ijk, atol=1e-9)
    assert node.GetParentTransformNode() is inner


def test_nonlinear_parent_is_refused_and_leaves_the_node(scene):
    node = volume_from_image(Image(np.zeros((2, 3, 4), np.int16)), "CT")
    warp = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "warp")
    grid = slicer.vtkOrientedGridTransform()
    field = vtk.vtkImageData()
    field.SetDimensions(2, 2, 2)
    field.AllocateScalars(vtk.VTK_DOUBLE, 3)
    field.GetPointData().GetScalars().Fill(1)
    grid.SetDisplacementGridData(field)
    warp.SetAndObserveTransformFromParent(grid)
    node.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match=r"'CT' is under a non-linear transform.*harden"):
        image_from_volume(node)
    with pytest.raises(InputError, match="non-linear"):
        volume_from_image(Image(np.ones((2, 2, 2))), node=node)
    assert slicer.util.arrayFromVolume(node).shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("vtkMRMLScalarVolumeNode", "'X' holds no voxels"),
        ("vtkMRMLDiffusionTensorVolumeNode", "scalar or colour volume was expected"),
        ("vtkMRMLModelNode", "a volume was expected"),
    ],
)
def test_unusable_nodes_are_named(scene, class_name, message):
    node = scene.AddNewNodeByClass(class_name, "X")
    with pytest.raises(InputError, match=message):
        image_from_volume(node)


def test_no_node_is_one_clear_line(scene):
    with pytest.raises(InputError, match="no volume is selected; load or select one"):
        image_from_volume(None)


@pytest.mark.parametrize(
    ("array", "class_name", "message"),
    [
        (np.zeros((1, 2, 2, 3), np.uint8), "vtkMRMLScalarVolumeNode", "3 values per voxel"),
        (np.zeros((2, 2, 2), np.uint8), "vtkMRMLVectorVolumeNode", "1 values per voxel"),
        (np.zeros((2, 2, 2), np.float32), LABELS, "whole numbers"),
    ],
)
def test_a_node_that_does_not_fit_stays_as_it_was(scene, array, class_name, message):
    node = scene.AddNewNodeByClass(class_name, "old")
    time = node.GetMTime()
    with pytest.raises(InputError, match=message):
        volume_from_image(Image(array), node=node)
    assert node.GetImageData() is None
    assert node.GetMTime() == time
