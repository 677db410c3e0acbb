"""The logic of DeepIGeoSModule: the same file runs in Slicer (ctest) and in the headless host."""

from __future__ import annotations

import unittest
from itertools import pairwise
from unittest import mock

import numpy as np
import slicer
import vtk
from scipy.spatial import cKDTree

from DeepIGeoSModule import DeepIGeoSModuleLogic
from DeepIGeoSModuleLib import scribbles
from DeepIGeoSModuleLib.brush import stroke_voxels
from DeepIGeoSModuleLib.logic import predict_all, scores
from DeepIGeoSModuleLib.methods import TRAINED, class_names
from DeepIGeoSModuleLib.writing import segment_masks
from meddl.core.errors import Cancelled, InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.core.image import Image
from meddl.core.progress import CancelToken
from meddl.core.weights import Card
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.markups import markups_from_points
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from SlicerMedDLLib.testing import skip_without
from SlicerMedDLLib.volumes import volume_from_image

OBLIQUE = rotation((1, -2, 0.5), 25) @ compose((0.8, 0.8, 2.5), (-40, 15, 700))
SHAPE = (16, 24, 28)
CENTER = (8, 12, 14)


def ball(radius: float = 6.0) -> np.ndarray:
    """A ball in voxels (k, j, i)."""
    grid = np.indices(SHAPE) - np.reshape(CENTER, (3, 1, 1, 1))
    return (grid**2).sum(axis=0) <= radius**2


def phantom() -> Image:
    """A bright ball in the dark."""
    return Image(np.where(ball(), 100, 0).astype(np.int16), OBLIQUE, {"name": "Ball"})


def setUpModule():
    skip_without()


class Bright:
    """A method that starts without seeds: what is brighter than 50."""

    needs_seeds = False

    def __init__(self, image, spacing, device="auto", weights=None):
        self.image = image

    def __call__(self, seeds, previous=None, progress=None, cancel=None):
        return (self.image[..., 0] > 50).astype(np.float32)


class DeepIGeoSModuleTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = DeepIGeoSModuleLogic()
        self.image = phantom()
        self.volume = volume_from_image(self.image)
        METHODS["bright"] = Bright

    def tearDown(self):
        METHODS.pop("bright", None)

    def ras(self, i, j, k):
        return apply(OBLIQUE, (i, j, k))

    # Segmentation

    def test_two_points_segment_a_ball(self):
        inside = markups_from_points([self.ras(14, 12, 8)], name="inside")
        outside = markups_from_points([self.ras(1, 1, 1)], name="outside")
        node = self.logic.segment(self.volume, inside, outside, name="Ball", method="geodesic")
        [(key, mask)] = segment_masks(node, self.image).items()
        np.testing.assert_array_equal(mask, ball())
        [smoothed] = segment_masks(
            self.logic.segment(self.volume, inside, outside), self.image
        ).values()
        assert (smoothed == ball()).mean() > 0.999  # the default rounds the tips off
        assert node.GetSegmentation().GetSegment(key).GetName() == "Ball"

    def test_the_shipped_networks_find_a_ball(self):
        skip_without("torch")
        marks = [self.ras(14, 12, 8)], [self.ras(1, 1, 1)]
        node = self.logic.segment(self.volume, *marks, method="network", device="cpu")
        [mask] = segment_masks(node, self.image).values()
        dice = 2 * (mask & ball()).sum() / (mask.sum() + ball().sum())
        assert dice > 0.9, dice

    def test_a_box_about_a_ball_is_enough_and_marks_correct_it(self):
        found = np.argwhere(ball())[:, ::-1]  # voxels (i, j, k)
        box = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        ends = apply(OBLIQUE, np.array([found.min(axis=0), found.max(axis=0)]))
        axes = vtk.vtkMatrix4x4()
        for column in range(3):
            direction = OBLIQUE[:3, column] / np.linalg.norm(OBLIQUE[:3, column])
            for row in range(3):
                axes.SetElement(row, column, direction[row])
        for row, middle in enumerate(ends.mean(axis=0)):
            axes.SetElement(row, 3, middle)
        box.SetAndObserveObjectToNodeMatrix(axes)
        steps = np.linalg.norm(OBLIQUE[:3, :3], axis=0)
        box.SetSize(*((found.max(axis=0) - found.min(axis=0) + 2) * steps))
        node = self.logic.segment(self.volume, roi=box, method="geodesic")
        [mask] = segment_masks(node, self.image).values()
        np.testing.assert_array_equal(mask, ball())
        outside = np.zeros(SHAPE, bool)
        outside[8, 12, 14] = True  # the ball's own middle, taken out again
        node = self.logic.segment(self.volume, None, outside, roi=box, method="geodesic")
        [corrected] = segment_masks(node, self.image).values()
        assert not corrected[8, 12, 14] and (corrected <= ball()).all()
        with self.assertRaisesRegex(InputError, "no extent"):
            empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
            empty.SetSize(0, 0, 0)
            self.logic.segment(self.volume, roi=empty)

    def test_masks_and_positions_are_marks_as_well(self):
        background = np.zeros(SHAPE, bool)
        background[0] = True
        node = self.logic.segment(self.volume, [self.ras(14, 12, 8)], background, method="geodesic")
        [mask] = segment_masks(node, self.image).values()
        np.testing.assert_array_equal(mask, ball())

    def test_bad_marks_and_a_cancel_leave_the_scene_as_it_was(self):
        before = slicer.mrmlScene.GetNumberOfNodes()
        cancel = CancelToken()
        cancel.cancel()
        for arguments, error in (
            ((None, [[0, 0, 0]]), InputError),
            ((self.volume, [[9999, 0, 0]]), InputError),
            ((self.volume, np.zeros((2, 2, 2), bool)), InputError),
        ):
            with self.assertRaises(error):
                self.logic.segment(*arguments)
        with self.assertRaises(Cancelled):
            self.logic.segment(self.volume, [self.ras(14, 12, 8)], cancel=cancel)
        assert slicer.mrmlScene.GetNumberOfNodes() == before

    # Many volumes

    def test_many_volumes(self):
        images = [self.image, Image(self.image.array[:, ::-1], OBLIQUE, {"name": "Turned"})]
        seen = []
        masks = predict_all(images, "bright", progress=lambda f, m: seen.append((f, m)))
        np.testing.assert_array_equal(masks[0], ball())
        np.testing.assert_array_equal(masks[1], ball()[:, ::-1])
        assert any("Turned (2 of 2)" in message for _f, message in seen)
        with self.assertRaisesRegex(InputError, "Ball: .*without seeds"):
            predict_all(images, "geodesic")

    def test_every_class_of_the_weights_becomes_a_segment(self):
        values = np.zeros(SHAPE, np.float32)
        values[2:5, 3:9, 3:9], values[9:12, 3:9, 12:20] = 1, 2
        image = Image(values, OBLIQUE)

        class Level:
            needs_seeds, classes = False, 3

            def __init__(self, method, image, spacing, device, weights, ras_from_ijk, segment):
                self.found = (image[..., 0] == segment).astype(np.float32)

            def __call__(self, seeds, previous=None, progress=None, cancel=None):
                return self.found

        with mock.patch("meddl.deepigeos.estimation.make_method", Level):
            [labels] = predict_all([image], "bright")
        volume = volume_from_image(image)
        node = self.logic.result(image, labels, volume, ["one", "two", "three"])
        own = node.GetSegmentation()
        found = {own.GetSegment(key).GetName(): m for key, m in segment_masks(node, image).items()}
        assert list(found) == ["one", "two", "three"]
        np.testing.assert_array_equal(found["one"], values == 1)
        np.testing.assert_array_equal(found["two"], values == 2)
        assert not found["three"].any()

    def test_segments_are_named_as_the_classes_of_a_training_run(self):
        cards = [Card("pnet", "", "", arguments={"use": {"classes": ["background", "a", "b"]}})]
        with mock.patch("DeepIGeoSModuleLib.methods.cards_of", return_value=cards):
            assert class_names(f"{TRAINED}run") == ["a", "b"]
        assert class_names("auto") == ["Segment"]

    # Comparison

    def test_comparison(self):
        labels = {"mine": ball(6), "reference": ball(5)}
        nodes = [
            segmentation_from_labels(
                Image(mask.astype(np.uint8), OBLIQUE), [Segment(1, "Ball", (1, 0, 0))], name
            )
            for name, mask in labels.items()
        ]
        [score] = self.logic.compare(*nodes, self.volume)
        a, b = ball(6).sum(), ball(5).sum()
        millilitres = 0.8 * 0.8 * 2.5 / 1000
        assert score.name == "Ball"
        np.testing.assert_allclose(score.dice, 2 * b / (a + b))
        np.testing.assert_allclose(score.volume, a * millilitres)
        np.testing.assert_allclose(score.reference_volume, b * millilitres)
        assert 0.8 - 1e-6 <= score.hd95 <= 2.5 + 1e-6  # a voxel, across or along the slices
        with self.assertRaisesRegex(InputError, "no segments"):
            empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
            self.logic.compare(empty, nodes[1], self.volume)
        cancel = CancelToken()
        cancel.cancel()
        with self.assertRaises(Cancelled):
            scores([("Ball", ball(), ball())], (1, 1, 1), cancel=cancel)

    # Strokes

    def test_a_ball_stroke_marks_what_lies_within_its_radius(self):
        way = [self.ras(6, 6, 4), self.ras(18, 9, 9), self.ras(20, 18, 11)]
        found = stroke_voxels(self.image, way, 3.0)
        grid = np.moveaxis(np.indices(SHAPE)[::-1], 0, -1).reshape(-1, 3)
        points = apply(OBLIQUE, grid)
        dense = np.concatenate([np.linspace(a, b, 2000) for a, b in pairwise(way)])
        nearest, _ = cKDTree(dense).query(points)
        clear = np.abs(nearest - 3.0) > 1e-3
        inside = {tuple(v) for v in grid[clear & (nearest < 3.0)]}
        assert inside <= {tuple(v) for v in found}
        assert {tuple(v) for v in found} - {tuple(v) for v in grid[~clear]} == inside

    def test_a_disc_stays_in_its_slice_and_a_point_marks_one_voxel(self):
        normal = OBLIQUE[:3, 2] / np.linalg.norm(OBLIQUE[:3, 2])
        disc = stroke_voxels(self.image, [self.ras(14, 12, 8)], 4.1, normal)
        expected = {
            (i, j, 8)
            for i in range(SHAPE[2])
            for j in range(SHAPE[1])
            if 0.8**2 * ((i - 14) ** 2 + (j - 12) ** 2) <= 4.1**2
        }
        assert {tuple(v) for v in disc} == expected
        point = stroke_voxels(self.image, [self.ras(14.3, 12.4, 8.2)], 0.0, normal)
        assert point.tolist() == [[14, 12, 8]]
        assert len(stroke_voxels(self.image, [self.ras(99, 12, 8)], 1.0)) == 0

    def test_strokes_are_stored_listed_and_deleted(self):
        edited = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Edited")
        one = scribbles.add_stroke(
            edited, self.volume, np.array([[3, 4, 5], [4, 4, 5]]), "foreground", "a"
        )
        scribbles.add_stroke(edited, self.volume, np.array([[4, 4, 5]]), "background", "a")
        kinds = [(s.kind, s.segment) for s in scribbles.strokes(edited)]
        assert kinds == [("foreground", "a"), ("background", "a")]
        seeds = scribbles.seeds(edited, self.image, {"a": 2})
        expected = np.zeros(SHAPE, np.uint8)
        expected[5, 4, 3], expected[5, 4, 4] = 2, 1
        np.testing.assert_array_equal(seeds, expected)
        scribbles.remove_strokes(edited, [one])
        np.testing.assert_array_equal(
            scribbles.seeds(edited, self.image, {"a": 2}), np.where(expected == 1, 1, 0)
        )
        scribbles.remove_strokes(edited, [s.id for s in scribbles.strokes(edited)])
        assert scribbles.scribbles_of(edited) is None

    def test_strokes_stay_where_they_were_drawn(self):
        """On another grid the strokes are sampled there."""
        edited = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Edited")
        voxels = np.argwhere(np.ones((4, 4, 4)))[:, ::-1] + (4, 6, 8)
        scribbles.add_stroke(edited, self.volume, voxels, "foreground", "a")
        coarse = Image(
            np.zeros((8, 12, 14)),
            OBLIQUE @ np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1]]),
        )
        expected = np.zeros(coarse.array.shape, np.uint8)
        expected[4:6, 3:5, 2:4] = 2
        np.testing.assert_array_equal(scribbles.seeds(edited, coarse, {"a": 2}), expected)


if __name__ == "__main__":
    unittest.main()
