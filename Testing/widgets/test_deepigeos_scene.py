"""The effect DeepIGeoS and its surroundings: geometry, a busy worker, closed and saved scenes."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import slicer

import host
from DeepIGeoSModuleLib import preview, scribbles
from meddl.core.metrics import dice
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.transforms import transform_from_matrix
from waiting import until
from widgets.deepigeos_editor import (
    AROUND,
    IN_BALL,
    METHOD,
    SHAPE,
    NearestMean,
    ball,
    editing,
    work,
)

__all__ = ["work"]  # a fixture


# Geometry


def oblique() -> np.ndarray:
    angle = np.radians(25)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    tilt = np.array([[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ tilt @ np.diag([0.7, 0.7, 3.5])
    matrix[:3, 3] = (30, -20, 500)
    return matrix


def test_oblique_and_anisotropic(scene: Any) -> None:
    with editing(oblique()) as work:
        work.ui.brushSlider.value = 2
        work.stroke((14, 18, 10), (18, 18, 10))
        [stroke] = scribbles.strokes(work.segmentation)
        where, _mask = scribbles.stroke_mask(work.segmentation, stroke.id, work.session.image())
        assert (where[0].start, where[0].stop) == (10, 11)  # the slice that the view shows
        work.wait()
        work.ui.applyButton.click()
        assert (work.mask() == work.truth).all()


def test_an_oblique_view_marks_what_it_shows(work: Any) -> None:
    node = work.view().mrmlSliceNode()
    matrix = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
    angle = np.radians(30)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    node.GetSliceToRAS().DeepCopy((turn @ matrix).ravel())
    node.UpdateMatrices()
    work.ui.brushSlider.value = 10
    work.stroke((16, 18, 10))
    [stroke] = scribbles.strokes(work.segmentation)
    where, mask = scribbles.stroke_mask(work.segmentation, stroke.id, work.session.image())
    kji = np.argwhere(mask) + [part.start for part in where]
    height = [
        (work.ras(voxel[::-1]) - work.ras((16, 18, 10))) @ (turn @ matrix)[:3, 2] for voxel in kji
    ]
    half = 0.5 * (np.sin(angle) * 1 + np.cos(angle) * 2)  # of a voxel of 1 x 1 x 2 mm
    assert np.abs(height).max() <= half and len({int(k) for k, _, _ in kji}) > 1


def test_under_a_transform(scene: Any) -> None:
    transform = transform_from_matrix(oblique() @ np.diag([1.4, 1.4, 0.3, 1]), "move")
    with editing(transform=transform) as work:
        for name in work.layout.sliceViewNames():
            work.view(name).sliceLogic().RotateSliceToLowestVolumeAxes()
        work.stroke((14, 18, 10), (18, 18, 10))
        work.wait()
        assert (work.preview() == work.truth).all()
        work.ui.applyButton.click()
        assert (work.mask() == work.truth).all()
        node = scribbles.scribbles_of(work.segmentation)
        assert node.GetTransformNodeID() == transform.GetID()


def test_another_grid_of_the_segmentation(work: Any) -> None:
    """The segmentation is twice as fine as the volume: what is written covers the same space."""
    fine = slicer.vtkOrientedImageData()
    fine.SetDimensions(2 * SHAPE[2], 2 * SHAPE[1], 2 * SHAPE[0])
    matrix = np.diag([-0.5, -0.5, 1.0, 1.0])
    matrix[:3, 3] = (0.25, 0.25, -0.5)
    fine.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
    work.segmentation.GetSegmentation().SetConversionParameter(
        slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(),
        slicer.vtkSegmentationConverter.SerializeImageGeometry(fine),
    )
    assert (work.apply_stroke() == work.truth).all()
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    labelmap = work.segmentation.GetSegmentation().GetSegment("organ").GetRepresentation(name)
    assert labelmap.GetSpacing() == pytest.approx((0.5, 0.5, 1.0))


def test_a_stroke_outside_the_volume_is_refused(work: Any) -> None:
    node = work.view().mrmlSliceNode()
    node.JumpSliceByOffsetting(0, 0, 500)
    host.drag(work.view(), [(100, 100)])
    assert "outside the volume" in work.ui.statusLabel.text and not work.drawn()


def test_a_non_linear_transform_is_refused(work: Any) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    work.volume.SetAndObserveTransformNodeID(node.GetID())
    host.drag(work.view(), [(100, 100)])
    assert "non-linear" in work.ui.statusLabel.text and not work.drawn()


# Life


class Slow(NearestMean):
    """Waits until it is let go, or cancelled."""

    gate = threading.Event()

    def __call__(self, seeds: Any, previous: Any = None, progress: Any = None, cancel: Any = None):
        while not self.gate.is_set():
            if progress is not None:
                progress(0.5, "waiting")
            cancel.check()
            time.sleep(0.005)
        return super().__call__(seeds, previous, progress, cancel)


@pytest.fixture
def slow(work: Any) -> Any:
    work.stroke(*IN_BALL)
    work.wait()
    METHODS[METHOD] = Slow
    work.session._generation += 1  # the next call makes a session anew, with the slow method
    Slow.gate.clear()
    yield work
    Slow.gate.set()


def test_the_window_lives_while_the_preview_is_computed(slow: Any) -> None:
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    turns, longest, end = 0, 0.0, time.monotonic() + 1.0
    while time.monotonic() < end:
        start = time.thread_time()  # of this thread: the machine may have other work
        slicer.app.processEvents()
        longest = max(longest, time.thread_time() - start)
        turns += 1
        time.sleep(0.005)
    assert slow.session.runner.busy and slow.ui.cancelButton.text == "Stop"
    assert slow.ui.progressBar.value == 50
    assert longest < 0.1 and turns > 20  # timers and widgets; the call itself waits in the worker
    Slow.gate.set()
    slow.wait()


def test_stop_keeps_strokes_and_the_last_preview(slow: Any) -> None:
    shown = slow.preview()
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    slow.ui.cancelButton.click()
    until(lambda: not slow.session.runner.busy)
    assert (slow.preview() == shown).all() and len(slow.drawn()) == 2


def test_strokes_during_a_call_are_taken_up(slow: Any) -> None:
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    slow.stroke((35, 3, 10))
    Slow.gate.set()
    slow.wait()
    slow.wait()
    seeds = scribbles.seeds(slow.segmentation, slow.session.image(), {"organ": 2})
    assert slow.preview()[seeds == 2].all()


def test_closing_the_scene_in_the_middle(slow: Any) -> None:
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    session = slow.session
    slicer.mrmlScene.Clear(0)
    until(lambda: not session.runner.busy)
    slicer.app.processEvents()
    assert slow.session is not session and not slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")


def test_closing_the_scene_during_a_stroke(work: Any) -> None:
    view = work.view()
    interactor = view.sliceView().interactor()
    interactor.SetEventInformation(100, 100, 0, 0, "\0", 0, None)
    interactor.InvokeEvent("LeftButtonPressEvent")
    slicer.mrmlScene.Clear(0)
    interactor.InvokeEvent("MouseMoveEvent")
    interactor.InvokeEvent("LeftButtonReleaseEvent")
    slicer.app.processEvents()


def test_removing_the_segment_or_the_scribbles(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    work.segmentation.GetSegmentation().RemoveSegment("organ")
    work.session.update()
    work.wait()
    slicer.mrmlScene.RemoveNode(scribbles.scribbles_of(work.segmentation))
    assert not work.drawn()
    work.session.update()
    work.wait()


def test_removing_the_segmentation_takes_the_preview_along(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    name = preview.preview_of(work.segmentation).GetName()
    slicer.mrmlScene.RemoveNode(work.segmentation)
    until(lambda: slicer.mrmlScene.GetFirstNodeByName(name) is None)
    host.drag(work.view(), [(100, 100), (120, 120)])
    assert "Select a segmentation" in work.ui.statusLabel.text


def test_another_effect_hides_the_preview(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    work.editor.setActiveEffect(None)
    assert preview.preview_of(work.segmentation) is None
    work.editor.setActiveEffectByName("DeepIGeoS")
    assert (work.preview() == work.truth).all()


def test_another_tool_changes_the_segment(work: Any) -> None:
    """The session starts from what is there then."""
    work.stroke(*IN_BALL)
    work.wait()
    other = ball(SHAPE, (10, 10, 30), 3)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        other.astype(np.uint8), work.segmentation, "organ", work.volume
    )
    work.stroke((35, 30, 10))
    work.wait()
    assert (work.session._initial() == other).all()


def test_a_session_goes_on_when_the_volume_is_renamed_and_not_when_it_changes(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    generation = work.session._generation
    work.volume.SetName("Other")
    work.volume.GetDisplayNode().SetAutoWindowLevel(False)
    work.session.update()
    work.wait()
    assert work.session._generation == generation
    values = slicer.util.arrayFromVolume(work.volume)
    values[:] = values[::-1].copy()
    slicer.util.arrayFromVolumeModified(work.volume)
    work.session.update()
    work.wait()
    assert work.session._generation == generation + 1
    assert (work.preview() == work.truth[::-1]).all()


@pytest.mark.parametrize("begun_by", ["strokes", "a box"])
def test_a_saved_scene_resumes_the_session(scene: Any, tmp_path: Any, begun_by: str) -> None:
    path = tmp_path / "session.mrb"
    with editing() as work:
        if begun_by == "a box":
            work.session.method = "crf"
            work.session.box = box_about_the_target(work)
            until(lambda: work.ui.initialiseButton.enabled)
            work.ui.initialiseButton.click()
            work.wait()
            assert dice(work.preview(), work.truth) > 0.93
        else:
            work.stroke(*IN_BALL)
            work.stroke(*AROUND, button="right")
        work.wait()
        shown, strokes = work.preview(), work.drawn()
        assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(path))
    segmentation = slicer.util.getNode("Segmentation")
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") != [segmentation]
    display = segmentation.GetDisplayNode()
    assert display.GetSegmentOpacity2DFill("organ") == 1.0  # not faded, as nothing is previewed
    with editing() as work:
        work.editor.setSegmentationNode(segmentation)
        work.editor.setSourceVolumeNode(slicer.util.getNode("CT"))
        work.editor.setCurrentSegmentID("organ")
        slicer.app.processEvents()
        from DeepIGeoSModuleLib.sessions import session_of

        assert work.session is session_of(segmentation)
        found = [(one.kind, one.segment) for one in scribbles.strokes(segmentation)]
        assert found == strokes
        work.wait()
        assert (work.mask("organ", preview.preview_of(segmentation)) == shown).all()


def test_the_region_is_shown(work: Any) -> None:
    work.ui.regionCheckBox.checked = True
    work.stroke(*IN_BALL)
    work.wait()
    [node] = slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")
    box = work.session.region("organ")
    assert node.GetSize() == pytest.approx(
        np.subtract(box.stop, box.start)[::-1] * np.array([1, 1, 2])
    )
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    corners = [work.ras(np.array(box.start[::-1]) - 0.5), work.ras(np.array(box.stop[::-1]) - 0.5)]
    assert bounds.reshape(3, 2) == pytest.approx(np.sort(np.transpose(corners), axis=1))
    assert not node.GetSaveWithScene()
    work.ui.regionCheckBox.checked = False
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsROINode")


def test_the_preview_is_shown_in_3d(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    work.ui.show3DCheckBox.checked = True
    node = preview.preview_of(work.segmentation)
    surface = node.GetSegmentation().GetSegment("organ").GetRepresentation("Closed surface")
    found = np.array(surface.GetBounds()).reshape(3, 2)
    kji = np.argwhere(work.truth)
    ends = [work.ras(kji.min(axis=0)[::-1]), work.ras(kji.max(axis=0)[::-1])]
    expected = np.sort(np.transpose(ends), axis=1) + np.array([[-0.5, 0.5]] * 2 + [[-1, 1]])
    assert found == pytest.approx(expected)
    work.stroke((35, 30, 10))
    work.wait()
    again = node.GetSegmentation().GetSegment("organ").GetRepresentation("Closed surface")
    assert again.GetBounds() != surface.GetBounds()


def test_initialise_is_greyed_with_the_reason(work: Any) -> None:
    until(lambda: "needs a stroke" in work.ui.initialiseButton.toolTip)
    assert not work.ui.initialiseButton.enabled


def box_about_the_target(work: Any) -> Any:
    """An ROI two voxels about the ball."""
    kji = np.argwhere(work.truth)
    low, high = (work.ras((end + step)[::-1]) for end, step in ((kji.min(0), -2), (kji.max(0), 2)))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "about")
    node.SetSize(*np.abs(high - low))
    node.SetCenter(*((low + high) / 2))
    return node


def test_a_box_initialises(work: Any) -> None:
    ui = work.ui
    work.session.method = "crf"
    until(lambda: "Draw a box" in ui.initialiseButton.toolTip)
    assert not ui.initialiseButton.enabled
    roi = box_about_the_target(work)
    ui.boxSelector.setCurrentNode(roi)
    assert work.session.box is roi and ui.initialiseButton.enabled
    assert "in the box" in ui.initialiseButton.toolTip
    ui.initialiseButton.click()
    work.wait()
    first = work.preview()
    assert dice(first, work.truth) > 0.93
    image = work.session.image()
    assert not scribbles.seeds(work.segmentation, image, {"organ": 2}).any()  # no seeds
    assert work.drawn() == [("initialise", "organ")]
    work.stroke((16, 18, 4), (20, 18, 4), button="right")  # at the end of the ball
    work.wait()
    seeds = scribbles.seeds(work.segmentation, image, {"organ": 2})
    corrected = work.preview()
    assert (seeds == 1).any() and not corrected[seeds == 1].any()
    assert dice(corrected, work.truth) > 0.8
    ui.undoStrokeButton.click()
    work.wait()
    assert (work.preview() == first).mean() > 0.999 and len(work.drawn()) == 1
    ui.undoStrokeButton.click()
    work.wait()
    assert not work.preview().any() and not work.drawn()
    ui.redoStrokeButton.click()
    work.wait()
    assert (work.preview() == first).all()
    ui.applyButton.click()
    assert (work.mask() == first).all()


def test_a_box_initialises_again_for_another_method(work: Any) -> None:
    work.session.method = "crf"
    work.session.box = box_about_the_target(work)
    until(lambda: work.ui.initialiseButton.enabled)
    work.ui.initialiseButton.click()
    work.wait()
    first = work.preview()
    [start] = scribbles.strokes(work.segmentation)
    assert not start.applied and not start.drawn
    assert start.box == tuple((low - 2, high + 3) for low, high in ends(work.truth))
    work.session.method = "geodesic"  # a session of its own: what is noted is done again
    work.wait()
    assert dice(work.preview(), first) > 0.9
    work.session.box = None
    until(lambda: not work.ui.initialiseButton.enabled)
    work.ui.cancelButton.click()
    assert not work.drawn() and not work.session.has_preview


def ends(mask: Any) -> list[tuple[int, int]]:
    """First and last voxel of a mask along k, j, i."""
    kji = np.argwhere(mask)
    return list(zip(kji.min(0).tolist(), kji.max(0).tolist(), strict=True))


def test_a_new_box_lies_in_the_middle_of_the_volume(work: Any) -> None:
    roi = work.ui.boxSelector.addNode("vtkMRMLMarkupsROINode")
    work.ui.boxSelector.nodeAddedByUser.emit(roi)
    middle = work.ras(np.array(SHAPE[::-1]) / 2 - 0.5)
    assert roi.GetCenter() == pytest.approx(middle)
    assert roi.GetSize() == pytest.approx(np.array(SHAPE[::-1]) / 2 * (1, 1, 2))


def test_initialise_predicts(work: Any) -> None:
    class Automatic(NearestMean):
        needs_seeds = False

        def __call__(
            self, seeds: Any, previous: Any = None, progress: Any = None, cancel: Any = None
        ):
            return (self._values > 60).astype(np.float32)

    METHODS["automatic test"] = Automatic
    try:
        work.ui.methodSelector.addItem("automatic test", "automatic test")
        work.ui.methodSelector.currentIndex = work.ui.methodSelector.findData("automatic test")
        until(lambda: work.ui.initialiseButton.enabled)
        work.ui.initialiseButton.click()
        work.wait()
        assert (work.preview() == work.truth).all()
        work.ui.applyButton.click()
        assert (work.mask() == work.truth).all()
    finally:
        del METHODS["automatic test"]
