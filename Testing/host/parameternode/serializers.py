"""Reading and writing values in a vtkMRMLScriptedModuleNode, in Slicer's own format.

Scalars are one text parameter. A list `x` is `x.len`, `x.0`, `x.1`, ...; a tuple `x.0`, ...; a
dict a list of (key, value) tuples; a union `x.<index of the type>`; a node an empty parameter and
a node reference of the same name.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

import qt
import slicer

from .annotations import Validator, splitAnnotations


class Serializer:
    """Stores values of a type in a parameter node, checked by validators before writing."""

    validators: tuple[Validator, ...] = ()
    accepted: Any = object

    def default(self) -> Any:
        """Value of a parameter without a stated default."""
        raise NotImplementedError(f"{type(self).__name__} must define default")

    def isIn(self, node: Any, name: str) -> bool:
        """Whether the node holds the parameter."""
        return node.HasParameter(name)

    def read(self, node: Any, name: str) -> Any:
        """The stored value."""
        raise NotImplementedError(f"{type(self).__name__} must define read")

    def write(self, node: Any, name: str, value: Any) -> None:
        """Store a value."""
        raise NotImplementedError(f"{type(self).__name__} must define write")

    def remove(self, node: Any, name: str) -> None:
        """Forget the value."""
        node.UnsetParameter(name)

    def validate(self, value: Any) -> None:
        """Raise TypeError or ValueError for a value that must not be stored."""
        if not isinstance(value, self.accepted):
            raise TypeError(f"value must be {self.accepted}, got {value!r} ({type(value)})")
        for validator in self.validators:
            (validator() if isinstance(validator, type) else validator).validate(value)


class Text(Serializer):
    """A scalar that is one text: number, string, bool, path, enum, colour."""

    def __init__(self, accepted: Any, default: Callable, to_text: Callable, from_text: Callable):
        self.accepted = accepted
        self.default = default
        self._to_text = to_text
        self._from_text = from_text

    def read(self, node: Any, name: str) -> Any:
        return self._from_text(node.GetParameter(name))

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, self._to_text(value))


class Node(Serializer):
    """A MRML node; None where none is selected."""

    def __init__(self, kind: type):
        self.accepted = (kind, type(None))

    def default(self) -> Any:
        return None

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def remove(self, node: Any, name: str) -> None:
        super().remove(node, name)
        node.RemoveNodeReferenceIDs(name)


class Nothing(Serializer):
    """None, as one type of a union."""

    accepted = type(None)

    def default(self) -> Any:
        return None

    def read(self, node: Any, name: str) -> Any:
        return None

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, "True")


class ObservedList(MutableSequence):
    """A list whose changes go to the parameter node. `+` is refused: its result would not."""

    def __init__(self, save: Callable[[list], None], values: list):
        self._save = save
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def _changed(self, change: Callable[[list], Any]) -> None:
        values = list(self._values)
        change(values)
        self._save(values)
        self._values = values

    def __setitem__(self, index: Any, value: Any) -> None:
        self._changed(lambda values: values.__setitem__(index, value))

    def __delitem__(self, index: Any) -> None:
        self._changed(lambda values: values.__delitem__(index))

    def insert(self, index: int, value: Any) -> None:
        self._changed(lambda values: values.insert(index, value))

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    def __add__(self, other: Any) -> Any:
        raise NotImplementedError("use += on a list of a parameter node")

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"


class ListOf(Serializer):
    """A list of one type."""

    accepted = (list, tuple, ObservedList, type({}.items()))

    def __init__(self, element: Serializer):
        self._element = element

    def default(self) -> Any:
        return []

    def isIn(self, node: Any, name: str) -> bool:
        return node.HasParameter(f"{name}.len")

    def _length(self, node: Any, name: str) -> int:
        return int(node.GetParameter(f"{name}.len")) if self.isIn(node, name) else 0

    def read(self, node: Any, name: str) -> ObservedList:
        values = [
            self._element.read(node, f"{name}.{index}") for index in range(self._length(node, name))
        ]
        return ObservedList(lambda changed: self.write(node, name, changed), values)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        values = list(value)
        for item in values:
            self._element.validate(item)
        with slicer.util.NodeModify(node):
            before = self._length(node, name)
            for index, item in enumerate(values):
                self._element.write(node, f"{name}.{index}", item)
            node.SetParameter(f"{name}.len", str(len(values)))
            for index in range(len(values), before):
                self._element.remove(node, f"{name}.{index}")

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index in range(self._length(node, name)):
                self._element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.len")


class TupleOf(Serializer):
    """A tuple of fixed types."""

    accepted = (tuple, list)

    def __init__(self, elements: list[Serializer]):
        self._elements = elements

    def default(self) -> Any:
        raise TypeError("a tuple parameter needs a default: Slicer makes no valid one of its own")

    def isIn(self, node: Any, name: str) -> bool:
        return self._elements[0].isIn(node, f"{name}.0")

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) != len(self._elements):
            raise ValueError(f"tuple must have {len(self._elements)} values, got {len(value)}")
        for element, item in zip(self._elements, value, strict=True):
            element.validate(item)

    def read(self, node: Any, name: str) -> tuple:
        pairs = enumerate(self._elements)
        return tuple(element.read(node, f"{name}.{index}") for index, element in pairs)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        with slicer.util.NodeModify(node):
            for index, (element, item) in enumerate(zip(self._elements, value, strict=True)):
                element.write(node, f"{name}.{index}", item)

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index, element in enumerate(self._elements):
                element.remove(node, f"{name}.{index}")


class ObservedDict(MutableMapping):
    """A dict whose changes go to the parameter node."""

    def __init__(self, save: Callable[[dict], None], values: dict):
        self._save = save
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Any:
        return iter(self._values)

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        changed = {**self._values, key: value}
        self._save(changed)
        self._values = changed

    def __delitem__(self, key: Any) -> None:
        changed = {known: value for known, value in self._values.items() if known != key}
        if len(changed) == len(self._values):
            raise KeyError(key)
        self._save(changed)
        self._values = changed

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedDict) else other)

    def __repr__(self) -> str:
        return f"ObservedDict({self._values})"


class DictOf(Serializer):
    """A dict; the order is kept."""

    accepted = (dict, ObservedDict)

    def __init__(self, key: Serializer, value: Serializer):
        self._pairs = ListOf(TupleOf([key, value]))

    def default(self) -> Any:
        return {}

    def isIn(self, node: Any, name: str) -> bool:
        return self._pairs.isIn(node, name)

    def read(self, node: Any, name: str) -> ObservedDict:
        values = dict(self._pairs.read(node, name))
        return ObservedDict(lambda changed: self.write(node, name, changed), values)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        self._pairs.write(node, name, list(value.items()))

    def remove(self, node: Any, name: str) -> None:
        self._pairs.remove(node, name)


class UnionOf(Serializer):
    """One of several types; stored under the index of the type."""

    def __init__(self, members: list[Serializer]):
        self._members = members

    def default(self) -> Any:
        optional = len(self._members) == 2 and isinstance(self._members[1], Nothing)
        return None if optional else self._members[0].default()

    def isIn(self, node: Any, name: str) -> bool:
        return any(m.isIn(node, f"{name}.{index}") for index, m in enumerate(self._members))

    def validate(self, value: Any) -> None:
        super().validate(value)
        self._index(value)

    def _index(self, value: Any) -> int:
        """Member for a value: one of exactly its type first, so that True is a bool, not an int."""

        def inexact(index: int) -> bool:
            accepted = self._members[index].accepted
            return type(value) not in (accepted if isinstance(accepted, tuple) else (accepted,))

        if value is None and not any(isinstance(item, Nothing) for item in self._members):
            raise TypeError("the union has no None; Slicer wants `| None`, for nodes too")
        problems = []
        for index in sorted(range(len(self._members)), key=inexact):
            try:
                self._members[index].validate(value)
                return index
            except (TypeError, ValueError) as error:
                problems.append(str(error))
        raise TypeError(f"no type of the union accepts {value!r}: {'; '.join(problems)}")

    def read(self, node: Any, name: str) -> Any:
        for index, member in enumerate(self._members):
            if member.isIn(node, f"{name}.{index}"):
                return member.read(node, f"{name}.{index}")
        raise KeyError(f"parameter {name!r} has no value")

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        index = self._index(value)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            self._members[index].write(node, f"{name}.{index}", value)

    def remove(self, node: Any, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index, member in enumerate(self._members):
                member.remove(node, f"{name}.{index}")


_registered: list[Any] = []


def parameterNodeSerializer(classtype: Any = None) -> Any:
    """Class decorator: register a serializer with static `canSerialize` and `create`."""
    if classtype is None:
        return parameterNodeSerializer
    _registered.append(classtype)
    return classtype


def _identity(value: Any) -> Any:
    return value


def serializer_for(kind: Any) -> Serializer:
    """The serializer of a type, annotated or not. Raises TypeError for a type without one."""
    kind, annotations = splitAnnotations(kind)
    serializer = _make(kind)
    serializer.validators += tuple(
        item
        for item in annotations
        if isinstance(item, Validator) or (isinstance(item, type) and issubclass(item, Validator))
    )
    return serializer


def _make(kind: Any) -> Serializer:
    for registered in _registered:
        if registered.canSerialize(kind):
            return registered.create(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return UnionOf([serializer_for(argument) for argument in arguments])
    if origin is list:
        return ListOf(serializer_for(arguments[0]))
    if origin is tuple:
        return TupleOf([serializer_for(argument) for argument in arguments])
    if origin is dict:
        return DictOf(*(serializer_for(argument) for argument in arguments))
    if isinstance(kind, type):
        return _make_scalar(kind)
    raise TypeError(f"parameter type {kind} cannot be stored in a parameter node")


def _make_scalar(kind: type) -> Serializer:
    if kind is bool:
        return Text(bool, bool, lambda value: "True" if value else "False", "True".__eq__)
    if kind is int:
        return Text(int, int, str, int)
    if kind is float:
        return Text((int, float), lambda: 0, str, float)
    if kind is str:
        return Text(str, str, str, _identity)
    if kind is type(None):
        return Nothing()
    if issubclass(kind, pathlib.PurePath):
        return Text(kind, kind, str, kind)
    if issubclass(kind, enum.Enum):
        return Text(kind, lambda: next(iter(kind)), lambda value: value.name, kind.__getitem__)
    if issubclass(kind, slicer.vtkMRMLNode):
        return Node(kind)
    if kind is qt.QColor:
        return Text(kind, kind, lambda value: value.name(qt.QColor.HexArgb), kind)
    raise TypeError(f"parameter type {kind} cannot be stored in a parameter node")
