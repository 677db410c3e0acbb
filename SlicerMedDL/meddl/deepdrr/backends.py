"""The projectors behind one interface: prepare a volume once, then integrate it view by view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress
from meddl.deepdrr.attenuation import transmitted
from meddl.deepdrr.density_grid import DensityGrid

BACKENDS = ("auto", "exact", "numba", "torch", "pycuda")

# What auto takes: the exact projector up to so many steps through voxels (pixels x voxels along the
# three axes; 0.2 s on one core).
SMALL_WORK = 5_000_000


class Project(Protocol):
    """Integrates one prepared volume: see :func:`meddl.deepdrr.projector.line_integrals`."""

    def __call__(
        self,
        source: NDArray[np.float64],
        world_per_pixel: NDArray[np.float64],
        size: tuple[int, int],
        *,
        progress: Progress,
        cancel: CancelToken | None,
    ) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Backend:
    """One projector on one device.

    Attributes:
        name: ``"exact"`` (:mod:`meddl.deepdrr.projector`), ``"numba"``
            (:mod:`meddl.deepdrr.shear_warp`), ``"torch"`` (:mod:`meddl.deepdrr.projector_torch`) or
            ``"pycuda"`` (:mod:`meddl.deepdrr.projector_cuda`).
        device: as torch writes it.
        prepare: volume -> function that integrates it for a view.
        transmitted: signature and result of :func:`meddl.deepdrr.attenuation.transmitted`.
    """

    name: str
    device: str
    prepare: Callable[[DensityGrid], Project]
    transmitted: Callable[..., NDArray[np.float64]] = transmitted


def choose_backend(
    name: str, device: str, volume: tuple[int, ...], pixels: int, needed_bytes: int
) -> Backend:
    """Pick a projector with enough memory.

    ``auto`` is ``exact`` for tiny work and ``numba`` otherwise, and ``torch`` where ``device``
    names an accelerator. ``pycuda`` is taken only by name: it needs NVIDIA's compiler at its first
    use; then it is ten times as fast as ``torch`` on the same GPU (Docs/validation.md).

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

        return Backend(
            name, "cpu", lambda grid: partial(projector.line_integrals, grid, box=grid.box)
        )
    from meddl.deepdrr import shear_warp

    def prepare(grid: DensityGrid) -> Project:
        return partial(shear_warp.project, shear_warp.PreparedVolume(grid))

    return Backend(name, "cpu", prepare)


def _torch(device: str, volume: tuple[int, ...], pixels: int) -> Backend:
    from meddl.deepdrr import projector_torch

    needed = projector_torch.needed_bytes(volume, pixels, device)
    chosen = choose_device(device, needed, "use --coarsen 2 (an eighth) or --backend numba").name

    def prepare(grid: DensityGrid) -> Project:
        uploaded = projector_torch.upload(grid.stacked(), chosen)
        return partial(projector_torch.line_integrals, uploaded, grid.ijk_from_ras, box=grid.box)

    return Backend("torch", chosen, prepare)


def _pycuda(device: str, volume: tuple[int, ...], pixels: int) -> Backend:
    from meddl.deepdrr import projector_cuda

    if device.partition(":")[0] not in ("auto", "cuda"):
        raise InputError(f"--backend pycuda computes on a CUDA device, not on {device}")
    name = projector_cuda.choose(device, volume, pixels).name

    def prepare(grid: DensityGrid) -> Project:
        uploaded = projector_cuda.upload(grid.stacked(), name, pixels)
        return partial(projector_cuda.line_integrals, uploaded, grid.ijk_from_ras, box=grid.box)

    return Backend("pycuda", name, prepare, partial(projector_cuda.transmitted, device=name))
