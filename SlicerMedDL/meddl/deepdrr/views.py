"""Sets of C-arm poses: regular grids over the two angles, and random views within ranges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.errors import GeometryError, InputError
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.carm import CArm


def view_grid(
    primary: tuple[float, float, int],
    secondary: tuple[float, float, int] = (0.0, 0.0, 1),
    base: CArm | None = None,
) -> list[CArm]:
    """Views at even steps of both angles, secondary by secondary, ends included.

    Args:
        primary: first angle, last angle (degrees), number of angles. A full turn leaves out its
            last angle, which is the first one again.
        secondary: the same.
        base: every other property of the C-arm.

    Raises:
        InputError: fewer than one angle, or angles out of bounds.
    """
    arm = base or CArm()
    return [
        replace(arm, primary_angle=float(a), secondary_angle=float(b))
        for b in _steps(secondary, "secondary")
        for a in _steps(primary, "primary")
    ]


def _steps(spec: tuple[float, float, int], name: str) -> np.ndarray:
    first, last, count = spec
    if count < 1 or count != int(count):
        raise InputError(f"the grid has {count} {name} angles, at least 1 was expected")
    full_turn = count > 1 and abs(abs(last - first) - 360) < 1e-9
    return np.linspace(first, last, int(count), endpoint=not full_turn)


@dataclass(frozen=True)
class ViewRanges:
    """From where to where random views vary; equal ends keep a value fixed.

    Raises:
        InputError: a value outside its bounds, or a range whose ends are swapped.
        GeometryError: an isocentre that may lie at or behind the detector.
    """

    primary_angle: tuple[float, float] = parameter(
        (-45.0, 45.0),
        "primary angle, positive LAO",
        "degrees",
        minimum=-360,
        maximum=360,
        metavar="LOW,HIGH",
    )
    secondary_angle: tuple[float, float] = parameter(
        (-30.0, 30.0),
        "secondary angle, positive cranial",
        "degrees",
        minimum=-360,
        maximum=360,
        metavar="LOW,HIGH",
    )
    rotation: tuple[float, float] = parameter(
        (-10.0, 10.0),
        "turn of the detector",
        "degrees",
        minimum=-360,
        maximum=360,
        metavar="LOW,HIGH",
    )
    source_detector: tuple[float, float] = parameter(
        (1020.0, 1020.0), "source to detector", "mm", minimum=1, maximum=10000, metavar="LOW,HIGH"
    )
    source_isocenter: tuple[float, float] = parameter(
        (530.0, 530.0), "source to isocentre", "mm", minimum=0.1, maximum=10000, metavar="LOW,HIGH"
    )
    isocenter_jitter: tuple[float, float, float] = parameter(
        (20.0, 20.0, 20.0),
        "largest shift of the isocentre to either side, right, anterior, superior",
        "mm",
        minimum=0,
        maximum=10000,
        metavar="R,A,S",
    )
    even_directions: bool = parameter(
        False, "spread the central rays evenly over the sphere, not over the angles"
    )

    def __post_init__(self) -> None:
        validate(self)
        for name in ("primary_angle", "secondary_angle", "rotation", *_DISTANCES):
            low, high = getattr(self, name)
            if low > high:
                raise InputError(f"{name} is from {low:g} to {high:g}; the ends are swapped")
        if self.even_directions and max(map(abs, self.secondary_angle)) > 90:
            raise InputError(
                f"secondary_angle is from {self.secondary_angle[0]:g} to "
                f"{self.secondary_angle[1]:g}: directions are even from -90 to 90 degrees"
            )
        if self.source_isocenter[1] >= self.source_detector[0]:
            raise GeometryError(
                f"source_isocenter may be {self.source_isocenter[1]:g} mm and source_detector "
                f"{self.source_detector[0]:g} mm: the patient would lie behind the detector"
            )


_DISTANCES = ("source_detector", "source_isocenter")


def sample_views(
    count: int,
    generator: np.random.Generator,
    ranges: ViewRanges | None = None,
    base: CArm | None = None,
    center: ArrayLike = (0.0, 0.0, 0.0),
) -> list[CArm]:
    """Draw random views, uniform in each range and independent of each other.

    Args:
        count: how many.
        generator: the randomness; each view takes eight numbers from it, so that the first n of
            a longer draw are those of a shorter one.
        ranges: from where to where.
        base: detector, and the isocentre about which the views jitter.
        center: (3,) RAS mm, the isocentre if ``base`` names none (the CT's centre).

    Raises:
        InputError: a negative count.
    """
    if count < 0:
        raise InputError(f"{count} views were asked for")
    arm, spans = base or CArm(), ranges or ViewRanges()
    middle = np.asarray(center if arm.isocenter is None else arm.isocenter, dtype=np.float64)
    return [_view(generator.random(8), spans, arm, middle) for _ in range(count)]


def _view(uniform: np.ndarray, spans: ViewRanges, arm: CArm, middle: np.ndarray) -> CArm:
    """The view of eight numbers from 0 to 1."""

    def between(span: tuple[float, float], share: float) -> float:
        return float(span[0] + (span[1] - span[0]) * share)

    secondary = between(spans.secondary_angle, uniform[1])
    if spans.even_directions:  # Archimedes: equal heights of a sphere have equal areas
        low, high = np.sin(np.deg2rad(spans.secondary_angle))
        secondary = float(np.rad2deg(np.arcsin(between((low, high), uniform[1]))))
    shift = (2 * uniform[5:8] - 1) * spans.isocenter_jitter
    r, a, s = (float(n) for n in middle + shift)
    return replace(
        arm,
        primary_angle=between(spans.primary_angle, uniform[0]),
        secondary_angle=secondary,
        rotation=between(spans.rotation, uniform[2]),
        source_detector=between(spans.source_detector, uniform[3]),
        source_isocenter=between(spans.source_isocenter, uniform[4]),
        isocenter=(r, a, s),
    )
