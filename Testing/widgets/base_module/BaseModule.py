"""A module on the base widget, for its tests: adds up numbers, as slowly as it is told."""

from __future__ import annotations

import threading
from typing import Annotated, Any

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleLogic

from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress, steps
from SlicerMedDLLib.widgets import MedDLModuleWidget


class BaseModule(ScriptedLoadableModule):
    """The module's entry."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Base widget")


@parameterNodeWrapper
class BaseModuleParameterNode:
    """What the panel edits."""

    input: slicer.vtkMRMLScalarVolumeNode
    count: Annotated[int, WithinRange(1, 10)] = 5


class BaseModuleLogic(ScriptedLoadableModuleLogic):
    """Adds up."""

    def getParameterNode(self) -> BaseModuleParameterNode:
        """The state of the panel."""
        return BaseModuleParameterNode(super().getParameterNode())


def add_up(count: int, go: threading.Event, progress: Progress, cancel: CancelToken) -> int:
    """Sum of 0..count-1; waits for ``go`` after the first step, looking at ``cancel``."""
    total = 0
    for number in steps(range(count), count, "adding", progress, cancel):
        total += number
        while number == 1 and not go.wait(0.005):
            cancel.check()
    if count == 7:
        raise InputError("7 is no number to add up to; choose another one")
    return total


class BaseModuleWidget(MedDLModuleWidget):
    """The panel under test."""

    logicClass = BaseModuleLogic

    def connectPanel(self) -> None:
        """Prepare what the tests look at."""
        self.go = threading.Event()
        self.results: list[int] = []
        self.shown: list[str] = []
        self.changes = 0

    def obstacle(self) -> str:
        """No input."""
        return "" if self.parameterNode.input else _("Select an input")

    def parametersChanged(self) -> None:
        """Count the calls."""
        self.changes += 1

    def apply(self) -> None:
        """Start adding."""
        if self.parameterNode.count == 9:
            raise InputError("9 cannot be prepared; choose another number")
        self.start(
            add_up,
            self.parameterNode.count,
            self.go,
            on_done=self.results.append,
            watch=[self.parameterNode.input],
        )

    def showError(self, text: str) -> None:
        """Collect instead of showing."""
        self.shown.append(text)
