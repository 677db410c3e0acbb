"""The widgets of the segment editor, in Slicer's order."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from .qmrml_nodes import qMRMLNodeComboBox, qMRMLWidget
from .qmrml_segments import qMRMLSegmentationShow3DButton, qMRMLSegmentsTableView


class SegmentEditorPanel(qMRMLWidget):
    """Builds the panel; the subclass has what its widgets are connected to."""

    setSegmentationNode: Any
    setSourceVolumeNode: Any
    onAddSegment: Any
    onRemoveSegment: Any
    _on_selection_changed: Any
    undo: Any
    redo: Any
    onMaskModeChanged: Any
    onOverwriteModeChanged: Any

    def _build(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        form = QtWidgets.QFormLayout()
        column.addLayout(form)
        self._segmentations, self._volumes = qMRMLNodeComboBox(), qMRMLNodeComboBox()
        self._segmentations.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._segmentations.noneEnabled = True
        self._volumes.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self._volumes.noneEnabled, self._volumes.addEnabled = True, False
        self._rows = [QtWidgets.QLabel("Segmentation:"), QtWidgets.QLabel("Source volume:")]
        for label, combo in zip(self._rows, (self._segmentations, self._volumes), strict=True):
            form.addRow(label, combo)
        self._segmentations.connect("currentNodeChanged(vtkMRMLNode*)", self.setSegmentationNode)
        self._volumes.connect("currentNodeChanged(vtkMRMLNode*)", self.setSourceVolumeNode)
        line = QtWidgets.QHBoxLayout()
        column.addLayout(line)
        self._add, self._remove = QtWidgets.QPushButton("Add"), QtWidgets.QPushButton("Remove")
        self._show3d = qMRMLSegmentationShow3DButton()
        for widget in (self._add, self._remove, self._show3d):
            line.addWidget(widget)
        self._add.connect("clicked()", self.onAddSegment)
        self._remove.connect("clicked()", self.onRemoveSegment)
        self._table = qMRMLSegmentsTableView()
        column.addWidget(self._table)
        self._table.connect(
            "selectionChanged(QItemSelection,QItemSelection)", self._on_selection_changed
        )
        self._effect_box = QtWidgets.QGroupBox("Effects")
        QtWidgets.QGridLayout(self._effect_box)
        self._undo, self._redo = QtWidgets.QToolButton(), QtWidgets.QToolButton()
        for button, text, act in ((self._undo, "Undo", self.undo), (self._redo, "Redo", self.redo)):
            button.setText(text)
            button.connect("clicked()", act)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(self._effect_box)
        line.addWidget(self._undo)
        line.addWidget(self._redo)
        column.addLayout(line)
        self._options_box = QtWidgets.QGroupBox()
        self._options = QtWidgets.QVBoxLayout(self._options_box)
        self._help = QtWidgets.QLabel()
        self._help.setWordWrap(True)
        self._options.addWidget(self._help)
        column.addWidget(self._options_box)
        self._masking_box = QtWidgets.QGroupBox("Masking")
        masking = QtWidgets.QFormLayout(self._masking_box)
        self._mask, self._overwrite = QtWidgets.QComboBox(), QtWidgets.QComboBox()
        masking.addRow("Editable area:", self._mask)
        masking.addRow("Modify other segments:", self._overwrite)
        self._overwrite.addItems(["Overwrite all", "Overwrite visible", "Allow overlap"])
        self._mask.connect("currentIndexChanged(int)", self.onMaskModeChanged)
        self._overwrite.connect("currentIndexChanged(int)", self.onOverwriteModeChanged)
        column.addWidget(self._masking_box)
        for box in (self._options_box, self._masking_box):
            box.hide()
