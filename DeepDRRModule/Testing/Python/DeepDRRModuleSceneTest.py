"""Materials, projections, acquisitions and data sets of a scene: runs in Slicer and in the host."""

from __future__ import annotations

import json
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from DeepDRRModule import DeepDRRModuleLogic
from DeepDRRModuleLib import datasets, materials, projections, radiographs, registration
from meddl.core.errors import InputError
from meddl.core.geometry import apply, rotation
from meddl.core.image import Image
from meddl.core.mesh import Mesh
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.dataset import OutputParameters, read_dataset
from meddl.deepdrr.instruments import ball
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.radiograph import RenderParameters, render
from meddl.deepdrr.solids import Solid
from meddl.deepdrr.views import ViewRanges
from SlicerMedDLLib.markups import markups_from_points
from SlicerMedDLLib.models import model_from_mesh
from SlicerMedDLLib.segmentations import (
    Segment,
    masks_from_segmentation,
    segmentation_from_labels,
    segmentation_from_masks,
)
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.volumes import image_from_volume, volume_from_image

RAS_FROM_IJK = rotation((1, 2, -1), 20) @ np.diag([2.0, 2.0, 2.5, 1.0])
VIEW = CArm(25, -10, 5, detector_size=(64, 48), pixel_spacing=4.0)
RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)


def body() -> Image:
    """A water cylinder in air, HU."""
    _k, j, i = np.mgrid[-12:12, -14:14, -16:16]
    hu = np.where((i / 15) ** 2 + (j / 13) ** 2 < 1, 0, -1000)
    return Image(hu.astype(np.int16), RAS_FROM_IJK)


def two_balls() -> Image:
    """Labels 1 and 2 in the geometry of :func:`body`."""
    k, j, i = np.mgrid[-12:12, -14:14, -16:16]
    labels = np.zeros(k.shape, np.uint8)
    labels[(i + 6) ** 2 + j**2 + k**2 < 16] = 1
    labels[(i - 6) ** 2 + j**2 + (k - 3) ** 2 < 9] = 2
    return Image(labels, RAS_FROM_IJK)


def setUpModule():
    skip_without()


class DeepDRRModuleSceneTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = DeepDRRModuleLogic()
        self.volume = volume_from_image(body(), "CT")

    def segmentation(self, names=("L1 vertebra", "wire")):
        segments = [Segment(1, names[0], RED), Segment(2, names[1], BLUE)]
        return segmentation_from_labels(two_balls(), segments, "Structures")

    def camera(self, view=VIEW):
        return view.camera(body().center)

    # Materials

    def test_segments_render_as_the_library_renders_labels(self):
        node = self.segmentation(("muscle", "something"))
        ids = node.GetSegmentation().GetSegmentIDs()
        materials.set_segment_material(node, ids[1], "titanium")
        picture = self.logic.render(self.volume, VIEW, quantity="neglog", segmentation=node)
        labels = Labels(two_balls(), {1: "muscle", 2: "titanium"})
        expected = render(body(), VIEW, quantity="neglog", labels=labels)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(picture), expected.array)
        plain = render(body(), VIEW, quantity="neglog")
        assert np.abs(expected.array - plain.array).max() > 0.5
        assert picture.GetNodeReference(radiographs.SEGMENTATION) is node

    def test_materials_come_from_names_and_can_be_chosen(self):
        node = self.segmentation()
        first, second = node.GetSegmentation().GetSegmentIDs()
        assert materials.segment_material(node, first) == "skeleton"
        assert materials.segment_material(node, second) == "titanium"
        before = materials.state_of(node)
        materials.set_segment_material(node, second, "nitinol=NiTi:6.45")
        assert materials.segment_material(node, second) == "nitinol=NiTi:6.45"
        assert materials.state_of(node) != before
        with self.assertRaises(InputError):
            materials.set_segment_material(node, second, "unobtainium")
        assert materials.segment_material(node, second) == "nitinol=NiTi:6.45"
        materials.set_segment_material(node, second, "")
        assert materials.state_of(node) == before

    def test_models_in_the_beam_render_as_the_library_renders_solids(self):
        mesh = ball((0, 0, 0), (0, 0, 12))
        model = model_from_mesh(mesh, "Ball")
        materials.set_model_material(model, "iron")
        picture = self.logic.render(self.volume, VIEW, quantity="neglog", models=[model])
        expected = render(body(), VIEW, quantity="neglog", solids=[Solid(mesh, "iron")])
        # Slicer keeps the points of a model in single precision.
        np.testing.assert_allclose(
            slicer.util.arrayFromVolume(picture), expected.array, rtol=0, atol=1e-3
        )
        materials.set_model_material(model, "")
        assert materials.solids_of([model]) == []
        open_mesh = Mesh(mesh.vertices, np.delete(mesh.faces, len(mesh.faces) // 2, axis=0))
        with self.assertRaises(InputError):
            materials.set_model_material(model_from_mesh(open_mesh, "Open"), "iron")

    def test_the_c_arm_itself_is_no_body(self):
        self.logic.showGeometry(self.volume, VIEW)
        model = model_from_mesh(ball((0, 0, 0), (0, 0, 12)), "Ball")
        assert materials.surface_models() == [model]

    # Projections

    def test_a_line_stays_a_line_and_a_curve_a_curve(self):
        radiograph = self.logic.render(self.volume, VIEW)
        center = body().center
        ends = np.add(center, [[-20, 0, 5], [15, 8, -10]])
        line = markups_from_points(ends, ["a", "b"], "Axis", class_name="vtkMRMLMarkupsLineNode")
        drawn = self.logic.projectMarkups(line, radiograph)
        assert drawn.GetClassName() == "vtkMRMLMarkupsLineNode"
        np.testing.assert_allclose(
            self.pixels(drawn, radiograph), self.camera().project(ends)[0], atol=1e-3
        )
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)[:, None]
        ring = center + 20 * np.hstack([np.cos(angle), np.sin(angle), 0 * angle])
        for kind in ("vtkMRMLMarkupsCurveNode", "vtkMRMLMarkupsClosedCurveNode"):
            curve = markups_from_points(ring, None, "Ring", class_name=kind)
            drawn = self.logic.projectMarkups(curve, radiograph)
            assert drawn.GetClassName() == kind
            # Every drawn point lies on the projection of the circle of 20 mm about the centre.
            dense = np.linspace(0, 2 * np.pi, 4000)[:, None]
            circle = center + 20 * np.hstack([np.cos(dense), np.sin(dense), 0 * dense])
            truth = self.camera().project(circle)[0]
            pixels = self.pixels(drawn, radiograph)
            gaps = np.linalg.norm(pixels[:, None] - truth[None], axis=2).min(axis=1)
            assert len(pixels) <= projections.MOST_CURVE_POINTS
            assert gaps.max() < 0.3  # a spline through 12 points is within 0.7 mm of its circle

    def pixels(self, markups, radiograph):
        ras = slicer.util.arrayFromMarkupsControlPoints(markups, world=True)
        ijk = apply(np.linalg.inv(image_from_volume(radiograph).ras_from_ijk), ras)
        np.testing.assert_allclose(ijk[:, 2], 0, atol=1e-6)
        return ijk[:, :2]

    def test_shadows_of_segments_cover_what_their_radiographs_show(self):
        radiograph = self.logic.render(self.volume, VIEW)
        node = self.segmentation()
        shadows = self.logic.projectSegmentation(node, radiograph)
        reference = image_from_volume(radiograph)
        seen = {one.name: mask for one, mask in masks_from_segmentation(shadows, reference)}
        assert list(seen) == ["L1 vertebra", "wire"]
        segment = shadows.GetSegmentation().GetNthSegment(1)
        np.testing.assert_allclose(segment.GetColor(), BLUE)
        for value, name in ((1, "L1 vertebra"), (2, "wire")):
            alone = two_balls().with_array((two_balls().array == value).astype(np.float32))
            path = render(alone, self.camera(), quantity="integral").array
            shadow = seen[name].astype(bool)
            # Surely inside: more than a voxel's length of it; surely outside: none at all.
            assert shadow[path > 3].all()
            assert not shadow[path == 0].any()
            assert shadow.sum() > 20

    def test_hidden_segments_cast_no_shadow(self):
        radiograph = self.logic.render(self.volume, VIEW)
        node = self.segmentation()
        first, second = node.GetSegmentation().GetSegmentIDs()
        node.GetDisplayNode().SetSegmentVisibility(first, False)
        shadows = self.logic.projectSegmentation(node, radiograph)
        assert shadows.GetSegmentation().GetNumberOfSegments() == 1
        node.GetDisplayNode().SetSegmentVisibility(second, False)
        with self.assertRaises(InputError):
            self.logic.projectSegmentation(node, radiograph)

    def test_overlapping_masks_stay_apart(self):
        array = np.zeros((1, 4, 5), np.uint8)
        array[0, 1:3, 1:4] = 1
        masks = [(Segment(1, "a", RED), Image(array)), (Segment(2, "b", BLUE), Image(array * 1))]
        node = segmentation_from_masks(masks, "Both")
        for _segment, mask in masks_from_segmentation(node, Image(array)):
            np.testing.assert_array_equal(mask, array)

    def test_the_outline_of_a_ball_is_the_rim_of_its_cone(self):
        radiograph = self.logic.render(self.volume, VIEW)
        center = np.add(body().center, [5.0, 4.0, -3.0])
        model = model_from_mesh(
            ball(np.add(center, (0, 0, -15)), np.add(center, (0, 0, 15))), "Ball"
        )
        outline = self.logic.projectModel(model, radiograph)
        points = vtk_to_numpy(outline.GetPolyData().GetPoints().GetData())
        pixels = apply(np.linalg.inv(image_from_volume(radiograph).ras_from_ijk), points)[:, :2]
        mesh_points = slicer.util.arrayFromModelPoints(model).astype(float)
        middle, radius = mesh_points.mean(axis=0), np.ptp(mesh_points[:, 2]) / 2
        camera = self.camera()
        rays = np.hstack([pixels, np.ones((len(pixels), 1))]) @ np.linalg.inv(camera.K).T
        directions = rays @ camera.camera_from_world[:3, :3]
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        to_middle = middle - camera.source
        distance = np.linalg.norm(np.cross(directions, to_middle), axis=1)
        np.testing.assert_allclose(distance, radius, rtol=0.05)  # a tangent ray, but for facets
        assert outline.GetPolyData().GetNumberOfLines() * 2 == len(points)

    # What a radiograph knows

    def test_the_acquisition_survives_saving_and_loading(self):
        parameters = RenderParameters(quantity="energy", noise=True, seed=3, kvp=None, csi=400)
        node = self.logic.render(self.volume, VIEW, parameters)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            assert slicer.util.saveScene(path)
            name = node.GetName()
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        again = slicer.util.getNode(name)
        assert self.logic.acquisition(again) == (VIEW, parameters)
        assert radiographs.ct_of(again).GetName() == "CT"

    def test_a_camera_has_no_angles_and_a_damaged_record_is_named(self):
        node = self.logic.render(self.volume, self.camera())
        with self.assertRaises(InputError) as caught:
            self.logic.acquisition(node)
        assert "not by a C-arm" in str(caught.exception)
        node = self.logic.render(self.volume, VIEW)
        node.SetAttribute(radiographs.CARM, "{")
        with self.assertRaises(InputError) as caught:
            self.logic.acquisition(node)
        assert "damaged record MedDL.CArm" in str(caught.exception)
        with self.assertRaises(InputError):
            self.logic.acquisition(self.volume)

    def test_dicom_holds_values_and_angles(self):
        import pydicom

        node = self.logic.render(self.volume, VIEW, quantity="intensity")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "xray.dcm"
            self.logic.exportDicom(node, path)
            data = pydicom.dcmread(path)
            values = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        assert (data.PositionerPrimaryAngle, data.PositionerSecondaryAngle) == (25, -10)
        assert data.DistanceSourceToDetector == VIEW.source_detector
        np.testing.assert_allclose(
            values, slicer.util.arrayFromVolume(node)[0], atol=float(data.RescaleSlope)
        )

    def test_a_coarse_picture_lies_over_the_fine_one(self):
        fine = self.logic.render(self.volume, VIEW, quantity="integral")
        coarse = render(body(), VIEW.binned(2), quantity="integral")
        coarse = radiographs.over_the_pixels_of(coarse, VIEW, 2)
        node = self.logic.finish(coarse, self.volume)
        ras = body().center[None] + [[10.0, 5.0, -5.0]]
        a, _ = radiographs.points_on_radiograph(ras, fine)
        b, _ = radiographs.points_on_radiograph(ras, node)
        np.testing.assert_allclose(a, b, atol=1e-9)
        bounds = [[0.0] * 6, [0.0] * 6]
        fine.GetRASBounds(bounds[0])
        node.GetRASBounds(bounds[1])
        np.testing.assert_allclose(bounds[0][:4], bounds[1][:4])

    # Registration

    def test_the_search_starts_from_the_c_arm_with_the_pictures_intrinsics(self):
        other = replace(VIEW, primary_angle=-40, pixel_spacing=1.0, detector_size=(10, 10))
        node = self.logic.render(self.volume, VIEW, quantity="neglog")
        assert registration.known_quantity(node) == "neglog"
        start = registration.start_camera(node, other, tuple(body().center))
        np.testing.assert_array_equal(start.K, self.camera().K)
        assert start.size == (64, 48)
        np.testing.assert_allclose(start.camera_from_world, self.camera(other).camera_from_world)
        foreign = volume_from_image(Image(np.ones((1, 48, 64), np.float32)), "Film")
        assert registration.known_quantity(foreign) is None
        assert registration.start_camera(foreign, VIEW, tuple(body().center)).size == (64, 48)
        with self.assertRaises(InputError) as caught:
            registration.start_camera(foreign, other, tuple(body().center))
        assert "64x48x1" in str(caught.exception)

    def test_pictures_of_other_devices_can_be_turned(self):
        values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
        film = volume_from_image(Image(values), "Film")
        turned = registration.fixed_picture(film, mirrored=True).array
        np.testing.assert_array_equal(turned, [[[2, 1, 0], [5, 4, 3]]])
        np.testing.assert_array_equal(registration.fixed_picture(film).array, values)
        ours = self.logic.render(self.volume, VIEW, quantity="neglog")
        kept = registration.fixed_picture(ours, mirrored=True).array
        np.testing.assert_array_equal(kept, slicer.util.arrayFromVolume(ours))

    def test_a_found_camera_gives_its_c_arm(self):
        found = registration.carm_at(self.camera(), CArm(source_isocenter=VIEW.source_isocenter))
        np.testing.assert_allclose(found.isocenter, body().center, atol=1e-9)
        assert round(found.primary_angle, 6) == 25
        assert round(found.secondary_angle, 6) == -10
        assert round(found.rotation, 6) == 5

    def test_a_wrong_pose_breaks_outlines_at_the_squares(self):
        j, i = np.mgrid[:64, :64]
        disc = ((i - 32) ** 2 + (j - 32) ** 2 < 400).astype(np.float32)[None]
        moved = np.roll(disc, 4, axis=2)
        right = registration.checkerboard(Image(disc), Image(5 * disc + 2))
        np.testing.assert_array_equal(right.array, disc)  # whatever the other picture's scale
        wrong = registration.checkerboard(Image(disc), Image(moved))
        odd = (i // 8 + j // 8) % 2 == 1
        np.testing.assert_array_equal(wrong.array[0][odd], moved[0][odd])
        np.testing.assert_array_equal(wrong.array[0][~odd], disc[0][~odd])

    def test_the_squares_lie_on_the_radiograph_and_are_replaced(self):
        node = self.logic.render(self.volume, VIEW, quantity="neglog")
        picture = registration.fixed_picture(node)
        board = registration.comparison_to_node(registration.checkerboard(picture, picture), node)
        bounds = [[0.0] * 6, [0.0] * 6]
        node.GetRASBounds(bounds[0])
        board.GetRASBounds(bounds[1])
        np.testing.assert_allclose(*bounds)
        values = slicer.util.arrayFromVolume(board)
        assert (values.min(), values.max()) == (0, 1)
        other = Image(1 - values, picture.ras_from_ijk)
        assert registration.comparison_to_node(other, node).GetID() == board.GetID()
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(board), 1 - values)

    # Data sets

    def test_a_plan_is_what_the_command_reads(self):
        plan = datasets.DatasetPlan(
            body(),
            VIEW,
            ViewRanges(primary_angle=(-20, 20)),
            OutputParameters(views=3, seed=5, format="tiff"),
            RenderParameters(quantity="neglog", noise=True, photons=5e4, csi=300),
            Labels(two_balls(), {1: "skeleton", 2: "iron"}),
            {1: "bone", 2: "bone"},
        )
        with tempfile.TemporaryDirectory() as folder:
            config = datasets.write_plan(folder, plan)
            read = read_dataset(config)
            table = json.loads((Path(folder) / "input/labels.json").read_text())
            command = datasets.arguments(config, 2)
            (Path(folder) / datasets.VIEWS).mkdir()
            (Path(folder) / datasets.VIEWS / "dataset.json").touch()
            again = datasets.arguments(config)
        assert (read.output.views, read.output.seed, read.output.format) == (3, 5, "tiff")
        assert read.pose == plan.ranges
        assert read.carm.detector_size == (64, 48)
        assert read.masks == {"bone (1)": 1, "bone (2)": 2}
        assert table["2"] == {"name": "bone (2)", "material": "iron"}
        drawn = {name: entry.extremes[0] for name, entry in read.render.items()}
        assert drawn.pop("materials").endswith("labels.nrrd")
        assert drawn == {"quantity": "neglog", "noise": True, "photons": 5e4, "csi": 300}
        assert command[:2] == ["drr", "dataset"] and command[-2:] == ["--workers", "2"]
        assert again[-1] == "--resume"

    def test_a_plan_of_several_values_is_refused_before_anything_is_written(self):
        plan = datasets.DatasetPlan(
            body(), VIEW, ViewRanges(), OutputParameters(), RenderParameters(quantity="path")
        )
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(InputError):
                datasets.write_plan(folder, plan)
            assert list(Path(folder).iterdir()) == []


if __name__ == "__main__":
    unittest.main()
