"""`@parameterNodeWrapper`: a class whose typed attributes live in a parameter node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
import vtk

from .connectors import GuiConnector, createGuiConnector
from .packs import ParameterInfo, check_name, fields_of

SlicerParameterNamePropertyName = "SlicerParameterName"


def parameterNodeWrapper(classtype: Any = None) -> Any:
    """Class decorator that makes a parameter node wrapper of an annotated class."""
    if classtype is None:
        return parameterNodeWrapper
    fields = fields_of(classtype)
    for name, info in fields.items():
        setattr(classtype, name, _stored(name, info))
    reserved = {
        **{name: function for name, function in vars(_Methods).items() if name[:1] != "_"},
        "allParameters": fields,
        "dataType": staticmethod(lambda name: check_name(fields, name).unalteredType),
        "_is_parameter_node_wrapper": True,
    }
    for name, value in reserved.items():
        if hasattr(classtype, name):
            raise ValueError(f"{name!r} is reserved in a parameterNodeWrapper")
        setattr(classtype, name, value)
    classtype.__init__ = _init
    return classtype


def isParameterNodeWrapper(classOrObj: Any) -> bool:
    """Whether a class or object is a parameter node wrapper."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def _stored(name: str, info: ParameterInfo) -> property:
    def getter(self: Any) -> Any:
        key = self._prefix + name
        if not info.serializer.isIn(self.parameterNode, key):
            info.serializer.write(self.parameterNode, key, info.default.value)
        return info.serializer.read(self.parameterNode, key)

    def setter(self: Any, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            info.serializer.write(self.parameterNode, self._prefix + name, value)

    return property(getter, setter)


def _init(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
    """Wrap a node; parameters that it does not hold yet get their defaults."""
    self.parameterNode = parameterNode
    self._prefix = prefix or ""
    self._guis: dict[int, tuple[dict[str, GuiConnector], int]] = {}
    self._next_tag = 0
    self._updating = False
    for name, info in self.allParameters.items():
        if not info.serializer.isIn(parameterNode, self._prefix + name):
            info.serializer.write(parameterNode, self._prefix + name, info.default.value)


class _Methods:
    """What the decorator adds to the class."""

    def default(self: Any, paramName: str) -> Any:
        """The Default of a parameter."""
        return check_name(self.allParameters, paramName).default

    def getValue(self: Any, name: str) -> Any:
        """Value by name, dotted inside packs."""
        check_name(self.allParameters, name)
        top, _, rest = name.partition(".")
        value = getattr(self, top)
        return value.getValue(rest) if rest else value

    def setValue(self: Any, name: str, value: Any) -> None:
        """Set a value by name, dotted inside packs."""
        check_name(self.allParameters, name)
        top, _, rest = name.partition(".")
        if rest:
            getattr(self, top).setValue(rest, value)
        else:
            setattr(self, top, value)

    def connectGui(self: Any, gui: Any) -> int:
        """Bind every widget below `gui` that names a parameter; returns the tag for disconnectGui.

        `gui` is a widget or what `slicer.util.childWidgetVariables` returned. Raises ValueError
        for a name that no field has and RuntimeError for a widget that cannot show the field.
        """
        if getattr(gui, "isWidgetType", lambda: False)():
            widgets = gui.findChildren(qt.QWidget)
        else:
            widgets = list(vars(gui).values())
        names = [(widget.property(SlicerParameterNamePropertyName), widget) for widget in widgets]
        return self.connectParametersToGui({name: widget for name, widget in names if name})

    def connectParametersToGui(self: Any, mapping: dict[str, Any]) -> int:
        """Bind widgets (or connectors) by parameter name."""
        for name in mapping:
            check_name(self.allParameters, name)
        connectors = {
            name: item
            if isinstance(item, GuiConnector)
            else createGuiConnector(item, self.dataType(name))
            for name, item in mapping.items()
        }
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(_gui_to_node(self, name, connector))
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _node_to_gui(self))
        self._next_tag += 1
        self._guis[self._next_tag] = (connectors, observer)
        return self._next_tag

    def disconnectGui(self: Any, guiTag: int) -> None:
        """Undo connectGui; an unknown tag is ignored, as in Slicer."""
        connectors, observer = self._guis.pop(guiTag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None:
            self.RemoveObserver(observer)

    def StartModify(self: Any) -> Any:
        """Hold back modified events."""
        return self.parameterNode.StartModify()

    def EndModify(self: Any, wasModified: Any) -> Any:
        """Release modified events."""
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self: Any, event: Any, callback: Callable, priority: float = 0.0) -> int:
        """Observe the node."""
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self: Any, tag: int) -> None:
        """End an observation."""
        self.parameterNode.RemoveObserver(tag)

    def Modified(self: Any) -> None:
        """Announce a change."""
        self.parameterNode.Modified()


def _gui_to_node(wrapper: Any, name: str, connector: GuiConnector) -> Callable[[], None]:
    def changed() -> None:
        if not wrapper._updating:
            with slicer.util.NodeModify(wrapper):
                wrapper.setValue(name, connector.read())

    return changed


def _node_to_gui(wrapper: Any) -> None:
    if wrapper._updating:
        return
    wrapper._updating = True
    try:
        for connectors, _ in list(wrapper._guis.values()):
            for name, connector in connectors.items():
                connector.write(wrapper.getValue(name))
    finally:
        wrapper._updating = False


def findChildWidgetForParameter(widget: Any, parameter: str) -> Any:
    """The child widget that shows a parameter, or None."""
    children = widget.findChildren(qt.QWidget)
    named = (item for item in children if item.property("SlicerParameterName") == parameter)
    return next(named, None)
