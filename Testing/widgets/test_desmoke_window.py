"""DesmokeModule: no long task holds the window up for 100 ms. Live video has its own test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

import host
from DesmokeModuleLib import clips
from meddl.core import write_frames
from SlicerMedDLLib.volumes import vtk_image
from waiting import BLOCK, longest_block, turns, until
from widgets.desmoke_panel import apply_button, idle, module, smoky_frames, status
from widgets.processes import longest_block_of_training, training_command

__all__ = ["module", "training_command"]  # fixtures
COUNT, SIZE = 60, (120, 160)


def test_loading_and_clearing_a_video(module: Any, tmp_path: Path) -> None:
    """Also the last turn, which shows the result."""
    path = tmp_path / "laparoscopy.avi"
    write_frames(path, smoky_frames(COUNT, SIZE), 25)
    node, ui = module.widget.parameterNode, module.widget.ui
    node.transmission = node.darkChannel = True
    ui.videoPathEdit.currentPath = str(path)
    for press in (ui.loadButton.click, apply_button(module).click):
        assert max(turns(press, lambda: not idle(module), 600)) < BLOCK
        assert host.messages("error") == [] and "Done" in status(module)
    output = clips.shown(clips.browser_of(node.frames), clips.OUTPUT)
    assert output.GetImageData().GetDimensions() == (*SIZE[::-1], 1)


def test_a_long_video_is_looked_at_in_slices(module: Any) -> None:
    """In one turn that took 0.15 s, of 10,000 frames 6 s."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Long")
    frame = slicer.vtkMRMLVectorVolumeNode()
    frame.SetAndObserveImageData(vtk_image(np.zeros((1, 2, 2, 3), np.uint8)))
    with slicer.util.NodeModify(sequence):
        for number in range(2000):
            sequence.SetDataNodeAtValue(frame, f"{number / 25:.6f}")
    module.widget.parameterNode.frames = sequence
    apply_button(module).click()
    assert module.widget.sliced.busy and apply_button(module).text == "Cancel"
    apply_button(module).click()
    assert idle(module) and status(module) == "Cancelled" and apply_button(module).text == "Apply"
    assert longest_block(apply_button(module).click, lambda: module.widget.sliced.busy) < BLOCK
    assert module.widget.runner.busy and host.messages("error") == []
    apply_button(module).click()
    until(lambda: idle(module))
    assert status(module) == "Cancelled"


def test_a_training(module: Any, training_command: None, tmp_path: Path) -> None:
    assert longest_block_of_training(module.widget.ui, tmp_path) < BLOCK
    assert module.widget.parameterNode.weights == str(tmp_path / "best" / "mine.safetensors")
    assert host.messages("error") == []


def test_files_of_a_list(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ui, path = module.widget.ui, tmp_path / "one.avi"
    write_frames(path, smoky_frames(4, (48, 64)), 25)
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: [str(path)])
    ui.chooseButton.click()
    (tmp_path / "clear").mkdir()
    ui.outputEdit.currentPath = str(tmp_path / "clear")
    longest = max(turns(ui.batchStartButton.click, lambda: module.widget.batch.batch.busy, 600))
    assert longest < BLOCK and status(module) == "1 of 1 videos, 0 failed"
    assert (tmp_path / "clear" / "one-desmoked.mp4").is_file()
