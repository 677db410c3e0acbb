"""The projectors behind one interface: prepare a volume once, then integrate it view by view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError

BACKENDS = ("auto", "numba", "torch")


@dataclass(frozen=True)
class Backend:
    """One projector on one device.

    Attributes:
        name: ``"numba"`` or ``"torch"``.
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

    ``auto`` is numba, and torch where ``device`` names an accelerator.

    Args:
        name: one of :data:`BACKENDS`.
        device: ``"auto"``, ``"cpu"``, ``"cuda:0"``, ``"mps"``.
        volume: (K, J, I, M).
        pixels: of the largest picture.
        needed_bytes: main memory of the whole work without the projector's own.

    Raises:
        InputError: numba on an accelerator.
        DeviceError: the device is absent, or too little memory.
        DependencyError: no torch.
    """
    choose_device("cpu", needed_bytes)
    if name == "auto":
        name = "numba" if device in ("auto", "cpu") else "torch"
    if name == "torch":
        from meddl.deepdrr import projector_torch

        chosen = choose_device(device, projector_torch.needed_bytes(volume, pixels, device))
        return Backend(
            name,
            chosen.name,
            lambda values: projector_torch.upload(values, chosen.name),
            projector_torch.line_integrals,
        )
    if device not in ("auto", "cpu"):
        raise InputError(f"--backend numba computes on the CPU, not on {device}; use torch")
    from meddl.deepdrr import projector

    return Backend(name, "cpu", lambda values: values, projector.line_integrals)
