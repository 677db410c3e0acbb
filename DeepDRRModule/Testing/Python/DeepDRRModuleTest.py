"""The logic of DeepDRRModule: the same file runs in Slicer (ctest) and in the headless host."""

from __future__ import annotations

import json
import unittest

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DeepDRRModule import DeepDRRModuleLogic
from DeepDRRModuleLib.ctcheck import check_ct, orientation_slices, thin, value_histogram
from meddl.core.errors import Cancelled, GeometryError, InputError
from meddl.core.geometry import RAS_FROM_LPS, apply, compose, rotation
from meddl.core.image import Image
from meddl.core.progress import CancelToken
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.display import WINDOWS, display_picture
from meddl.deepdrr.radiograph import RenderParameters, render
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.transforms import transform_from_matrix
from SlicerMedDLLib.volumes import image_from_volume, volume_from_image

OBLIQUE = rotation((1, -2, 0.5), 25) @ compose((1.5, 2.0, 2.5), (-40, 15, 700))
VIEW = CArm(primary_angle=35, secondary_angle=-12, detector_size=(64, 48), pixel_spacing=5.0)


def body(ras_from_ijk=OBLIQUE) -> Image:
    """Water with a bone rod in air and some noise, HU."""
    _k, j, i = np.mgrid[-16:16, -20:20, -24:24]
    hu = np.full(i.shape, -1000, np.int16)
    hu[(i / 20) ** 2 + (j / 16) ** 2 < 1] = 20
    hu[(i - 6) ** 2 + j**2 < 9] = 900
    noise = np.random.default_rng(1).normal(0, 15, hu.shape).astype(np.int16)
    return Image(hu + noise, ras_from_ijk)


def node_ids() -> list[str]:
    """What the scene holds."""
    nodes = slicer.util.getNodesByClass("vtkMRMLNode")
    return sorted(node.GetID() for node in nodes if not node.IsA("vtkMRMLParameterNode"))


def setUpModule():
    skip_without()


class DeepDRRModuleTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = DeepDRRModuleLogic()

    # Radiographs

    def test_node_holds_what_the_library_renders(self):
        volume = volume_from_image(body(), "Body")
        node = self.logic.render(volume, VIEW, quantity="intensity", noise=True, seed=3)
        expected = render(body(), VIEW, quantity="intensity", noise=True, seed=3)
        assert node.GetClassName() == "vtkMRMLScalarVolumeNode"
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected.array)
        np.testing.assert_allclose(
            image_from_volume(node).ras_from_ijk, np.diag([-5.0, -5.0, 1.0, 1.0])
        )
        camera = Camera.from_dict(json.loads(node.GetAttribute("MedDL.Camera")))
        np.testing.assert_allclose(camera.P, VIEW.camera(body().center).P)
        record = json.loads(node.GetAttribute("MedDL.Parameters"))
        assert (record["noise"], record["seed"]) == (True, 3)
        assert json.loads(node.GetAttribute("MedDL.CArm"))["primary_angle"] == 35
        assert node.GetAttribute("MedDL.Unit") == "I/I0"

    def test_output_is_reused_and_keeps_the_users_window(self):
        volume = volume_from_image(body(), "Body")
        first = self.logic.render(volume, VIEW, quantity="neglog")
        display = first.GetDisplayNode()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == WINDOWS["neglog"]
        display.SetWindowLevelMinMax(0.5, 3.5)
        before = node_ids()
        again = self.logic.render(volume, CArm(), None, first, quantity="neglog")
        assert again is first
        assert node_ids() == before
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.5, 3.5)
        assert slicer.util.arrayFromVolume(again).shape == (1, 512, 512)

    def test_bone_is_white_in_every_window(self):
        volume = volume_from_image(body(), "Body")
        tables = {}
        for quantity in ("neglog", "intensity", "energy", "integral"):
            node = self.logic.render(volume, VIEW, quantity=quantity)
            display = node.GetDisplayNode()
            assert display.GetWindowLevelMin() < display.GetWindowLevelMax()
            tables[quantity] = display.GetColorNodeID()
        assert tables["intensity"] == "vtkMRMLColorTableNodeInvertedGrey"
        assert tables["energy"] == tables["intensity"]
        assert tables["neglog"] == "vtkMRMLColorTableNodeGrey"

    def test_path_gives_one_component_per_material(self):
        node = self.logic.render(volume_from_image(body(), "Body"), VIEW, quantity="path")
        expected = render(body(), VIEW, quantity="path")
        assert node.GetClassName() == "vtkMRMLVectorVolumeNode"
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected.array)

    def test_shadow_of_a_ball_lies_where_the_camera_says(self):
        generator = np.random.default_rng(5)
        for _trial in range(3):
            ct, center = ball(generator)
            volume = volume_from_image(ct, "Ball")
            pose = rotation(generator.normal(size=3), 40)
            pose[:3, 3] = generator.uniform(-60, 60, 3)
            parent = transform_from_matrix(pose, "Pose")
            volume.SetAndObserveTransformNodeID(parent.GetID())
            view = CArm(
                primary_angle=generator.uniform(-90, 90),
                secondary_angle=generator.uniform(-40, 40),
                rotation=generator.uniform(-180, 180),
                detector_size=(200, 160),
            )
            node = self.logic.render(volume, view, quantity="integral")
            shadow = slicer.util.arrayFromVolume(node)[0].astype(np.float64)
            v, u = np.mgrid[: shadow.shape[0], : shadow.shape[1]]
            seen = np.array([(u * shadow).sum(), (v * shadow).sum()]) / shadow.sum()
            world = apply(pose, center)
            expected, _depth = view.camera(apply(pose, ct.center)).project(world)
            np.testing.assert_allclose(seen, expected, atol=0.05)

            points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Ball")
            slicer.util.updateMarkupsControlPointsFromArray(points, world[None], world=True)
            marked = slicer.util.arrayFromMarkupsControlPoints(
                self.logic.projectMarkups(points, node), world=True
            )
            ijk = apply(np.linalg.inv(image_from_volume(node).ras_from_ijk), marked[0])
            np.testing.assert_allclose(ijk, [*expected, 0], atol=1e-6)

    def test_view_is_upright_and_flips_on_request(self):
        self.slices = None
        view = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
        if view is None:  # without a window the scene has no slice views
            self.slices = slicer.vtkMRMLSliceLogic()
            self.slices.SetMRMLScene(slicer.mrmlScene)
            view = self.slices.AddSliceNode("Red")
        node = self.logic.render(volume_from_image(body(), "Body"), VIEW, quantity="neglog")
        before = slicer.util.arrayFromVolume(node).copy()
        columns, rows, _normal = image_from_volume(node).direction.T
        for flipped, side in ((False, 1), (True, -1), (False, 1)):
            self.logic.show(node, radiologicalView=flipped)
            ras_from_view = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
            np.testing.assert_allclose(ras_from_view[:3, 0], side * columns)  # to the right
            np.testing.assert_allclose(ras_from_view[:3, 1], -rows)  # upwards
        backgrounds = [
            composite.GetBackgroundVolumeID()
            for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
            if composite.GetLayoutName() == "Red"
        ]
        assert backgrounds == [node.GetID()]
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), before)

    # C-arm

    def test_carm_nodes_lie_where_the_camera_says(self):
        volume = volume_from_image(body(), "Body")
        for isocenter in (None, (10.0, -20.0, 650.0)):
            view = CArm(50, -20, 15, detector_size=(300, 200), isocenter=isocenter)
            camera = view.camera(body().center)
            nodes = self.logic.showGeometry(volume, view)
            np.testing.assert_allclose(
                model_points(nodes.source).mean(axis=0), camera.source, atol=1
            )
            corners = camera.detector_corners(view.source_detector)
            np.testing.assert_allclose(
                model_points(nodes.detector)[[0, 1, 3, 2]], corners, atol=1e-3
            )
            np.testing.assert_allclose(
                model_points(nodes.beam), [camera.source, *corners], atol=1e-3
            )
            ray = slicer.util.arrayFromMarkupsControlPoints(nodes.ray, world=True)
            np.testing.assert_allclose(ray, [camera.source, corners.mean(axis=0)], atol=1e-6)
            np.testing.assert_allclose(
                slicer.util.arrayFromMarkupsControlPoints(nodes.isocenter, world=True)[0],
                body().center if isocenter is None else isocenter,
                atol=1e-6,
            )

    def test_carm_moves_without_new_nodes(self):
        volume = volume_from_image(body(), "Body")
        first = self.logic.showGeometry(volume, CArm())
        before = node_ids()
        second = self.logic.showGeometry(volume, CArm(90), transform=first.transform)
        assert second == first
        assert node_ids() == before
        source = CArm(90).camera(body().center).source
        np.testing.assert_allclose(model_points(second.source).mean(axis=0), source, atol=1)
        slicer.mrmlScene.RemoveNode(first.detector)
        third = self.logic.showGeometry(volume, CArm(90), transform=first.transform)
        assert third.detector.GetPolyData() is not None
        assert len(node_ids()) == len(before)

    def test_detector_shows_the_radiograph_of_this_pose_only(self):
        volume = volume_from_image(body(), "Body")
        node = self.logic.render(volume, VIEW, quantity="neglog")
        nodes = self.logic.showGeometry(volume, VIEW, node)
        grey = vtk_to_numpy(nodes.detector.GetPolyData().GetCellData().GetScalars())
        expected = display_picture(render(body(), VIEW, quantity="neglog"))
        np.testing.assert_array_equal(grey[:, 0].reshape(48, 64), expected)
        assert nodes.detector.GetDisplayNode().GetScalarVisibility()
        nodes = self.logic.showGeometry(volume, CArm(), node, nodes.transform)
        assert nodes.detector.GetPolyData().GetCellData().GetScalars() is None
        assert not nodes.detector.GetDisplayNode().GetScalarVisibility()

    # Refusals

    def test_bad_input_leaves_the_scene_as_it_was(self):
        volume = volume_from_image(body(), "Body")
        empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        flat = volume_from_image(Image(np.zeros((1, 8, 8), np.float32)), "Flat")
        holes = body().array.astype(np.float32)
        holes[3, 4, 5] = np.nan
        bad = volume_from_image(Image(holes), "Holes")
        colour = volume_from_image(Image(np.zeros((2, 4, 5, 3), np.uint8)), "Colour")
        warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
        bent = volume_from_image(body(), "Bent")
        bent.SetAndObserveTransformNodeID(warp.GetID())
        before = node_ids()
        for arguments, words in (
            ((None,), "no CT volume is selected"),
            ((empty,), "'Empty' holds no voxels"),
            ((flat,), "2-D picture"),
            ((bad,), "NaN or infinite, the first at ijk (5, 4, 3)"),
            ((volume, VIEW, None, volume), "the CT 'Body' itself"),
            ((volume, VIEW, None, colour), "'Colour' cannot hold the quantity intensity"),
            ((bent,), "non-linear"),
            ((warp,), "'Warp' was given"),
        ):
            with self.assertRaises(InputError) as caught:
                self.logic.render(*arguments)
            assert words in str(caught.exception)
            assert node_ids() == before
        with self.assertRaises(InputError):
            self.logic.showGeometry(None, CArm())
        with self.assertRaises(GeometryError):
            self.logic.showGeometry(volume, CArm(source_isocenter=2000))
        with self.assertRaises(InputError):
            self.logic.showGeometry(volume, CArm(), volume)
        assert node_ids() == before

    def test_cancel_leaves_the_scene_as_it_was(self):
        volume = volume_from_image(body(), "Body")
        output = self.logic.render(volume, VIEW, quantity="neglog")
        before, pixels = node_ids(), slicer.util.arrayFromVolume(output).copy()
        token = CancelToken()
        with self.assertRaises(Cancelled):
            self.logic.render(
                volume,
                CArm(),
                None,
                output,
                progress=lambda fraction, message: token.cancel(),
                cancel=token,
            )
        assert node_ids() == before
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), pixels)

    def test_points_need_a_radiograph_and_a_place_before_the_source(self):
        volume = volume_from_image(body(), "Body")
        node = self.logic.render(volume, VIEW)
        points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Points")
        camera = VIEW.camera(body().center)
        behind = 2 * camera.source - body().center
        slicer.util.updateMarkupsControlPointsFromArray(
            points, np.array([behind, body().center]), world=True
        )
        points.SetNthControlPointLabel(1, "middle")
        marked = self.logic.projectMarkups(points, node)
        assert marked.GetNumberOfControlPoints() == 1
        assert marked.GetNthControlPointLabel(0) == "middle"
        with self.assertRaises(InputError):
            self.logic.projectMarkups(points, volume)
        slicer.util.updateMarkupsControlPointsFromArray(points, behind[None], world=True)
        with self.assertRaises(InputError):
            self.logic.projectMarkups(points, node)

    # CT check

    def test_slices_stand_in_radiological_convention(self):
        # One voxel right, one anterior, one superior of the middle, whatever the axes are.
        for turn in (
            np.eye(4),
            RAS_FROM_LPS,
            compose(direction=[[0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
        ):
            ras_from_ijk = turn @ compose((2.0, 3.0, 4.0))
            array = np.zeros((9, 9, 9), np.float32)
            middle = apply(ras_from_ijk, (4, 4, 4))
            for axis, value in enumerate((3, 2, 1)):
                step = np.zeros(3)
                step[axis] = 3 * np.abs(ras_from_ijk[axis, :3]).max()
                i, j, k = np.rint(apply(np.linalg.inv(ras_from_ijk), middle + step)).astype(int)
                array[k, j, i] = value
            axial, coronal, sagittal = orientation_slices(Image(array, ras_from_ijk))
            right, anterior, superior = axial.grey[4, 1], axial.grey[1, 4], coronal.grey[1, 4]
            assert right > anterior > superior > axial.grey[4, 4]
            assert coronal.grey[4, 1] == right
            assert (sagittal.grey[4, 1], sagittal.grey[1, 4]) == (anterior, superior)
            assert (axial.letters, coronal.letters, sagittal.letters) == ("RLAP", "RLSI", "APSI")
            scaled = np.abs(ras_from_ijk[:3, :3]).max(axis=1)
            np.testing.assert_allclose(axial.spacing, scaled[[0, 1]])
            np.testing.assert_allclose(sagittal.spacing, scaled[[1, 2]])

    def test_check_names_what_mends_and_is_content_afterwards(self):
        offset = body().with_array((body().array + 1000).clip(0))
        found = check_ct(offset, RenderParameters())
        assert found.mending == {"hu_offset": -1000.0}
        mended = check_ct(offset, RenderParameters(hu_offset=-1000))
        assert mended.findings == []
        assert mended.counts.sum() == offset.array.size
        assert check_ct(body(), RenderParameters()).findings == []
        with self.assertRaises(InputError):
            check_ct(Image(np.full((4, 4, 4), np.nan, np.float32)), RenderParameters())

    def test_histogram_counts_every_value_once(self):
        values = np.array([-9000, -1000, -1000, 0, 40, 3000, 60000] * 8).reshape(2, 4, 7)
        counts, edges = value_histogram(Image(values), bins=10)
        assert counts.sum() == values.size
        assert edges[0] <= -1100
        assert edges[-1] >= 1500
        near = Image(np.array([[-1000, 0], [0, 500]]).reshape(1, 2, 2))
        counts, edges = value_histogram(near, bins=26)  # 100 per bin from -1100 to 1500
        assert [counts[1], counts[11], counts[16]] == [1, 2, 1]

    def test_thinning_keeps_places(self):
        ct = Image(np.arange(6 * 8 * 10).reshape(6, 8, 10), OBLIQUE)
        thinned = thin(ct, largest=70)
        assert thinned.array.size <= 70
        index = np.array(thinned.size) - 1
        where = apply(ct.ijk_from_ras, apply(thinned.ras_from_ijk, index))
        i, j, k = np.rint(where).astype(int)
        assert thinned.array[tuple(index[::-1])] == ct.array[k, j, i]
        assert np.shares_memory(thin(ct).array, ct.array)
        np.testing.assert_array_equal(thin(ct).array, ct.array)


def ball(generator: np.random.Generator) -> tuple[Image, np.ndarray]:
    """A small bright ball off the middle of an oblique volume of zeros, and its centroid in RAS."""
    ras_from_ijk = rotation(generator.normal(size=3), 30) @ compose((0.9, 1.2, 1.6), (5, -9, 30))
    shape = (24, 30, 36)
    middle = np.array(shape[::-1]) / 2 + generator.uniform(-5, 5, 3)
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)[..., ::-1]
    ras = apply(ras_from_ijk, ijk)
    distance = np.linalg.norm(ras - apply(ras_from_ijk, middle), axis=-1)
    mass = np.clip(5 - distance, 0, 1).astype(np.float32)
    center = (ras * mass[..., None]).sum(axis=(0, 1, 2)) / mass.sum(dtype=np.float64)
    return Image(mass, ras_from_ijk), center


def model_points(node) -> np.ndarray:
    """Vertices of a model in world coordinates (its parent transform is linear)."""
    points = vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).astype(np.float64)
    matrix = slicer.util.arrayFromTransformMatrix(node.GetParentTransformNode(), toWorld=True)
    return apply(matrix, points)


if __name__ == "__main__":
    unittest.main()
