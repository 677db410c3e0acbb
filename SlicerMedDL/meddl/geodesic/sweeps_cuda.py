"""Raster sweeps on a CUDA device, by PyCUDA: a launch per plane, until no distance falls.

The order and the arithmetic (``cuda/steps.h``) are those of :mod:`meddl.geodesic.sweeps`. The
kernel has been compiled, and compared on the CPU, and not yet run on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import megabytes
from meddl.core.errors import DependencyError, DeviceError, InputError, one_line
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.grid import Grid
from meddl.geodesic.steps import SLACK

SOURCES = Path(__file__).resolve().parent / "cuda"
OPTIONS = ["--fmad=false", "-std=c++17"]  # the first: the same bits as on the CPU
BLOCK = 32, 8  # threads along a plane's rows and across them
PURPOSE = "the backend pycuda"


class CudaDevice:
    """A CUDA device with the compiled kernel, current while :func:`open_device` is entered."""

    def __init__(self, driver: Any, kernel: Any) -> None:
        self._driver, self._kernel = driver, kernel
        self._held: list[Any] = []

    def upload(self, array: NDArray[Any]) -> Any:
        """A copy in the device's memory, there until :meth:`free`."""
        memory = self._driver.to_device(array)
        self._held.append(memory)
        return memory

    def free(self) -> None:
        """Give the memory back.

        PyCUDA gives none back once the context is detached, and where PyTorch holds the same
        context nobody else does either.
        """
        while self._held:
            self._held.pop().free()

    def download(self, memory: Any, like: NDArray[Any]) -> NDArray[Any]:
        """A copy in main memory, of the shape and dtype of ``like``."""
        return np.asarray(self._driver.from_device_like(memory, like))

    def sweep_plane(self, rows: int, columns: int, *arguments: Any) -> None:
        """Launch the kernel; arguments in its order, numbers as numpy's."""
        blocks = -(-columns // BLOCK[0]), -(-rows // BLOCK[1])
        self._kernel(*arguments, grid=(*blocks, 1), block=(*BLOCK, 1))


@contextmanager
def open_device(name: str, needed_bytes: int) -> Iterator[CudaDevice]:
    """The device ``"auto"``, ``"cuda"`` or ``"cuda:N"``, by its primary context.

    Raises:
        InputError: another kind of device.
        DependencyError: PyCUDA or nvcc is missing, or nvcc fails.
        DeviceError: no such device, too little memory, or whatever the driver refuses.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cuda") or not (number or "0").isdigit():
        raise InputError(f"{PURPOSE} computes on a CUDA device, not on {name}")
    driver = require("pycuda.driver", PURPOSE)
    compiler = require("pycuda.compiler", PURPOSE)
    errors = driver.Error
    try:
        driver.init()
        count = driver.Device.count()
        if int(number or 0) >= count:
            raise DeviceError(f"there is no device {name!r}: PyCUDA sees {count}; use numba")
        context = driver.Device(int(number or 0)).retain_primary_context()
    except errors as error:
        raise DeviceError(f"{PURPOSE}: {one_line(error)}; use the backend numba") from error
    context.push()
    try:
        free, _ = driver.mem_get_info()
        if free < needed_bytes:
            raise DeviceError(
                f"the distances need {megabytes(needed_bytes)} on {name}, {megabytes(free)} are "
                "free; use the backend numba or a smaller image"
            )
        module = compiler.SourceModule(
            (SOURCES / "sweeps.cu").read_text(encoding="utf-8"),
            options=OPTIONS,
            no_extern_c=True,
            include_dirs=[str(SOURCES)],
        )
        device = CudaDevice(driver, module.get_function("sweep_plane"))
        try:
            yield device
        finally:
            device.free()
    except (driver.CompileError, OSError) as error:
        raise DependencyError(
            f"{PURPOSE} compiles its kernel with nvcc of NVIDIA's CUDA toolkit, which fails: "
            f"{one_line(error)}; install it or use the backend numba"
        ) from error
    except errors as error:
        raise DeviceError(f"{name}: {one_line(error)}") from error
    finally:
        context.pop()
        context.detach()


def distance_map(
    grid: Grid,
    seeds: NDArray[Any],
    iterations: int | None,
    device: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """(K, J, I) the distance from the nearest seed; arguments as those of ``sweeps_torch``."""
    start = grid.unreached()
    grid.inside(start)[seeds != 0] = 0
    with open_device(device, start.nbytes + grid.padded.nbytes) as opened:
        distance, image = opened.upload(start), opened.upload(grid.padded)
        planes = [_planes(grid, axis, direction) for axis in range(3) for direction in (1, -1)]
        tables = [(opened.upload(s), opened.upload(w)) for _, _, s, w in planes]
        done = 0
        while iterations is None or done < iterations:
            fell = opened.upload(np.zeros(1, np.int32))
            for (firsts, (size, strides), _, _), table in zip(planes, tables, strict=True):
                if cancel is not None:
                    cancel.check()
                for first in firsts:
                    opened.sweep_plane(
                        *size,
                        *(distance, image, np.int64(len(start) - SLACK), np.int64(first)),
                        *(np.int64(stride) for stride in strides),
                        *(*table, fell, np.int32(len(grid.image))),
                        *(np.int32(count) for count in size),
                        *(np.int32(grid.cost.code), np.float32(grid.cost.lambda_)),
                    )
            done += 1
            progress(min(done / (iterations or 20), 1.0), f"sweeping, iteration {done}")
            if not opened.download(fell, np.zeros(1, np.int32))[0]:
                break
        found = opened.download(distance, start)
    return np.ascontiguousarray(grid.inside(found))


def _planes(
    grid: Grid, axis: int, direction: int
) -> tuple[
    list[int], tuple[tuple[int, int], tuple[int, int]], NDArray[np.int64], NDArray[np.float32]
]:
    """Of one sweep: first voxels of its planes; a plane's size and strides; sources and lengths."""
    _, rows, columns = grid.padded_shape
    strides = [rows * columns, columns, 1]
    others = [n for n in range(3) if n != axis]
    count, along = grid.shape[axis], strides[axis]
    places = range(1, count) if direction > 0 else range(count - 2, -1, -1)
    firsts = [sum(strides) + place * along for place in places]
    size = grid.shape[others[0]], grid.shape[others[1]]
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    sources = [
        a * strides[others[0]] + b * strides[others[1]] - direction * along for a, b in steps
    ]
    lengths = np.moveaxis(grid.lengths.reshape(10, 4)[:9, :3].reshape(3, 3, 3), axis, 0)[0]
    return (
        firsts,
        (size, (strides[others[0]], strides[others[1]])),
        np.array(sources, np.int64),
        np.ascontiguousarray(lengths).reshape(-1),
    )
