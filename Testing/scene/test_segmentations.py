"""Segmentations between the scene and the library."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from meddl.core import Image, InputError
from meddl.core.geometry import compose
from SlicerMedDLLib import labelmaps
from SlicerMedDLLib.segmentations import (
    Segment,
    labelmap_from_segmentation,
    masks_from_segmentation,
    segmentation_from_labels,
    terminology_entry,
)
from SlicerMedDLLib.transforms import transform_from_matrix

LIVER = Segment(3, "liver", (0.8, 0.4, 0.2), terminology_entry("10200004", "Liver"))
RAS_FROM_IJK = np.diag([-1.0, -1.0, 2.0, 1.0])


@pytest.fixture
def labels():
    k, j, i = np.indices((20, 40, 40))
    array = np.zeros((20, 40, 40), np.uint8)
    array[(i - 12) ** 2 + (j - 20) ** 2 + 4 * (k - 10) ** 2 < 100] = 3
    array[(i - 30) ** 2 + (j - 20) ** 2 + 4 * (k - 10) ** 2 < 49] = 7
    return Image(array, RAS_FROM_IJK)


def test_labels_names_colours_and_terminology_come_back(scene, labels):
    node = segmentation_from_labels(labels, [LIVER, Segment(5, "absent", (1, 1, 1))], "organs")
    segmentation = node.GetSegmentation()
    assert node.GetName() == "organs"
    assert segmentation.GetNumberOfSegments() == 2
    assert segmentation.GetNumberOfLayers() == 1
    liver = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("liver"))
    np.testing.assert_allclose(liver.GetColor(), LIVER.color)
    assert liver.GetTerminology() == LIVER.terminology
    back, entries = labelmap_from_segmentation(node, labels)
    np.testing.assert_array_equal(back.array, labels.array)
    assert [(e.label, e.name) for e in entries] == [(3, "liver"), (7, "label 7")]
    assert entries[0].terminology == LIVER.terminology


def test_slicers_own_export_agrees(scene, labels):
    node = segmentation_from_labels(labels, [LIVER])
    exported = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    logic = slicer.modules.segmentations.logic()
    assert logic.ExportAllSegmentsToLabelmapNode(node, exported)
    counts = np.bincount(slicer.util.arrayFromVolume(exported).ravel())
    assert counts[1:].tolist() == [(labels.array == n).sum() for n in (3, 7)]


def test_another_reference_is_resampled_where_it_lies(scene, labels):
    node = segmentation_from_labels(labels)
    crop = Image(
        np.zeros((10, 20, 20), np.uint8),
        RAS_FROM_IJK @ np.array([[1, 0, 0, 5], [0, 1, 0, 10], [0, 0, 1, 4], [0, 0, 0, 1.0]]),
    )
    back, _ = labelmap_from_segmentation(node, crop)
    np.testing.assert_array_equal(back.array, labels.array[4:14, 10:30, 5:25])


@pytest.mark.parametrize("low", [(5, 10, 4), (-7, 22, -2), (0, 0, 0), (100, 0, 0)])
def test_what_is_copied_equals_what_slicer_samples(scene, labels, low, monkeypatch):
    node = segmentation_from_labels(labels, [LIVER])
    crop = Image(np.zeros((16, 20, 24), np.uint8), RAS_FROM_IJK @ compose((1, 1, 1), low))
    copied, _ = labelmap_from_segmentation(node, crop)
    monkeypatch.setattr(labelmaps, "_shift", lambda *_: None)
    resampled, _ = labelmap_from_segmentation(node, crop)
    np.testing.assert_array_equal(copied.array, resampled.array)
    assert copied.array.any() == (low[0] < 100)


def test_parent_transform_moves_the_labels(scene, labels):
    node = segmentation_from_labels(labels)
    shift = np.eye(4)
    shift[0, 3] = -3.0  # to the left: three voxels, since i grows to the left
    node.SetAndObserveTransformNodeID(transform_from_matrix(shift).GetID())
    back, _ = labelmap_from_segmentation(node, labels)
    np.testing.assert_array_equal(back.array[:, :, 3:], labels.array[:, :, :-3])


def test_overlap_is_refused_as_labels_and_kept_as_masks(scene, labels):
    node = segmentation_from_labels(labels, [LIVER])
    body = segmentation_from_labels(Image(np.ones_like(labels.array), RAS_FROM_IJK))
    whole = body.GetSegmentation().GetNthSegment(0)
    whole.SetName("body")
    node.GetSegmentation().AddSegment(whole, "body")
    with pytest.raises(InputError, match=r"'liver' and 'body' overlap in .* voxels"):
        labelmap_from_segmentation(node, labels)
    masks = {entry.name: mask for entry, mask in masks_from_segmentation(node, labels)}
    np.testing.assert_array_equal(masks["liver"], labels.array == 3)
    assert masks["body"].all()
    liver_id = node.GetSegmentation().GetSegmentIdBySegmentName("liver")
    chosen, _ = labelmap_from_segmentation(node, labels, [liver_id])
    np.testing.assert_array_equal(chosen.array > 0, labels.array == 3)


def test_equal_values_in_two_layers_are_renumbered(scene, labels):
    node = segmentation_from_labels(Image((labels.array == 3).astype(np.uint8), RAS_FROM_IJK))
    other = segmentation_from_labels(Image((labels.array == 7).astype(np.uint8), RAS_FROM_IJK))
    node.GetSegmentation().AddSegment(other.GetSegmentation().GetNthSegment(0), "second")
    back, entries = labelmap_from_segmentation(node, labels)
    assert [e.label for e in entries] == [1, 2]
    np.testing.assert_array_equal(back.array == 2, labels.array == 7)


def test_closed_surfaces_are_converted_without_touching_the_node(scene, labels):
    node = segmentation_from_labels(labels, [LIVER])
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.RemoveBinaryLabelmapRepresentation()
    back, _ = labelmap_from_segmentation(node, labels)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    for label in (3, 7):  # surfaces are smoothed, so the voxels agree but for the rim
        both = ((back.array == label) & (labels.array == label)).sum()
        dice = 2 * both / ((back.array == label).sum() + (labels.array == label).sum())
        assert dice > 0.9


def test_an_emptied_segment_is_an_empty_mask(scene, labels):
    node = segmentation_from_labels(labels, [LIVER])
    identity = node.GetSegmentation().AddEmptySegment("empty", "empty")
    masks = {entry.id: mask for entry, mask in masks_from_segmentation(node, labels)}
    assert not masks[identity].any()


def test_refusals(scene, labels):
    with pytest.raises(InputError, match="no segmentation is selected"):
        labelmap_from_segmentation(None, labels)
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "E")
    with pytest.raises(InputError, match="'E' has no segments"):
        labelmap_from_segmentation(empty, labels)
    with pytest.raises(InputError, match="no segment 'x'"):
        labelmap_from_segmentation(segmentation_from_labels(labels), labels, ["x"])
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match="both have label 3"):
        segmentation_from_labels(labels, [LIVER, Segment(3, "again", (0, 0, 0))])
    with pytest.raises(InputError, match="-1"):
        segmentation_from_labels(Image(np.full((2, 2, 2), -1, np.int16)))
    with pytest.raises(InputError, match="float32"):
        segmentation_from_labels(Image(np.zeros((2, 2, 2), np.float32)))
    assert scene.GetNumberOfNodes() == count
