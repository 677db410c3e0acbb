"""EndoDepthModule: what runs beside the panel: loading, structure from motion, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

import host
from EndoDepthModuleLib import phantom, training, video
from meddl.core.errors import MedDLError
from meddl.endodepth.sequence import read_sequence
from SlicerMedDLLib.runs import write_config
from SlicerMedDLLib.sequences import recording
from waiting import BLOCK, longest_block, until
from widgets.endodepth_panel import (
    apply_button,
    browser,
    folder,
    loads,
    module,
    original,
    shown,
    status,
)
from widgets.processes import Process, started

__all__ = ["browser", "folder", "module", "original", "started"]  # fixtures
WAIT = 600  # s; of a machine that does other work too


# Loading


def pictures(module: Any) -> Any:
    """The phantom's frames as an ordinary sequence of the scene."""
    with recording("Endoscopy", 25) as append:
        for pose in phantom.poses():
            node = append(phantom.picture_of(pose))
    return node


def test_a_sequence_of_the_scene_goes_into_a_folder(module: Any, tmp_path: Path) -> None:
    ui, output = module.widget.ui, tmp_path / "work"
    ui.framesSelector.setCurrentNode(pictures(module))
    ui.folderEdit.currentPath = str(output)
    ui.strideSpinBox.value = 3
    ui.cropCheckBox.checked = False
    ui.loadButton.click()
    until(lambda: not loads(module), WAIT)
    assert host.messages("error") == []
    browser = module.widget.parameterNode.video
    assert list(read_sequence(output).frame_numbers) == [0, 3, 6]
    browser.SetSelectedItemNumber(2)
    error = shown(browser).astype(int) - phantom.picture_of(phantom.poses()[6])
    assert np.abs(error).mean() < 3  # JPEG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"]


def test_a_cancelled_load_leaves_nothing(module: Any, tmp_path: Path) -> None:
    ui = module.widget.ui
    ui.framesSelector.setCurrentNode(pictures(module))
    ui.folderEdit.currentPath = str(tmp_path / "work")
    ui.loadButton.click()
    until(lambda: module.widget.runner.busy, WAIT)
    apply_button(module).click()
    until(lambda: not loads(module), WAIT)
    assert list(tmp_path.iterdir()) == [] and status(module) == "Cancelled"
    assert module.widget.parameterNode.video is None


def test_a_video_needs_a_working_folder(module: Any, tmp_path: Path) -> None:
    ui = module.widget.ui
    (tmp_path / "video.mp4").write_bytes(b"no video at all")
    ui.videoPathEdit.currentPath = str(tmp_path / "video.mp4")
    ui.loadButton.click()
    ui.folderEdit.currentPath = str(tmp_path / "work")
    ui.loadButton.click()
    until(lambda: not loads(module), WAIT)
    first, second = (str(message) for message in host.messages("error"))
    assert "working folder" in first and "is no video" in second
    assert not (tmp_path / "work").exists()


# Structure from motion


def test_a_colmap_model_is_imported_by_the_command(
    module: Any, folder: Path, tmp_path: Path
) -> None:
    from meddl.endodepth.colmap_sequence import export_model

    posed = read_sequence(folder)
    export_model(posed, tmp_path / "model")
    for name in ("motion.yaml", "structure.ply", "visible_view_indexes", "view_indexes_per_point"):
        (folder / name).unlink()
    ui = module.widget.ui
    ui.videoPathEdit.currentPath = str(folder)
    ui.loadButton.click()
    assert not ui.cameraButton.enabled and ui.reconstructButton.text == "Reconstruct"
    ui.colmapEdit.currentPath = str(tmp_path / "model")
    runs = lambda: ui.reconstructButton.text != "Import"  # noqa: E731
    assert longest_block(ui.reconstructButton.click, runs, WAIT) < BLOCK
    assert host.messages("error") == []
    found = read_sequence(folder)
    np.testing.assert_allclose(found.world_from_camera, posed.world_from_camera, atol=1e-9)
    assert ui.cameraButton.enabled and "8 of 8 frames have a pose" in ui.motionLabel.text
    log = module.widget._runUi.logTextEdit.toPlainText()
    assert "meddl endodepth sfm" in log and "in the mask" in log


def test_a_reconstruction_is_stopped(module: Any, browser: Any, started: list[Process]) -> None:
    ui = module.widget.ui
    ui.reconstructButton.click()
    assert started[0].arguments == ["endodepth", "sfm", str(video.folder_of(browser))]
    started[0].on_output("  30 %  matching pair 40/120\n")
    assert status(module) == "matching pair 40/120" and ui.reconstructButton.text == "Stop"
    ui.reconstructButton.click()
    assert started[0].cancelled
    started[0].on_done(130)
    assert "kept" in status(module) and ui.reconstructButton.text == "Reconstruct"
    ui.reconstructButton.click()
    started[1].on_output("meddl: too little texture\n")
    started[1].on_done(2)
    [message] = host.messages("error")
    assert "too little texture" in str(message)


