"""Stand-ins of segmentation widgets: they list the real segments of the scene's segmentations."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .properties import computed, stored
from .qmrml_nodes import Observers, qMRMLNodeComboBox, qMRMLWidget


def _segment_events() -> tuple[int, ...]:
    segmentation = slicer.vtkSegmentation
    return (segmentation.SegmentAdded, segmentation.SegmentRemoved, segmentation.SegmentModified)


def segments_of(node: Any) -> list[tuple[str, str, QtGui.QColor]]:
    """(ID, name, colour) of each segment of a segmentation node or None."""
    segmentation = node.GetSegmentation() if node is not None else None
    count = segmentation.GetNumberOfSegments() if segmentation is not None else 0
    found = []
    for index in range(count):
        segment = segmentation.GetNthSegment(index)
        colour = QtGui.QColor.fromRgbF(*segment.GetColor())
        found.append((segmentation.GetNthSegmentID(index), segment.GetName(), colour))
    return found


def _icon(colour: QtGui.QColor) -> QtGui.QIcon:
    pixmap = QtGui.QPixmap(12, 12)
    pixmap.fill(colour)
    return QtGui.QIcon(pixmap)


class _SegmentList(qMRMLWidget):
    """What the widgets share: a segmentation node and its segments, kept up to date."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self._observers = Observers(self)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)

    def _watch(self, node: Any) -> None:
        self._observers.clear()
        self._node = node
        if node is not None:
            for event in _segment_events():
                self._observers.add(node.GetSegmentation(), event, "_populate")
        self._populate()


@standin("slicer")
class qMRMLSegmentSelectorWidget(_SegmentList):
    """A segmentation selector with a selector of its segments below or beside it."""

    currentNodeChanged = QtCore.Signal(object)
    currentSegmentChanged = QtCore.Signal(str)
    segmentSelectionChanged = QtCore.Signal("QStringList")

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._nodes = qMRMLNodeComboBox()
        self._nodes.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._nodes.addEnabled = self._nodes.removeEnabled = False
        self._segments = QtWidgets.QComboBox()
        self._checks = QtWidgets.QListWidget()
        self._checks.hide()
        self._checks.setMaximumHeight(90)
        for widget in (self._nodes, self._segments, self._checks):
            self.layout().addWidget(widget)
        self._shown: str = ""
        self._nodes.connect("currentNodeChanged(vtkMRMLNode*)", self._on_node)
        self._segments.connect("currentIndexChanged(int)", self._on_segment)
        self._checks.connect("itemChanged(QListWidgetItem*)", self._on_checked)

    def _on_node(self, node: Any) -> None:
        self._watch(node)
        self.currentNodeChanged.emit(node)

    def _populate(self) -> None:
        segments, checked = segments_of(self._node), set(self.selectedSegmentIDs())
        blocked = self._segments.blockSignals(True), self._checks.blockSignals(True)
        self._segments.clear()
        self._checks.clear()
        if self.noneEnabled:
            self._segments.addItem("None", "")
        for segment_id, name, colour in segments:
            self._segments.addItem(_icon(colour), name, segment_id)
            item = QtWidgets.QListWidgetItem(_icon(colour), name)
            item.setData(QtCore.Qt.UserRole, segment_id)
            item.setCheckState(QtCore.Qt.Checked if segment_id in checked else QtCore.Qt.Unchecked)
            self._checks.addItem(item)
        index = self._segments.findData(self._shown) if self._shown else -1
        self._segments.setCurrentIndex(index if index >= 0 else 0)
        self._segments.blockSignals(blocked[0])
        self._checks.blockSignals(blocked[1])
        self._on_segment()

    def _on_segment(self) -> None:
        if self.currentSegmentID() != self._shown:
            self._shown = self.currentSegmentID()
            self.currentSegmentChanged.emit(self._shown)

    def _on_checked(self) -> None:
        self.segmentSelectionChanged.emit(list(self.selectedSegmentIDs()))

    def _layout_changed(self) -> None:
        self._segments.setVisible(not self.multiSelection)
        self._checks.setVisible(self.multiSelection)
        self.layout().setDirection(
            QtWidgets.QBoxLayout.LeftToRight
            if self.horizontalLayout
            else QtWidgets.QBoxLayout.TopToBottom
        )

    multiSelection = stored("multiSelection", bool, False, "_layout_changed")
    horizontalLayout = stored("horizontalLayout", bool, False, "_layout_changed")
    noneEnabled = stored("noneEnabled", bool, False, "_populate")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, True)
    editEnabled = stored("editEnabled", bool, False)
    segmentationNodeSelectorVisible = computed(
        bool, lambda self: not self._nodes.isHidden(), lambda self, v: self._nodes.setVisible(v)
    )

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._nodes.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._nodes.setCurrentNodeID(node_id)

    def currentSegmentID(self) -> str:
        return self._segments.currentData or ""

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._segments.setCurrentIndex(self._segments.findData(segment_id))

    def segmentIDs(self) -> tuple[str, ...]:
        return tuple(segment[0] for segment in segments_of(self._node))

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        items = [self._checks.item(row) for row in range(self._checks.count)]
        checked = [item for item in items if item.checkState() == QtCore.Qt.Checked]
        return tuple(item.data(QtCore.Qt.UserRole) for item in checked)

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        for row in range(self._checks.count):
            item = self._checks.item(row)
            wanted = item.data(QtCore.Qt.UserRole) in segment_ids
            item.setCheckState(QtCore.Qt.Checked if wanted else QtCore.Qt.Unchecked)


