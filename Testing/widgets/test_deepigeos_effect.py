"""The Segment Editor effect DeepIGeoS: strokes, preview, Apply, undo, by the editor's own rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer

import host
from DeepIGeoSModuleLib import preview, scribbles
from widgets.deepigeos_editor import AROUND, IN_BALL, SHAPE, add_segment, ball, work

__all__ = ["work"]  # a fixture

NODES = slicer.vtkMRMLSegmentationNode


def test_a_stroke_is_previewed_and_applied(work: Any) -> None:
    assert work.stroke(*IN_BALL)
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
    assert not work.drawn()


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
    assert work.drawn() == [("foreground", "organ"), ("background", "organ")]
    work.wait()


def test_every_seed_keeps_its_label(work: Any) -> None:
    work.stroke(*IN_BALL)
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
    assert [kind for kind, _ in work.drawn()] == ["background", "foreground"]
    host.press_key(view, "BackSpace")
    assert len(work.drawn()) == 1
    host.press_key(view, "BackSpace", shift=True)
    work.wait()
    host.press_key(view, "h")
    assert preview.preview_of(work.segmentation).GetDisplayNode().GetOpacity() == 0
    host.press_key(view, "Return")
    assert work.mask().any()


def test_without_auto_update_the_user_asks(work: Any) -> None:
    work.ui.autoUpdateCheckBox.checked = False
    work.stroke(*IN_BALL)
    work.wait()
    assert preview.preview_of(work.segmentation) is None
    host.press_key(work.view(), "u")
    work.wait()
    assert (work.preview() == work.truth).all()


def test_several_segments_in_one_session(work: Any) -> None:
    add_segment(work.segmentation, "other", None, work.volume)
    work.stroke(*IN_BALL)
    work.editor.setCurrentSegmentID("other")
    work.stroke(*AROUND)
    work.wait()
    assert work.drawn() == [("foreground", "organ"), ("foreground", "other")]
    assert (work.preview() == work.truth).all()
    assert (work.preview("other") == ~work.truth).mean() > 0.99
    work.ui.applyButton.click()
    assert (work.mask() == work.truth).all() and work.mask("other").any()
    work.editor.undo()
    assert not work.mask().any() and not work.mask("other").any()  # both at once


def test_segments_have_the_numbers_of_their_places(work: Any) -> None:
    add_segment(work.segmentation, "other", None, work.volume)
    work.editor.setCurrentSegmentID("other")
    work.stroke(*AROUND)
    work.editor.setCurrentSegmentID("organ")
    work.stroke(*IN_BALL)
    assert work.session.numbers == {"other": 2, "organ": 1}
    work.segmentation.GetSegmentation().RemoveSegment("organ")
    add_segment(work.segmentation, "third", None, work.volume)  # in the place of "other"
    work.editor.setCurrentSegmentID("third")
    work.stroke(*AROUND)
    assert work.session.numbers["third"] == 3


# Undo, Cancel


def test_undo_and_redo_of_apply_are_one_step(work: Any) -> None:
    work.stroke(*IN_BALL)
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
    work.stroke(*IN_BALL)
    work.wait()
    assert display.GetSegmentOpacity2DFill("organ") == 0
    work.ui.cancelButton.click()
    assert display.GetSegmentOpacity2DFill("organ") == fill
    assert (work.mask() == before).all()
    assert preview.preview_of(work.segmentation) is None and not work.drawn()
    assert not work.ui.applyButton.enabled


def test_cancel_keeps_the_strokes_of_an_apply(work: Any) -> None:
    work.stroke(*IN_BALL)
    work.wait()
    work.ui.applyButton.click()
    applied = work.mask()
    work.stroke((35, 30, 10))
    work.wait()
    work.ui.cancelButton.click()
    assert len(work.drawn()) == 1 and (work.mask() == applied).all()


def test_the_segment_is_refined_not_replaced(work: Any) -> None:
    """What the segment held before is where the session starts."""
    far = ball(SHAPE, (10, 30, 36), 2)  # dark voxels: the method itself would not take them
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        far.astype(np.uint8), work.segmentation, "organ", work.volume
    )
    work.stroke(*IN_BALL)
    work.wait()
    assert work.session._initial is not None and (work.session._initial() == far).all()


# The rules of the editor


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
    assert (work.apply_stroke() == (work.truth & (values >= 100))).all()


def with_neighbour(work: Any) -> np.ndarray:
    neighbour = np.zeros(SHAPE, bool)
    neighbour[:, 20:] = True
    add_segment(work.segmentation, "neighbour", neighbour, work.volume)
    return neighbour


def test_other_segments_are_kept_by_default(work: Any) -> None:
    neighbour = with_neighbour(work)
    assert work.node.GetOverwriteMode() == work.node.OverwriteAllSegments
    assert (work.apply_stroke() == (work.truth & ~neighbour)).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_a_stroke_in_a_kept_segment_is_named(work: Any) -> None:
    with_neighbour(work)
    work.stroke(*IN_BALL)
    work.stroke((16, 30, 10))
    work.wait()
    assert "nothing changes" in work.ui.statusLabel.text
    work.stroke((16, 12, 10))
    work.wait()
    assert work.ui.statusLabel.text == ""


def test_other_segments_are_overwritten_where_the_editor_says_so(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.ui.keepOthersCheckBox.checked = False
    assert (work.apply_stroke() == work.truth).all()
    assert (work.mask("neighbour") == (neighbour & ~work.truth)).all()


def test_segments_may_overlap_where_the_editor_says_so(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.node.SetOverwriteMode(work.node.OverwriteNone)
    assert (work.apply_stroke() == work.truth).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_hidden_segments_are_not_overwritten_with_overwrite_visible(work: Any) -> None:
    neighbour = with_neighbour(work)
    work.segmentation.GetDisplayNode().SetSegmentVisibility("neighbour", False)
    work.node.SetOverwriteMode(work.node.OverwriteVisibleSegments)
    work.ui.keepOthersCheckBox.checked = False
    assert (work.apply_stroke() == work.truth).all()
    assert (work.mask("neighbour") == neighbour).all()


def test_a_hidden_segment_is_asked_for(work: Any) -> None:
    work.segmentation.GetDisplayNode().SetSegmentVisibility("organ", False)
    work.stroke(*IN_BALL)
    assert len(host.messages("question")) == 1 and not work.drawn()


def test_a_locked_editor_edits_nothing(work: Any) -> None:
    work.editor.setReadOnly(True)
    assert not work.editor._options_box.enabled
