"""The common half of every module panel: parameters in the scene, Apply/Cancel, progress, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from meddl.core.errors import MedDLError
from SlicerMedDLLib.slices import SlicedWork
from SlicerMedDLLib.tasks import TaskRunner, show_error
from SlicerMedDLLib.translation import said

# In every module. A button's shortcut works where the button is shown: in one panel at most.
APPLY_KEYS = "Ctrl+Return"
DEVICE_SETTING = "MedDL/Device"  # of the machine, not of the scene: scenes travel


class MedDLModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Base of the modules' widgets.

    A subclass names its ``logicClass`` (whose ``getParameterNode()`` returns the wrapped parameter
    node) and ``choiceTexts`` (of the parameter node's choices, translated; others are shown as they
    are), has a panel in ``Resources/UI/<Module>.ui`` and defines :meth:`obstacle` and
    :meth:`apply`; :meth:`connectPanel`, :meth:`selectFirst` and :meth:`parametersChanged` if it
    needs them.

    Attributes:
        ui: the named widgets of the module's panel.
        logic: an instance of ``logicClass``.
        runner: the task runner.
        sliced: work of the main thread in slices, beside the runner's.
        parameterNode: the wrapped parameter node; None while the scene closes.
        sections: the :class:`SlicerMedDLLib.section.Section` objects of the panel, which live and
            follow with it; :meth:`connectPanel` makes them.
    """

    logicClass: Callable[[], Any]
    choiceTexts: Callable[[], Mapping[str, str]] = staticmethod(dict)
    usesDevice = True

    def __init__(self, parent: Any = None) -> None:
        self.logic: Any = None
        self.parameterNode: Any = None
        self.sections: tuple[Any, ...] = ()
        self._guiTag: Any = None
        self._startTime = 0.0
        # Runs both bases' __init__ (VTKObservationMixin comes last in the order) and, without a
        # parent, setup(); so nothing is set after it.
        super().__init__(parent)

    # What a subclass defines

    def connectPanel(self) -> None:
        """Connect the widgets of the panel; ``self.ui`` and ``self.logic`` are there."""

    def selectFirst(self) -> None:
        """Select what the scene has to work on, where ``self.parameterNode`` selects nothing."""

    def obstacle(self) -> str:
        """Why Apply cannot run now, for its tooltip; empty if it can."""
        raise NotImplementedError

    def apply(self) -> None:
        """Copy the input out of the scene and :meth:`start` the work."""
        raise NotImplementedError

    def parametersChanged(self) -> None:
        """Follow a change of ``self.parameterNode``; the sections do."""
        for section in self.sections:
            section.follow()

    # Life of the panel

    def setup(self) -> None:
        """Build the panel. Works without a main window and shows no dialog."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        runPanel = slicer.util.loadUI(str(Path(__file__).parent / "Resources/UI/RunPanel.ui"))
        self.layout.addWidget(panel)
        self.layout.addWidget(runPanel)
        self.layout.addStretch(1)
        self.ui = slicer.util.childWidgetVariables(panel)
        self._runUi = slicer.util.childWidgetVariables(runPanel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = self.logicClass()
        self.runner = TaskRunner(self.showError)
        self.sliced = SlicedWork(self)
        self._deviceRunner = TaskRunner(self.log)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onEndClose)
        self._runUi.applyButton.connect("clicked(bool)", self._onApply)
        self._setupDevices()
        self.connectPanel()
        self.initializeParameterNode()

    def enter(self) -> None:
        """The user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """The user opens another module; a running task goes on."""
        self._unbind()

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        for section in self.sections:
            section.leave()
            section.disconnect()
        self.sliced.stop()
        for runner in (self.runner, self._deviceRunner):
            runner.cancel()
        self._unbind()
        self.removeObservers()
        # What was cancelled ends later, and has no panel any more to say so.
        self.parameterNode = self._runUi = None

    def _onStartClose(self, caller: Any, event: Any) -> None:
        self.sliced.stop()
        for section in self.sections:
            section.leave()
        self._unbind()
        self.parameterNode = None
        self.updateApply()

    def _onEndClose(self, caller: Any, event: Any) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    # Parameters

    def initializeParameterNode(self) -> None:
        """Bind the panel to the scene's parameter node, making it if need be."""
        self._unbind()
        self.parameterNode = self.logic.getParameterNode()
        self.selectFirst()
        for section in self.sections:
            section.bind()
        self._guiTag = self.parameterNode.connectGui(self.ui)
        self._translateChoices()
        self.addObserver(
            self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified
        )
        self._onParametersModified()

    def _translateChoices(self) -> None:
        """Slicer fills selectors with the values, but finds the chosen one by its place."""
        texts = self.choiceTexts()
        for widget in vars(self.ui).values():
            if type(widget) is qt.QComboBox and widget.property("SlicerParameterName"):
                for place in range(widget.count):
                    value = widget.itemText(place)
                    widget.setItemText(place, texts.get(value, value))

    def _unbind(self) -> None:
        if self._guiTag is not None:
            self.parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(
                self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersModified
            )
            self._guiTag = None

    def _onParametersModified(self, caller: Any = None, event: Any = None) -> None:
        self.parametersChanged()
        self.updateApply()

    # Apply, cancel, progress

    def updateApply(self) -> None:
        """Set text, tooltip and state of the button; call it when :meth:`obstacle` changes."""
        if self._runUi is None:
            return
        button = self._runUi.applyButton
        if self.busy:
            obstacle = ""
            text, tip = _("Cancel"), _("Stop; the scene stays as it was ({keys})")
        else:
            obstacle = self.obstacle() if self.parameterNode is not None else _("No scene")
            text, tip = _("Apply"), _("Compute ({keys})")
        keys = qt.QKeySequence(APPLY_KEYS)
        button.text = text
        button.setShortcut(keys)  # a new text has taken it away
        button.toolTip = obstacle or tip.format(keys=keys.toString(qt.QKeySequence.NativeText))
        button.enabled = not obstacle

    @property
    def busy(self) -> bool:
        """Whether there is work that the button cancels."""
        return bool(self.runner.busy or self.sliced.busy)

    def _onApply(self, checked: bool = False) -> None:
        if self.sliced.busy:
            self.sliced.stop()
            return
        if self.runner.busy:
            self._runUi.applyButton.enabled = False
            self.showStatus(_("Cancelling…"))
            self.runner.cancel()
            return
        try:
            self.apply()
        except MedDLError as error:
            self.showError(said(error))
            self.showStatus(said(error))

    def start(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_done: Callable[[Any], None],
        watch: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        """Run ``function`` as :meth:`TaskRunner.run` does, shown in this panel.

        Raises:
            InputError: a task is running.
        """

        def done(result: Any) -> None:
            on_done(result)
            self.finishProgress(_("Done in {seconds:.1f} s").format(seconds=self._elapsed()))

        self.runner.run(
            function,
            *args,
            on_done=done,
            on_progress=self.showProgress,
            on_log=self.log,
            on_error=self.finishProgress,
            on_cancelled=lambda: self.finishProgress(_("Cancelled")),
            watch=watch,
            **kwargs,
        )
        self._startTime = time.monotonic()
        self._runUi.progressBar.value = 0
        self._runUi.progressBar.visible = True
        self.showStatus(_("Running…"))
        self.updateApply()

    def _elapsed(self) -> float:
        return time.monotonic() - self._startTime

    def showProgress(self, fraction: float, message: str) -> None:
        """How far a task is; a process of a subclass reports here, too."""
        if self._runUi is None:
            return
        self._runUi.progressBar.value = round(100 * fraction)
        self._runUi.progressBar.visible = True
        self._runUi.statusLabel.text = message

    def finishProgress(self, status: str) -> None:
        """A task has ended; ``status`` says how."""
        if self._runUi is None:
            return
        self._runUi.progressBar.visible = False
        self.showStatus(status)
        self.updateApply()

    def showStatus(self, text: str) -> None:
        """One line under the button, and in the log."""
        if self._runUi is None:
            return
        self._runUi.statusLabel.text = text
        self.log(text)

    def showError(self, text: str) -> None:
        """One error box (tests replace it)."""
        show_error(text)

    def log(self, line: str) -> None:
        """Add a line with the time to the panel's log."""
        if self._runUi is None:
            return
        self._runUi.logTextEdit.appendPlainText(f"{time.strftime('%H:%M:%S')} {line}")

    # Device

    @property
    def device(self) -> str:
        """What the user chose: ``"auto"`` or a name that ``meddl.core.choose_device`` takes."""
        return str(self._runUi.deviceComboBox.currentData)

    def _setupDevices(self) -> None:
        for widget in (self._runUi.deviceLabel, self._runUi.deviceComboBox):
            widget.visible = self.usesDevice
        if not self.usesDevice:
            return
        self._fillDevices([])
        self._runUi.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        # Asking for graphics cards may import torch, which takes seconds: not in this thread.
        self._deviceRunner.run(_list_devices, on_done=self._fillDevices)

    def _fillDevices(self, devices: Sequence[Any]) -> None:
        combo = self._runUi.deviceComboBox
        chosen = qt.QSettings().value(DEVICE_SETTING, "auto")
        wasBlocked = combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("Automatic"), "auto")
        for device in devices:
            if device.name != "cpu":
                combo.addItem(f"{device.description} ({device.name})", device.name)
        combo.addItem(_("Processor (CPU)"), "cpu")
        combo.currentIndex = max(combo.findData(chosen), 0)
        combo.blockSignals(wasBlocked)

    def _onDeviceChosen(self, index: int) -> None:
        qt.QSettings().setValue(DEVICE_SETTING, self.device)


def _list_devices(progress: Any, cancel: Any) -> list[Any]:
    from meddl.core.devices import list_devices

    return list_devices()
