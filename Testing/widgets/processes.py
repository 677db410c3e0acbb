"""Processes that a test ends by hand, in place of those that a panel starts."""

from __future__ import annotations

from typing import Any

import pytest

from SlicerMedDLLib import tasks


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
