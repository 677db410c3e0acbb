"""Video frames in the scene: upright, one at a time, browser in step."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import slicer

from meddl.core import Image, InputError
from SlicerMedDLLib.sequences import (
    RAS_FROM_FRAME,
    frame_from_image,
    frame_rate,
    frames_from_sequence,
    image_from_frame,
    recording,
    remove_sequence,
    replace_sequence,
    upright,
)
from SlicerMedDLLib.volumes import image_from_volume, volume_from_image


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (6, 12, 16, 3), np.uint8)


def record(frames, **arguments):
    with recording("clip", **arguments) as append:
        for frame in frames:
            sequence = append(frame)
    return sequence


def browser_of(scene, sequence):
    logic = slicer.modules.sequences.logic()
    return logic.GetFirstBrowserNodeForSequenceNode(sequence)


def test_frames_come_back_in_order(scene, frames):
    sequence = record(frames, rate=30)
    np.testing.assert_array_equal(np.stack(list(frames_from_sequence(sequence))), frames)
    every_second = np.stack(list(frames_from_sequence(sequence, 1, None, 2)))
    np.testing.assert_array_equal(every_second, frames[1::2])
    assert frame_rate(sequence) == pytest.approx(30, rel=1e-4)


def test_reading_is_lazy(scene, frames):
    sequence = record(frames)
    reader = frames_from_sequence(sequence)
    list(islice(reader, 2))
    sequence.GetNthDataNode(2).SetAndObserveImageData(None)
    with pytest.raises(InputError, match="holds no voxels"):
        next(reader)


def test_frames_stand_upright_in_the_axial_view(scene):
    picture = np.zeros((8, 10, 3), np.uint8)
    picture[0, 0] = 255  # top left
    image = image_from_frame(picture)
    # In the axial view the patient's left is on the right, anterior is on top.
    top_left = image.ras_from_ijk @ (0, 0, 0, 1)
    right_bottom = image.ras_from_ijk @ (9, 7, 0, 1)
    assert top_left[0] > right_bottom[0]
    assert top_left[1] > right_bottom[1]


@pytest.mark.parametrize(("x", "y"), [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_what_the_view_shows_is_what_is_read(scene, frames, x, y):
    """A node of any orientation reads as the axial view shows it: by RAS position, not index."""
    node = volume_from_image(Image(frames[:1], np.diag([x, y, 1.0, 1.0])))
    picture = frame_from_image(image_from_volume(node))
    j, i = np.indices((12, 16))
    right, anterior = x * i, y * j
    columns = np.argsort(-right[0])  # screen left is the patient's right
    rows = np.argsort(-anterior[:, 0])
    np.testing.assert_array_equal(picture, frames[0][rows][:, columns])


@pytest.mark.parametrize("x", [-0.5, 0.5])
@pytest.mark.parametrize("y", [-0.25, 0.25])
def test_an_upright_picture_keeps_its_place(scene, x, y):
    """Each pixel of the upright image lies where it lay before, by a picture that names pixels."""
    rows, columns = np.mgrid[:4, :6]
    picture = np.stack([rows, columns, 0 * rows], -1).astype(np.uint8)
    matrix = np.array([[x, 0, 0, 3], [0, y, 0, -2], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    turned = upright(Image(picture[None], matrix))
    assert (np.diag(turned.ras_from_ijk)[:2] < 0).all()
    for row in range(4):
        for column in range(6):
            old_row, old_column, _ = turned.array[0, row, column]
            place = turned.ras_from_ijk @ [column, row, 0, 1]
            np.testing.assert_allclose(place, matrix @ [old_column, old_row, 0, 1])


def test_a_sequence_takes_the_place_of_another(scene, frames):
    first = record(frames)
    browser = browser_of(scene, first)
    for shade in (10, 20):
        made = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "made")
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, np.full((1, 2, 2), shade, np.uint8))
        for number in range(first.GetNumberOfDataNodes()):
            made.SetDataNodeAtValue(volume, first.GetNthIndexValue(number))
        replace_sequence(browser, "made", made)
        shown = browser.GetProxyNode(browser.GetNodeReference("made"))
        assert (slicer.util.arrayFromVolume(shown) == shade).all()
    assert len(slicer.util.getNodesByClass("vtkMRMLSequenceNode")) == 2
    remove_sequence(browser, "made")
    remove_sequence(browser, "made")
    assert len(slicer.util.getNodesByClass("vtkMRMLSequenceNode")) == 1


def test_grey_and_alpha(scene, frames):
    grey = frames[0, ..., 0]
    np.testing.assert_array_equal(
        frame_from_image(image_from_frame(grey)), np.stack([grey] * 3, -1)
    )
    alpha = np.concatenate([frames[0], frames[0, ..., :1]], axis=-1)
    read = frame_from_image(Image(alpha[np.newaxis], RAS_FROM_FRAME))
    np.testing.assert_array_equal(read, frames[0])


def test_browser_shows_the_selected_frame(scene, frames):
    sequence = record(frames, rate=25)
    browser = browser_of(scene, sequence)
    browser.SetSelectedItemNumber(4)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    np.testing.assert_array_equal(frame_from_image(image_from_volume(proxy)), frames[4])
    assert browser.GetPlaybackRateFps() == 25


def test_a_second_recording_plays_in_step(scene, frames):
    first = record(frames)
    browser = browser_of(scene, first)
    second = record(255 - frames, browser=browser)
    assert second.GetName() != first.GetName()
    browser.SetSelectedItemNumber(3)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    read = frame_from_image(image_from_volume(browser.GetProxyNode(second)))
    np.testing.assert_array_equal(read, 255 - frames[3])


def test_a_failed_recording_leaves_nothing(scene, frames):
    with pytest.raises(InputError, match=r"shape \(5, 16, 3\), the first had \(12, 16, 3\)"):
        record([frames[0], frames[1, :5]])
    with pytest.raises(InputError, match="float64"):
        record([frames[0].astype(float)])
    with pytest.raises(InputError, match="no frame"):
        record([])
    with pytest.raises(InputError, match="rate is 0"):
        record(frames, rate=0)
    assert not slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert not slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")


def test_refusals(scene):
    with pytest.raises(InputError, match="no sequence is selected"):
        next(frames_from_sequence(None))
    empty = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "S")
    with pytest.raises(InputError, match="'S' has no frames"):
        next(frames_from_sequence(empty))
    empty.SetDataNodeAtValue(slicer.vtkMRMLModelNode(), "0")
    with pytest.raises(InputError, match="a volume was expected"):
        next(frames_from_sequence(empty))
    with pytest.raises(InputError, match=r"2x2x2 voxels .* one slice"):
        frame_from_image(Image(np.zeros((2, 2, 2), np.uint8)))
