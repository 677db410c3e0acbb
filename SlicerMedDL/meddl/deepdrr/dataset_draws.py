"""What is random in a data set: values drawn for each view, and the pose of its C-arm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.errors import GeometryError, InputError
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.carm import CArm


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


def _range(default: tuple[float, float], help: str, unit: str, low: float, high: float) -> Any:
    return parameter(default, help, unit, minimum=low, maximum=high, metavar="LOW,HIGH")


@dataclass(frozen=True)
class PoseRanges:
    """From where to where random poses vary; equal ends keep a value fixed.

    Raises:
        InputError: a value outside its bounds, or a range whose ends are swapped.
        GeometryError: an isocentre that may lie at or behind the detector.
    """

    primary_angle: tuple[float, float] = _range(
        (-45.0, 45.0), "primary angle, positive LAO", "degrees", -360, 360
    )
    secondary_angle: tuple[float, float] = _range(
        (-30.0, 30.0), "secondary angle, positive cranial", "degrees", -360, 360
    )
    rotation: tuple[float, float] = _range(
        (-10.0, 10.0), "turn of the detector", "degrees", -360, 360
    )
    source_detector: tuple[float, float] = _range(
        (1020.0, 1020.0), "source to detector", "mm", 1, 10000
    )
    source_isocenter: tuple[float, float] = _range(
        (530.0, 530.0), "source to isocentre", "mm", 0.1, 10000
    )
    isocenter_jitter: tuple[float, float, float] = parameter(
        (20.0, 20.0, 20.0),
        "largest shift of the isocentre to either side, right, anterior, superior",
        "mm",
        minimum=0,
        maximum=10000,
        metavar="R,A,S",
    )

    def __post_init__(self) -> None:
        validate(self)
        for name in _RANGES:
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"{name} is from {low:g} to {high:g}; the ends are swapped")
        if self.source_isocenter[1] >= self.source_detector[0]:
            raise GeometryError(
                f"source_isocenter may be {self.source_isocenter[1]:g} mm and source_detector "
                f"{self.source_detector[0]:g} mm: the patient would lie behind the detector"
            )


_RANGES = ("primary_angle", "secondary_angle", "rotation", "source_detector", "source_isocenter")


def draw_pose(
    generator: np.random.Generator, ranges: PoseRanges, base: CArm, center: ArrayLike
) -> CArm:
    """A random pose, uniform in each range; takes eight numbers from the generator.

    Args:
        base: the detector, and the isocentre about which the poses jitter.
        center: (3,) RAS mm, the isocentre if ``base`` names none (the CT's centre).
    """
    uniform = generator.random(8)
    drawn: dict[str, Any] = {
        name: Span(*getattr(ranges, name)).draw(float(share))
        for name, share in zip(_RANGES, uniform[:5], strict=True)
    }
    middle = np.asarray(center if base.isocenter is None else base.isocenter, dtype=np.float64)
    r, a, s = (float(n) for n in middle + (2 * uniform[5:] - 1) * ranges.isocenter_jitter)
    return replace(base, isocenter=(r, a, s), **drawn)
