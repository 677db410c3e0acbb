"""What may stand in `Annotated[type, ...]` of a parameter: validators, default, display hints."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any


class Default:
    """The value of a parameter that was never set; a generator makes a new one each time."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None):
        self._value = value
        self._generator = generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value


@dataclass
class Decimals:
    """Decimals that a slider or spin box shows."""

    value: int


@dataclass
class SingleStep:
    """Step of a slider or spin box."""

    value: float


class Validator:
    """A condition on a value; `validate` raises ValueError or TypeError."""

    def validate(self, value: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define validate")


class NotNone(Validator):
    """The value is not None."""

    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("value must not be None")


class IsInstance(Validator):
    """The value, unless None, is of a type."""

    def __init__(self, classtype: Any):
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"value must be {self.classtype}, got {value!r} ({type(value)})")


@dataclass
class WithinRange(Validator):
    """minimum <= value <= maximum."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"value must be in [{self.minimum}, {self.maximum}], got {value}")


@dataclass
class Minimum(Validator):
    """minimum <= value."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"value must be at least {self.minimum}, got {value}")


@dataclass
class Maximum(Validator):
    """value <= maximum."""

    maximum: float

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"value must be at most {self.maximum}, got {value}")


@dataclass
class Choice(Validator):
    """The value is one of several."""

    choices: Iterable[Any]

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"value must be one of {self.choices}, got {value!r}")


@dataclass
class Exclude(Validator):
    """The value is none of several."""

    excludedValues: Iterable[Any]

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"value must not be one of {self.excludedValues}, got {value!r}")


@dataclass
class RangeBounds(Validator):
    """Both ends of a range are within bounds."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not (self.minimum <= value.minimum and value.maximum <= self.maximum):
            raise ValueError(f"range must be in [{self.minimum}, {self.maximum}], got {value}")


def splitAnnotations(possiblyAnnotatedType: Any) -> tuple[Any, tuple[Any, ...]]:
    """(type, annotations) of a type that may be Annotated."""
    first, *rest = typing.get_args(Annotated[possiblyAnnotatedType, None])
    return first, tuple(rest[:-1])


def unannotatedType(possiblyAnnotatedType: Any) -> Any:
    """The type without its annotations."""
    return splitAnnotations(possiblyAnnotatedType)[0]


def findFirstAnnotation(annotationsList: Iterable[Any], annotationType: type) -> Any:
    """The first annotation of a type, or None."""
    return next((item for item in annotationsList if isinstance(item, annotationType)), None)
