"""Step *Network*: which weights predict depth, and training of one's own."""

from __future__ import annotations

from pathlib import Path

import ctk
import qt
from slicer.i18n import tr as _

from EndoDepthModuleLib import predicting, training, video
from meddl.core.errors import MedDLError, one_line
from SlicerMedDLLib import curves
from SlicerMedDLLib.processes import PanelProcess
from SlicerMedDLLib.section import Section

LOOK_MILLISECONDS = 2000
CURVES = ("train/loss", "validation/loss", "validation/abs_rel")


class NetworkSection(Section):
    """Chooses weights; runs ``meddl endodepth train`` or ``meddl monodepth train``."""

    button = "networkButton"

    def connect(self) -> None:
        """Folders are this machine's, not the scene's."""
        ui = self.ui
        self._process = PanelProcess(self.widget, self.onEnd)
        ui.runFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        for edit in (ui.runFolderEdit, ui.dataEdit):
            edit.connect("currentPathChanged(QString)", self.onFolder)
        ui.weightsSelector.connect("activated(int)", self.onWeights)
        ui.writeConfigButton.connect("clicked(bool)", self.onWriteConfig)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.useResultButton.connect("clicked(bool)", self.onUseResult)
        self._timer = qt.QTimer()
        self._timer.setInterval(LOOK_MILLISECONDS)
        self._timer.connect("timeout()", self.draw)

    @property
    def weights(self) -> str:
        """Name or path of the chosen weights.

        Raises:
            MedDLError: none are installed.
        """
        return predicting.require_weights(self.node.weights)

    @property
    def folder(self) -> str:
        """Of the run."""
        return str(self.ui.runFolderEdit.currentPath).strip()

    def leave(self) -> None:
        """The scene is closed or the module unloaded: a run stops, and can be continued."""
        self._timer.stop()
        self._process.stop()

    def follow(self) -> None:
        """The list of weights, the card, and buttons for what the folder allows."""
        ui, folder, node = self.ui, Path(self.folder), self.node
        self._list_weights()
        ui.cardLabel.text = self._card()
        chosen = bool(self.folder)
        configured = chosen and (folder / training.CONFIG).is_file()
        started = chosen and (folder / "run.json").is_file()
        pairs = node.training == training.PAIRS
        ui.dataEdit.enabled = pairs
        has_data = bool(ui.dataEdit.currentPath.strip()) if pairs else node.video is not None
        ui.writeConfigButton.enabled = chosen and not configured and has_data
        ui.trainButton.enabled = self._process.busy or configured
        ui.trainButton.text = (
            _("Stop") if self._process.busy else _("Continue") if started else _("Start training")
        )
        ui.useResultButton.enabled = chosen and any((folder / "best").glob("*.safetensors"))

    def _list_weights(self) -> None:
        selector, node = self.ui.weightsSelector, self.node
        names = [card.name for card in predicting.depth_weights()]
        if node.weights and node.weights not in names:
            names.append(node.weights)
        if names != [selector.itemData(index) for index in range(selector.count)]:
            selector.clear()
            for name in names:
                path = Path(name)
                selector.addItem(path.stem if path.suffix == ".safetensors" else name, name)
        selector.currentIndex = max(selector.findData(node.weights), 0) if names else -1

    def _card(self) -> str:
        try:
            card = predicting.card_of(self.weights)
        except MedDLError as error:
            return one_line(error)
        lines = [f"<b>{card.name}</b>: {card.task}", card.training_data]
        for data, values in card.metrics.items():
            figures = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
            lines.append(f"{data}: {figures}")
        return "<br>".join(line for line in lines if line)

    def onFolder(self, path: str) -> None:
        """Show the run that lies there."""
        if self.node is not None:
            self.follow()
            self.draw()

    def onWeights(self, index: int) -> None:
        """Predict with these from now on."""
        self.node.weights = str(self.ui.weightsSelector.itemData(index))

    def onWriteConfig(self, checked: bool = False) -> None:
        """Write a configuration to be edited, and open it."""
        path = self.attempt(self.writeConfig)
        if path is not None:
            self.widget.showStatus(_("Edit {path}, then start the training").format(path=path))
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
            self.follow()

    def writeConfig(self) -> Path:
        """Write a configuration for the chosen training.

        Raises:
            MedDLError: nothing to train on, no weights to start from, or a folder that takes no
                file.
        """
        kind = self.node.training
        sequence = "" if kind == training.PAIRS else video.folder_of(self.node.video)
        weights = self.weights if kind == training.FINETUNE else ""
        text = training.config_text(kind, sequence, weights, self.ui.dataEdit.currentPath)
        return training.write_config(self.folder, text)

    def onTrain(self, checked: bool = False) -> None:
        """Start or continue, or stop what runs."""
        if self._process.busy:
            self._process.stop()
            self.ui.trainButton.enabled = False
            return
        command = self.attempt(training.arguments, self.folder)
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

    def draw(self) -> None:
        """Draw the curve as far as the run has come."""
        label = self.ui.curveLabel
        history = curves.read_history(self.folder) if self.folder else {}
        drawn = {name: history[name] for name in CURVES if name in history}
        label.visible = bool(drawn)
        if drawn:
            width = max(280, self.ui.networkButton.width - 30)
            label.setPixmap(curves.curve_pixmap(drawn, width, 120))
            label.setFixedHeight(120)

    def onUseResult(self, checked: bool = False) -> None:
        """Predict with what was trained."""
        path = self.attempt(training.weights_of_run, self.folder)
        if path is not None:
            self.node.weights = str(path)
