"""Stand-ins of ctk's number widgets: sliders, spin boxes, ranges, coordinates."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .properties import computed, delegated, stored

_STEPS = 1000  # resolution of a drawn slider; the value itself keeps full precision


def row(parent: QtWidgets.QWidget, *widgets: QtWidgets.QWidget) -> QtWidgets.QHBoxLayout:
    """Lay widgets out side by side without margins."""
    layout = QtWidgets.QHBoxLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def slider_position(value: float, low: float, high: float) -> int:
    """Position of a value on a drawn slider."""
    span = high - low
    return round(_STEPS * (value - low) / span) if 0 < span < float("inf") else 0


@standin("ctk")
class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box in a frame; in ctk too it is no QDoubleSpinBox but contains one."""

    valueChanged = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    editingFinished = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._spin = QtWidgets.QDoubleSpinBox()
        row(self, self._spin)
        self._spin.connect("editingFinished()", self.editingFinished.emit)
        self._spin.connect("valueChanged(double)", self.valueChanged.emit)

    value = delegated("value", float, "_spin")
    minimum = delegated("minimum", float, "_spin")
    maximum = delegated("maximum", float, "_spin")
    singleStep = delegated("singleStep", float, "_spin")
    prefix = delegated("prefix", str, "_spin")
    suffix = delegated("suffix", str, "_spin")
    readOnly = delegated("readOnly", bool, "_spin")
    frame = delegated("frame", bool, "_spin")
    cleanText = computed(str, lambda self: self._spin.cleanText)
    decimals = computed(
        int, lambda self: self._spin.decimals, lambda self, value: self.setDecimals(value)
    )

    def setDecimals(self, decimals: int) -> None:
        if decimals != self._spin.decimals:
            self._spin.decimals = decimals
            self.decimalsChanged.emit(decimals)

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def stepUp(self) -> None:
        self._spin.stepUp()

    def stepDown(self) -> None:
        self._spin.stepDown()


