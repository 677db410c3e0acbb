"""EndoDepthModule, step 1: frames on the screen and in the scene's file, the mask, lost folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

import host
from EndoDepthModuleLib import fieldofview, phantom, video
from EndoDepthModuleLib.player import KEPT_FRAMES, player
from meddl.core.errors import InputError
from meddl.endodepth.sequence import read_sequence
from meddl.endodepth.sequence_files import STRUCTURE
from waiting import until
from widgets.endodepth_panel import browser, folder, module, original, shown

__all__ = ["browser", "folder", "module", "original"]  # fixtures


def truth(sequence: Any, item: int) -> np.ndarray:
    """The phantom's frame, drawn anew."""
    return phantom.picture_of(phantom.poses()[item]) * sequence.mask[..., np.newaxis]


def test_whatever_selects_a_frame_shows_it(module: Any, browser: Any, folder: Path) -> None:
    sequence, ui = read_sequence(folder), module.widget.ui
    assert (shown(browser) == truth(sequence, 0)).all()
    browser.SetSelectedItemNumber(3)
    assert (shown(browser) == truth(sequence, 3)).all()
    ui.seekWidget.slider().setValue(6)
    assert (shown(browser) == truth(sequence, 6)).all()
    ui.playWidget.onVcrFirst()
    assert (shown(browser) == truth(sequence, 0)).all()
    browser.SetSelectedItemNumber(browser.GetMasterSequenceNode().GetItemNumberFromIndexValue("25"))
    assert (shown(browser) == truth(sequence, 3)).all() and video.frame_number(browser) == 25
    assert "8 frames of 128x96" in ui.videoLabel.text and "8 poses" in ui.videoLabel.text


def test_memory_holds_a_few_frames(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("EndoDepthModuleLib.player.KEPT_FRAMES", 3)
    listing = browser.GetMasterSequenceNode()
    for item in range(listing.GetNumberOfDataNodes()):
        browser.SetSelectedItemNumber(item)
    assert len(player()._frames) == 3 < KEPT_FRAMES
    assert {listing.GetNthDataNode(n).GetClassName() for n in range(8)} == {"vtkMRMLTextNode"}


def test_a_saved_scene_plays_again(browser: Any, folder: Path, tmp_path: Path) -> None:
    sequence = read_sequence(folder)
    browser.SetSelectedItemNumber(4)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    [again] = video.videos()
    assert video.frame_number(again) == 30 and (shown(again) == truth(sequence, 4)).all()
    again.SetSelectedItemNumber(7)
    assert (shown(again) == truth(sequence, 7)).all()
    assert len(slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")) == 1


def test_a_moved_folder_is_named_and_found_again(
    module: Any, browser: Any, folder: Path, tmp_path: Path
) -> None:
    ui, before = module.widget.ui, shown(browser)
    moved = folder.rename(tmp_path / "moved")
    player().forget()
    browser.SetSelectedItemNumber(5)
    assert str(folder) in ui.videoLabel.text and "Relocate" in ui.videoLabel.text
    assert (shown(browser) == before).all()  # the last frame stays
    ui.relocateEdit.currentPath = str(moved)
    ui.relocateButton.click()
    assert (shown(browser) == truth(read_sequence(moved), 5)).all()
    assert "8 frames" in ui.videoLabel.text and host.messages("error") == []


def test_another_folder_is_no_new_place(module: Any, browser: Any, folder: Path) -> None:
    other = Path(shutil.copytree(folder, folder.with_name("other")))
    numbers = (other / "selected_indexes").read_text()
    (other / "selected_indexes").write_text(numbers.replace("45", "46"))
    (other / "00000045.png").rename(other / "00000046.png")
    for name in STRUCTURE:
        (other / name).unlink()
    with pytest.raises(InputError, match=r"has no 00000045\.png"):
        video.relocate(browser, other)
    assert video.folder_of(browser) == folder


def test_the_mask_is_edited_and_kept(module: Any, browser: Any, folder: Path) -> None:
    ui, sequence = module.widget.ui, read_sequence(folder)
    assert not ui.keepMaskButton.enabled
    ui.showMaskButton.click()
    node = video.part(browser, fieldofview.MASK)
    assert (fieldofview.shown_mask(browser) == sequence.mask).all()
    edited = sequence.mask.copy()
    edited[:, :64] = False
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        edited[np.newaxis].astype(np.uint8),
        node,
        fieldofview.SEGMENT,
        video.frame_volume(browser),
    )
    ui.keepMaskButton.click()
    assert (read_sequence(folder).mask == edited).all()
    assert f"{edited.mean():.0%} in the mask" in ui.videoLabel.text
    assert len(read_sequence(folder).points) == len(sequence.points)


def test_an_empty_mask_is_not_kept(module: Any, browser: Any, folder: Path) -> None:
    before = (folder / "undistorted_mask.bmp").read_bytes()
    module.widget.ui.showMaskButton.click()
    node = video.part(browser, fieldofview.MASK)
    node.GetSegmentation().GetSegment(fieldofview.SEGMENT).RemoveAllRepresentations()
    module.widget.ui.keepMaskButton.click()
    [message] = host.messages("error")
    assert "field of view" in str(message)
    assert (folder / "undistorted_mask.bmp").read_bytes() == before


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_what_is_no_sequence_is_refused(module: Any, tmp_path: Path, name: str) -> None:
    ui = module.widget.ui
    (tmp_path / "empty").mkdir()
    ui.videoPathEdit.currentPath = str(tmp_path / (name or "empty"))
    ui.folderEdit.currentPath = str(tmp_path / "work")
    ui.loadButton.click()
    until(lambda: not module.widget.runner.busy, 120)
    [message] = host.messages("error")
    assert str(tmp_path / name) in str(message) and not (tmp_path / "work").exists()
    assert not slicer.util.getNodesByClass("vtkMRMLSequenceNode")


def test_a_damaged_frame_is_named(module: Any, browser: Any, folder: Path) -> None:
    path = folder / "00000020.png"
    path.write_bytes(path.read_bytes()[:100])
    browser.SetSelectedItemNumber(2)
    assert "00000020.png" in module.widget.ui.videoLabel.text
    browser.SetSelectedItemNumber(3)
    assert "8 frames" in module.widget.ui.videoLabel.text


def test_a_removed_video_or_a_closed_scene_leaves_nothing(module: Any, browser: Any) -> None:
    slicer.mrmlScene.RemoveNode(browser)
    assert module.widget.parameterNode.video is None
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert module.widget.ui.videoLabel.text == "Choose a video and load it"
