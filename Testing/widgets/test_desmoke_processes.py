"""DesmokeModule: what runs in processes of its own: many files, training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import qt
import slicer

import host
from DesmokeModuleLib import batch, training
from DesmokeModuleLib.filtering import Settings
from meddl.core.errors import FileError, InputError
from meddl.core.parameters import from_arguments
from meddl.desmoke.parameters import DesmokeParameters
from waiting import until
from widgets.desmoke_panel import module, status
from widgets.processes import Process, started

__all__ = ["module", "started"]  # fixtures
WAIT = 60


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two files with names that a shell would take apart, and a folder for their output."""
    (tmp_path / "clear").mkdir()
    paths = [tmp_path / "first; one.avi", tmp_path / "second's.mp4"]
    for path in paths:
        path.write_bytes(b"")
    return [str(path) for path in paths]


@pytest.fixture
def choose(
    module: Any, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Chooses files and folder in the panel."""

    def choose() -> None:
        chosen = lambda *arguments: files  # noqa: E731
        monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", chosen)
        module.widget.ui.chooseButton.click()
        module.widget.ui.outputEdit.currentPath = str(tmp_path / "clear")

    return choose


def test_files_are_cleared_one_after_the_other(
    module: Any,
    files: list[str],
    started: list[Process],
    tmp_path: Path,
    choose: Callable[[], None],
) -> None:
    ui = module.widget.ui
    assert not ui.batchStartButton.enabled
    choose()
    module.widget.parameterNode.strength = 0.5
    ui.batchStartButton.click()
    expected = [
        "desmoke",
        "video",
        files[0],
        "--output",
        f"{tmp_path}/clear/first; one-desmoked.mp4",
    ]
    assert started[0].arguments[:5] == expected and len(started) == 1
    options = dict(zip(started[0].arguments[5::2], started[0].arguments[6::2], strict=True))
    assert options == {"--method": "classical", "--strength": "0.5", "--device": "auto"}
    started[0].on_output("  40 %  writing frame 20\n")
    assert status(module) == "writing frame 20" and ui.batchStartButton.text == "Stop"
    started[0].on_output("meddl: it is damaged\n")
    started[0].on_done(2)  # the other one is cleared all the same
    until(lambda: len(started) == 2, WAIT)
    assert started[1].arguments[2] == files[1]
    started[1].on_done(0)
    until(lambda: ui.batchStartButton.text != "Stop", WAIT)
    [message] = host.messages("error")
    assert "first; one.avi" in str(message) and "second" not in str(message)
    assert status(module) == "2 of 2 videos, 1 failed"
    assert "it is damaged" in module.widget._runUi.logTextEdit.toPlainText()


def test_a_stop_ends_all(module: Any, started: list[Process], choose: Callable[[], None]) -> None:
    choose()
    module.widget.ui.batchStartButton.click()
    module.widget.ui.batchStartButton.click()
    assert started[0].cancelled
    started[0].on_done(130)
    until(lambda: module.widget.ui.batchStartButton.text != "Stop", WAIT)
    assert len(started) == 1 and "Stopped" in status(module) and host.messages("error") == []


def test_a_stop_between_two_files_ends_all(
    module: Any, started: list[Process], choose: Callable[[], None]
) -> None:
    choose()
    button = module.widget.ui.batchStartButton
    button.click()
    started[0].on_done(0)  # the second one starts when the events are handled
    button.click()
    until(lambda: button.text != "Stop", WAIT)
    assert len(started) == 1 and button.enabled and host.messages("error") == []
    button.click()
    assert len(started) == 2


def test_closing_the_scene_stops_the_files(
    module: Any, started: list[Process], choose: Callable[[], None]
) -> None:
    choose()
    module.widget.ui.batchStartButton.click()
    slicer.mrmlScene.Clear(0)
    assert started[0].cancelled
    started[0].on_done(130)
    slicer.app.processEvents()
    assert len(started) == 1


def test_files_that_cannot_be_cleared_are_named(files: list[str], tmp_path: Path) -> None:
    folder, twin = tmp_path / "clear", tmp_path / "twin"
    twin.mkdir()
    (twin / "first; one.mp4").write_bytes(b"")
    for paths, place, error, text in (
        ([], folder, InputError, "choose the videos"),
        (files, "", InputError, "choose a folder"),
        (files, tmp_path / "nowhere", FileError, "nowhere does not exist"),
        ([*files, tmp_path / "lost.avi"], folder, FileError, r"lost\.avi does not exist"),
        ([*files, twin / "first; one.mp4"], folder, InputError, "two of the videos"),
    ):
        with pytest.raises(error, match=text):
            batch.require_files(paths, place)
    assert batch.require_files(files, folder) == [Path(path) for path in files]


def test_without_pyav_the_output_is_what_opencv_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from meddl.core.video import explain_writer

    for has_pyav, suffix in ((True, ".mp4"), (False, ".avi")):
        installed = lambda name, has=has_pyav: has  # noqa: E731
        monkeypatch.setattr(batch, "is_installed", installed)
        monkeypatch.setattr("meddl.core.video.is_installed", installed)
        output = batch.output_of("in/one.mov", tmp_path)
        assert output == tmp_path / f"one-desmoked{suffix}"
        assert explain_writer(output)  # or it raises


def test_a_command_is_one_that_the_command_line_takes(tmp_path: Path) -> None:
    """The parser of ``meddl`` itself reads what the panel would start."""
    from meddl.cli.main import build_parser

    settings = Settings("network", 0.25, "some-weights", "cpu")
    line = batch.arguments("in.avi", tmp_path / "out.mp4", settings)
    options = build_parser("desmoke").parse_args(line)
    parameters = DesmokeParameters("network", 0.25, "some-weights", "cpu")
    assert from_arguments(DesmokeParameters, options) == parameters


# Training


@pytest.mark.parametrize("kind", training.TRAININGS)
def test_a_written_configuration_is_one_that_trains(tmp_path: Path, kind: str) -> None:
    from PIL import Image

    from meddl.desmoke.training_config import read_plan
    from SlicerMedDLLib.runs import write_config

    (tmp_path / "clear frames").mkdir()
    Image.new("RGB", (320, 256), (150, 60, 50)).save(tmp_path / "clear frames" / "one.png")
    text = training.config_text(kind, tmp_path / "clear frames")
    plan = read_plan(write_config(tmp_path / "run", text))
    assert len(plan.training) == 1 and not plan.validation
    published = plan.parameters.architecture == "pix2pix"
    assert published == (kind == training.PUBLISHED)
    with pytest.raises(InputError, match="choose the clear"):
        training.config_text(kind, " ")


def test_prepared_procedures_are_wholes_of_which_some_validate(tmp_path: Path) -> None:
    """As ``meddl desmoke prepare`` leaves them: a folder of pictures per video."""
    from PIL import Image

    from meddl.desmoke.training_config import read_plan
    from SlicerMedDLLib.runs import write_config

    for name in ("video01", "video02", "video03"):
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / "frames.json").write_text("{}")
        for n in range(2):
            Image.new("RGB", (64, 48), (150, 60, 50)).save(tmp_path / "train" / name / f"{n}.png")
    text = training.config_text(training.LIGHT, tmp_path / "train")
    plan = read_plan(write_config(tmp_path / "run", text))
    assert len(plan.training) == 2 and len(plan.validation) == 1
    assert all(len(source.paths) == 2 for source in plan.training)  # type: ignore[attr-defined]


def test_a_training_is_configured_stopped_and_continued(
    module: Any, started: list[Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", opened.append)
    ui, run = module.widget.ui, tmp_path / "run"
    ui.runFolderEdit.currentPath = str(run)
    assert not ui.writeConfigButton.enabled
    assert ui.trainButton.toolTip == "Write the configuration first"
    ui.clearEdit.currentPath = str(tmp_path)
    ui.writeConfigButton.click()
    assert len(opened) == 1 and ui.trainButton.enabled
    assert "process of its own" in ui.trainButton.toolTip
    ui.trainButton.click()
    command = ["desmoke", "train", str(run / "config.yaml"), "--output", str(run)]
    assert started[0].arguments == command
    (run / "run.json").write_text("{}")
    ui.trainButton.click()
    started[0].on_done(130)
    ui.trainButton.click()
    assert started[1].arguments == [*command, "--resume"]
    (run / "best").mkdir()
    (run / "best" / "mine.safetensors").write_bytes(b"")
    started[1].on_done(0)
    ui.useResultButton.click()
    assert module.widget.parameterNode.weights == str(run / "best" / "mine.safetensors")
