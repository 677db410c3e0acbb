"""A small scripted module that uses what the host offers; the host's own tests load it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    FloatRange,
    RangeBounds,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class HostFixture(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Host Fixture")
        parent.categories = ["Testing"]


class Method(enum.Enum):
    MEAN = "mean"
    MAXIMUM = "maximum"


@parameterPack
class Box:
    width: Annotated[float, WithinRange(0, 10)] = 2.0
    label: str = "box"


@parameterNodeWrapper
class HostFixtureParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    points: vtkMRMLMarkupsFiducialNode
    threshold: Annotated[float, WithinRange(-100, 500), Decimals(1)] = 100.0
    count: Annotated[int, WithinRange(1, 9)] = 3
    invert: bool = False
    method: Method = Method.MEAN
    device: Annotated[str, Choice(["auto", "cpu"])] = "auto"
    title: str = "untitled"
    folder: Path = Path("data")
    window: Annotated[FloatRange, RangeBounds(0, 50), Default(FloatRange(0, 50))]
    names: list[str]
    sizes: dict[str, int]
    pair: tuple[int, float] = (1, 2.0)
    maybe: int | None
    box: Box


class HostFixtureWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._tag = None
        self.calls = []

    def setup(self):
        super().setup()
        panel = slicer.util.loadUI(self.resourcePath("UI/HostFixture.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = HostFixtureLogic()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.bind()

    def bind(self):
        self.unbind()
        self._parameterNode = self.logic.getParameterNode()
        self._tag = self._parameterNode.connectGui(self.ui)
        self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
        self.onModified()

    def unbind(self):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._tag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onModified)
            self._parameterNode = None

    def onModified(self, caller=None, event=None):
        self.ui.applyButton.enabled = self._parameterNode.inputVolume is not None

    def onStartClose(self, caller, event):
        self.unbind()

    def onEndClose(self, caller, event):
        if self.parent.isEntered:
            self.bind()

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Counting failed.")):
            node = self._parameterNode
            self.ui.resultLabel.text = str(
                self.logic.countAbove(node.inputVolume, node.threshold, node.invert)
            )

    def enter(self):
        self.calls.append("enter")
        self.bind()

    def exit(self):
        self.calls.append("exit")
        self.unbind()

    def cleanup(self):
        self.calls.append("cleanup")
        self.unbind()
        self.removeObservers()


class HostFixtureLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return HostFixtureParameterNode(super().getParameterNode())

    def countAbove(self, volume, threshold, invert=False):
        array = slicer.util.arrayFromVolume(volume)
        if array.max() < 0:
            raise ValueError("volume is all negative")
        return int(((array < threshold) if invert else (array > threshold)).sum())


class HostFixtureTest(ScriptedLoadableModuleTest):
    ran: list[str] = []  # noqa: RUF012

    def test_first(self):
        self.delayDisplay("first")
        self.ran.append("first")
