"""QUiLoader that knows the stand-ins and refuses what Slicer could not load.

Connections are taken out of the file and made here, with their signatures checked: Qt cannot
connect signals that carry a scene or a node of the Python stand-ins.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import api, signals
from .classes import cpp_class, registry

_RULE = "Line"  # Designer's name for a QFrame that is a rule; its orientation is no property


class UiLoader(QtUiTools.QUiLoader):
    """Loads .ui files; raises ValueError for what would fail or go unnoticed in Slicer."""

    def __init__(self, parent: QtCore.QObject | None = None):
        super().__init__(parent)
        self._made: list[QtWidgets.QWidget] = []

    def load(
        self, device: QtCore.QIODevice, parent: QtWidgets.QWidget | None = None
    ) -> QtWidgets.QWidget:
        """Load a widget tree from an open device."""
        data = bytes(device.readAll().data())
        if not data:
            raise ValueError(".ui file is empty or was not opened; got 0 bytes")
        root = ElementTree.fromstring(data)
        for element in root.iter("widget"):
            _check_widget(element)
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        self._made = []
        widget = super().load(buffer, parent)
        if widget is None:
            raise ValueError(f"Qt could not load the .ui file: {self.errorString()}")
        widget._kept = self._made  # PySide6 would drop the Python side of widgets made from C++
        for element in [] if connections is None else connections.iter("connection"):
            _connect(widget, element)
        return widget

    def createWidget(
        self, name: str, parent: QtWidgets.QWidget | None = None, object_name: str = ""
    ) -> QtWidgets.QWidget:
        """Make a widget by class name, a stand-in where there is one."""
        if name == _RULE:
            widget = super().createWidget(name, parent, object_name)
        else:
            widget = _find_class(name)[1](parent)
            widget.setObjectName(object_name)
        self._made.append(widget)
        return widget


def _find_class(name: str) -> tuple[str, type | None]:
    """(interface key, class) of a class named in a .ui file."""
    if name == _RULE:
        return "qt.QFrame", QtWidgets.QFrame
    for module, standins in registry.items():
        if name in standins:
            return f"{module}.{name}", standins[name]
        if name in api.class_names(module):
            raise NotImplementedError(f"the host has no stand-in for {module}.{name}")
    return f"qt.{name}", getattr(QtWidgets, name, None)


def _check_widget(element: ElementTree.Element) -> None:
    """The class must exist in Slicer, and so must each property that is not dynamic."""
    class_name, object_name = element.get("class", ""), element.get("name", "")
    key, cls = _find_class(class_name)
    if cls is None:
        raise ValueError(f"widget {object_name!r} is of class {class_name!r}, unknown in Slicer")
    recorded = [api.interface(name) for name in (key, "qt.QWidget", "qt.QObject")]
    if recorded[0] is None:
        return
    known = {name for item in recorded if item for name in item.properties}
    for prop in element.findall("property"):
        name = prop.get("name", "")
        exempt = prop.get("stdset") == "0" or (class_name, name) == (_RULE, "orientation")
        if not exempt and name not in known and recorded[0].properties:
            raise ValueError(f"{class_name} {object_name!r} has no property {name!r} in Slicer")


def _connect(root: QtWidgets.QWidget, element: ElementTree.Element) -> None:
    sender, signal, receiver, slot = (
        element.findtext(tag, "") for tag in ("sender", "signal", "receiver", "slot")
    )
    ends = [_object(root, name) for name in (sender, receiver)]
    method = slot.partition("(")[0]
    recorded = {
        name for key in _keys(ends[1]) if (item := api.interface(key)) for name in item.methods
    }
    if recorded and method not in recorded:
        raise ValueError(f".ui connection: {receiver} has no slot {slot!r} in Slicer")
    target = getattr(ends[1], method)
    count = slot.count(",") + 1 if not slot.endswith("()") else 0
    signals.connect(ends[0], signal, _Forward(target, count))


def _keys(obj: QtCore.QObject) -> tuple[str, ...]:
    from .classes import api_names

    return api_names(cpp_class(type(obj)))


def _object(root: QtWidgets.QWidget, name: str) -> QtCore.QObject:
    found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise ValueError(f".ui connection names {name!r}, which is not in the file")
    return found


class _Forward:
    """Call a slot with as many arguments as its signature has."""

    def __init__(self, target: Any, count: int):
        self._target = target
        self._count = count

    def __call__(self, *arguments: Any) -> None:
        self._target(*arguments[: self._count])
