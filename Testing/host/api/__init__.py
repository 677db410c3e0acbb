"""The interface of a running Slicer, as data: what a class has, and nothing else exists."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Interface(NamedTuple):
    """What PythonQt exposes of one class, without what it has from QObject and QWidget.

    properties: name -> (C++ type, writable). signals: signatures, normalised. methods: method,
    enum and enum value names. instantiable: False for classes that Python cannot construct.
    """

    properties: dict[str, tuple[str, bool]]
    signals: frozenset[str]
    methods: frozenset[str]
    instantiable: bool

    def names(self) -> frozenset[str]:
        """Every attribute name."""
        signal_names = {signature.partition("(")[0] for signature in self.signals}
        return frozenset(self.properties) | signal_names | self.methods


@cache
def _load(file_name: str) -> dict:
    return json.loads((Path(__file__).parent / file_name).read_text(encoding="utf-8"))


@cache
def interface(name: str) -> Interface | None:
    """Interface of a class such as "qt.QSlider"; None where it was not recorded."""
    entry = _load("pythonqt.json").get(name)
    if entry is None:
        return None
    properties = {}
    for item in entry.get("properties", "").split():
        property_name, _, kind = item.partition(":")
        read_only = kind.endswith(":read-only")
        properties[property_name] = (kind.removesuffix(":read-only"), not read_only)
    slots = {signature.partition("(")[0] for signature in entry.get("slots", "").split()}
    return Interface(
        properties,
        frozenset(entry.get("signals", "").split()),
        frozenset(entry.get("methods", "").split()) | slots,
        not entry.get("not_instantiated", False),
    )


@cache
def class_names(module: str) -> frozenset[str]:
    """Names of all widget classes of "ctk" or "slicer", with and without recorded interface."""
    entries = _load("pythonqt.json")
    recorded = {key.partition(".")[2] for key in entries if key.startswith(module + ".")}
    return frozenset(recorded | set(entries["_other"][module].split()))


def python_interface(name: str) -> dict | str | list:
    """Signatures of a module of Slicer's Python layer, such as "slicer.packaging"."""
    return _load("python.json")[name]