class SliderWithSpinBox(QtWidgets.QWidget):
    """What ctkSliderWidget and qMRMLSliderWidget share: a slider and a spin box, one value."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._spin = QtWidgets.QDoubleSpinBox()
        self._spin.setRange(0.0, 99.0)
        row(self, self._slider, self._spin).setStretch(0, 1)
        self._spin.connect("valueChanged(double)", self._on_value)
        self._slider.connect("valueChanged(int)", self._on_slider)

    def _on_value(self, value: float) -> None:
        self._draw()
        self.valueIsChanging.emit(value)
        self.valueChanged.emit(value)

    def _draw(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.value = slider_position(
            self._spin.value, self._spin.minimum, self._spin.maximum
        )
        self._slider.blockSignals(blocked)

    def _on_slider(self, position: int) -> None:
        low, high, step = self._spin.minimum, self._spin.maximum, self._spin.singleStep
        value = low + (high - low) * position / _STEPS
        self._spin.setValue(low + round((value - low) / step) * step if step else value)

    def _set_minimum(self, value: float) -> None:
        self._spin.minimum = value
        self._draw()

    def _set_maximum(self, value: float) -> None:
        self._spin.maximum = value
        self._draw()

    value = delegated("value", float, "_spin")
    minimum = computed(float, lambda self: self._spin.minimum, _set_minimum)
    maximum = computed(float, lambda self: self._spin.maximum, _set_maximum)
    singleStep = delegated("singleStep", float, "_spin")
    pageStep = stored("pageStep", float, 10.0)
    prefix = delegated("prefix", str, "_spin")
    suffix = delegated("suffix", str, "_spin")
    tracking = delegated("tracking", bool, "_slider")
    tickInterval = stored("tickInterval", float, 0.0)
    spinBoxVisible = computed(
        bool,
        lambda self: not self._spin.isHidden(),
        lambda self, visible: self._spin.setVisible(visible),
    )
    decimals = computed(
        int, lambda self: self._spin.decimals, lambda self, value: self.setDecimals(value)
    )

    def setDecimals(self, decimals: int) -> None:
        if decimals != self._spin.decimals:
            self._spin.decimals = decimals
            self.decimalsChanged.emit(decimals)

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin.setVisible(visible)

    def reset(self) -> None:
        self._spin.setValue(0.0)


@standin("ctk")
class ctkSliderWidget(SliderWithSpinBox):
    """Slider and spin box."""


@standin("ctk")
class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider of floating-point values."""

    valueChanged = QtCore.Signal(float)
    sliderMoved = QtCore.Signal(float)
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, *arguments):
        orientation = next((item for item in arguments if isinstance(item, int)), None)
        parent = next((item for item in arguments if isinstance(item, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Vertical if orientation is None else orientation)
        self._slider.setRange(0, _STEPS)
        row(self, self._slider)
        self._slider.connect("valueChanged(int)", self._on_slider)

    def _on_slider(self, position: int) -> None:
        self.value = self.minimum + (self.maximum - self.minimum) * position / _STEPS

    def _draw(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.value = slider_position(self.value, self.minimum, self.maximum)
        self._slider.blockSignals(blocked)

    def _range_changed(self) -> None:
        self.rangeChanged.emit(self.minimum, self.maximum)
        self.setValue(self.value)
        self._draw()

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self.minimum), self.maximum)
        if value != self.value:
            self._value = value
            self._draw()
            self.valueChanged.emit(value)

    value = computed(float, lambda self: self.__dict__.get("_value", 0.0), setValue)
    minimum = stored("minimum", float, 0.0, "_range_changed")
    maximum = stored("maximum", float, 99.0, "_range_changed")
    singleStep = stored("singleStep", float, 1.0)
    pageStep = stored("pageStep", float, 10.0)
    orientation = delegated("orientation", QtCore.Qt.Orientation, "_slider")
    tracking = delegated("tracking", bool, "_slider")


class _Bar(QtWidgets.QWidget):
    """The drawn part of a range: a groove, the chosen span, a handle at each end."""

    def __init__(self, owner: Range):
        super().__init__()
        self._owner = owner
        self.setMinimumSize(40, 16)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        owner, middle = self._owner, self.height // 2
        ends = [
            6 + slider_position(value, owner.minimum, owner.maximum) * (self.width - 12) // _STEPS
            for value in (owner.minimumValue, owner.maximumValue)
        ]
        painter, palette = QtGui.QPainter(self), self.palette
        painter.fillRect(2, middle - 2, self.width - 4, 4, palette.color(QtGui.QPalette.Mid))
        span = QtCore.QRect(ends[0], middle - 2, ends[1] - ends[0], 4)
        painter.fillRect(span, palette.color(QtGui.QPalette.Highlight))
        painter.setPen(palette.color(QtGui.QPalette.Dark))
        painter.setBrush(palette.color(QtGui.QPalette.Button))
        for end in ends:
            painter.drawRect(end - 5, middle - 7, 10, 14)
        painter.end()


class Range(QtWidgets.QWidget):
    """What ctk's and MRML's range widgets share: two spin boxes around a bar."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    rangeChanged = QtCore.Signal(float, float)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(), QtWidgets.QDoubleSpinBox()
        self._values = (0.0, 0.0)
        self._bar = _Bar(self)
        row(self, self._low, self._bar, self._high).setStretch(1, 1)
        self.setRange(0.0, 99.0)
        self.setValues(0.0, 99.0)
        self._low.connect("valueChanged(double)", self._on_value)
        self._high.connect("valueChanged(double)", self._on_value)

    def _on_value(self) -> None:
        """The user changed one end: the other end gives way."""
        low, high = self._low.value, self._high.value
        if low > high:
            end = self._high if self._low.hasFocus() else self._low
            end.setValue(low if end is self._high else high)  # comes back here in order
            return
        self._announce(low, high)

    def _announce(self, low: float, high: float) -> None:
        before, self._values = self._values, (low, high)
        self._bar.update()
        if low != before[0]:
            self.minimumValueChanged.emit(low)
        if high != before[1]:
            self.maximumValueChanged.emit(high)
        if (low, high) != before:
            self.valuesChanged.emit(low, high)

    def setValues(self, low: float, high: float) -> None:
        for spin, value in ((self._low, min(low, high)), (self._high, max(low, high))):
            blocked = spin.blockSignals(True)
            spin.setValue(value)
            spin.blockSignals(blocked)
        self._announce(self._low.value, self._high.value)

    def setRange(self, low: float, high: float) -> None:
        for spin in (self._low, self._high):
            blocked = spin.blockSignals(True)
            spin.setRange(low, high)
            spin.blockSignals(blocked)
        self.rangeChanged.emit(self.minimum, self.maximum)
        self._announce(self._low.value, self._high.value)

    def _set_step(self, value: float) -> None:
        self._low.singleStep = self._high.singleStep = value

    def setDecimals(self, value: int) -> None:
        self._low.decimals = self._high.decimals = value

    def _set_suffix(self, value: str) -> None:
        self._low.suffix = self._high.suffix = value

    def _set_prefix(self, value: str) -> None:
        self._low.prefix = self._high.prefix = value

    def setMinimumValue(self, value: float) -> None:
        self.setValues(value, max(value, self._high.value))

    def setMaximumValue(self, value: float) -> None:
        self.setValues(min(value, self._low.value), value)

    def _set_minimum(self, value: float) -> None:
        self.setRange(value, max(value, self._low.maximum))

    def _set_maximum(self, value: float) -> None:
        self.setRange(min(value, self._low.minimum), value)

    minimumValue = computed(float, lambda self: self._low.value, setMinimumValue)
    maximumValue = computed(float, lambda self: self._high.value, setMaximumValue)
    minimum = computed(float, lambda self: self._low.minimum, _set_minimum)
    maximum = computed(float, lambda self: self._low.maximum, _set_maximum)
    singleStep = computed(float, lambda self: self._low.singleStep, _set_step)
    decimals = computed(int, lambda self: self._low.decimals, setDecimals)
    suffix = computed(str, lambda self: self._low.suffix, _set_suffix)
    prefix = computed(str, lambda self: self._low.prefix, _set_prefix)
    tracking = stored("tracking", bool, True)


class RangeWithSpinBoxes(Range):
    """What ctkRangeWidget and qMRMLRangeWidget share: the signals of a drag."""

    minimumValueIsChanging = QtCore.Signal(float)
    maximumValueIsChanging = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self.connect("minimumValueChanged(double)", self.minimumValueIsChanging.emit)
        self.connect("maximumValueChanged(double)", self.maximumValueIsChanging.emit)


@standin("ctk")
class ctkRangeWidget(RangeWithSpinBoxes):
    """Two values between bounds."""


@standin("ctk")
class ctkDoubleRangeSlider(Range):
    """Two values between bounds, without numbers."""

    def __init__(self, *arguments):
        super().__init__(next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None))
        self._low.hide()
        self._high.hide()


class Coordinates(QtWidgets.QWidget):
    """What ctk's and MRML's coordinate widgets share: n numbers, (0, 0, 0) at first."""

    coordinatesChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._row = row(self)
        self._spins: list[QtWidgets.QDoubleSpinBox] = []
        self._resize(3)

    def _resize(self, dimension: int) -> None:
        while len(self._spins) > dimension:
            self._spins.pop().deleteLater()
        while len(self._spins) < dimension:
            spin = QtWidgets.QDoubleSpinBox()
            spin.setRange(-1e5, 1e5)
            spin.connect("valueChanged(double)", self._on_value)
            self._row.addWidget(spin)
            self._spins.append(spin)

    def _on_value(self) -> None:
        self.coordinatesChanged.emit(None)

    def _set_text(self, text: str) -> None:
        self.setCoordinates(*(float(item) for item in text.split(",")))

    def setCoordinates(self, *values: float) -> None:
        numbers = values[0] if len(values) == 1 else values
        before = self.coordinates
        for spin, value in zip(self._spins, numbers, strict=True):
            blocked = spin.blockSignals(True)
            spin.setValue(value)
            spin.blockSignals(blocked)
        if self.coordinates != before:
            self._on_value()

    def _each(self, name: str, value: float) -> None:
        for spin in self._spins:
            setattr(spin, name, value)

    coordinates = computed(
        str, lambda self: ",".join(f"{spin.value:g}" for spin in self._spins), _set_text
    )
    dimension = computed(
        int, lambda self: len(self._spins), lambda self, value: self._resize(value)
    )
    decimals = computed(
        int, lambda self: self._spins[0].decimals, lambda self, v: self._each("decimals", v)
    )
    minimum = computed(
        float, lambda self: self._spins[0].minimum, lambda self, v: self._each("minimum", v)
    )
    maximum = computed(
        float, lambda self: self._spins[0].maximum, lambda self, v: self._each("maximum", v)
    )
    singleStep = computed(
        float, lambda self: self._spins[0].singleStep, lambda self, v: self._each("singleStep", v)
    )


@standin("ctk")
class ctkCoordinatesWidget(Coordinates):
    """Point or vector."""
