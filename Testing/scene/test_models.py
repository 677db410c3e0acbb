"""Models <-> meshes."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from meddl.core import InputError, Mesh
from meddl.core.geometry import apply, rotation
from SlicerMedDLLib.models import mesh_from_model, model_from_mesh
from SlicerMedDLLib.transforms import transform_from_matrix

TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]], float),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive if the faces turn outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_vertices_faces_and_display_come_back(scene):
    node = model_from_mesh(TETRAHEDRON, "tetra", color=(1, 0.5, 0), opacity=0.4)
    back = mesh_from_model(node)
    np.testing.assert_array_equal(back.vertices, TETRAHEDRON.vertices)
    np.testing.assert_array_equal(back.faces, TETRAHEDRON.faces)
    assert node.GetName() == "tetra"
    assert node.GetDisplayNode().GetColor() == (1, 0.5, 0)
    assert node.GetDisplayNode().GetOpacity() == 0.4


def test_vtk_agrees_about_the_volume(scene):
    node = model_from_mesh(TETRAHEDRON)
    properties = vtk.vtkMassProperties()
    properties.SetInputData(node.GetPolyData())
    assert properties.GetVolume() == pytest.approx(1000 / 6)
    assert volume(mesh_from_model(node)) == pytest.approx(1000 / 6)


def test_polygons_and_strips_become_triangles(scene):
    cube = vtk.vtkCubeSource()  # six quadrilaterals
    cube.SetXLength(2)
    cube.SetYLength(3)
    cube.SetZLength(4)
    stripper = vtk.vtkStripper()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(cube.GetOutputPort())
    stripper.SetInputConnection(triangles.GetOutputPort())
    for source in (cube, stripper):
        source.Update()
        node = scene.AddNewNodeByClass("vtkMRMLModelNode")
        node.SetAndObserveMesh(source.GetOutput())
        mesh = mesh_from_model(node)
        assert mesh.faces.shape == (12, 3)
        assert volume(mesh) == pytest.approx(24)


def test_parent_transforms_are_honoured_both_ways(scene):
    node = model_from_mesh(TETRAHEDRON)
    pose = rotation((1, 1, 0), 50)
    pose[:3, 3] = (3, 2, 1)
    node.SetAndObserveTransformNodeID(transform_from_matrix(pose).GetID())
    world = mesh_from_model(node).vertices
    np.testing.assert_allclose(world, apply(pose, TETRAHEDRON.vertices), atol=1e-9)
    model_from_mesh(TETRAHEDRON, node=node)
    np.testing.assert_allclose(mesh_from_model(node).vertices, TETRAHEDRON.vertices, atol=1e-9)


def test_refusals(scene):
    with pytest.raises(InputError, match="no model is selected"):
        mesh_from_model(None)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "M")
    with pytest.raises(InputError, match="'M' holds no surface"):
        mesh_from_model(empty)
    line = vtk.vtkLineSource()
    line.Update()
    empty.SetAndObserveMesh(line.GetOutput())
    with pytest.raises(InputError, match="'M' has no polygons"):
        mesh_from_model(empty)
