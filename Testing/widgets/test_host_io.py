"""slicer.util's load and save functions, Slicer's own, end in real MRML storage nodes."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

IJK_TO_RAS = np.array([[-1.0, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1]])


def volume(name="CT"):
    array = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    return slicer.util.addVolumeFromArray(array, ijkToRAS=IJK_TO_RAS, name=name)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_volume(scene, tmp_path, suffix):
    source = volume()
    path = tmp_path / f"ct{suffix}"
    assert slicer.util.saveNode(source, str(path))
    loaded = slicer.util.loadVolume(str(path))
    assert loaded.GetName() == "ct"
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(source)
    )
    matrix = vtk.vtkMatrix4x4()
    loaded.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(slicer.util.arrayFromVTKMatrix(matrix), IJK_TO_RAS, atol=1e-5)


def test_label_volume(scene, tmp_path):
    path = tmp_path / "labels.nrrd"
    slicer.util.saveNode(volume(), str(path))
    loaded = slicer.util.loadLabelVolume(str(path), {"name": "organs"})
    assert (loaded.GetClassName(), loaded.GetName()) == ("vtkMRMLLabelMapVolumeNode", "organs")


def test_segmentation(scene, tmp_path):
    reference = volume()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    segment_id = node.GetSegmentation().AddEmptySegment("liver", "Liver", [1.0, 0.0, 0.0])
    mask = (slicer.util.arrayFromVolume(reference) > 11).astype(np.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment_id, reference)
    path = tmp_path / "organs.seg.nrrd"
    assert slicer.util.saveNode(node, str(path))
    loaded = slicer.util.loadSegmentation(str(path))
    assert loaded.GetSegmentation().GetNthSegment(0).GetName() == "Liver"
    found = slicer.util.arrayFromSegmentBinaryLabelmap(loaded, "liver", reference)
    np.testing.assert_array_equal(found, mask)


def test_markups_model_transform_table_and_text(scene, tmp_path):
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    points.AddControlPoint([1.0, 2.0, 3.0], "tip")
    slicer.util.saveNode(points, str(tmp_path / "points.mrk.json"))
    loaded = slicer.util.loadMarkups(str(tmp_path / "points.mrk.json"))
    assert loaded.GetNthControlPointLabel(0) == "tip"
    np.testing.assert_allclose(loaded.GetNthControlPointPosition(0), [1, 2, 3])

    sphere = vtk.vtkSphereSource()
    sphere.Update()
    model = slicer.modules.models.logic().AddModel(sphere.GetOutput())
    slicer.util.saveNode(model, str(tmp_path / "ball.vtp"))
    again = slicer.util.loadModel(str(tmp_path / "ball.vtp"))
    assert again.GetPolyData().GetNumberOfPoints() == model.GetPolyData().GetNumberOfPoints()

    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    slicer.util.updateTransformMatrixFromArray(transform, IJK_TO_RAS)
    slicer.util.saveNode(transform, str(tmp_path / "move.h5"))
    matrix = slicer.util.arrayFromTransformMatrix(
        slicer.util.loadTransform(str(tmp_path / "move.h5"))
    )
    np.testing.assert_allclose(matrix, IJK_TO_RAS, atol=1e-6)

    (tmp_path / "values.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    assert slicer.util.loadTable(str(tmp_path / "values.csv")).GetNumberOfColumns() == 2
    (tmp_path / "note.txt").write_text("hello", encoding="utf-8")
    assert slicer.util.loadText(str(tmp_path / "note.txt")).GetText() == "hello"


@pytest.mark.parametrize("suffix", [".mrb", ".mrml"])
def test_scene(scene, tmp_path, suffix):
    volume("first")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patient")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(slicer.util.getNode("first")), folder)
    path = tmp_path / f"scene{suffix}"
    if suffix == ".mrml":
        slicer.util.saveNode(slicer.util.getNode("first"), str(tmp_path / "first.nrrd"))
    assert slicer.util.saveScene(str(path))
    scene.Clear(0)
    assert slicer.app.coreIOManager().loadScene(str(path), True)
    node = slicer.util.getNode("first")
    assert slicer.util.arrayFromVolume(node).sum() == sum(range(24))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    assert hierarchy.GetItemName(hierarchy.GetItemParent(item)) == "Patient"
    assert hierarchy.GetNumberOfItems() == 2  # the folder and the volume


def test_export_leaves_the_storage_node_alone(scene, tmp_path):
    source = volume()
    slicer.util.exportNode(source, str(tmp_path / "copy.nrrd"))
    assert (tmp_path / "copy.nrrd").is_file()
    assert source.GetStorageNode() is None
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 1


def test_what_cannot_be_loaded_raises(scene, tmp_path):
    with pytest.raises(RuntimeError, match="absent"):
        slicer.util.loadVolume(str(tmp_path / "absent.nrrd"))
    (tmp_path / "odd.xyz").write_bytes(b"?")
    with pytest.raises(RuntimeError, match="odd"):
        slicer.util.loadNodeFromFile(str(tmp_path / "odd.xyz"))


def test_subject_hierarchy_follows_the_scene(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = hierarchy.GetNumberOfItems()
    node = volume()
    assert hierarchy.GetItemName(hierarchy.GetItemByDataNode(node)) == "CT"
    scene.RemoveNode(node)
    assert hierarchy.GetNumberOfItems() == before
