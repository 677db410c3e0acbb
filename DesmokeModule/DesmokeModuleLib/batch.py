"""Many video files, one after the other, by ``meddl desmoke video`` in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DesmokeModuleLib.filtering import Settings
from meddl.core.errors import FileError, InputError
from meddl.core.optional import is_installed
from SlicerMedDLLib.processes import PanelProcess

ENDING = "-desmoked"


def output_of(path: str | Path, folder: str | Path) -> Path:
    """Where the output of a video goes: ``.mp4``, or ``.avi`` where PyAV, which writes that, is not
    installed."""
    suffix = ".mp4" if is_installed("av") else ".avi"
    return Path(folder) / f"{Path(path).stem}{ENDING}{suffix}"


def arguments(path: str | Path, output: str | Path, settings: Settings) -> list[str]:
    """The command line after ``meddl`` that clears one file."""
    command = ["desmoke", "video", str(path), "--output", str(output), "--method", settings.method]
    command += ["--strength", repr(settings.strength), "--device", settings.device]
    return command + (["--weights", settings.weights] if settings.weights else [])


def require_files(paths: Sequence[str | Path], folder: str | Path) -> list[Path]:
    """The files as paths, if they can be cleared into a folder.

    Raises:
        FileError: one is missing, or the folder is.
        InputError: no files, no folder, or two of one name.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InputError(_("choose the videos first"))
    if not str(folder).strip():
        raise InputError(_("choose a folder for the output"))
    if not Path(folder).is_dir():
        raise FileError(
            _("the folder {folder} does not exist; make it or choose another").format(folder=folder)
        )
    for path in files:
        if not path.is_file():
            raise FileError(_("{path} does not exist; choose the videos again").format(path=path))
    names = [path.stem for path in files]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                _("two of the videos are called {name}; clear them into two folders").format(
                    name=name
                )
            )
    return files


class Batch:
    """Clears files one by one; a file that fails does not stop the others.

    Args:
        widget: the module's widget, which shows progress, log and, at the end, what failed.
        on_change: called after a file has begun or ended.
    """

    def __init__(self, widget: Any, on_change: Callable[[], None]) -> None:
        self._widget, self._on_change = widget, on_change
        self._process = PanelProcess(widget, self._on_end, boxed=False)
        self._path: Path | None = None  # the file being cleared
        self._waiting: list[Path] = []
        self._failed: list[str] = []
        self._total = 0

    @property
    def busy(self) -> bool:
        """Whether files are being cleared, also between two of them."""
        return self._path is not None

    def start(self, paths: Sequence[str | Path], folder: str | Path, settings: Settings) -> None:
        """Clear files into a folder, one after the other.

        Raises:
            InputError: others are being cleared, or as :func:`require_files`.
        """
        if self.busy:
            raise InputError(_("videos are being cleared already; stop that or wait"))
        self._waiting, self._failed = require_files(paths, folder), []
        self._total = len(self._waiting)
        self._folder, self._settings = folder, settings
        self._go_on()

    def stop(self) -> None:
        """End the running command and start no other; what is not finished leaves no file."""
        self._waiting.clear()
        self._process.stop()

    def _go_on(self) -> None:
        if self._waiting:
            self._path = self._waiting.pop(0)
            output = output_of(self._path, self._folder)
            self._process.start(arguments(self._path, output, self._settings))
            self._on_change()
            return
        self._path = None
        self._on_change()
        if self._failed:
            self._widget.showError(
                _("Not cleared, the log says why: {names}").format(names=", ".join(self._failed))
            )

    def _on_end(self, code: int | None) -> str:
        import qt

        if code and self._path is not None:
            self._failed.append(self._path.name)
        qt.QTimer.singleShot(0, self._go_on)  # once this end has been shown
        if code is None:
            return _("Stopped; finished videos stay")
        done = self._total - len(self._waiting)
        return _("{done} of {total} videos, {failed} failed").format(
            done=done, total=self._total, failed=len(self._failed)
        )
