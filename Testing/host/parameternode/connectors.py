"""Bindings of a widget to a parameter, by the exact type of the widget, as in Slicer."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from .annotations import (
    Choice,
    Decimals,
    Default,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from .packs import FloatRange


class GuiConnector:
    """Reads and writes the value of one widget and tells when the user changed it."""

    def __init__(self) -> None:
        self._callback: Callable[[], None] | None = None

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Set what is called on a change; None ends it."""
        if self._callback is not None:
            self._disconnect()
        self._callback = callback
        if callback is not None:
            self._connect()

    def changed(self) -> None:
        """Called by the widget's signal."""
        if self._callback is not None:
            self._callback()

    def _connect(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _connect")

    def _disconnect(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _disconnect")

    def widget(self) -> Any:
        """The widget."""
        raise NotImplementedError(f"{type(self).__name__} must define widget")

    def read(self) -> Any:
        """Value shown by the widget."""
        raise NotImplementedError(f"{type(self).__name__} must define read")

    def write(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError(f"{type(self).__name__} must define write")


class Binding(GuiConnector):
    """A connector made of functions: `read(widget)`, `write(widget, value)` and a signal."""

    def __init__(self, widget: Any, signal: str, read: Callable, write: Callable):
        super().__init__()
        self._widget = widget
        self._signal = signal
        self._read = read
        self._write = write

    def widget(self) -> Any:
        return self._widget

    def read(self) -> Any:
        return self._read(self._widget)

    def write(self, value: Any) -> None:
        self._write(self._widget, value)

    def _connect(self) -> None:
        if self._signal:
            self._widget.connect(self._signal, self.changed)

    def _disconnect(self) -> None:
        if self._signal:
            self._widget.disconnect(self._signal, self.changed)


def isNodeOrUnionOfNodes(datatype: Any) -> bool:
    """Whether a type is a MRML node class or a union of such classes and None."""
    kind = unannotatedType(datatype)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [unannotatedType(item) for item in typing.get_args(kind)]
        nodes = [item for item in members if item is not type(None)]
        return bool(nodes) and all(isNodeOrUnionOfNodes(item) for item in nodes)
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def getNodeTypes(datatype: Any) -> tuple[str, ...]:
    """Class names of a node type or of a union of node types."""
    if not isNodeOrUnionOfNodes(datatype):
        raise TypeError(f"{datatype} is no MRML node type")
    kind = unannotatedType(datatype)
    members = [unannotatedType(item) for item in typing.get_args(kind)] or [kind]
    return tuple(item.__name__ for item in members if item is not type(None))


def _set(name: str) -> Callable[[Any, Any], None]:
    return lambda widget, value: setattr(widget, name, value)


def _get(name: str, kind: Callable = lambda value: value) -> Callable[[Any], Any]:
    return lambda widget: kind(getattr(widget, name))


def _bounds(annotations: Any) -> tuple[float | None, float | None]:
    within = findFirstAnnotation(annotations, WithinRange)
    if within is not None:
        return within.minimum, within.maximum
    low = findFirstAnnotation(annotations, Minimum)
    high = findFirstAnnotation(annotations, Maximum)
    return (low.minimum if low else None), (high.maximum if high else None)


def _number(widget: Any, kind: Any, annotations: Any) -> Binding:
    """Sliders and spin boxes; range, step and decimals come from the annotations."""
    integer_widget = type(widget) in (qt.QSlider, qt.QSpinBox)
    low, high = _bounds(annotations)
    needs_bounds = (qt.QSlider, ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
    if type(widget) in needs_bounds and None in (low, high):
        raise RuntimeError(f"{type(widget).__name__} needs a WithinRange annotation")
    if not integer_widget and type(widget) is not ctk.ctkDoubleSlider:
        decimals = findFirstAnnotation(annotations, Decimals)
        if kind is int:
            widget.decimals = 0
        elif decimals is not None:
            widget.decimals = decimals.value
    step = findFirstAnnotation(annotations, SingleStep)
    if step is not None:
        widget.singleStep = step.value
    open_low, open_high = (-(2**31), 2**31 - 1) if integer_widget else (-1e308, 1e308)
    widget.minimum = open_low if low is None else low
    widget.maximum = open_high if high is None else high
    signal = "valueChanged(int)" if integer_widget else "valueChanged(double)"
    return Binding(widget, signal, _get("value", kind), _set("value"))


def _choice(widget: Any, values: list[Any], labels: list[str]) -> Binding:
    widget.clear()
    widget.addItems(labels)

    def write(combo: Any, value: Any) -> None:
        if value not in values:
            raise ValueError(f"value must be one of {values}, got {value!r}")
        combo.currentIndex = values.index(value)

    return Binding(
        widget, "currentIndexChanged(int)", lambda combo: values[combo.currentIndex], write
    )


def _combo(widget: Any, kind: Any, annotations: Any) -> Binding:
    if issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda item: item.name)
        return _choice(widget, list(kind), [label(item) for item in kind])
    choice = findFirstAnnotation(annotations, Choice)
    if choice is None:
        raise RuntimeError("a combo box needs a Choice annotation or an enum")
    return _choice(widget, list(choice.choices), [str(item) for item in choice.choices])


def _button(widget: Any) -> Binding:
    widget.checkable = True
    return Binding(widget, "toggled(bool)", _get("checked"), _set("checked"))


def _write_text(widget: Any, value: str) -> None:
    if value != widget.text:  # writing moves the cursor to the end
        widget.text = value


def _range(widget: Any, annotations: Any) -> Binding:
    bounds = findFirstAnnotation(annotations, RangeBounds)
    if bounds is None:
        raise RuntimeError(f"{type(widget).__name__} needs a RangeBounds annotation")
    if findFirstAnnotation(annotations, Default) is None:
        raise RuntimeError(f"{type(widget).__name__} needs a Default annotation; Slicer wants one")
    decimals = findFirstAnnotation(annotations, Decimals)
    if decimals is not None and type(widget) is not ctk.ctkDoubleRangeSlider:
        widget.decimals = decimals.value
    widget.setRange(bounds.minimum, bounds.maximum)
    return Binding(
        widget,
        "valuesChanged(double,double)",
        lambda item: FloatRange(item.minimumValue, item.maximumValue),
        lambda item, value: item.setValues(value.minimum, value.maximum),
    )


def _node(widget: Any, datatype: Any) -> Binding:
    widget.nodeTypes = getNodeTypes(datatype)
    return Binding(
        widget,
        "currentNodeChanged(vtkMRMLNode*)",
        lambda selector: selector.currentNode(),
        lambda selector, node: selector.setCurrentNode(node),
    )


def _path(widget: Any, kind: Any) -> Binding:
    name = "currentPath" if type(widget) is ctk.ctkPathLineEdit else "directory"
    return Binding(
        widget, f"{name}Changed(QString)", _get(name, kind), lambda w, v: setattr(w, name, str(v))
    )


_NUMBERS = (
    qt.QDoubleSpinBox,
    ctk.ctkSliderWidget,
    ctk.ctkDoubleSlider,
    ctk.ctkDoubleSpinBox,
    slicer.qMRMLSliderWidget,
    slicer.qMRMLSpinBox,
)
_RANGES = (ctk.ctkRangeWidget, ctk.ctkDoubleRangeSlider, slicer.qMRMLRangeWidget)
_registered: list[Any] = []


def parameterNodeGuiConnector(classtype: Any = None) -> Any:
    """Class decorator: register a connector with static `canRepresent` and `create`."""
    if classtype is None:
        return parameterNodeGuiConnector
    _registered.append(classtype)
    return classtype


def _for_text(widget: Any, exact: type) -> Binding | None:
    if exact is qt.QLineEdit:
        return Binding(widget, "textChanged(QString)", _get("text"), _write_text)
    if exact is qt.QLabel:
        return Binding(widget, "", _get("text"), _set("text"))
    if exact is qt.QTextEdit:
        return Binding(widget, "textChanged()", _get("plainText"), _set("plainText"))
    return None


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """The connector of a widget and a type. Raises RuntimeError where there is none in Slicer."""
    for registered in _registered:
        if registered.canRepresent(widget, datatype):
            return registered.create(widget, datatype)
    kind, annotations = splitAnnotations(datatype)
    exact, connector = type(widget), None
    if isNodeOrUnionOfNodes(datatype):
        connector = _node(widget, datatype) if exact is slicer.qMRMLNodeComboBox else None
    elif exact in (qt.QComboBox, ctk.ctkComboBox) and isinstance(kind, type):
        connector = _combo(widget, kind, annotations)
    elif kind is bool and exact in (qt.QCheckBox, ctk.ctkCheckBox):
        connector = Binding(widget, "toggled(bool)", _get("checked"), _set("checked"))
    elif kind is bool and exact in (qt.QPushButton, ctk.ctkCheckablePushButton):
        connector = _button(widget)
    elif kind in (int, float) and (
        exact in _NUMBERS or (kind is int and exact in (qt.QSlider, qt.QSpinBox))
    ):
        connector = _number(widget, kind, annotations)
    elif kind is str:
        connector = _for_text(widget, exact)
    elif kind is FloatRange and exact in _RANGES:
        connector = _range(widget, annotations)
    elif isinstance(kind, type) and issubclass(kind, pathlib.PurePath):
        connector = (
            _path(widget, kind) if exact in (ctk.ctkPathLineEdit, ctk.ctkDirectoryButton) else None
        )
    elif kind is qt.QColor and exact is ctk.ctkColorPickerButton:
        connector = Binding(widget, "colorChanged(QColor)", _get("color"), _set("color"))
    if connector is None:
        raise RuntimeError(f"{exact.__name__} cannot be bound to a parameter of type {datatype}")
    return connector