@standin("slicer")
class qMRMLSegmentsTableView(_SegmentList):
    """A table of segments: visibility, colour, name."""

    selectionChanged = QtCore.Signal(QtCore.QItemSelection, QtCore.QItemSelection)
    segmentAboutToBeModified = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._table = QtWidgets.QTableWidget(0, 2)
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.verticalHeader().hide()
        self._table.setColumnWidth(0, 28)
        self._table.setSelectionBehavior(QtWidgets.QTableWidget.SelectRows)
        self._table.setMinimumHeight(110)
        self.layout().addWidget(self._table)
        selection = self._table.selectionModel()
        selection.connect(
            "selectionChanged(QItemSelection,QItemSelection)", self.selectionChanged.emit
        )

    def _populate(self) -> None:
        segments, chosen = segments_of(self._node), self.selectedSegmentIDs()
        self._table.setRowCount(len(segments))
        for row, (segment_id, name, colour) in enumerate(segments):
            for column, item in enumerate(
                (QtWidgets.QTableWidgetItem(_icon(colour), ""), QtWidgets.QTableWidgetItem(name))
            ):
                item.setData(QtCore.Qt.UserRole, segment_id)
                self._table.setItem(row, column, item)
        self.setSelectedSegmentIDs(chosen)

    headerVisible = computed(
        bool,
        lambda self: not self._table.horizontalHeader().isHidden(),
        lambda self, visible: self._table.horizontalHeader().setVisible(visible),
    )
    readOnly = stored("readOnly", bool, False)
    visibilityColumnVisible = stored("visibilityColumnVisible", bool, True)
    colorColumnVisible = stored("colorColumnVisible", bool, True)
    opacityColumnVisible = stored("opacityColumnVisible", bool, False)
    selectionMode = computed(
        int,
        lambda self: int(self._table.selectionMode),
        lambda self, mode: self.setSelectionMode(mode),
    )
    segmentCount = computed(int, lambda self: self._table.rowCount)

    def setSelectionMode(self, mode: int) -> None:
        self._table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode(mode))

    def setSegmentationNode(self, node: Any) -> None:
        self._watch(node)

    def segmentationNode(self) -> Any:
        return self._node

    def rowForSegmentID(self, segment_id: str) -> int:
        rows = range(self._table.rowCount)
        return next((row for row in rows if self.segmentIDForRow(row) == segment_id), -1)

    def segmentIDForRow(self, row: int) -> str:
        return self._table.item(row, 0).data(QtCore.Qt.UserRole)

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return tuple(self.segmentIDForRow(row) for row in rows)

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        self._table.clearSelection()
        model, flags = self._table.model(), QtCore.QItemSelectionModel
        for segment_id in segment_ids:
            row = self.rowForSegmentID(segment_id)
            if row >= 0:
                self._table.selectionModel().select(model.index(row, 0), flags.Select | flags.Rows)

    def clearSelection(self) -> None:
        self._table.clearSelection()


@standin("slicer")
class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Show 3D: makes the closed surface of the segmentation and shows it."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self.setText("Show 3D")
        self.setCheckable(True)
        self.connect("toggled(bool)", self._on_toggled)

    def _on_toggled(self, shown: bool) -> None:
        if self._node is not None:
            if shown:
                self._node.CreateClosedSurfaceRepresentation()
            else:
                self._node.RemoveClosedSurfaceRepresentation()

    def setSegmentationNode(self, node: Any) -> None:
        self._node = node

    def segmentationNode(self) -> Any:
        return self._node
