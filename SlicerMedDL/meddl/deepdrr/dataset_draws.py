"""What is random in a data set besides the poses: values of parameters, and instruments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.errors import InputError
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.instruments import INSTRUMENTS
from meddl.deepdrr.solids import Solid


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely; a single one is fixed."""

    values: tuple[Any, ...]

    def draw(self, share: float) -> Any:
        """The value at ``share`` from 0 to below 1."""
        return self.values[int(share * len(self.values))]

    @property
    def extremes(self) -> tuple[Any, ...]:
        """What has to be valid for every draw to be."""
        return self.values


@dataclass(frozen=True)
class Span:
    """A number from ``low`` to ``high``, uniform in itself or in its logarithm."""

    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False

    def draw(self, share: float) -> float:
        """The number at ``share`` from 0 to below 1."""
        if self.whole:
            return int(self.low) + int(share * (int(self.high) - int(self.low) + 1))
        if self.logarithmic:
            return self.low * (self.high / self.low) ** share
        return self.low + share * (self.high - self.low)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The ends."""
        kind = int if self.whole else float
        return kind(self.low), kind(self.high)


def parse_variation(value: Any, whole: bool = False) -> Choice | Span:
    """What a configuration says about one parameter.

    Args:
        value: a value, ``{"choose": [...]}``, or ``{"from": low, "to": high}`` of numbers, with
            ``"scale": "log"`` uniform in the logarithm.
        whole: the parameter takes whole numbers only.

    Raises:
        InputError: another table.
    """
    if not isinstance(value, Mapping):
        return Choice((tuple(value) if isinstance(value, list) else value,))
    if set(value) == {"choose"}:
        if not isinstance(value["choose"], list) or not value["choose"]:
            raise InputError(f"choose is {value['choose']!r}, a list of values was expected")
        return Choice(tuple(value["choose"]))
    if not {"from", "to"} <= set(value) <= {"from", "to", "scale"}:
        raise InputError(
            f"{dict(value)!r} is no choice: {{choose: [A, B]}} or {{from: LOW, to: HIGH}} was "
            "expected, with scale: log for numbers of several magnitudes"
        )
    low, high = (_number(value[name], name) for name in ("from", "to"))
    scale = value.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise InputError(f"scale is {scale!r}, linear or log was expected")
    if low > high:
        raise InputError(f"from {low:g} to {high:g}: the ends are swapped")
    if scale == "log" and (low <= 0 or whole):
        raise InputError(f"from {low:g} with scale: log; a positive real number was expected")
    if whole and (low != int(low) or high != int(high)):
        raise InputError(f"from {low:g} to {high:g}: whole numbers were expected")
    return Span(low, high, scale == "log", whole)


def _number(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is {value!r}, a finite number was expected")
    return number


@dataclass(frozen=True)
class InstrumentRanges:
    """How many instruments lie in a view, and where; see :mod:`meddl.deepdrr.instruments`.

    Raises:
        InputError: a value outside its bounds, or a range whose ends are swapped.
    """

    count: tuple[int, int] = parameter((0, 2), "how many in a view", minimum=0, maximum=100)
    length: tuple[float, float] = parameter(
        (50.0, 150.0), "from tip to end", "mm", minimum=1, maximum=1000
    )
    distance: float = parameter(
        60.0, "largest distance of the tip from the isocentre", "mm", minimum=0, maximum=10000
    )

    def __post_init__(self) -> None:
        validate(self)
        for name in ("count", "length"):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"{name} is from {low:g} to {high:g}; the ends are swapped")


@dataclass(frozen=True)
class Instrument:
    """One instrument in a view.

    Attributes:
        kind: a key of :data:`meddl.deepdrr.instruments.INSTRUMENTS`.
        tip, end: RAS mm.
    """

    kind: str
    tip: tuple[float, float, float]
    end: tuple[float, float, float]

    @property
    def solid(self) -> Solid:
        """Its body, of the material that is usual for the kind."""
        make, material = INSTRUMENTS[self.kind]
        return Solid(make(self.tip, self.end), material, name=self.kind)


def draw_instruments(
    generator: np.random.Generator,
    kinds: Sequence[str],
    ranges: InstrumentRanges,
    isocenter: ArrayLike,
) -> list[Instrument]:
    """Random instruments: even over the kinds, the ball of tips and the sphere of directions."""
    count = int(generator.integers(ranges.count[0], ranges.count[1], endpoint=True))
    result = []
    for _ in range(count):
        kind = kinds[int(generator.integers(len(kinds)))]
        length = generator.uniform(*ranges.length)
        towards, along = (v / np.linalg.norm(v) for v in generator.normal(size=(2, 3)))
        tip = np.asarray(isocenter) + ranges.distance * generator.random() ** (1 / 3) * towards
        result.append(Instrument(kind, _triple(tip), _triple(tip + length * along)))
    return result


def _triple(point: np.ndarray) -> tuple[float, float, float]:
    r, a, s = point.tolist()
    return r, a, s
