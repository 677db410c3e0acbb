"""Instruments and implants as closed meshes: K-wire, screw, tube and ball, placed in the patient.

Each is a surface r(s, angle) about the axis from ``tip`` to ``end``; lengths in mm, RAS. The length
is the distance of the two points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.core.mesh import Mesh, join_vertices

Array = NDArray[np.float64]
SIDES = 48  # about the axis; the cross-section is a polygon of 0.3 % less area than the circle


def k_wire(tip: ArrayLike, end: ArrayLike, diameter: float = 1.6) -> Mesh:
    """Kirschner wire: a round wire with a conical tip of 30 degrees."""
    _, length = _axis(tip, end)
    cone = diameter / (2 * np.tan(np.deg2rad(15)))
    _positive(diameter=diameter, length_of_the_shaft=length - cone)
    stations = np.array([0.0, cone, length])
    return _revolve(tip, end, stations, np.array([0.0, diameter / 2, diameter / 2]))


def screw(
    tip: ArrayLike,
    end: ArrayLike,
    diameter: float = 4.5,
    core: float = 3.0,
    pitch: float = 1.75,
    head_diameter: float = 8.0,
    head_length: float = 4.6,
) -> Mesh:
    """Cortical screw with a helical thread; the defaults are ISO 5835's HA 4.5.

    The thread is a symmetric triangle from ``core`` to ``diameter`` and runs out within one pitch
    at the tip and below the head.
    """
    _, length = _axis(tip, end)
    _positive(core=core, pitch=pitch, thread_depth=diameter - core, head_diameter=head_diameter)
    _positive(head_length=head_length, length_of_the_shaft=length - head_length - 2 * pitch)
    shaft = length - head_length
    s = np.linspace(0, shaft, max(2, int(np.ceil(shaft / (pitch / 8)))) + 1)
    turns = s[:, None] / pitch - np.arange(SIDES) / SIDES
    crest = 1 - 2 * np.abs(turns - np.round(turns))  # 1 on the crest, 0 in the groove
    run_out = np.clip(np.minimum(s, shaft - s) / pitch, 0, 1)[:, None]
    radii = 0.5 * (core + (diameter - core) * crest * run_out)
    radii[0] = 0.25 * core
    head = np.full((2, SIDES), head_diameter / 2)
    return _revolve(tip, end, np.r_[s, shaft, length], np.concatenate([radii, head]))


def tube(tip: ArrayLike, end: ArrayLike, diameter: float = 5.0, bore: float = 3.5) -> Mesh:
    """Hollow cylinder: drill sleeve, trocar, needle."""
    _positive(bore=bore, wall=diameter - bore)
    _, length = _axis(tip, end)
    # Out along the outside and back along the bore: the profile is a closed curve.
    stations = np.array([0.0, length, length, 0.0])
    radii = np.array([diameter, diameter, bore, bore]) / 2
    return _revolve(tip, end, stations, radii, closed=True)


def ball(tip: ArrayLike, end: ArrayLike) -> Mesh:
    """Sphere whose diameter runs from ``tip`` to ``end``; a fiducial marker."""
    _, length = _axis(tip, end)
    angle = np.linspace(0, np.pi, SIDES // 2 + 1)
    radii = length / 2 * np.sin(angle)
    radii[-1] = 0  # sin(pi) rounds to 1e-16
    return _revolve(tip, end, length / 2 * (1 - np.cos(angle)), radii)


# What ``--instrument`` knows, and of what it is made.
INSTRUMENTS: dict[str, tuple[Callable[..., Mesh], str]] = {
    "k-wire": (k_wire, "iron"),
    "screw": (screw, "titanium"),
    "tube": (tube, "iron"),
    "ball": (ball, "iron"),
}


def _positive(**sizes: float) -> None:
    for name, size in sizes.items():
        if not (np.isfinite(size) and size > 0):
            raise InputError(
                f"the {name.replace('_', ' ')} is {size:g} mm, a positive length was expected"
            )


def _axis(tip: ArrayLike, end: ArrayLike) -> tuple[Array, float]:
    """Unit vector from tip to end, and their distance."""
    try:
        axis = np.asarray(end, dtype=np.float64) - np.asarray(tip, dtype=np.float64)
        if axis.shape != (3,):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"tip {tip!r} and end {end!r}: two points R, A, S were expected") from None
    length = float(np.linalg.norm(axis))
    _positive(distance_from_tip_to_end=length)
    return axis / length, length


def _revolve(
    tip: ArrayLike, end: ArrayLike, stations: Array, radii: Array, closed: bool = False
) -> Mesh:
    """The surface with radii (N,) or (N, SIDES) at stations (N,) along the axis from tip.

    The profile is closed on itself, or at its ends by a disc (a point where the radius is 0).
    """
    axis, _ = _axis(tip, end)
    helper = np.eye(3)[np.argmin(np.abs(axis))]
    x = np.cross(axis, helper)
    x /= np.linalg.norm(x)
    y = np.cross(axis, x)
    angle = 2 * np.pi * np.arange(SIDES) / SIDES
    circle = np.cos(angle)[:, None] * x + np.sin(angle)[:, None] * y  # (SIDES, 3)
    radii = np.broadcast_to(radii if radii.ndim == 2 else radii[:, None], (len(stations), SIDES))
    centres = np.asarray(tip, dtype=np.float64) + stations[:, None] * axis
    rings = centres[:, None] + radii[..., None] * circle
    count = len(stations)
    index = np.arange(count * SIDES).reshape(count, SIDES)
    faces = []
    pairs = [(n, (n + 1) % count) for n in range(count if closed else count - 1)]
    for low, high in pairs:
        a, b = index[low], np.roll(index[low], -1)
        c, d = np.roll(index[high], -1), index[high]
        faces += [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]
    vertices = rings.reshape(-1, 3)
    if not closed:
        vertices = np.concatenate([vertices, centres[[0, -1]]])
        first, last = count * SIDES, count * SIDES + 1
        start, stop = index[0], index[-1]
        faces.append(np.stack([np.full(SIDES, first), np.roll(start, -1), start], axis=1))
        faces.append(np.stack([np.full(SIDES, last), stop, np.roll(stop, -1)], axis=1))
    return join_vertices(Mesh(vertices, np.concatenate(faces)))
