"""Stand-ins of MRML's number widgets; the quantity's unit node gives no suffix here."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from .classes import standin
from .ctk_values import (
    Coordinates,
    RangeWithSpinBoxes,
    SliderWithSpinBox,
    ctkDoubleSpinBox,
    ctkRangeWidget,
)
from .properties import computed, stored


class _WithScene:
    """Widgets that take a scene for its units."""

    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlScene(self) -> Any:
        return self._scene

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity


@standin("slicer")
class qMRMLSliderWidget(_WithScene, SliderWithSpinBox):
    """Slider and spin box with a unit."""

    quantity = stored("quantity", str, "")


@standin("slicer")
class qMRMLSpinBox(_WithScene, ctkDoubleSpinBox):
    """Spin box with a unit."""

    quantity = stored("quantity", str, "")


@standin("slicer")
class qMRMLRangeWidget(_WithScene, RangeWithSpinBoxes):
    """Two values with a unit."""

    quantity = stored("quantity", str, "")


@standin("slicer")
class qMRMLCoordinatesWidget(_WithScene, Coordinates):
    """Coordinates with a unit."""

    quantity = stored("quantity", str, "")


@standin("slicer")
class qMRMLVolumeThresholdWidget(QtWidgets.QWidget):
    """Lower and upper display threshold of a volume."""

    thresholdValuesChanged = QtCore.Signal(float, float)
    autoThresholdValueChanged = QtCore.Signal(int)
    Auto, Manual, Off = 0, 1, 2

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self._mode = QtWidgets.QComboBox()
        self._mode.addItems(["Auto", "Manual", "Off"])
        self._mode.currentIndex = self.Off
        self._range = ctkRangeWidget()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._mode)
        layout.addWidget(self._range)
        self._range.connect("valuesChanged(double,double)", self._on_values)
        self._mode.connect("currentIndexChanged(int)", self._on_mode)

    def _display(self) -> Any:
        return self._node.GetDisplayNode() if self._node is not None else None

    def _on_values(self, low: float, high: float) -> None:
        display = self._display()
        if display is not None:
            display.SetThreshold(low, high)
        self.thresholdValuesChanged.emit(low, high)

    def _on_mode(self, mode: int) -> None:
        display = self._display()
        if display is not None:
            display.SetAutoThreshold(mode == self.Auto)
            display.SetApplyThreshold(mode != self.Off)
        self.autoThresholdValueChanged.emit(mode)

    def setMRMLVolumeNode(self, node: Any) -> None:
        self._node = node
        if node is not None and node.GetImageData() is not None:
            low, high = node.GetImageData().GetScalarRange()
            self._range.setRange(low, high)
            self._range.setValues(low, high)

    def mrmlVolumeNode(self) -> Any:
        return self._node

    def setThreshold(self, low: float, high: float) -> None:
        self._range.setValues(low, high)

    def setThresholdBounds(self, low: float, high: float) -> None:
        self._range.setRange(low, high)

    def setAutoThreshold(self, mode: int) -> None:
        self._mode.currentIndex = mode

    def setLowerThreshold(self, value: float) -> None:
        self._range.setMinimumValue(value)

    def setUpperThreshold(self, value: float) -> None:
        self._range.setMaximumValue(value)

    lowerThreshold = computed(float, lambda self: self._range.minimumValue, setLowerThreshold)
    upperThreshold = computed(float, lambda self: self._range.maximumValue, setUpperThreshold)
    autoThreshold = computed(int, lambda self: self._mode.currentIndex, setAutoThreshold)
