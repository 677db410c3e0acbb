"""Section *Training*: weights of one's own from clear video."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

from DesmokeModuleLib import training
from SlicerMedDLLib.runs import RunSection, train_arguments, weights_of_run, write_config


class TrainingSection(RunSection):
    """Runs ``meddl desmoke train``."""

    button = "trainingButton"
    curves = ("train/loss", "validation/psnr")

    def connect(self) -> None:
        """The clear video is this machine's too."""
        super().connect()
        self.ui.clearEdit.connect("currentPathChanged(QString)", self.onFolder)

    def follow(self) -> None:
        """A configuration needs something to train on."""
        super().follow()
        ui = self.ui
        if ui.writeConfigButton.enabled and not ui.clearEdit.currentPath.strip():
            self.allow("writeConfigButton", _("Choose the folder of clear frames"))

    def writeConfig(self) -> Path:
        """Write a configuration for the chosen training.

        Raises:
            MedDLError: nothing to train on, or a folder that takes no file.
        """
        text = training.config_text(self.node.training, self.ui.clearEdit.currentPath.strip())
        return write_config(self.folder, text)

    def command(self) -> list[str]:
        """What trains in the folder, by its configuration."""
        return train_arguments("desmoke", self.folder)

    def useResult(self) -> None:
        """Clear by what was trained.

        Raises:
            FileError: nothing is yet.
        """
        self.node.weights = str(weights_of_run(self.folder)[-1])
