"""Stand-ins of widgets that show or edit other nodes: markups, sequences, tables, hierarchy."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .classes import standin
from .ctk_values import ctkRangeWidget, row
from .ctk_widgets import ctkCollapsibleButton
from .properties import computed, stored
from .qmrml_nodes import Observers, qMRMLNodeComboBox, qMRMLWidget


@standin("slicer")
class qSlicerWidget(qMRMLWidget):
    """A widget with a scene."""


@standin("slicer")
class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """A collapsible button with a scene."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)


@standin("slicer")
class qMRMLColorTableComboBox(qMRMLNodeComboBox):
    """A selector of colour tables."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.nodeTypes = ["vtkMRMLColorNode"]
        self.showHidden = True
        self.addEnabled = self.removeEnabled = False


@standin("slicer")
class qSlicerMarkupsPlaceWidget(qMRMLWidget):
    """Place button and delete button of a markups node."""

    activeMarkupsPlaceModeChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self._place, self._delete = QtWidgets.QToolButton(), QtWidgets.QToolButton()
        self._place.setText("Place")
        self._place.setCheckable(True)
        self._delete.setText("Delete")
        row(self, self._place, self._delete).addStretch(1)
        self._place.connect("toggled(bool)", self._on_place)
        self._delete.connect("clicked()", self.deleteLastPoint)

    def _on_place(self, placing: bool) -> None:
        selection, interaction = self.selectionNode(), self.interactionNode()
        if self._node is not None and selection is not None:
            selection.SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            selection.SetActivePlaceNodeID(self._node.GetID())
        if interaction is not None:
            interaction.SetPlaceModePersistence(self.placeModePersistency)
            mode = interaction.Place if placing else interaction.ViewTransform
            interaction.SetCurrentInteractionMode(mode)
        self.activeMarkupsPlaceModeChanged.emit(placing)

    def setCurrentNode(self, node: Any) -> None:
        self._node = node
        self._place.enabled = self._delete.enabled = node is not None

    def currentNode(self) -> Any:
        return self._node

    def selectionNode(self) -> Any:
        return slicer.app.applicationLogic().GetSelectionNode()

    def interactionNode(self) -> Any:
        return slicer.app.applicationLogic().GetInteractionNode()

    def placeButton(self) -> QtWidgets.QToolButton:
        return self._place

    def deleteButton(self) -> QtWidgets.QToolButton:
        return self._delete

    def setPlaceModeEnabled(self, placing: bool) -> None:
        self._place.setChecked(placing)

    def setPlaceModePersistency(self, persistent: bool) -> None:
        self.placeModePersistency = persistent

    def deleteLastPoint(self) -> None:
        if self._node is not None and self._node.GetNumberOfControlPoints() > 0:
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def deleteAllPoints(self) -> None:
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    placeModeEnabled = computed(bool, lambda self: self._place.checked, setPlaceModeEnabled)
    placeModePersistency = stored("placeModePersistency", bool, False)
    buttonsVisible = stored("buttonsVisible", bool, True)
    deleteAllControlPointsOptionVisible = stored("deleteAllControlPointsOptionVisible", bool, True)


@standin("slicer")
class qSlicerSimpleMarkupsWidget(qMRMLWidget):
    """A markups selector, a place button and a table of the control points."""

    markupsNodeChanged = QtCore.Signal()
    updateFinished = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._selector = qMRMLNodeComboBox()
        self._selector.nodeTypes = ["vtkMRMLMarkupsFiducialNode"]
        self._selector.noneEnabled = True
        self._place = qSlicerMarkupsPlaceWidget()
        self._table = QtWidgets.QTableWidget(0, 4)
        self._table.setHorizontalHeaderLabels(["Label", "R", "A", "S"])
        self._table.setMinimumHeight(90)
        self._table.horizontalHeader().setSectionResizeMode(QtWidgets.QHeaderView.Stretch)
        self._observers = Observers(self)
        self._top = QtWidgets.QWidget()
        row(self._top, self._selector, self._place).setStretch(0, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._top)
        column.addWidget(self._table)
        self._selector.connect("currentNodeChanged(vtkMRMLNode*)", self._on_node)

    def _on_node(self, node: Any) -> None:
        self._observers.clear()
        if node is not None:
            self._observers.add(node, "ModifiedEvent", "_fill")
            for event in (node.PointAddedEvent, node.PointRemovedEvent, node.PointModifiedEvent):
                self._observers.add(node, event, "_fill")
        self._place.setCurrentNode(node)
        self._fill()
        self.markupsNodeChanged.emit()

    def _fill(self) -> None:
        node = self._selector.currentNode()
        count = node.GetNumberOfControlPoints() if node is not None else 0
        self._table.setRowCount(count)
        for index in range(count):
            position = node.GetNthControlPointPosition(index)
            texts = [node.GetNthControlPointLabel(index), *(f"{x:.3f}" for x in position)]
            for column, text in enumerate(texts):
                self._table.setItem(index, column, QtWidgets.QTableWidgetItem(text))
        self.updateFinished.emit()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._selector.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._selector.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        self._selector.setCurrentNode(node)

    def setNodeBaseName(self, name: str) -> None:
        self._selector.baseName = name

    def markupsPlaceWidget(self) -> qSlicerMarkupsPlaceWidget:
        return self._place

    def markupsSelectorComboBox(self) -> qMRMLNodeComboBox:
        return self._selector

    def tableWidget(self) -> QtWidgets.QTableWidget:
        return self._table

    def setNodeSelectorVisible(self, visible: bool) -> None:
        self._selector.setVisible(visible)

    nodeSelectorVisible = computed(
        bool, lambda self: not self._selector.isHidden(), setNodeSelectorVisible
    )


class _Browser(qMRMLWidget):
    """A widget bound to a sequence browser node."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._browser: Any = None
        self._observers = Observers(self)

    def setMRMLSequenceBrowserNode(self, node: Any) -> None:
        self._observers.clear()
        self._browser = node
        if node is not None:
            self._observers.add(node, "ModifiedEvent", "_update")
        self._update()

    def _count(self) -> int:
        return self._browser.GetNumberOfItems() if self._browser is not None else 0


