"""The projectors behind one interface: prepare a volume once, then integrate it view by view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.deepdrr.attenuation import transmitted

BACKENDS = ("auto", "exact", "numba", "torch", "pycuda")

# Steps through voxels (pixels x voxels along the three axes) up to which auto takes the exact
# projector: about two seconds on two cores. The fan planes differ from it by 0.1 to 0.3 % of the
# picture's norm, and by up to 5 % in the path through bone alone where voxels are 3 mm.
SMALL_WORK = 150_000_000


@dataclass(frozen=True)
class Backend:
    """One projector on one device.

    Attributes:
        name: ``"exact"`` (:mod:`meddl.deepdrr.projector`), ``"numba"``
            (:mod:`meddl.deepdrr.fanplane`), ``"torch"`` (:mod:`meddl.deepdrr.projector_torch`) or
            ``"pycuda"`` (:mod:`meddl.deepdrr.projector_cuda`).
        device: as torch writes it.
        prepare: (K, J, I, M) float32 volume -> what ``line_integrals`` takes as its volume.
        line_integrals: signature and result of :func:`meddl.deepdrr.projector.line_integrals`.
        transmitted: signature and result of :func:`meddl.deepdrr.attenuation.transmitted`.
    """

    name: str
    device: str
    prepare: Callable[[NDArray[np.float32]], Any]
    line_integrals: Callable[..., NDArray[np.float32]]
    transmitted: Callable[..., NDArray[np.float64]] = transmitted


def choose_backend(
    name: str, device: str, volume: tuple[int, ...], pixels: int, needed_bytes: int
) -> Backend:
    """Pick a projector with enough memory.

    ``auto`` is ``exact`` for small work and ``numba`` otherwise, and ``torch`` where ``device``
    names an accelerator. ``pycuda`` is taken only by name: its kernels have been compiled, and
    compared on the CPU, and not yet run on a GPU.

    Args:
        name: one of :data:`BACKENDS`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        volume: (K, J, I, M).
        pixels: of the largest picture.
        needed_bytes: main memory of the whole work without the projector's own.

    Raises:
        InputError: a projector of the CPU on an accelerator, or the other way round.
        DependencyError: a package or compiler of the projector is missing.
        DeviceError: the device is absent, or too little memory.
    """
    choose_device("cpu", needed_bytes)
    if name == "pycuda":
        return _pycuda(device, volume, pixels)
    if name == "torch" or (name == "auto" and device not in ("auto", "cpu")):
        return _torch(device, volume, pixels)
    if device not in ("auto", "cpu"):
        raise InputError(f"--backend {name} computes on the CPU, not on {device}")
    if name == "auto":
        name = "exact" if pixels * sum(volume[:3]) <= SMALL_WORK else "numba"
    if name == "exact":
        from meddl.deepdrr import projector

        return Backend(name, "cpu", lambda values: values, projector.line_integrals)
    from meddl.deepdrr import fanplane

    return Backend(name, "cpu", fanplane.prepare, fanplane.line_integrals)


def _torch(device: str, volume: tuple[int, ...], pixels: int) -> Backend:
    from meddl.deepdrr import projector_torch

    chosen = choose_device(device, projector_torch.needed_bytes(volume, pixels, device))
    return Backend(
        "torch",
        chosen.name,
        lambda values: projector_torch.upload(values, chosen.name),
        projector_torch.line_integrals,
    )


def _pycuda(device: str, volume: tuple[int, ...], pixels: int) -> Backend:
    from meddl.deepdrr import projector_cuda

    if device.partition(":")[0] not in ("auto", "cuda"):
        raise InputError(f"--backend pycuda computes on a CUDA device, not on {device}")
    name = projector_cuda.choose(device, volume, pixels).name
    return Backend(
        "pycuda",
        name,
        partial(projector_cuda.upload, device=name, pixels=pixels),
        projector_cuda.line_integrals,
        partial(projector_cuda.transmitted, device=name),
    )
