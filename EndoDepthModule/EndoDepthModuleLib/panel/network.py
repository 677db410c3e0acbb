"""Step *Network*: which weights predict depth, and training of one's own."""

from __future__ import annotations

from pathlib import Path

from EndoDepthModuleLib import predicting, training, video
from meddl.core.errors import MedDLError, one_line
from SlicerMedDLLib.runs import RunSection, weights_of_run, write_config


class NetworkSection(RunSection):
    """Chooses weights; runs ``meddl endodepth train`` or ``meddl monodepth train``."""

    button = "networkButton"
    curves = ("train/loss", "validation/loss", "validation/abs_rel")

    def connect(self) -> None:
        """The pairs are this machine's too."""
        super().connect()
        self.ui.dataEdit.connect("currentPathChanged(QString)", self.onFolder)
        self.ui.weightsSelector.connect("activated(int)", self.onWeights)

    @property
    def weights(self) -> str:
        """Name or path of the chosen weights.

        Raises:
            MedDLError: none are installed.
        """
        return predicting.require_weights(self.node.weights)

    def follow(self) -> None:
        """The list of weights, the card, and whether there is something to train on."""
        super().follow()
        ui, node = self.ui, self.node
        self._list_weights()
        ui.cardLabel.text = self._card()
        pairs = node.training == training.PAIRS
        ui.dataEdit.enabled = pairs
        if not (ui.dataEdit.currentPath.strip() if pairs else node.video is not None):
            ui.writeConfigButton.enabled = False

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

    def onWeights(self, index: int) -> None:
        """Predict with these from now on."""
        self.node.weights = str(self.ui.weightsSelector.itemData(index))

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
        return write_config(self.folder, text)

    def command(self) -> list[str]:
        """What trains in the folder, by its configuration.

        Raises:
            FileError: there is none yet.
        """
        return training.arguments(self.folder)

    def useResult(self) -> None:
        """Predict with what was trained.

        Raises:
            FileError: nothing is yet.
        """
        self.node.weights = str(weights_of_run(self.folder)[-1])