@standin("slicer")
class qMRMLSequenceBrowserSeekWidget(_Browser):
    """A slider over the items of a sequence, with the index value as text."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slider, self._label = QtWidgets.QSlider(QtCore.Qt.Horizontal), QtWidgets.QLabel("")
        row(self, self._slider, self._label).setStretch(0, 1)
        self._slider.connect("valueChanged(int)", self.setSelectedItemNumber)
        self._update()

    def _update(self) -> None:
        count = self._count()
        self.enabled = count > 0
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, count - 1))
        if count:
            self._slider.setValue(max(0, self._browser.GetSelectedItemNumber()))
        self._slider.blockSignals(blocked)
        self._label.text = f"{self._slider.value + 1} / {count}" if count else ""

    def setSelectedItemNumber(self, index: int) -> None:
        if self._browser is not None:
            self._browser.SetSelectedItemNumber(index)

    def slider(self) -> QtWidgets.QSlider:
        return self._slider


@standin("slicer")
class qMRMLSequenceBrowserPlayWidget(_Browser):
    """First, previous, play, next, last."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        style, icons = self.style(), QtWidgets.QStyle
        layout = row(self)
        for icon, slot in (
            (icons.SP_MediaSkipBackward, self.onVcrFirst),
            (icons.SP_MediaSeekBackward, self.onVcrPrevious),
            (icons.SP_MediaPlay, self.onVcrPlayPause),
            (icons.SP_MediaSeekForward, self.onVcrNext),
            (icons.SP_MediaSkipForward, self.onVcrLast),
        ):
            button = QtWidgets.QToolButton()
            button.setIcon(style.standardIcon(icon))
            button.connect("clicked()", slot)
            layout.addWidget(button)
        layout.addStretch(1)
        self._timer = QtCore.QTimer(self)
        self._timer.connect("timeout()", self.onVcrNext)
        self._update()

    def _update(self) -> None:
        self.enabled = self._count() > 0
        active = self._browser is not None and bool(self._browser.GetPlaybackActive())
        if active and not self._timer.isActive():
            self._timer.start(round(1000 / self._browser.GetPlaybackRateFps()))
        elif not active:
            self._timer.stop()

    def _select(self, index: int) -> None:
        if self._count():
            last = self._count() - 1
            if index > last and self._browser.GetPlaybackLooped():
                index = 0
            self._browser.SetSelectedItemNumber(min(max(index, 0), last))

    def _selected(self) -> int:
        return self._browser.GetSelectedItemNumber() if self._browser is not None else 0

    def onVcrFirst(self) -> None:
        self._select(0)

    def onVcrPrevious(self) -> None:
        self._select(self._selected() - 1)

    def onVcrNext(self) -> None:
        self._select(self._selected() + 1)

    def onVcrLast(self) -> None:
        self._select(self._count() - 1)

    def onVcrPlayPause(self) -> None:
        if self._browser is not None:
            self._browser.SetPlaybackActive(not self._browser.GetPlaybackActive())

    def setPlaybackEnabled(self, play: bool) -> None:
        self._browser.SetPlaybackActive(play)

    def setPlaybackRateFps(self, rate: float) -> None:
        self._browser.SetPlaybackRateFps(rate)

    def setPlaybackLoopEnabled(self, loop: bool) -> None:
        self._browser.SetPlaybackLooped(loop)


