"""Parameter packs: groups of typed values that are stored, checked and shown together."""

from __future__ import annotations

import typing
from typing import Any

import slicer

from .annotations import Default, findFirstAnnotation, splitAnnotations, unannotatedType
from .serializers import Serializer, parameterNodeSerializer, serializer_for


class ParameterInfo(typing.NamedTuple):
    """One field of a pack or wrapper."""

    basename: str
    serializer: Serializer
    default: Default
    unalteredType: Any


def fields_of(cls: type) -> dict[str, ParameterInfo]:
    """Fields of an annotated class, in order. Raises TypeError for a type without serializer."""
    fields = {}
    for name, kind in typing.get_type_hints(cls, include_extras=True).items():
        try:
            serializer = serializer_for(kind)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{name}: {error}") from error
        default = findFirstAnnotation(splitAnnotations(kind)[1], Default)
        if hasattr(cls, name):
            default = Default(getattr(cls, name))
        fields[name] = ParameterInfo(
            name, serializer, default or Default(generator=serializer.default), kind
        )
    if not fields:
        raise ValueError(f"{cls.__name__} has no annotated fields")
    return fields


def isParameterPack(obj: Any) -> bool:
    """Whether a class or object is a parameter pack."""
    return getattr(obj, "_is_parameterPack", False)


def check_name(fields: dict[str, ParameterInfo], dotted: str) -> ParameterInfo:
    """The field of a name such as "box.corner.x". Raises ValueError for an unknown name."""
    top, _, rest = dotted.partition(".")
    if top not in fields:
        raise ValueError(f"no parameter is named {dotted!r}; there are {sorted(fields)}")
    if not rest:
        return fields[top]
    inner = unannotatedType(fields[top].unalteredType)
    if not isParameterPack(inner):
        raise ValueError(f"parameter {top!r} is no parameterPack, so {dotted!r} does not exist")
    return check_name(inner.allParameters, rest)


def nestedParameterNames(parameterPackClassOrInstance: Any) -> list[str]:
    """Dotted names of all values of a pack."""
    names = []
    for name, info in unannotatedType(parameterPackClassOrInstance).allParameters.items():
        inner = unannotatedType(info.unalteredType)
        nested = nestedParameterNames(inner) if isParameterPack(inner) else [""]
        names += [f"{name}.{item}".rstrip(".") for item in nested]
    return names


def parameterPack(classtype: Any = None) -> Any:
    """Class decorator that makes a parameter pack of an annotated class."""
    if classtype is None:
        return parameterPack
    fields = fields_of(classtype)
    for name, info in fields.items():
        info.serializer.validate(info.default.value)
        setattr(classtype, name, _field(name, info.serializer))
    own_init = classtype.__dict__.get("__init__")

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        values = {name: info.default.value for name, info in fields.items()}
        if own_init is None:
            given = dict(zip(fields, args, strict=False)) | kwargs
            unknown = set(given) - set(fields)
            if unknown or len(args) > len(fields):
                raise TypeError(f"{classtype.__name__} has no {sorted(unknown) or args}")
            values |= given
        for name, value in values.items():
            setattr(self, name, value)
        if own_init is not None:
            own_init(self, *args, **kwargs)

    def __eq__(self: Any, other: Any) -> bool:
        return isParameterPack(other) and _values(self) == _values(other)

    def __repr__(self: Any) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
        return f"{classtype.__name__}({inner})"

    classtype.__init__ = __init__
    for method in (__eq__, __repr__):
        if method.__name__ not in classtype.__dict__:
            setattr(classtype, method.__name__, method)
    classtype.allParameters = fields
    classtype._is_parameterPack = True
    classtype.getValue = _get_value
    classtype.setValue = _set_value
    classtype.dataType = staticmethod(lambda name: check_name(fields, name).unalteredType)
    return classtype


def _values(pack: Any) -> dict[str, Any]:
    return {name: getattr(pack, name) for name in pack.allParameters}


def _field(name: str, serializer: Serializer) -> property:
    key = f"_{name}_value"

    def setter(self: Any, value: Any) -> None:
        serializer.validate(value)
        before = self.__dict__.get(key)
        self.__dict__[key] = value
        save = self.__dict__.get("_save")
        if save is not None:
            try:
                save(self)
            except (TypeError, ValueError):
                self.__dict__[key] = before
                raise

    return property(lambda self: self.__dict__[key], setter)


def _get_value(self: Any, membername: str) -> Any:
    """Value by dotted name."""
    check_name(self.allParameters, membername)
    top, _, rest = membername.partition(".")
    value = getattr(self, top)
    return value.getValue(rest) if rest else value


def _set_value(self: Any, membername: str, value: Any) -> None:
    """Set a value by dotted name."""
    check_name(self.allParameters, membername)
    top, _, rest = membername.partition(".")
    if rest:
        getattr(self, top).setValue(rest, value)
    else:
        setattr(self, top, value)


@parameterNodeSerializer
class PackSerializer(Serializer):
    """A pack `x` with fields a, b is stored as `x.a`, `x.b`; changes of a read pack are written."""

    def __init__(self, kind: Any):
        self.accepted = kind
        self._fields = kind.allParameters

    @staticmethod
    def canSerialize(kind: Any) -> bool:
        return isParameterPack(kind)

    @staticmethod
    def create(kind: Any) -> PackSerializer:
        return PackSerializer(kind)

    def default(self) -> Any:
        return self.accepted()

    def isIn(self, node: Any, name: str) -> bool:
        first = next(iter(self._fields.values()))
        return first.serializer.isIn(node, f"{name}.{first.basename}")

    def read(self, node: Any, name: str) -> Any:
        pack = self.accepted.__new__(self.accepted)
        for field, info in self._fields.items():
            value = info.serializer.read(node, f"{name}.{field}")
            pack.__dict__[f"_{field}_value"] = value
        pack.__dict__["_save"] = lambda changed: self.write(node, name, changed)
        return pack

    def write(self, node: Any, name: str, value: Any) -> None:
        self.validate(value)
        with slicer.util.NodeModify(node):
            for field, info in self._fields.items():
                info.serializer.write(node, f"{name}.{field}", getattr(value, field))

    def remove(self, node: Any, name: str) -> None:
        for field, info in self._fields.items():
            info.serializer.remove(node, f"{name}.{field}")


@parameterPack
class FloatRange:
    """A range of numbers, minimum <= maximum."""

    _minimum: float
    _maximum: float

    def __init__(self, minimum: float = 0, maximum: float = 0):
        self.setRange(minimum, maximum)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends. Raises ValueError where minimum > maximum."""
        if not minimum <= maximum:
            raise ValueError(f"range must have minimum <= maximum, got {minimum} > {maximum}")
        self._minimum, self._maximum = minimum, maximum

    @property
    def minimum(self) -> float:
        """Lower end."""
        return self._minimum

    @minimum.setter
    def minimum(self, value: float) -> None:
        self.setRange(value, self._maximum)

    @property
    def maximum(self) -> float:
        """Upper end."""
        return self._maximum

    @maximum.setter
    def maximum(self, value: float) -> None:
        self.setRange(self._minimum, value)
