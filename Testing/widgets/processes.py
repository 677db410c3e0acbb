"""In place of the processes that a panel starts: some that a test ends by hand, and a quick one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import meddl
from SlicerMedDLLib import tasks
from waiting import turns

COMMAND = Path(__file__).parent / "training_command"


class Process:
    """Stands for a process that the test ends."""

    def __init__(self, arguments: Any, on_output: Any, on_done: Any) -> None:
        self.arguments, self.on_output, self.on_done = list(arguments), on_output, on_done
        self.busy, self.cancelled = True, False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """The processes that the panel has started; none of them runs."""
    processes: list[Process] = []

    def run_process(arguments: Any, on_output: Any, on_done: Any) -> Process:
        processes.append(Process(arguments, on_output, on_done))
        return processes[-1]

    monkeypatch.setattr(tasks, "run_process", run_process)
    return processes


@pytest.fixture
def training_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel's processes are those of ``training_command/meddl``."""
    monkeypatch.setattr(meddl, "__file__", str(COMMAND / "meddl" / "__init__.py"))


def longest_block_of_training(ui: Any, run: Path) -> float:
    """Train in a panel: start, look at the curve, stop, continue to the end, use the result.

    Args:
        ui: of the panel, where the run's folder is chosen; see ``training_command``.
        run: the folder.

    Returns:
        How long a click waits at most, s, also for the last turns.
    """
    (run / "config.yaml").write_text("epochs: 1000\n")
    ui.runFolderEdit.currentPath = ""
    ui.runFolderEdit.currentPath = str(run)
    trains = lambda: ui.trainButton.text == "Stop" or not ui.trainButton.enabled  # noqa: E731
    assert ui.curveLabel.isHidden() and not trains()
    used = turns(ui.trainButton.click, lambda: ui.curveLabel.isHidden())
    assert trains() and not (run / "best").exists()
    used += turns(ui.trainButton.click, trains)
    assert ui.trainButton.text == "Continue"
    used += turns(ui.trainButton.click, trains)
    assert ui.useResultButton.enabled
    used += turns(ui.useResultButton.click, lambda: False)
    return max(used)