def test_a_calibration_becomes_the_lens_of_the_next_load(
    module: Any, started: list[Process], tmp_path: Path
) -> None:
    ui, lens = module.widget.ui, str(tmp_path / "camera.yaml")
    assert not ui.calibrateButton.enabled
    ui.boardEdit.currentPath, ui.boardSizeEdit.text = str(tmp_path), "7x5"
    ui.calibrateButton.click()
    assert started[0].arguments[:3] == ["endodepth", "calibrate", str(tmp_path)]
    assert started[0].arguments[3:] == ["--board", "7x5", "--output", lens]
    started[0].on_done(2)
    assert not ui.lensEdit.currentPath and host.messages("error")
    host.clear()
    ui.calibrateButton.click()
    started[1].on_done(0)
    assert ui.lensEdit.currentPath == lens and "load the video again" in status(module)


def test_the_points_are_drawn_where_they_project(module: Any, browser: Any) -> None:
    ui, sequence = module.widget.ui, read_sequence(video.folder_of(browser))
    browser.SetSelectedItemNumber(3)
    plain = shown(browser)
    ui.pointsCheckBox.checked = True
    changed = (shown(browser) != plain).any(axis=-1) & sequence.mask
    from meddl.endodepth.reprojection import visible_points

    column, row = visible_points(sequence, 3)[0].astype(int).T
    assert changed[row, column].all() and changed.mean() < 0.5
    ui.pointsCheckBox.checked = False
    assert (shown(browser) == plain).all()


def test_closing_the_scene_stops_what_runs(
    module: Any, browser: Any, started: list[Process]
) -> None:
    module.widget.ui.reconstructButton.click()
    slicer.mrmlScene.Clear(0)
    assert started[0].cancelled
    started[0].on_done(130)


# Training


@pytest.mark.parametrize("kind", training.TRAININGS[:3])
def test_a_written_configuration_is_one_that_trains(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    from meddl.endodepth.training_config import make_plan, read_config

    text = training.config_text(kind, folder, "some-weights")
    plan = make_plan(read_config(write_config(tmp_path / "run", text)))
    assert plan.training == (folder,)
    start = "some-weights" if kind == training.FINETUNE else ""
    assert plan.parameters.load_trained_model == start
    published = plan.parameters.architecture == "fcdensenet57"
    assert published == (kind == training.PUBLISHED)
    assert training.arguments(tmp_path / "run")[:2] == ["endodepth", "train"]


@pytest.mark.parametrize("data", ["rooms", "nyu/nyu_depth_v2_labeled.mat"])
def test_pairs_are_trained_on_by_the_other_command(tmp_path: Path, data: str) -> None:
    import yaml

    text = training.config_text(training.PAIRS, data=str(tmp_path / data))
    run = write_config(tmp_path / "run", text).parent
    found = yaml.safe_load(text)["data"]
    if data == "rooms":
        assert found["colour"] == f"{tmp_path}/rooms/color/{{pair}}.png"
        assert found["depth"] == f"{tmp_path}/rooms/depth/{{pair}}.png"
    else:
        assert found["nyu"] == str(tmp_path / data) and "colour" not in found
        assert found["splits"] == f"{tmp_path}/nyu/splits.mat"
    assert training.arguments(run)[:2] == ["monodepth", "train"]
    with pytest.raises(MedDLError, match="choose the pairs"):
        training.config_text(training.PAIRS, data=" ")


def test_a_training_is_configured_stopped_and_continued(
    module: Any,
    browser: Any,
    started: list[Process],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", opened.append)
    ui, run = module.widget.ui, tmp_path / "run"
    module.widget.parameterNode.training = training.FROM_SCRATCH
    ui.runFolderEdit.currentPath = str(run)
    assert not ui.trainButton.enabled
    ui.writeConfigButton.click()
    assert len(opened) == 1 and ui.trainButton.enabled and not ui.writeConfigButton.enabled
    ui.trainButton.click()
    assert started[0].arguments[-1] == str(run) and ui.trainButton.text == "Stop"
    (run / "run.json").write_text("{}")
    ui.trainButton.click()
    started[0].on_done(130)
    assert ui.trainButton.text == "Continue" and "checkpoint" in status(module)
    ui.trainButton.click()
    assert started[1].arguments[-1] == "--resume"
    (run / "best").mkdir()
    (run / "best" / "mine.safetensors").write_bytes(b"")
    (run / "history.jsonl").write_text('{"epoch": 1, "step": 5, "train/loss": 2.0}\n')
    started[1].on_done(0)
    assert status(module) == "Trained; use the result"
    ui.useResultButton.click()
    assert module.widget.parameterNode.weights == str(run / "best" / "mine.safetensors")
    assert ui.weightsSelector.currentText == "mine" and not ui.curveLabel.isHidden()
    assert "mine" in apply_button(module).toolTip  # no card: it cannot predict
