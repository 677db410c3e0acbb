"""The parameters of a registration, shared by the command line, the module and the report."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter
from meddl.endodepth.alignment import TRANSFORMS


@dataclass(frozen=True)
class RegistrationParameters:
    """What :func:`meddl.endodepth.registration.register` does."""

    transform: str = parameter(
        "similarity",
        "rigid keeps the size; similarity finds the scale, as structure from motion needs",
        choices=TRANSFORMS,
    )
    overlap: float | None = parameter(
        None,
        "part of the scan that lies on the surface; by default found by itself",
        minimum=0.05,
        maximum=1,
    )
    points: int = parameter(4000, "points of the scan that the fit uses", minimum=100)
    iterations: int = parameter(100, "steps of ICP at most", minimum=1)
    starts: int = parameter(60000, "poses that a search without landmarks tries", minimum=100)
    smallest_scale: float = parameter(
        0.1,
        "of a search without landmarks: the smallest size of the scan, as part of the surface's",
        minimum=0.001,
        maximum=1,
    )
    seed: int = parameter(0, "of the points that are drawn", minimum=0)
