"""Signals and slots as PythonQt has them: signatures as strings, surplus arguments dropped."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from . import api, record
from .classes import api_names, class_name, raw

_SIGNAL = QtCore.QMetaMethod.Signal
_qt_connect = QtCore.QObject.connect
_qt_disconnect = QtCore.QObject.disconnect


def arity(slot: Callable) -> int | None:
    """How many positional arguments PythonQt passes to a slot; None for as many as there are."""
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - (1 if inspect.ismethod(slot) else 0)


def _meta_signatures(obj: QtCore.QObject, name: str) -> list[str]:
    """Signatures of the signals of that name in the object's meta object."""
    meta = type(obj).staticMetaObject
    methods = (meta.method(index) for index in range(meta.methodCount()))
    return [
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == _SIGNAL and bytes(method.name().data()).decode() == name
    ]


def _listed_signatures(obj: QtCore.QObject) -> set[str] | None:
    """Signatures that Slicer has for the object's class, or None where none were recorded."""
    interfaces = [api.interface(name) for name in api_names(type(obj))]
    own = interfaces[0]
    if own is None or not (own.signals or own.properties):
        return None
    return {signature for item in interfaces if item for signature in item.signals}


def resolve(obj: QtCore.QObject, signature: str) -> tuple[str, list[str]]:
    """Check a signature and return (signature in the meta object, argument types in Slicer).

    Raises ValueError for a signal that the class does not have, in Slicer or in Qt 6.
    """
    normalised = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    name, _, arguments = normalised.partition("(")
    types = [item for item in arguments.rstrip(")").split(",") if item]
    listed = _listed_signatures(obj)
    present = _meta_signatures(obj, name)
    if not signature.endswith(")") or (listed is not None and normalised not in listed):
        raise ValueError(
            f"signal {signature!r} does not exist on {class_name(obj)}; "
            f"it has {sorted(present if listed is None else listed)}"
        )
    if normalised in present:
        return normalised, types
    foreign = [item for item in present if "PyObject" in item]
    if foreign:  # a VTK or MRML pointer in Slicer, a Python object in the stand-in
        return foreign[0], types
    reason = "is gone in Qt 6" if listed and normalised in listed else "does not exist"
    raise ValueError(f"signal {signature!r} {reason} on {class_name(obj)}; it has {present}")


def default_signature(obj: QtCore.QObject, name: str) -> str:
    """The overload that `obj.name` stands for: the one with most arguments that exists."""
    present = set(_meta_signatures(obj, name))
    listed = _listed_signatures(obj)
    candidates = [item for item in listed or present if item.partition("(")[0] == name]
    usable = [item for item in candidates if item in present or "*" in item] or sorted(present)
    return max(usable, key=lambda item: (len(item.rstrip("()").partition("(")[2]), item))


def _convert(value: Any, kind: str) -> Any:
    """The stand-ins emit one object for all overloads; a bool overload carries its truth."""
    return bool(value) if kind == "bool" else value


def make_slot(slot: Callable, types: list[str]) -> Callable:
    """Wrap a slot: arguments dropped to fit, exceptions recorded."""
    wanted = arity(slot)

    def call(*arguments: Any) -> None:
        values = [_convert(value, kind) for value, kind in zip(arguments, types, strict=False)]
        with record.catching(slot):
            slot(*(values if wanted is None else values[:wanted]))

    return call


def connect(obj: QtCore.QObject, signature: str, target: Any, slot: str | None = None) -> bool:
    """`obj.connect('sig(type)', function)`, or with a receiver and the signature of its slot."""
    actual, types = resolve(obj, signature)
    if slot is not None:
        target = getattr(target, slot.partition("(")[0])
    if isinstance(target, BoundSignal):
        target = target.__call__
    if not callable(target):
        raise TypeError(f"connect({signature!r}) needs a callable, got {target!r}")
    connection = _qt_connect(obj, QtCore.SIGNAL(actual), make_slot(target, types))
    connections = raw(obj, "__dict__").setdefault("_connections", [])
    connections.append((actual, target, connection))
    return True


def disconnect(obj: QtCore.QObject, signature: str | None = None, target: Any = None) -> bool:
    """Undo `connect` for one slot, for all slots of a signal, or for all signals.

    Returns False where there was nothing to undo.
    """
    connections = raw(obj, "__dict__").setdefault("_connections", [])
    actual = None if signature is None else resolve(obj, signature)[0]
    found = [
        item
        for item in connections
        if actual in (None, item[0]) and (target is None or item[1] == target)
    ]
    for item in found:
        connections.remove(item)
        _qt_disconnect(item[2])
    return bool(found)


class BoundSignal:
    """`obj.signalName`: connect, disconnect, and emit by calling it."""

    def __init__(self, obj: QtCore.QObject, name: str):
        self._obj = obj
        self._name = name

    def connect(self, slot: Callable) -> bool:
        """Connect a slot."""
        return connect(self._obj, default_signature(self._obj, self._name), slot)

    def disconnect(self, slot: Callable | None = None) -> bool:
        """Disconnect one slot or all."""
        return disconnect(self._obj, default_signature(self._obj, self._name), slot)

    def emit(self, *arguments: Any) -> None:
        """Emit the signal."""
        raw(self._obj, self._name).emit(*arguments)

    __call__ = emit
