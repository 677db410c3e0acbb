"""Which projector draws a radiograph: several backends, one interface, one truth.

Each is a module with ``line_integrals`` of the signature of
:func:`meddl.deepdrr.projector.line_integrals`. One that computes elsewhere than on the CPU also has
``upload(volume, device, pixels)``, whose result takes the volume's place.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import Device, choose_device, list_devices
from meddl.core.errors import DependencyError, DeviceError, InputError
from meddl.core.optional import is_installed
from meddl.deepdrr import attenuation

logger = logging.getLogger(__name__)

MODULES = {"numba": "meddl.deepdrr.projector", "pycuda": "meddl.deepdrr.projector_cuda"}
# The kinds of device that each computes on, the first if none is asked for.
KINDS = {"numba": ("cpu",), "pycuda": ("cuda",)}
BACKENDS = ("auto", *MODULES)


@dataclass(frozen=True)
class Backend:
    """A projector on a device.

    Attributes:
        name: a key of :data:`MODULES`.
        device: where it computes.
    """

    name: str
    device: Device

    @property
    def module(self) -> ModuleType:
        """The module of the projector, imported on first use."""
        return import_module(MODULES[self.name])

    def upload(self, volume: NDArray[np.float32], pixels: int) -> Any:
        """A volume (K, J, I, M) where ``line_integrals`` wants it.

        Args:
            volume: float32, C-contiguous.
            pixels: of the largest picture, for the estimate of memory.

        Raises:
            DeviceError: the device has too little memory.
        """
        if self.name == "numba":
            return volume
        return self.module.upload(volume, self.device.name, pixels)

    def line_integrals(self, uploaded: Any, *args: Any, **options: Any) -> NDArray[np.float32]:
        """As :func:`meddl.deepdrr.projector.line_integrals`, of what :meth:`upload` returned."""
        result: NDArray[np.float32] = self.module.line_integrals(uploaded, *args, **options)
        return result

    @property
    def beer_lambert(self) -> attenuation.BeerLambert:
        """The backend's own :func:`meddl.deepdrr.attenuation.beer_lambert`, if it has one."""
        if self.name == "pycuda":
            return partial(self.module.beer_lambert, device=self.device.name)
        return attenuation.beer_lambert


def choose_backend(name: str = "auto", device: str = "auto", needed_bytes: int = 0) -> Backend:
    """A backend that runs here, said in the log.

    ``auto`` takes pycuda where PyTorch sees a CUDA device and the kernels compile, else numba.

    Args:
        name: one of :data:`BACKENDS`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        needed_bytes: on the device; pycuda takes less by itself.

    Raises:
        InputError: the backend does not compute on such a device.
        DependencyError: a package or compiler of the backend is missing.
        DeviceError: no such device, or too little memory.
    """
    kind = device.partition(":")[0]
    if name == "auto":
        fitting = [b for b in MODULES if kind in ("auto", *KINDS[b])]
        if not fitting:
            raise InputError(f"no backend computes on --device {device}; use cpu, cuda:N or auto")
        if "pycuda" in fitting and (kind == "cuda" or _sees_cuda()):
            try:
                return choose_backend("pycuda", device)
            except (DependencyError, DeviceError) as error:
                if kind == "cuda":
                    raise
                logger.info("projecting with numba: %s", error)
        return choose_backend("numba", "cpu", needed_bytes)
    if kind not in ("auto", *KINDS[name]):
        raise InputError(f"--backend {name} computes on {KINDS[name][0]}, not --device {device}")
    wanted = KINDS[name][0] if device == "auto" else device
    if name == "numba":
        return Backend(name, choose_device(wanted, needed_bytes))
    chosen = Backend(name, choose_device(wanted))
    chosen.module.open_device(chosen.device.name)
    return chosen


def _sees_cuda() -> bool:
    return is_installed("pycuda") and any(d.name.startswith("cuda") for d in list_devices())
