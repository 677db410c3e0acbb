"""The Segment Editor effect DeepIGeoS: strokes, preview, Apply, undo, by the editor's own rules."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
import slicer
from waiting import until

import host
from DeepIGeoSModuleLib import preview, scribbles
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.transforms import transform_from_matrix
from widgets.deepigeos_editor import METHOD, SHAPE, NearestMean, add_segment, ball, editing

INSIDE, AROUND = ((14, 18, 10), (18, 18, 10)), ((3, 3, 10), (30, 3, 10))
NODES = slicer.vtkMRMLSegmentationNode


@pytest.fixture
def work(scene: Any) -> Any:
    with editing() as found:
        yield found


def drawn(work: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.segment) for one in scribbles.strokes(work.segmentation)]


def test_a_stroke_is_previewed_and_applied(work: Any) -> None:
    assert work.stroke(*INSIDE)
    work.wait()
    assert (work.preview() == work.truth).all()
    assert not work.mask().any()
    work.ui.applyButton.click()
    assert (work.mask() == work.truth).all()
    assert preview.preview_of(work.segmentation) is None


@pytest.mark.parametrize(
    ("button", "modifiers", "kind"),
    [
        ("left", {}, "foreground"),
        ("right", {}, "background"),
        ("left", {"control": True}, "background"),
    ],
)
@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
def test_buttons_mark_in_every_view(
    work: Any, view: str, button: str, modifiers: dict[str, bool], kind: str
) -> None:
    work.ui.brushSlider.value = 0.5
    assert work.stroke((16, 18, 10), name=view, button=button, **modifiers)
    [stroke] = scribbles.strokes(work.segmentation)
    assert stroke.kind == kind
    where, mask = scribbles.stroke_mask(work.segmentation, stroke.id, work.session.image())
    assert mask.sum() == 1 and tuple(part.start for part in where) == (10, 18, 16)


def test_the_view_keeps_what_is_not_a_stroke(work: Any) -> None:
    view = work.view()
    assert not host.drag(view, [(100, 100), (120, 120)], "left", shift=True)  # pans
    assert not host.drag(view, [(100, 100), (120, 120)], "middle")
    assert not drawn(work)


def test_a_disc_lies_in_the_slice_and_a_ball_does_not(work: Any) -> None:
    work.ui.brushSlider.value = 9
    work.stroke((16, 18, 10))
    work.ui.ballCheckBox.checked = True
    work.stroke((16, 18, 10))
    slices = []
    for one in scribbles.strokes(work.segmentation):
        _where, mask = scribbles.stroke_mask(work.segmentation, one.id, work.session.image())
        slices.append(mask.shape[0])
    assert slices == [1, 5]  # 2 mm apart


def test_the_newer_stroke_holds_and_strokes_are_undone(work: Any) -> None:
    image = work.session.image()
    work.stroke((16, 18, 10))
    work.stroke((16, 18, 10), button="right")
    values = {"organ": 2}
    assert scribbles.seeds(work.segmentation, image, values)[10, 18, 16] == 1
    work.ui.undoStrokeButton.click()
    assert scribbles.seeds(work.segmentation, image, values)[10, 18, 16] == 2
    work.ui.redoStrokeButton.click()
    assert scribbles.seeds(work.segmentation, image, values)[10, 18, 16] == 1
    assert drawn(work) == [("foreground", "organ"), ("background", "")]
    work.wait()


def test_every_seed_keeps_its_label(work: Any) -> None:
    work.stroke(*INSIDE)
    work.stroke((16, 18, 12), button="right")  # within the ball
    work.stroke((35, 30, 10))  # outside of it
    work.wait()
    seeds = scribbles.seeds(work.segmentation, work.session.image(), {"organ": 2})
    assert work.preview()[seeds == 2].all() and not work.preview()[seeds == 1].any()


def test_keys(work: Any) -> None:
    view, ui = work.view(), work.ui
    host.press_key(view, "plus")
    assert ui.brushSlider.value == pytest.approx(6.0)
    host.turn_wheel(view, -1, shift=True)
    assert ui.brushSlider.value == pytest.approx(5.0)
    host.press_key(view, "x")
    assert ui.backgroundButton.checked
    work.stroke((16, 18, 10))
    host.press_key(view, "X")
    work.stroke((16, 18, 10))
    assert [kind for kind, _ in drawn(work)] == ["background", "foreground"]
    host.press_key(view, "BackSpace")
    assert len(drawn(work)) == 1
    host.press_key(view, "BackSpace", shift=True)
    work.wait()
    host.press_key(view, "h")
    assert preview.preview_of(work.segmentation).GetDisplayNode().GetOpacity() == 0
    host.press_key(view, "Return")
    assert work.mask().any()


def test_without_auto_update_the_user_asks(work: Any) -> None:
    work.ui.autoUpdateCheckBox.checked = False
    work.stroke(*INSIDE)
    work.wait()
    assert preview.preview_of(work.segmentation) is None
    host.press_key(work.view(), "u")
    work.wait()
    assert (work.preview() == work.truth).all()


def test_several_segments_in_one_session(work: Any) -> None:
    add_segment(work.segmentation, "other", None, work.volume)
    work.stroke(*INSIDE)
    work.editor.setCurrentSegmentID("other")
    work.stroke(*AROUND)
    work.wait()
    assert drawn(work) == [("foreground", "organ"), ("foreground", "other")]
    assert (work.preview() == work.truth).all()
    assert (work.preview("other") == ~work.truth).mean() > 0.99
    work.ui.applyButton.click()
    assert (work.mask() == work.truth).all() and work.mask("other").any()
    work.editor.undo()
    assert not work.mask().any() and not work.mask("other").any()  # both at once


# Undo, Cancel


def test_undo_and_redo_of_apply_are_one_step(work: Any) -> None:
    work.stroke(*INSIDE)
    work.wait()
    work.ui.applyButton.click()
    first = work.mask()
    work.stroke((35, 30, 10))
    work.wait()
    work.ui.applyButton.click()
    second = work.mask()
    assert second.sum() > first.sum()
    work.editor.undo()
    assert (work.mask() == first).all()
    work.editor.undo()
    assert not work.mask().any()
    work.editor.redo()
    work.editor.redo()
    assert (work.mask() == second).all()


def test_cancel_restores(work: Any) -> None:
    display = work.segmentation.GetDisplayNode()
    before = ball(SHAPE, (10, 10, 30), 4)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        before.astype(np.uint8), work.segmentation, "organ", work.volume
    )
    fill = display.GetSegmentOpacity2DFill("organ")
    work.stroke(*INSIDE)
    work.wait()
    assert display.GetSegmentOpacity2DFill("organ") == 0
    work.ui.cancelButton.click()
    assert display.GetSegmentOpacity2DFill("organ") == fill
    assert (work.mask() == before).all()
    assert preview.preview_of(work.segmentation) is None and not drawn(work)
    assert not work.ui.applyButton.enabled


def test_cancel_keeps_the_strokes_of_an_apply(work: Any) -> None:
    work.stroke(*INSIDE)
    work.wait()
    work.ui.applyButton.click()
    applied = work.mask()
    work.stroke((35, 30, 10))
    work.wait()
    work.ui.cancelButton.click()
    assert len(drawn(work)) == 1 and (work.mask() == applied).all()


def test_the_segment_is_refined_not_replaced(work: Any) -> None:
    """What the segment held before is where the session starts."""
    far = ball(SHAPE, (10, 30, 36), 2)  # dark voxels: the method itself would not take them
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        far.astype(np.uint8), work.segmentation, "organ", work.volume
    )
    work.stroke(*INSIDE)
    work.wait()
    assert work.session._initial is not None and (work.session._initial == far).all()


# The rules of the editor


def apply_stroke(work: Any) -> np.ndarray:
    work.stroke(*INSIDE)
    work.wait()
    work.ui.applyButton.click()
    return work.mask()


@pytest.mark.parametrize(
    "mode", [NODES.EditAllowedInsideSingleSegment, NODES.EditAllowedOutsideAllSegments]
)
def test_only_the_editable_area_changes(work: Any, mode: int) -> None:
    area = np.zeros(SHAPE, bool)
    area[:, :18] = True
    add_segment(work.segmentation, "area", area, work.volume)
    work.node.SetMaskSegmentID("area")
    work.node.SetMaskMode(mode)
    work.node.SetOverwriteMode(work.node.OverwriteNone)
    inside = mode == NODES.EditAllowedInsideSingleSegment
    work.ui.brushSlider.value = 1
    work.stroke((16, 14 if inside else 21, 10))
    work.wait()
    expected = work.truth & (area if inside else ~area)
    assert (work.preview() == expected).all()
    work.ui.applyButton.click()
    assert (work.mask() == expected).all()
    assert (work.mask("area") == area).all()


def test_the_editable_intensity_range_holds(work: Any) -> None:
    work.node.SetSourceVolumeIntensityMask(True)
    work.node.SetSourceVolumeIntensityMaskRange(100.0, 1000.0)
    values = slicer.util.arrayFromVolume(work.volume)
    assert (apply_stroke(work) == (work.truth & (values >= 100))).all()


def with_neighbour(work: Any) -> np.ndarray:
    neighbour = np.zeros(SHAPE, bool)
    neighbour[:, 20:] = True
    add_segment(work.segmentation, "neighbour", neighbour, work.volume)
    return neighbour


def test_other_segments_are_kept_by_default(work: Any) -> None:
    neighbour = with_neighbour(work)
    assert work.node.GetOverwriteMode() == work.node.OverwriteAllSegments
    assert (apply_stroke(work) == (work.truth & ~neighbour)).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_other_segments_are_overwritten_where_the_editor_says_so(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.ui.keepOthersCheckBox.checked = False
    assert (apply_stroke(work) == work.truth).all()
    assert (work.mask("neighbour") == (neighbour & ~work.truth)).all()


def test_segments_may_overlap_where_the_editor_says_so(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.node.SetOverwriteMode(work.node.OverwriteNone)
    assert (apply_stroke(work) == work.truth).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_hidden_segments_are_not_overwritten_with_overwrite_visible(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.segmentation.GetDisplayNode().SetSegmentVisibility("neighbour", False)
    work.node.SetOverwriteMode(work.node.OverwriteVisibleSegments)
    work.ui.keepOthersCheckBox.checked = False
    assert (apply_stroke(work) == work.truth).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_a_hidden_segment_is_asked_for(work: Any) -> None:
    work.segmentation.GetDisplayNode().SetSegmentVisibility("organ", False)
    work.stroke(*INSIDE)
    assert len(host.messages("question")) == 1 and not drawn(work)


def test_a_locked_editor_edits_nothing(work: Any) -> None:
    work.editor.setReadOnly(True)
    assert not work.editor._options_box.enabled


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
    assert (apply_stroke(work) == work.truth).all()
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    labelmap = work.segmentation.GetSegmentation().GetSegment("organ").GetRepresentation(name)
    assert labelmap.GetSpacing() == pytest.approx((0.5, 0.5, 1.0))


def test_a_stroke_outside_the_volume_is_refused(work: Any) -> None:
    node = work.view().mrmlSliceNode()
    node.JumpSliceByOffsetting(0, 0, 500)
    host.drag(work.view(), [(100, 100)])
    assert "outside the volume" in work.ui.statusLabel.text and not drawn(work)


def test_a_non_linear_transform_is_refused(work: Any) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    work.volume.SetAndObserveTransformNodeID(node.GetID())
    host.drag(work.view(), [(100, 100)])
    assert "non-linear" in work.ui.statusLabel.text and not drawn(work)


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
    work.stroke(*INSIDE)
    work.wait()
    METHODS[METHOD] = Slow
    work.session.device = "cpu"  # another session with the slow method
    Slow.gate.clear()
    yield work
    Slow.gate.set()


def test_the_window_lives_while_the_preview_is_computed(slow: Any) -> None:
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    longest = 0.0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        start = time.monotonic()
        slicer.app.processEvents()
        longest = max(longest, time.monotonic() - start)
    assert slow.session.runner.busy and slow.ui.cancelButton.text == "Stop"
    assert slow.ui.progressBar.value == 50
    assert longest < 0.25  # timers, widgets and preview; the call itself waits in the worker
    Slow.gate.set()
    slow.wait()


def test_stop_keeps_strokes_and_the_last_preview(slow: Any) -> None:
    shown = slow.preview()
    slow.stroke((35, 30, 10))
    slow.effect.panel.on_update()
    slow.ui.cancelButton.click()
    until(lambda: not slow.session.runner.busy)
    assert (slow.preview() == shown).all() and len(drawn(slow)) == 2


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
    work.stroke(*INSIDE)
    work.wait()
    work.segmentation.GetSegmentation().RemoveSegment("organ")
    work.session.update()
    work.wait()
    slicer.mrmlScene.RemoveNode(scribbles.scribbles_of(work.segmentation))
    assert not drawn(work)
    work.session.update()
    work.wait()


def test_another_effect_hides_the_preview(work: Any) -> None:
    work.stroke(*INSIDE)
    work.wait()
    work.editor.setActiveEffect(None)
    assert preview.preview_of(work.segmentation) is None
    work.editor.setActiveEffectByName("DeepIGeoS")
    assert (work.preview() == work.truth).all()


def test_another_tool_changes_the_segment(work: Any) -> None:
    """The session starts from what is there then."""
    work.stroke(*INSIDE)
    work.wait()
    other = ball(SHAPE, (10, 10, 30), 3)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        other.astype(np.uint8), work.segmentation, "organ", work.volume
    )
    work.stroke((35, 30, 10))
    work.wait()
    assert (work.session._initial == other).all()


def test_a_saved_scene_resumes_the_session(scene: Any, tmp_path: Any) -> None:
    path = tmp_path / "session.mrb"
    with editing() as work:
        work.stroke(*INSIDE)
        work.stroke(*AROUND, button="right")
        work.wait()
        shown, strokes = work.preview(), drawn(work)
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
    work.stroke(*INSIDE)
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
    work.stroke(*INSIDE)
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
