"""EndoDepthModule: no long task holds the window up for 100 ms.

Prediction is measured where it is tested (``test_endodepth_depth.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import host
from EndoDepthModuleLib import clouds, phantom, placing, video
from EndoDepthModuleLib.player import player
from library.endodepth.chessboards import INTRINSICS, boards
from meddl.core.pictures import write_picture
from meddl.endodepth.lens import read_lens
from SlicerMedDLLib.models import model_from_mesh
from SlicerMedDLLib.sequences import image_from_frame, recording
from waiting import BLOCK, longest_block, turns
from widgets.endodepth_panel import UNIT_MM, browser, folder, loads, module, original
from widgets.processes import longest_block_of_training, training_command

__all__ = ["browser", "folder", "module", "original", "training_command"]  # fixtures


def block(module: Any, start: Callable[[], object]) -> float:
    widget = module.widget
    longest = longest_block(start, lambda: loads(module) or widget.sliced.busy, 600)
    assert host.messages("error") == []
    return longest


def test_loading_a_video(module: Any, tmp_path: Path) -> None:
    ui, pictures = module.widget.ui, [phantom.picture_of(pose) for pose in phantom.poses()]
    with recording("Endoscopy", 25) as append:
        for number in range(40):
            node = append(np.tile(pictures[number % 8], (4, 4, 1)))
    ui.framesSelector.setCurrentNode(node)
    ui.folderEdit.currentPath = str(tmp_path / "work")
    ui.strideSpinBox.value = 1
    assert block(module, ui.loadButton.click) < BLOCK
    assert "40 frames of 512x384" in ui.videoLabel.text


def test_points_surface_and_registration(module: Any, browser: Any) -> None:
    ui, node = module.widget.ui, module.widget.parameterNode
    module.logic.loadDepths(browser)
    ui.scaleSpinBox.value = UNIT_MM
    ui.scaleButton.click()
    assert block(module, ui.cloudButton.click) < BLOCK
    assert block(module, ui.fuseButton.click) < BLOCK
    assert video.part(browser, clouds.MESH).GetPolyData().GetNumberOfPoints() > 1000
    node.surface = model_from_mesh(phantom.surface(), "CT wall")
    assert block(module, ui.registerButton.click) < BLOCK
    assert "median" in ui.registrationLabel.text and placing.mm_per_unit(browser) is not None


def test_a_training(module: Any, training_command: None, tmp_path: Path) -> None:
    assert longest_block_of_training(module.widget.ui, tmp_path) < BLOCK
    assert module.widget.parameterNode.weights == str(tmp_path / "best" / "mine.safetensors")
    assert host.messages("error") == []


def test_a_calibration(module: Any, tmp_path: Path) -> None:
    ui = module.widget.ui
    for number, picture in enumerate(boards("pinhole")):
        write_picture(tmp_path / f"{number}.png", image_from_frame(picture))
    ui.boardEdit.currentPath, ui.boardSizeEdit.text = str(tmp_path), "8x6"
    runs = lambda: ui.calibrateButton.text == "Stop"  # noqa: E731
    assert longest_block(ui.calibrateButton.click, runs, 600) < BLOCK
    assert host.messages("error") == [] and ui.lensEdit.currentPath == str(tmp_path / "camera.yaml")
    focal = np.diag(read_lens(tmp_path / "camera.yaml").intrinsics)[:2]
    np.testing.assert_allclose(focal, np.diag(INTRINSICS)[:2], rtol=0.01)


def test_a_change_beside_many_poses(
    module: Any, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures of 500 poses and 10,000 points take 0.3 s; a change of a parameter does not."""
    few, rng = player().sequence(browser), np.random.default_rng(0)
    many = replace(
        few,
        frame_numbers=np.arange(500),
        frame_files=few.frame_files[:1] * 500,
        view_numbers=np.arange(500),
        world_from_camera=few.world_from_camera[[0] * 500],
        points=few.points[rng.integers(0, len(few.points), 10_000)],
        visibility=rng.random((500, 10_000)) < 0.02,
    )
    monkeypatch.setattr(player(), "sequence", lambda _browser: many)
    module.widget.parametersChanged()
    assert "500 of 500 frames have a pose" in module.widget.ui.motionLabel.text
    assert max(turns(module.widget.parametersChanged, lambda: False)) < BLOCK
