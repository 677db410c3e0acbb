"""A stand-in for :class:`CudaDevice` that runs the same kernels, compiled for the CPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import weakref
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from meddl.core import devices
from meddl.core.devices import Device
from meddl.deepdrr import projector_cuda, transport_cuda
from meddl.deepdrr.cuda.driver import SOURCES


@lru_cache(maxsize=1)
def kernels() -> ctypes.CDLL:
    """The compiled kernels; skips the test where no C++ compiler is."""
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler to run the CUDA kernels on the CPU")
    library = Path(tempfile.mkdtemp(prefix="meddl-cuda-")) / "kernels.so"
    source = Path(__file__).with_name("cuda_on_cpu.cpp")
    flags = ["-std=c++17", "-O2", "-shared", "-fPIC", "-x", "c++", f"-I{SOURCES}"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True, timeout=120)
    loaded = ctypes.CDLL(str(library))
    shutil.rmtree(library.parent)
    return loaded


class CpuTexture(ctypes.Structure):
    """As in cuda_on_cpu.cpp."""

    _fields_ = (
        ("voxels", ctypes.c_void_p),
        *((name, ctypes.c_int) for name in ("depth", "height", "width", "channels", "bits")),
    )

    @property
    def handle(self) -> int:
        return ctypes.addressof(self)


class CpuDevice:
    """What the product uses of a CudaDevice; ``bits`` of the texture filter, 0 is exact.

    Counts launches, and the bytes of the textures that live.
    """

    name = "cpu"

    def __init__(self, bits: int = 0) -> None:
        self.bits = bits
        self.alive = self.most_alive = self.launches = 0

    def texture(self, shape, channels, chunks):
        voxels = torch.cat(list(chunks))
        assert voxels.shape == (*shape, channels) and voxels.is_contiguous()
        texture = CpuTexture(voxels.data_ptr(), *shape, channels, self.bits)
        texture.keep = voxels
        self._count(voxels.nbytes)
        weakref.finalize(texture, self._count, -voxels.nbytes)
        return texture

    def _count(self, change: int) -> None:
        self.alive += change
        self.most_alive = max(self.most_alive, self.alive)

    def launch(self, kernel, blocks, threads, *arguments, source="projector"):
        self.launches += 1
        pair = ctypes.c_int * 2
        getattr(kernels(), f"launch_{kernel}")(
            pair(*blocks), pair(*threads), *map(_argument, arguments)
        )

    def synchronize(self):
        pass


def _argument(value):
    if isinstance(value, bytes | int):
        return value
    if isinstance(value, np.uint64):
        return ctypes.c_uint64(int(value))
    return ctypes.c_uint64(value.handle if isinstance(value, CpuTexture) else value.data_ptr())


def stand_in(monkeypatch, bits: int = 0, free_bytes: int = 10**12) -> CpuDevice:
    """Let the product find a CUDA device with so much free memory, which computes here."""
    device = CpuDevice(bits)
    cuda = Device("cuda:0", "stand-in", free_bytes, free_bytes)
    there = [cuda, *(one for one in devices.list_devices() if one.name != cuda.name)]
    monkeypatch.setattr(devices, "list_devices", lambda: there)
    for user in (projector_cuda, transport_cuda):
        monkeypatch.setattr(user, "open_device", lambda name: device)
    return device
