"""Step *Network*: which weights predict depth, and training of one's own."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from EndoDepthModuleLib import predicting, training, video
from meddl.core.errors import MedDLError
from SlicerMedDLLib.runs import RunSection, weights_of_run, write_config
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.weightlist import card_text, fill_weights


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
        names = [card.name for card in predicting.depth_weights()]
        fill_weights(ui.weightsSelector, names, node.weights)
        ui.cardLabel.text = self._card()
        pairs = node.training == training.PAIRS
        ui.dataEdit.enabled = pairs
        data = ui.dataEdit.currentPath.strip() if pairs else node.video is not None
        if ui.writeConfigButton.enabled and not data:
            self.allow("writeConfigButton", _("Choose what to train on"))

    def _card(self) -> str:
        try:
            return card_text(predicting.card_of(self.weights))
        except MedDLError as error:
            return said(error)

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
