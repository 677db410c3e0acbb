"""PythonQt's attribute rules on PySide6's objects.

Look-up on a C++ object: attributes of a Python subclass, then the value of a Qt property, then
methods, signals and enum values, then dynamic properties, then the child of that object name.
Anything else raises AttributeError, and unknown attributes cannot be set. What exists is what the
recorded interface of a running Slicer lists (`host.api`), so `button.text` is a str and
`button.text()` fails. Names with a leading underscore are Python's own and pass unchecked.
"""

from __future__ import annotations

import difflib
import keyword
from functools import cache
from typing import Any

import shiboken6
from PySide6 import QtCore

from . import api, record, signals
from .classes import api_names, class_name, cpp_class, originals, raw, raw_set
from .properties import accessors

PROPERTY, SIGNAL, RAW, GONE, UNKNOWN = range(5)
_OWN = frozenset(
    {"connectNotify", "disconnectNotify", "initViewItemOption"}
)  # looked up by PySide6


@cache
def listed(cls: type) -> frozenset[str] | None:
    """Names that the class has in Slicer; None where its interface was not recorded."""
    interfaces = [api.interface(name) for name in api_names(cls)]
    if interfaces[0] is None:
        return None
    return frozenset().union(*(item.names() for item in interfaces if item))


@cache
def kind(cls: type, name: str) -> int:
    """How PythonQt treats an attribute of the C++ class behind a Python class."""
    cpp = cpp_class(cls)
    names = listed(cls)
    if names is not None and name not in names and name not in _ADAPTERS:
        return UNKNOWN
    meta = cpp.staticMetaObject
    if meta.indexOfProperty(name) >= 0:
        return PROPERTY
    if any(
        meta.method(index).name().data().decode() == name
        and meta.method(index).methodType() == QtCore.QMetaMethod.Signal
        for index in range(meta.methodCount())
    ):
        return SIGNAL
    if name in _ADAPTERS or hasattr(cpp, name):
        return RAW
    return UNKNOWN if names is None else GONE


@cache
def python_defined(cls: type, name: str) -> bool:
    """Whether a Python subclass below the C++ class defines the attribute."""
    below = cls.__mro__[: cls.__mro__.index(cpp_class(cls))]
    return any(name in item.__dict__ for item in below)


def _check_thread(obj: Any) -> None:
    if not record.on_main_thread():
        raise RuntimeError(
            f"{class_name(obj)} used outside the main thread, to which Qt objects belong: hand "
            " the result over and let a qt.QTimer on the main thread read it"
        )


def _plain(name: str) -> str:
    """`exec_`, `raise_` and the like stand for the names that Python cannot spell."""
    bare = name[:-1]
    if name.endswith("_") and (keyword.iskeyword(bare) or bare in ("exec", "print")):
        return bare
    return name


def get(self: QtCore.QObject, name: str) -> Any:
    """`__getattribute__` of every QObject class."""
    if name.startswith("_") or name in _OWN:
        return raw(self, name)
    cls = type(self)
    if cls is not cpp_class(cls) and (python_defined(cls, name) or name in raw(self, "__dict__")):
        return raw(self, name)
    _check_thread(self)
    name = _plain(name)
    what = kind(cls, name)
    if name == "name" and what in (UNKNOWN, GONE):
        name, what = "objectName", PROPERTY
    if what == PROPERTY:
        return _read_property(self, name)
    if name in _ADAPTERS:
        return _ADAPTERS[name].__get__(self)
    if what == SIGNAL:
        return signals.BoundSignal(self, name)
    if what == RAW:
        return raw(self, name)
    if name in _dynamic_properties(self):
        return raw(self, "property")(name)
    child = raw(self, "findChild")(QtCore.QObject, name)
    if child is not None:
        return child
    raise AttributeError(_explain(self, name, what), name=name, obj=self)


def set_(self: QtCore.QObject, name: str, value: Any) -> None:
    """`__setattr__` of every QObject class."""
    cls = type(self)
    if name.startswith("_") or python_defined(cls, name):
        raw_set(self, name, value)
        return
    _check_thread(self)
    what = kind(cls, name)
    if name == "name" and what in (UNKNOWN, GONE):
        name, what = "objectName", PROPERTY
    if what == PROPERTY:
        _set_property(self, name, value)
    elif what in (SIGNAL, RAW):
        raise AttributeError(f"{class_name(self)}.{name} is a method or signal and cannot be set")
    elif name in _dynamic_properties(self):
        raw(self, "setProperty")(name, value)
    elif cls is not cpp_class(cls):
        raw_set(self, name, value)
    else:
        raise AttributeError(
            f"{_explain(self, name, what)}; attributes cannot be added to a C++ object"
        )


