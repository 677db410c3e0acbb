"""Training runs: their folder, and the section of a panel that starts, shows and ends them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, visible
from SlicerMedDLLib import curves
from SlicerMedDLLib.processes import PanelProcess
from SlicerMedDLLib.section import Section

# Translated here: a worker must not (see tasks).
NO_WEIGHTS = _("{folder} holds no trained weights (best/{file}); train first")

CONFIG, WEIGHTS = "config.yaml", "*.safetensors"
LOOK_MILLISECONDS = 2000
CURVE_HEIGHT = 120


def set_value(text: str, key: str, value: Any) -> str:
    """A configuration with another value for ``key``; the comment behind it stays.

    Raises:
        InputError: the configuration does not have the key just once.
    """
    text, count = re.subn(
        rf"^( *{key}: )\S+", lambda match: match[1] + json.dumps(value), text, flags=re.MULTILINE
    )
    if count != 1:
        raise InputError(
            _("the configuration has {count} keys {key}, one was expected to be set").format(
                count=count, key=key
            )
        )
    return text


def write_config(folder: str | Path, text: str) -> Path:
    """Write a configuration into a run's folder; an existing one stays.

    Raises:
        FileError: the folder takes no file.
    """
    path = Path(folder) / CONFIG
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(
            _("{path} cannot be written: {reason}").format(path=path, reason=error.strerror)
        ) from error
    return path


def train_arguments(system: str, folder: str | Path) -> list[str]:
    """The command line after ``meddl`` that trains, or continues what was stopped."""
    folder = Path(folder)
    command = [system, "train", str(folder / CONFIG), "--output", str(folder)]
    return command + (["--resume"] if (folder / "run.json").is_file() else [])


def weights_of_run(folder: str | Path) -> list[Path]:
    """The weights that a run has given.

    Raises:
        FileError: there are none yet.
    """
    found = visible(Path(folder) / "best", WEIGHTS)
    if not found:
        raise FileError(NO_WEIGHTS.format(folder=folder, file=WEIGHTS))
    return found


class RunSection(Section):
    """Writes a configuration, trains by it in a process of its own, draws curves, uses the result.

    The panel has ``runFolderEdit``, ``writeConfigButton``, ``trainButton``, ``useResultButton`` and
    ``curveLabel``.

    Attributes:
        curves: the figures that are drawn.
    """

    curves: Sequence[str]

    def connect(self) -> None:
        """Folders are this machine's, not the scene's."""
        ui = self.ui
        self._process = PanelProcess(self.widget, self.onEnd)
        self._history = curves.History()
        ui.runFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        ui.runFolderEdit.connect("currentPathChanged(QString)", self.onFolder)
        ui.writeConfigButton.connect("clicked(bool)", self.onWriteConfig)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.useResultButton.connect("clicked(bool)", self.onUseResult)
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MILLISECONDS)
        self._timer.connect("timeout()", self.draw)

    def writeConfig(self) -> Path:
        """Write the configuration of the chosen training into :attr:`folder`."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What trains in :attr:`folder`: the arguments of ``meddl``."""
        raise NotImplementedError

    def useResult(self) -> None:
        """Work with what was trained."""
        raise NotImplementedError

    @property
    def folder(self) -> str:
        """Of the run."""
        return str(self.ui.runFolderEdit.currentPath).strip()

    def leave(self) -> None:
        """The scene is closed or the module unloaded: a run stops, and can be continued."""
        self._timer.stop()
        self._process.stop()

    def onFolder(self, path: str) -> None:
        """Show the run that lies there."""
        if self.node is not None:
            self.follow()
            self.draw()

    def follow(self) -> None:
        """Buttons for what the folder allows."""
        ui, folder, chosen = self.ui, Path(self.folder), bool(self.folder)
        busy, started = self._process.busy, chosen and (folder / "run.json").is_file()
        configured = chosen and (folder / CONFIG).is_file()
        nowhere = "" if chosen else _("Choose the folder of the run")
        there = _("The folder has a configuration, which stays") if configured else ""
        written = "" if busy or configured else _("Write the configuration first")
        trained = "" if visible(folder / "best", WEIGHTS) else _("Nothing is trained there yet")
        self.allow("writeConfigButton", nowhere or there)
        self.allow("trainButton", "" if busy else nowhere or written)
        self.allow("useResultButton", nowhere or trained)
        ui.trainButton.text = (
            _("Stop") if busy else _("Continue") if started else _("Start training")
        )

    def onWriteConfig(self, checked: bool = False) -> None:
        """Write a configuration to be edited, and open it."""
        path = self.attempt(self.writeConfig)
        if path is not None:
            self.widget.showStatus(_("Edit {path}, then start the training").format(path=path))
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
            self.follow()

    def onTrain(self, checked: bool = False) -> None:
        """Start or continue, or stop what runs."""
        if self._process.busy:
            self._process.stop()
            self.ui.trainButton.enabled = False
            return
        command = self.attempt(self.command)
        if command is not None:
            self._process.start(command)
            self._timer.start()
            self.follow()

    def onEnd(self, code: int | None) -> str:
        """The process has ended."""
        self._timer.stop()
        if self.node is not None:
            self.follow()
            self.draw()
        if code is None:
            return _("Stopped; Continue goes on from the last checkpoint")
        return _("Trained; use the result") if code == 0 else ""

    def onUseResult(self, checked: bool = False) -> None:
        """Work with what was trained."""
        self.attempt(self.useResult)

    def draw(self) -> None:
        """Draw the curves as far as the run has come."""
        label = self.ui.curveLabel
        history = self._history.read(self.folder) if self.folder else {}
        drawn = {name: history[name] for name in self.curves if name in history}
        label.visible = bool(drawn)
        if drawn:
            width = max(280, getattr(self.ui, self.button).width - 30)
            label.setPixmap(curves.curve_pixmap(drawn, width, CURVE_HEIGHT))
            label.setFixedHeight(CURVE_HEIGHT)
