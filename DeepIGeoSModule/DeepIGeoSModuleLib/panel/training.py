"""Section *Training*: a network from the user's cases, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import ctk
from slicer.i18n import tr as _

from DeepIGeoSModuleLib import training
from DeepIGeoSModuleLib.methods import TRAINED
from SlicerMedDLLib.runs import RunSection, train_arguments, weights_of_run, write_config


class TrainingSection(RunSection):
    """Runs ``meddl deepigeos train`` and shows its log and curve."""

    button = "trainingButton"
    curves = ("train/loss", "validation/loss", "validation/dice")

    def connect(self) -> None:
        """The folder of the cases is this machine's too."""
        super().connect()
        self.ui.dataFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.dataFolderEdit.connect("currentPathChanged(QString)", self.onFolder)

    def follow(self) -> None:
        """A result needs a session to be used in."""
        super().follow()
        if self.widget.inputs.session is None:
            self.allow("useResultButton", _("Choose a segmentation and a volume"))

    def writeConfig(self) -> Path:
        """Write a configuration for the chosen network and the cases.

        Raises:
            FileError: the folder takes no file.
        """
        data = self.ui.dataFolderEdit.currentPath
        return write_config(self.folder, training.config_text(self.node.training, data))

    def command(self) -> list[str]:
        """What trains in the folder."""
        return train_arguments("deepigeos", self.folder)

    def useResult(self) -> None:
        """Segment with what was trained.

        Raises:
            FileError: nothing is yet.
        """
        weights_of_run(self.folder)
        self.widget.inputs.session.method = TRAINED + self.folder
        self.widget.parametersChanged()
