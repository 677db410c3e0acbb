"""Section *Volume and segmentation*: what is segmented, into what, by which method."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from DeepIGeoSModuleLib import sessions
from DeepIGeoSModuleLib.methods import card_text, fill_methods
from SlicerMedDLLib.section import Section


class InputsSection(Section):
    """Volume, further channels, segmentation, method and the card of its weights."""

    button = "inputsButton"

    def connect(self) -> None:
        """Channels and method belong to the segmentation, not to the parameter node."""
        ui = self.ui
        ui.channelsSelector.connect("checkedNodesChanged()", self.onChannels)
        ui.segmentationSelector.connect("nodeAddedByUser(vtkMRMLNode*)", self.onSegmentationAdded)
        ui.methodSelector.connect("currentIndexChanged(int)", self.onMethod)
        fill_methods(ui.methodSelector)

    @property
    def session(self) -> Any:
        """The live session of the chosen segmentation; None without one."""
        return sessions.session_of(self.node.segmentation) if self.node is not None else None

    def onSegmentationAdded(self, segmentation: Any) -> None:
        """A new segmentation takes the grid of the volume and has a first segment."""
        volume = self.node.volume if self.node is not None else None
        if volume is not None:
            segmentation.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
            segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        if segmentation.GetSegmentation().GetNumberOfSegments() == 0:
            segmentation.CreateDefaultDisplayNodes()
            segmentation.GetSegmentation().AddEmptySegment()

    def onChannels(self) -> None:
        """Further channels of the volume."""
        session = self.session
        if session is not None:
            chosen = [node for node in self.ui.channelsSelector.checkedNodes() if node is not None]
            session.set_channels([node for node in chosen if node is not self.node.volume])

    def onMethod(self, index: int) -> None:
        """How scribbles become segments."""
        session = self.session
        if session is not None and index >= 0:
            session.method = str(self.ui.methodSelector.itemData(index))
            self.widget.parametersChanged()

    def follow(self) -> None:
        """Show what the session is set to."""
        session, ui = self.session, self.ui
        for widget in (ui.channelsSelector, ui.methodSelector):
            widget.enabled = session is not None
        if session is None:
            ui.cardLabel.text = ""
            return
        blocked = ui.channelsSelector.blockSignals(True)
        for number in range(ui.channelsSelector.nodeCount()):
            node = ui.channelsSelector.nodeFromIndex(number)
            chosen = qt.Qt.Checked if node in session.channels() else qt.Qt.Unchecked
            ui.channelsSelector.setCheckState(node, chosen)
        ui.channelsSelector.blockSignals(blocked)
        blocked = ui.methodSelector.blockSignals(True)
        fill_methods(ui.methodSelector, session.method)
        ui.methodSelector.currentIndex = ui.methodSelector.findData(session.method)
        ui.methodSelector.blockSignals(blocked)
        ui.cardLabel.text = card_text(session.method)

    def firstVolume(self) -> Any:
        """The first scalar volume of the scene; None without one."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return next((n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode"), None)