@standin("slicer")
class qMRMLSubjectHierarchyComboBox(QtWidgets.QComboBox):
    """A selector of subject hierarchy items, listed with their level as indentation."""

    currentItemChanged = QtCore.Signal(int)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: Any = None
        self._observers = Observers(self)
        self._item = 0
        self.connect("currentIndexChanged(int)", self._on_index)

    nodeTypes = stored("nodeTypes", "QStringList", [], "_refresh")
    noneEnabled = stored("noneEnabled", bool, False, "_refresh")
    noneDisplay = stored("noneDisplay", str, "None", "_refresh")

    def setMRMLScene(self, scene: Any) -> None:
        self._observers.clear()
        self._scene = scene
        if scene is not None:
            hierarchy = self._hierarchy()
            for event in ("SubjectHierarchyItemAddedEvent", "SubjectHierarchyItemRemovedEvent"):
                self._observers.add(hierarchy, getattr(hierarchy, event), "_refresh")
            self._observers.add(scene, scene.EndCloseEvent, "_refresh")
        self._refresh()

    def mrmlScene(self) -> Any:
        return self._scene

    def _hierarchy(self) -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def _items(self) -> list[int]:
        import vtk

        hierarchy, ids = self._hierarchy(), vtk.vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), ids, True)
        items = [ids.GetId(index) for index in range(ids.GetNumberOfIds())]
        nodes = {item: hierarchy.GetItemDataNode(item) for item in items}
        return [
            item
            for item in items
            if not self.nodeTypes
            or (nodes[item] and any(nodes[item].IsA(kind) for kind in self.nodeTypes))
        ]

    def _refresh(self) -> None:
        items = self._items() if self._scene is not None else []
        blocked = self.blockSignals(True)
        self.clear()
        if self.noneEnabled:
            self.addItem(self.noneDisplay, 0)
        for item in items:
            level = self._hierarchy().GetItemLevel(item) or ""
            self.addItem(f"{self._hierarchy().GetItemName(item)} {level}".rstrip(), item)
        index = self.findData(self._item)
        self.setCurrentIndex(index if index >= 0 else 0)
        self.blockSignals(blocked)
        self._on_index()

    def _on_index(self) -> None:
        item = self.currentData or 0
        if item != self._item:
            self._item = item
            self.currentItemChanged.emit(item)

    def currentItem(self) -> int:
        return self._item

    def setCurrentItem(self, item: int) -> None:
        self.setCurrentIndex(self.findData(item))

    def currentNode(self) -> Any:
        return self._hierarchy().GetItemDataNode(self._item) if self._item else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentItem(self._hierarchy().GetItemByDataNode(node))

    def clearSelection(self) -> None:
        self.setCurrentIndex(0 if self.noneEnabled else -1)


@standin("slicer")
class qMRMLWindowLevelWidget(QtWidgets.QWidget):
    """Window and level of a volume's display, as a range."""

    windowLevelValuesChanged = QtCore.Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self._range = ctkRangeWidget()
        row(self, self._range)
        self._range.connect("valuesChanged(double,double)", self._on_values)

    def _on_values(self, low: float, high: float) -> None:
        display = self._node.GetDisplayNode() if self._node is not None else None
        if display is not None:
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(high - low, (low + high) / 2)
        self.windowLevelValuesChanged.emit(self.window, self.level)

    def setMRMLVolumeNode(self, node: Any) -> None:
        self._node = node
        display = node.GetDisplayNode() if node is not None else None
        if display is not None and node.GetImageData() is not None:
            self._range.setRange(*node.GetImageData().GetScalarRange())
            self.setWindowLevel(display.GetWindow(), display.GetLevel())

    def mrmlVolumeNode(self) -> Any:
        return self._node

    def setWindowLevel(self, window: float, level: float) -> None:
        self._range.setValues(level - window / 2, level + window / 2)

    def setMinMaxRangeValue(self, low: float, high: float) -> None:
        self._range.setValues(low, high)

    window = computed(
        float,
        lambda self: self._range.maximumValue - self._range.minimumValue,
        lambda self, value: self.setWindowLevel(value, self.level),
    )
    level = computed(
        float,
        lambda self: (self._range.maximumValue + self._range.minimumValue) / 2,
        lambda self, value: self.setWindowLevel(self.window, value),
    )
