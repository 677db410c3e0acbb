"""Base class of segment editor effects: what `self.scriptedEffect` offers.

What an effect writes goes through Slicer's own vtkSlicerSegmentEditorLogic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from . import qtmodule, record
from .classes import standin
from .properties import computed, stored

_EDITING = slicer.vtkSlicerSegmentEditorLogic
# vtkSlicerSegmentEditorLogic takes its own enum, PythonQt's is an int.
_MODES = (
    _EDITING.ModificationModeSet,
    _EDITING.ModificationModeAdd,
    _EDITING.ModificationModeRemove,
    _EDITING.ModificationModeRemoveAll,
)


@standin("slicer")
class qSlicerSegmentEditorAbstractEffect(QtCore.QObject):
    """Base of all effects."""

    ModificationModeSet, ModificationModeAdd, ModificationModeRemove, ModificationModeRemoveAll = (
        range(4)
    )
    NotConfirmed, ConfirmedWithoutDialog, ConfirmedWithDialog = range(3)

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        self._editor: Any = None
        self._node: Any = None
        self._active = False
        self._confirmed: Any = None
        self._frame = QtWidgets.QFrame()
        form = QtWidgets.QFormLayout(self._frame)
        form.setContentsMargins(4, 4, 4, 4)

    name = stored("name", str, "UnnamedScriptedEffect")
    title = computed(
        str,
        lambda self: self.__dict__.get("_title") or self.name,
        lambda self, value: self.__dict__.__setitem__("_title", value),
    )
    perSegment = stored("perSegment", bool, True)
    requireSegments = stored("requireSegments", bool, True)
    showEffectCursorInSliceView = stored("showEffectCursorInSliceView", bool, True)
    showEffectCursorInThreeDView = stored("showEffectCursorInThreeDView", bool, False)

    # life, called by the editor

    def activate(self) -> None:
        self._frame.setVisible(True)
        self._active = True
        self.updateGUIFromMRML()

    def deactivate(self) -> None:
        self._frame.setVisible(False)
        self._active = False

    def active(self) -> bool:
        return self._active

    def updateGUIFromMRML(self) -> None:
        """Overridden by a scripted effect."""

    def updateMRMLFromGUI(self) -> None:
        """Overridden by a scripted effect."""

    def cleanup(self) -> None:
        """Overridden by a scripted effect."""

    def createCursor(self, view: Any) -> QtGui.QCursor:
        return QtGui.QCursor()

    def helpText(self) -> str:
        return ""

    def selectEffect(self, name: str) -> None:
        self._editor.setActiveEffectByName(name)

    # parameters

    def parameterSetNode(self) -> Any:
        return self._node

    def setParameterSetNode(self, node: Any) -> None:
        self._node = node

    def scene(self) -> Any:
        return self._node.GetScene() if self._node is not None else None

    def _attribute(self, name: str) -> str:
        for key in (f"{self.name}.{name}", name):
            value = self._node.GetAttribute(key)
            if value is not None:
                return value
        raise LookupError(f"effect {self.name}: no parameter {name!r}; Slicer logs it as an error")

    def parameter(self, name: str) -> str:
        return "" if self._node is None else self._attribute(name)

    def integerParameter(self, name: str) -> int:
        return 0 if self._node is None else int(self._attribute(name))

    def doubleParameter(self, name: str) -> float:
        return 0.0 if self._node is None else float(self._attribute(name))

    def parameterDefined(self, name: str) -> bool:
        return self.commonParameterDefined(f"{self.name}.{name}")

    def commonParameterDefined(self, name: str) -> bool:
        return self._node is not None and bool(self._node.GetAttribute(name))

    def setParameter(self, name: str, value: str | float) -> None:
        self.setCommonParameter(f"{self.name}.{name}", value)

    def setParameterDefault(self, name: str, value: str | float) -> None:
        if not self.parameterDefined(name):
            self.setParameter(name, value)

    def setCommonParameterDefault(self, name: str, value: str | float) -> None:
        if not self.commonParameterDefined(name):
            self.setCommonParameter(name, value)

    def setCommonParameter(self, name: str, value: str | float) -> None:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f"parameter {name}: str, int or float expected, got {value!r}")
        if self._node is None:
            raise RuntimeError(
                f"effect {self.name} has no parameter node yet; Slicer refuses {name}"
            )
        text = value if isinstance(value, str) else f"{value:.6g}"  # as QString::number
        if text == (self._node.GetAttribute(name) or ""):
            return
        disabled = self._node.GetDisableModifiedEvent()
        self._node.SetDisableModifiedEvent(1)
        self._node.SetAttribute(name, text)
        self._node.SetDisableModifiedEvent(disabled)
        self._node.InvokeCustomModifiedEvent(self._node.EffectParameterModified)

    def nodeReference(self, name: str) -> Any:
        if self._node is None:
            return None
        own = self._node.GetNodeReference(f"{self.name}.{name}")
        return own or self._node.GetNodeReference(name)

    def setNodeReference(self, name: str, node: Any) -> None:
        self.setCommonNodeReference(f"{self.name}.{name}", node)

    def setCommonNodeReference(self, name: str, node: Any) -> None:
        if self._node.GetNodeReference(name) is not node:
            self._node.SetNodeReferenceID(name, node.GetID() if node is not None else None)
            self._node.InvokeCustomModifiedEvent(self._node.EffectParameterModified)

    # options

    def optionsFrame(self) -> QtWidgets.QFrame:
        return self._frame

    def optionsLayout(self) -> QtWidgets.QFormLayout:
        return self._frame.layout()

    def addOptionsWidget(self, item: Any) -> None:
        self.optionsLayout().addRow(item)

    def addLabeledOptionsWidget(self, label: str, item: Any) -> QtWidgets.QLabel:
        shown = QtWidgets.QLabel(label)
        self.optionsLayout().addRow(shown, item)
        return shown

    # images

    def _image(self, update: str, get: str) -> Any:
        return getattr(self._logic(), get)() if getattr(self._logic(), update)() else None

    def _logic(self) -> Any:
        return self._editor._logic

    def defaultModifierLabelmap(self) -> Any:
        return self._image("ResetModifierLabelmapToDefault", "GetModifierLabelmap")

    def modifierLabelmap(self) -> Any:
        return self._logic().GetModifierLabelmap()

    def maskLabelmap(self) -> Any:
        return self._image("UpdateMaskLabelmap", "GetMaskLabelmap")

    def sourceVolumeImageData(self) -> Any:
        return self._image("UpdateAlignedSourceVolume", "GetAlignedSourceVolume")

    def selectedSegmentLabelmap(self) -> Any:
        return self._image("UpdateSelectedSegmentLabelmap", "GetSelectedSegmentLabelmap")

    def referenceGeometryImage(self) -> Any:
        return self._image("UpdateReferenceGeometryImage", "GetReferenceGeometryImage")

    # editing

    def saveStateForUndo(self) -> None:
        self._editor.saveStateForUndo()

    def modifySelectedSegmentByLabelmap(self, labelmap: Any, mode: int, *rest: Any) -> None:
        node = self._node
        self.modifySegmentByLabelmap(
            node.GetSegmentationNode(), node.GetSelectedSegmentID() or "", labelmap, mode, *rest
        )

    def modifySegmentByLabelmap(
        self, segmentation: Any, segment_id: str, labelmap: Any, mode: int, *rest: Any
    ) -> None:
        """`rest` is an extent, whether masking is bypassed, or both."""
        extent: Sequence[int] = (0, -1, 0, -1, 0, -1)
        bypass = False
        for item in rest:
            if isinstance(item, bool):
                bypass = item
            else:
                extent = item
        if mode not in range(len(_MODES)) or len(extent) != 6:
            raise ValueError(f"no modification mode {mode!r} or extent {extent!r}")
        if segmentation.GetSegmentation().GetSegment(segment_id) is None:
            raise ValueError(f"Invalid segment {segment_id!r}; Slicer logs this as an error")
        self._logic().ModifySegmentByLabelmap(
            segmentation,
            segment_id,
            labelmap,
            _MODES[mode],
            list(extent),
            self.perSegment,
            bypass,
        )

    def confirmCurrentSegmentVisible(self) -> int:
        """Asks where the selected segment is hidden, as Slicer does."""
        node = self._node.GetSegmentationNode() if self._node is not None else None
        segment_id = self._node.GetSelectedSegmentID() if node is not None else None
        if not segment_id:
            return self.ConfirmedWithoutDialog
        segment = node.GetSegmentation().GetSegment(segment_id)
        display = node.GetDisplayNode()
        shown = display is not None and display.GetVisibility()
        if self._confirmed is segment or (shown and display.GetSegmentVisibility(segment_id)):
            return self.ConfirmedWithoutDialog
        button = QtWidgets.QMessageBox.StandardButton
        text = "The currently selected segment is hidden. Would you like to make it visible?"
        record.add_message("question", "Operate on invisible segment?", text)
        buttons = button.Yes | button.No | button.Cancel
        answer = record.next_answer(qtmodule.declining_button(buttons))
        if answer == button.Cancel:
            return self.NotConfirmed
        if answer == button.Yes:
            display.SetVisibility(True)
            display.SetSegmentVisibility(segment_id, True)
        else:
            self._confirmed = segment
        return self.ConfirmedWithDialog

    # views

    def segmentationDisplayableInView(self, view_node: Any) -> bool:
        return self._logic().IsSegmentationDisplayableInView(view_node)

    @staticmethod
    def viewNode(view: Any) -> Any:
        return view.sliceLogic().GetSliceNode() if view is not None else None

    @staticmethod
    def renderWindow(view: Any) -> Any:
        return view.sliceView().renderWindow() if view is not None else None

    @staticmethod
    def renderer(view: Any) -> Any:
        return view.sliceView().renderWindow().GetRenderers().GetItemAsObject(0)

    @classmethod
    def addActor2D(cls, view: Any, actor: Any) -> None:
        cls.renderer(view).AddViewProp(actor)

    @classmethod
    def removeActor2D(cls, view: Any, actor: Any) -> None:
        cls.renderer(view).RemoveViewProp(actor)

    @staticmethod
    def scheduleRender(view: Any) -> None:
        view.sliceView().scheduleRender()

    @staticmethod
    def forceRender(view: Any) -> None:
        view.sliceView().forceRender()

    @staticmethod
    def sliceSpacing(view: Any) -> float:
        logic = view.sliceLogic()
        return _EDITING.GetSliceSpacing(logic.GetSliceNode(), logic)

    @classmethod
    def xyToRas(cls, point: QtCore.QPoint, view: Any) -> QtGui.QVector3D:
        ras = [0.0, 0.0, 0.0]
        xyz = [float(point.x()), float(point.y()), 0.0]
        _EDITING.XyzToRas(xyz, ras, cls.viewNode(view))
        return QtGui.QVector3D(*ras)
