"""The projectors behind one interface: prepare a volume once, then integrate it view by view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError

BACKENDS = ("auto", "exact", "numba")

# Steps through voxels (pixels x voxels along the three axes) up to which auto takes the exact
# projector: about half a second on two cores.
SMALL_WORK = 30_000_000


@dataclass(frozen=True)
class Backend:
    """One projector on one device.

    Attributes:
        name: ``"exact"`` (:mod:`meddl.deepdrr.projector`), ``"numba"``
            (:mod:`meddl.deepdrr.fanplane`).
        device: as torch writes it.
        prepare: (K, J, I, M) float32 volume -> what ``line_integrals`` takes as its volume.
        line_integrals: signature and result of :func:`meddl.deepdrr.projector.line_integrals`.
    """

    name: str
    device: str
    prepare: Callable[[NDArray[np.float32]], Any]
    line_integrals: Callable[..., NDArray[np.float32]]


def choose_backend(
    name: str, device: str, volume: tuple[int, ...], pixels: int, needed_bytes: int
) -> Backend:
    """Pick a projector with enough memory.

    ``auto`` is ``exact`` for small work and ``numba`` otherwise.

    Args:
        name: one of :data:`BACKENDS`.
        device: ``"auto"`` or ``"cpu"``.
        volume: (K, J, I, M).
        pixels: of the largest picture.
        needed_bytes: main memory of the whole work without the projector's own.

    Raises:
        InputError: a projector of the CPU on an accelerator.
        DeviceError: the device is absent, or too little memory.
    """
    choose_device("cpu", needed_bytes)
    if device not in ("auto", "cpu"):
        raise InputError(f"--backend {name} computes on the CPU, not on {device}")
    if name == "auto":
        name = "exact" if pixels * sum(volume[:3]) <= SMALL_WORK else "numba"
    if name == "exact":
        from meddl.deepdrr import projector

        return Backend(name, "cpu", lambda values: values, projector.line_integrals)
    from meddl.deepdrr import fanplane

    return Backend(name, "cpu", fanplane.prepare, fanplane.line_integrals)
