"""Qt properties of stand-ins, as short declarations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

# (getter, setter) of each property: PySide6 has no way to get at them
accessors: dict[QtCore.Property, tuple[Callable, Callable | None]] = {}

_ACCEPTED: dict[Any, tuple[type, ...]] = {
    bool: (bool, int),
    int: (int,),
    float: (int, float),
    str: (str,),
    "QStringList": (list, tuple),
}


def stored(name: str, kind: Any, default: Any, changed: str = "") -> QtCore.Property:
    """A property kept in the object; `changed` names a method called after each change."""
    key = f"_{name}"

    def getter(self: Any) -> Any:
        return self.__dict__.get(key, default)

    def setter(self: Any, value: Any) -> None:
        if not isinstance(value, _ACCEPTED.get(kind, (object,))):
            raise ValueError(f"{name} does not accept {value!r} ({type(value).__name__})")
        if value != getter(self):
            self.__dict__[key] = value
            if changed:
                getattr(self, changed)()

    return computed(kind, getter, setter)


def delegated(name: str, kind: Any, inner: str) -> QtCore.Property:
    """A property of the child widget kept in the attribute `inner`."""

    def getter(self: Any) -> Any:
        return getattr(getattr(self, inner), name)

    def setter(self: Any, value: Any) -> None:
        setattr(getattr(self, inner), name, value)

    return computed(kind, getter, setter)


def computed(kind: Any, getter: Callable, setter: Callable | None = None) -> QtCore.Property:
    """A property with its own getter and setter."""
    made = QtCore.Property(kind, getter, setter)
    accessors[made] = (getter, setter)
    return made
