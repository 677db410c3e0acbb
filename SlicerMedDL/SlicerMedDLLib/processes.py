"""A ``meddl`` command in a process of its own, with its progress and log in a panel."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from SlicerMedDLLib import tasks
from SlicerMedDLLib.translation import translated

SHOW_MILLISECONDS = 100  # a flood of lines is shown at once: each takes 0.1 ms
PROGRESS = re.compile(r"^\s*(\d+) %\s+(.*)$")  # a line of a command's progress


class PanelProcess:
    """Runs one command at a time.

    Args:
        widget: the module's widget, which shows progress, log and errors.
        on_end: called with the exit code when a command has ended by itself or was stopped (None),
            before the status is shown; returns the status, or "" for the command's last line.
        boxed: whether an error is shown in a box; otherwise ``on_end`` and the log have it.
    """

    def __init__(
        self, widget: Any, on_end: Callable[[int | None], str], boxed: bool = True
    ) -> None:
        self._widget, self._on_end, self._boxed = widget, on_end, boxed
        self._process: Any = None
        self._last = ""
        self._lines: list[str] = []
        self._waiting = False

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._process is not None

    def start(self, arguments: Sequence[str]) -> None:
        """Run ``meddl ARGUMENTS``; nothing happens while another one runs."""
        if self.busy:
            return
        self._last = ""
        self._widget.log(" ".join(["meddl", *arguments]))
        self._process = tasks.run_process(arguments, self._on_output, self._on_done)
        self._widget.showProgress(0.0, _("Starting…"))

    def stop(self) -> None:
        """End the command politely; what it has finished stays."""
        if self._process is not None:
            self._process.cancel()

    def _on_output(self, line: str) -> None:
        self._lines.append(line.strip())
        if not self._waiting:
            self._show()

    def _show(self) -> None:
        """Show what has come: the last progress, and the other lines in the log."""
        import qt

        lines, self._lines = self._lines, []
        found = [(line, PROGRESS.match(line)) for line in lines if line]
        text = [translated(line) for line, match in found if match is None]
        if text:
            self._last = text[-1]
            self._widget.log("\n".join(text))
        last = next((match for _line, match in reversed(found) if match is not None), None)
        if last is not None:
            self._widget.showProgress(int(last[1]) / 100, translated(last[2]))
        self._waiting = bool(lines)
        if lines:
            qt.QTimer.singleShot(SHOW_MILLISECONDS, self._show)

    def _on_done(self, code: int) -> None:
        self._show()
        process, self._process = self._process, None
        stopped = process is not None and process.cancelled
        status = self._on_end(None if stopped else code) or self._last
        if code and not stopped and self._boxed:
            status = self._last or _("The command ended with code {code}").format(code=code)
            self._widget.showError(status)
        self._widget.finishProgress(status)