@cache
def _own_property(cls: type, name: str) -> tuple[Any, Any] | None:
    """(getter, setter) of a stand-in's property. Through Qt its errors would only be printed."""
    found = next((item.__dict__[name] for item in cls.__mro__ if name in item.__dict__), None)
    return accessors.get(found) if isinstance(found, QtCore.Property) else None


_reading: set[tuple[int, str]] = set()


def _read_property(obj: QtCore.QObject, name: str) -> Any:
    """Value of a property; string lists are tuples, as in PythonQt.

    sizeHint is a property and a virtual method: Qt asks PySide6 for the value, which looks for a
    Python override under that name and comes back here. It gets the plain method.
    """
    own = _own_property(type(obj), name)
    if own is not None:
        value = own[0](obj)
        return tuple(value) if isinstance(value, list) else value
    key = (id(obj), name)
    if key in _reading:
        return raw(obj, name)
    _reading.add(key)
    try:
        value = raw(obj, "property")(name)
    finally:
        _reading.discard(key)
    return tuple(value) if isinstance(value, list) else value


def _set_property(obj: QtCore.QObject, name: str, value: Any) -> None:
    meta = cpp_class(type(obj)).staticMetaObject
    definition = meta.property(meta.indexOfProperty(name))
    if not definition.isWritable():
        raise AttributeError(f"{class_name(obj)}.{name} is read-only")
    if isinstance(value, tuple):
        value = list(value)
    own = _own_property(type(obj), name)
    if own is not None and value is not None:
        own[1](obj, value)
    elif value is None or not raw(obj, "setProperty")(name, value):
        raise ValueError(
            f"{class_name(obj)}.{name} is of type {definition.typeName()} and does not accept "
            f"{value!r} ({type(value).__name__})"
        )


def _dynamic_properties(obj: QtCore.QObject) -> list[str]:
    return [bytes(item.data()).decode() for item in raw(obj, "dynamicPropertyNames")()]


def _explain(obj: QtCore.QObject, name: str, what: int) -> str:
    title = class_name(obj)
    if what == GONE:
        return f"{title}.{name} exists in Slicer with Qt 5, but not in Qt 6 or not in this host"
    known = listed(type(obj)) or frozenset(dir(cpp_class(type(obj))))
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    return f"{title} has no attribute {name!r} in Slicer{hint}"


def _find(self: QtCore.QObject, kind_: Any, name: str | None = None) -> list[QtCore.QObject]:
    base = QtCore.QObject if isinstance(kind_, str) else kind_
    found = raw(self, "findChildren")(base) if not name else raw(self, "findChildren")(base, name)
    return [item for item in found if not isinstance(kind_, str) or raw(item, "inherits")(kind_)]


def _find_children(self: QtCore.QObject, kind_: Any = QtCore.QObject, name: str | None = None):
    return _find(self, kind_, name)


def _find_child(self: QtCore.QObject, kind_: Any = QtCore.QObject, name: str | None = None):
    return next(iter(_find(self, kind_, name)), None)


_ADAPTERS: dict[str, Any] = {
    "className": class_name,
    "connect": signals.connect,
    "disconnect": signals.disconnect,
    "delete": shiboken6.delete,
    "findChild": _find_child,
    "findChildren": _find_children,
}


def _get_value_type(self: Any, name: str) -> Any:
    """`__getattribute__` of listed classes that are no QObject, such as QColor."""
    names = listed(type(self))
    unknown = not name.startswith("_") and names is not None and name not in names
    if unknown and type(self) is cpp_class(type(self)):
        raise AttributeError(f"{class_name(self)} has no attribute {name!r} in Slicer")
    return raw(self, name)


def patch(classes: list[type]) -> None:
    """Put the rules on PySide6's classes. Idempotent."""
    fresh = [cls for cls in classes if cls not in originals]
    for cls in fresh:
        originals[cls] = cls.__getattribute__
    for cls in fresh:
        if issubclass(cls, QtCore.QObject):
            cls.__getattribute__ = get
            cls.__setattr__ = set_
        elif api.interface(f"qt.{cls.__name__}") is not None:
            cls.__getattribute__ = _get_value_type
