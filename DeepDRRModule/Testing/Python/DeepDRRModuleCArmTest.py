"""The C-arm and its linear transform, both ways: the same file runs in Slicer and in the host."""

from __future__ import annotations

import unittest

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DeepDRRModule import DeepDRRModuleLogic
from DeepDRRModuleLib import carmnodes
from DeepDRRModuleLib.records import (
    carm_from,
    reachable_carm_from,
    render_parameters_from,
    show_carm_in,
    show_render_parameters_in,
)
from meddl.core.errors import GeometryError, InputError
from meddl.core.geometry import apply, rotation
from meddl.core.image import Image
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.presets import load_preset
from meddl.deepdrr.radiograph import RenderParameters
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.transforms import transform_from_matrix
from SlicerMedDLLib.volumes import volume_from_image


def random_pose(generator: np.random.Generator) -> np.ndarray:
    """A rigid 4x4 matrix."""
    pose = rotation(generator.normal(size=3), generator.uniform(-180, 180))
    pose[:3, 3] = generator.uniform(-300, 300, 3)
    return pose


def setUpModule():
    skip_without()


class DeepDRRModuleCArmTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = DeepDRRModuleLogic()
        array = np.zeros((8, 10, 12), np.int16)
        self.volume = volume_from_image(Image(array, np.diag([2.0, 2.0, 2.0, 1.0])), "CT")

    def test_the_pose_of_a_transform_is_where_its_camera_is(self):
        generator = np.random.default_rng(3)
        for _trial in range(20):
            pose, parent = random_pose(generator), random_pose(generator)
            outer = transform_from_matrix(parent, "Table")
            inner = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
            inner.SetAndObserveTransformNodeID(outer.GetID())
            inner.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(pose))
            carm = self.logic.carmAt(inner, CArm(source_isocenter=600))
            camera = carm.camera()
            world = parent @ pose
            np.testing.assert_allclose(camera.source, apply(world, (0, 0, -600)), atol=1e-6)
            np.testing.assert_allclose(camera.camera_from_world[:3, :3], world[:3, :3].T, atol=1e-9)

    def test_showing_a_c_arm_and_reading_it_back(self):
        generator = np.random.default_rng(4)
        transform = None
        for _trial in range(10):
            angles = generator.uniform(-180, 180, 3)
            carm = CArm(*angles, isocenter=tuple(generator.uniform(-50, 50, 3)))
            transform = self.logic.showGeometry(self.volume, carm, transform=transform).transform
            again = self.logic.carmAt(transform, CArm())
            np.testing.assert_allclose(again.axes(), carm.axes(), atol=1e-9)
            np.testing.assert_allclose(again.isocenter, carm.isocenter, atol=1e-9)

    def test_a_transform_that_is_not_rigid_is_refused(self):
        transform = transform_from_matrix(np.diag([1.0, 1.0, 1.2, 1.0]), "Stretched")
        with self.assertRaises(GeometryError) as caught:
            self.logic.carmAt(transform, CArm())
        assert "1, 1, 1.2" in str(caught.exception)
        warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
        with self.assertRaises(InputError):
            self.logic.carmAt(warp, CArm())

    def test_the_same_pose_makes_no_event(self):
        carm = CArm(10, 20, 30)
        nodes = self.logic.showGeometry(self.volume, carm)
        events = []
        changed = slicer.vtkMRMLTransformNode.TransformModifiedEvent
        nodes.transform.AddObserver(changed, lambda *_: events.append("moved"))
        self.logic.showGeometry(self.volume, carm, transform=nodes.transform)
        assert events == []
        self.logic.showGeometry(self.volume, CArm(11, 20, 30), transform=nodes.transform)
        assert events

    def test_the_frustum_has_the_detector_as_its_base(self):
        nodes = self.logic.showGeometry(self.volume, CArm())
        faces = vtk_to_numpy(nodes.frustum.GetPolyData().GetPolys().GetConnectivityArray())
        faces = faces.reshape(-1, 3)
        np.testing.assert_array_equal(faces, [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
        assert 0 < nodes.frustum.GetDisplayNode().GetOpacity() < 0.5

    def test_handles_move_and_turn_and_never_scale(self):
        transform = self.logic.showGeometry(self.volume, CArm()).transform
        assert not carmnodes.handles_visible(transform)
        carmnodes.set_handles(transform, True)
        assert carmnodes.handles_visible(transform)
        assert not transform.GetDisplayNode().GetEditorScalingEnabled()
        carmnodes.set_handles(transform, False)
        assert not carmnodes.handles_visible(transform)

    def test_what_was_drawn_goes_with_its_transform(self):
        nodes = self.logic.showGeometry(self.volume, CArm())
        other = self.logic.showGeometry(self.volume, CArm(90))
        slicer.mrmlScene.RemoveNode(nodes.transform)
        carmnodes.remove_orphans()
        assert nodes.detector.GetScene() is None
        assert other.detector.GetScene() is slicer.mrmlScene
        assert other.isocenter.GetScene() is slicer.mrmlScene

    # The records of the panel

    def test_the_panel_shows_a_c_arm_and_gives_it_back(self):
        parameters = self.logic.getParameterNode()
        carm = CArm(30, -20, 10, 1200, 700, None, (300, 200), 0.5)
        show_carm_in(parameters, carm)
        assert carm_from(parameters) == carm
        show_carm_in(parameters, CArm(primary_angle=270))
        assert carm_from(parameters).primary_angle == -90

    def test_the_panel_shows_every_parameter_and_gives_it_back(self):
        parameters = self.logic.getParameterNode()
        for record in (
            RenderParameters(quantity="neglog"),
            RenderParameters(
                quantity="counts",
                detector="bins:20,50,80",
                kvp=70,
                spectrum="60kV",
                filtration="Al:3,Cu:0.1",
                anode_angle=10,
                csi=500,
                grid_primary=0.7,
                grid_scatter=0.1,
                mtf50=1.5,
                heel="left",
                collimation=(100, 80),
                scatter="montecarlo",
                scatter_photons=5000,
                noise=True,
                mas=2.5,
                electronic_noise=3,
                seed=8,
                materials="water",
                density_curve="water-bone",
                remove_table=True,
                hu_offset=-1000,
                hu_below="1:-1000",
            ),
            RenderParameters(quantity="energy", noise=True, air_kerma=0.5, filtration="Cu:0.2"),
            RenderParameters(quantity="path"),
        ):
            show_render_parameters_in(parameters, record)
            assert render_parameters_from(parameters) == record

    def test_a_spectrum_of_a_file_has_no_place_in_the_panel(self):
        parameters = self.logic.getParameterNode()
        before = render_parameters_from(parameters)
        with self.assertRaises(InputError):
            show_render_parameters_in(parameters, RenderParameters(spectrum="mine.csv", seed=4))
        assert render_parameters_from(parameters) == before

    def test_limits_of_a_preset_are_named(self):
        parameters = self.logic.getParameterNode()
        parameters.preset = "mobile"
        show_carm_in(parameters, load_preset("mobile").carm)
        assert reachable_carm_from(parameters) == carm_from(parameters)
        parameters.primaryAngle = 60
        with self.assertRaises(GeometryError) as caught:
            reachable_carm_from(parameters)
        assert "preset mobile" in str(caught.exception)
        assert carm_from(parameters).primary_angle == 60


if __name__ == "__main__":
    unittest.main()
