"""Section *Many volumes*: prediction without scribbles, one volume after the other."""

from __future__ import annotations

from typing import Any

from DeepIGeoSModuleLib.logic import predict_all
from DeepIGeoSModuleLib.methods import class_names, initialising
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.volumes import view_of_volume


class BatchSection(Section):
    """Each chosen volume gets a segmentation of its own."""

    button = "batchButton"

    def connect(self) -> None:
        """The list of volumes and the button."""
        self.ui.batchSelector.connect("checkedNodesChanged()", self.onChosen)
        self.ui.predictButton.connect("clicked(bool)", self.onPredict)

    def method(self) -> str:
        """The method that is chosen above."""
        session = self.widget.inputs.session
        return session.method if session is not None else "auto"

    def chosen(self) -> list[Any]:
        """The checked volumes."""
        return [node for node in self.ui.batchSelector.checkedNodes() if node is not None]

    def onChosen(self) -> None:
        """The button needs a volume."""
        if self.node is not None:
            self.follow()

    def follow(self) -> None:
        """Greyed, with the reason, where the method needs scribbles."""
        if self.ui.batchButton.collapsed:
            return
        reason = initialising(self.method(), self.widget.device, self.onChosen)
        self.ui.predictButton.toolTip = reason
        self.ui.predictButton.enabled = not reason and bool(self.chosen())
        self.ui.batchReasonLabel.text = reason
        self.ui.batchReasonLabel.visible = bool(reason)

    def onPredict(self, checked: bool = False) -> None:
        """Segment the chosen volumes."""
        self.attempt(self.start)

    def start(self) -> None:
        """Segment the volumes.

        Raises:
            MedDLError: a volume that cannot be read, or a task is running.
        """
        volumes = self.chosen()
        images = [view_of_volume(node) for node in volumes]
        names = class_names(self.method())

        def done(found: list[Any]) -> None:
            for volume, image, labels in zip(volumes, images, found, strict=True):
                self.logic.result(image, labels, volume, names)

        self.widget.start(
            predict_all, images, self.method(), self.widget.device, on_done=done, watch=volumes
        )
