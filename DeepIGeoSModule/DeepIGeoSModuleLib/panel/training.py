"""Section *Training*: a network from the user's cases, in a process of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from DeepIGeoSModuleLib import training
from DeepIGeoSModuleLib.methods import TRAINED, weights_of_run
from SlicerMedDLLib import curves, tasks
from SlicerMedDLLib.section import Section

PROGRESS = re.compile(r"^\s*(\d+) %\s+(.*)$")  # a line of the command's progress
LOOK_MILLISECONDS = 2000
CURVES = ("train/loss", "validation/loss", "validation/dice")


class TrainingSection(Section):
    """Runs ``meddl deepigeos train`` and shows its log and curve."""

    button = "trainingButton"

    def connect(self) -> None:
        """Folders are this machine's, not the scene's."""
        self._process: Any = None
        self._last = ""
        ui = self.ui
        for edit in (ui.dataFolderEdit, ui.runFolderEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.connect("currentPathChanged(QString)", self.onFolder)
        ui.writeConfigButton.connect("clicked(bool)", self.onWriteConfig)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.useResultButton.connect("clicked(bool)", self.onUseResult)
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MILLISECONDS)
        self._timer.connect("timeout()", self.draw)

    @property
    def busy(self) -> bool:
        """Whether a training runs."""
        return self._process is not None

    @property
    def folder(self) -> str:
        """Of the run."""
        return str(self.ui.runFolderEdit.currentPath).strip()

    def leave(self) -> None:
        """The scene is closed or the module unloaded: a run stops, and can be continued."""
        self._timer.stop()
        if self._process is not None:
            self._process.cancel()

    def onFolder(self, path: str) -> None:
        """Show the run that lies there."""
        if self.node is not None:
            self.follow()
            self.draw()

    def follow(self) -> None:
        """Buttons for what the folder allows."""
        ui, folder = self.ui, Path(self.folder)
        chosen = bool(self.folder)
        started = chosen and (folder / "run.json").is_file()
        ui.writeConfigButton.enabled = chosen and not (folder / training.CONFIG).is_file()
        ui.trainButton.enabled = self.busy or (chosen and (folder / training.CONFIG).is_file())
        ui.trainButton.text = (
            _("Stop") if self.busy else _("Continue") if started else _("Start training")
        )
        session = self.widget.inputs.session
        ui.useResultButton.enabled = (
            session is not None and chosen and any((folder / "best").glob("*.safetensors"))
        )

    def onWriteConfig(self, checked: bool = False) -> None:
        """Write a configuration to be edited, and open it."""
        path = self.attempt(
            training.write_config,
            self.folder,
            self.node.training,
            self.ui.dataFolderEdit.currentPath,
        )
        if path is not None:
            self.widget.showStatus(_("Edit {path}, then start the training").format(path=path))
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
            self.follow()

    def onTrain(self, checked: bool = False) -> None:
        """Start or continue, or stop what runs."""
        if self._process is not None:
            self._process.cancel()
            self.ui.trainButton.enabled = False
            return
        self._last = ""
        self._process = tasks.run_process(
            training.arguments(self.folder), self.onOutput, self.onDone
        )
        self._timer.start()
        self.follow()

    def onOutput(self, line: str) -> None:
        """A line of the process: its progress, or a message for the log."""
        match = PROGRESS.match(line.rstrip())
        if match is not None:
            self.widget.showProgress(int(match[1]) / 100, match[2])
        elif line.strip():
            self._last = line.strip()
            self.widget.log(self._last)

    def onDone(self, code: int) -> None:
        """The process has ended."""
        process, self._process = self._process, None
        self._timer.stop()
        if process is not None and process.cancelled:
            status = _("Stopped; Continue goes on from the last checkpoint")
        elif code == 0:
            status = _("Trained; use the result")
        else:
            status = self._last or _("The training ended with code {code}").format(code=code)
            self.widget.showError(status)
        self.widget.finishProgress(status)
        if self.node is not None:
            self.follow()
            self.draw()

    def draw(self) -> None:
        """Draw the curve as far as the run has come."""
        label = self.ui.curveLabel
        history = curves.read_history(self.folder) if self.folder else {}
        drawn = {name: history[name] for name in CURVES if name in history}
        label.visible = bool(drawn)
        if drawn:
            width = max(280, self.ui.trainingButton.width - 30)
            label.setPixmap(curves.curve_pixmap(drawn, width, 120))
            label.setFixedHeight(120)

    def onUseResult(self, checked: bool = False) -> None:
        """Segment with what was trained."""
        if self.attempt(weights_of_run, self.folder) is not None:
            self.widget.inputs.session.method = TRAINED + self.folder
            self.widget.parametersChanged()
