"""Which Python classes stand for C++ classes of Slicer: PySide6's own and the stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from PySide6 import QtCore, QtWidgets

from . import api

originals: dict[type, Callable] = {}  # __getattribute__ of PySide6's classes before patching
registry: dict[str, dict[str, type]] = {"ctk": {}, "slicer": {}}


def raw(obj: Any, name: str) -> Any:
    """Attribute look-up as PySide6 does it, without PythonQt's rules.

    Each class's own original must be called: PySide6 keeps per-class state in it.
    """
    for cls in type(obj).__mro__:
        if cls in originals:
            return originals[cls](obj, name)
    return object.__getattribute__(obj, name)


def raw_set(obj: Any, name: str, value: Any) -> None:
    """Set a Python attribute, without PythonQt's rules. CPython refuses the original here."""
    for cls in type(obj).__mro__:
        descriptor = cls.__dict__.get(name)
        if hasattr(descriptor, "__set__"):
            descriptor.__set__(obj, value)
            return
    raw(obj, "__dict__")[name] = value


def standin(module: str) -> Callable[[type], type]:
    """Class decorator: the class stands for the C++ class of the same name in that module."""

    def register(cls: type) -> type:
        name = cls.__name__
        if name not in api.class_names(module):
            raise LookupError(f"Slicer has no {module}.{name}")
        cls._api = f"{module}.{name}"
        registry[module][name] = cls
        return cls

    return register


@cache
def cpp_class(cls: type) -> type:
    """The nearest class of the MRO that is a C++ class in Slicer."""
    return next(item for item in cls.__mro__ if item in originals or "_api" in item.__dict__)


@cache
def api_names(cls: type) -> tuple[str, ...]:
    """Keys of the recorded interfaces that together describe a class, its own first."""
    cpp = cpp_class(cls)
    own = cpp.__dict__.get("_api") or f"qt.{cpp.__name__}"
    names = [own]
    if issubclass(cpp, QtWidgets.QWidget):
        names.append("qt.QWidget")
    if issubclass(cpp, QtCore.QObject):
        names.append("qt.QObject")
    return tuple(dict.fromkeys(names))


def class_name(obj: Any) -> str:
    """Name as `className()` gives it."""
    return cpp_class(type(obj)).__name__
