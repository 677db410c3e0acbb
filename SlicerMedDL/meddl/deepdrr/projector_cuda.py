"""Line integrals and polychromatic attenuation on a CUDA device, by PyCUDA beside PyTorch.

The rays are :mod:`meddl.deepdrr.projector`'s (``cuda/ray.h``): two Gauss points per cell and ray.
Voxels lie in textures of up to four components, so that one fetch interpolates them all. The
texture unit rounds places within a cell to 1/256. Emulated on a CPU, that costs noise 1.5e-4 of its
norm and the radiographs of a CT at most 1e-4 (``Docs/validation.md``), a fiftieth of what backends
may differ by; interpolating exactly would take eight fetches in the place of one.

A volume that exceeds the device's memory is projected slab by slab along k. Neighbouring slabs meet
at a slice that both hold, so that their integrals add up exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import Device, choose_device, megabytes
from meddl.core.errors import DeviceError
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.compositions import mass_attenuation
from meddl.deepdrr.cuda.driver import PURPOSE, CudaDevice, open_device

logger = logging.getLogger(__name__)

BLOCK = 16  # pixels along either side of a block of threads
ROWS_PER_LAUNCH = 256  # cancel is answered between launches; a display's watchdog stays calm
CHUNK_BYTES = 1 << 26  # of voxels on their way into a texture
RESERVE = 0.1  # of the free memory, left to PyTorch and the driver
# Code of PyTorch's kernels, which the driver loads at their first use. Of 734 MB that an H200 had
# free, a slab of 0.5 GB and its chunk of 67 MB left 65 MB.
CODE_BYTES = 1 << 28
SUMS_PER_LAUNCH = 4  # accumulators of a thread of the kernel `transmit`


@dataclass(eq=False)
class CudaVolume:
    """A volume that a device projects.

    Attributes:
        voxels: (K, J, I, M) float32, array or tensor.
        device: what holds and projects it.
        slabs: first and last slice of each part; one part if all fits.
    """

    voxels: Any
    device: CudaDevice
    slabs: list[tuple[int, int]]
    _resident: list[Any] = field(default_factory=list)

    def textures(self, slab: tuple[int, int]) -> list[Any]:
        """One texture per group of components; kept if the volume has one slab."""
        if self._resident:
            return self._resident
        first, last = slab
        _, height, width, components = self.voxels.shape
        result = [
            self.device.texture(
                (last - first + 1, height, width),
                channels,
                _chunks(self.voxels, first, last, start, count, channels, self.device.name),
            )
            for start, count, channels in component_groups(components)
        ]
        if len(self.slabs) == 1:
            self._resident = result
        return result


def _chunks(
    voxels: Any, first: int, last: int, start: int, count: int, channels: int, device: str
) -> Iterator[Any]:
    """Slices first..last of some components on the device, padded to the texture's channels."""
    torch = require("torch", PURPOSE)
    _, height, width, _ = voxels.shape
    step = max(1, CHUNK_BYTES // (4 * height * width * channels))
    for k in range(first, last + 1, step):
        part = voxels[k : min(k + step, last + 1), :, :, start : start + count]
        part = torch.as_tensor(part, device=device)
        yield torch.nn.functional.pad(part, (0, channels - count)).contiguous()


def component_groups(components: int) -> list[tuple[int, int, int]]:
    """First component, number of components and texture channels (1, 2 or 4) of each texture."""
    groups = []
    for start in range(0, components, 4):
        count = min(4, components - start)
        groups.append((start, count, 4 if count == 3 else count))
    return groups


def plan_slabs(slices: int, bytes_per_slice: int, budget: int) -> list[tuple[int, int]]:
    """First and last slice of slabs of at most ``budget`` bytes; neighbours share one slice.

    Raises:
        DeviceError: not even two slices fit.
    """
    most = budget // bytes_per_slice
    if most >= slices:
        return [(0, slices - 1)]
    if most < 2:
        raise DeviceError(
            f"two slices of the volume need {megabytes(2 * bytes_per_slice)}, the device has "
            f"{megabytes(max(budget, 0))} for them; use --coarsen or --backend numba"
        )
    return [(first, min(first + most - 1, slices - 1)) for first in range(0, slices - 1, most - 1)]


def _estimate(volume: Sequence[int], pixels: int) -> tuple[int, int]:
    """Bytes of one slice's textures, and of what the work needs beside the textures."""
    _, height, width, components = volume
    per_slice = 4 * height * width * sum(group[2] for group in component_groups(components))
    # The picture, its paths and sums; voxels on their way: as they come, and padded.
    picture = 4 * pixels * (2 * components + SUMS_PER_LAUNCH)
    return per_slice, picture + 2 * max(CHUNK_BYTES, per_slice) + CODE_BYTES


def choose(device: str, volume: Sequence[int], pixels: int) -> Device:
    """A CUDA device on which the kernels run, with memory for two slices at least.

    Args:
        device: ``"auto"``, ``"cuda"`` or ``"cuda:N"``.
        volume: (K, J, I, M).
        pixels: of the largest picture.

    Raises:
        DependencyError: PyTorch, PyCUDA or nvcc is missing.
        DeviceError: no such device, or too little memory.
    """
    per_slice, beside = _estimate(volume, pixels)
    chosen = choose_device("cuda" if device == "auto" else device, beside + 2 * per_slice)
    open_device(chosen.name)
    return chosen


def upload(volume: Any, device: str = "auto", pixels: int = 0) -> CudaVolume:
    """Put a volume on a CUDA device, or plan to project it in slabs, said in the log.

    Args:
        volume: (K, J, I, M) float32, array or tensor; a tensor on the device never leaves it.
        device, pixels: as :func:`choose`, which see for the errors.
    """
    chosen = choose(device, volume.shape, pixels)
    per_slice, beside = _estimate(volume.shape, pixels)
    slices = volume.shape[0]
    slabs = plan_slabs(slices, per_slice, int((1 - RESERVE) * chosen.free_bytes) - beside)
    if len(slabs) > 1:
        logger.warning(
            "the volume needs %s of textures, %s has %s free: projecting %d slabs, each copied for "
            "every view (--coarsen 2 would need an eighth)",
            megabytes(slices * per_slice),
            chosen.name,
            megabytes(chosen.free_bytes),
            len(slabs),
        )
    uploaded = CudaVolume(volume, open_device(chosen.name), slabs)
    if len(slabs) == 1:
        uploaded.textures(slabs[0])  # now: the estimate of the next volume counts them
    return uploaded


def pack_rays(
    ijk_from_world: NDArray[np.float64],
    source: NDArray[np.float64],
    world_per_pixel: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> bytes:
    """The structure ``Rays`` of ``ray.h``; arguments as those of :func:`line_integrals`."""
    linear = ijk_from_world[:3, :3]
    origin = linear @ source + ijk_from_world[:3, 3]
    per_column, per_row, first = (linear @ world_per_pixel).T
    parts = (origin, first, per_column, per_row, np.linalg.inv(linear).ravel(), low, high)
    return np.concatenate(parts).astype(np.float64).tobytes()


def project(
    volume: CudaVolume,
    ijk_from_world: NDArray[np.float64],
    source: NDArray[np.float64],
    world_per_pixel: NDArray[np.float64],
    size: tuple[int, int],
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Any:
    """As :func:`line_integrals`, leaving the picture on the device.

    Returns:
        (H, W, M) float32 tensor, value x mm.
    """
    torch = require("torch", PURPOSE)
    slices, rows, columns, components = volume.voxels.shape
    low, high = (np.full(3, -0.5), np.array([columns, rows, slices]) - 0.5) if box is None else box
    width, height = size
    picture = torch.zeros((height, width, components), device=volume.device.name)
    for number, slab in enumerate(volume.slabs):
        slab_low, slab_high = low.copy(), high.copy()
        if slab[0] > 0:
            slab_low[2] = max(low[2], slab[0])
        if slab[1] < slices - 1:
            slab_high[2] = min(high[2], slab[1])
        if slab_low[2] < slab_high[2]:
            rays = pack_rays(ijk_from_world, source, world_per_pixel, slab_low, slab_high)
            start, stop = (n / len(volume.slabs) for n in (number, number + 1))
            _add_slab(volume, slab, rays, picture, subprogress(progress, start, stop), cancel)
    return picture


def _add_slab(
    volume: CudaVolume,
    slab: tuple[int, int],
    rays: bytes,
    picture: Any,
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    """Add the integrals over one slab to the picture (H, W, M)."""
    height, width, components = picture.shape
    device = volume.device
    textures = volume.textures(slab)  # gone at the return, before the next slab takes their place
    for row in range(0, height, ROWS_PER_LAUNCH):
        if cancel is not None:
            cancel.check()
        stop = min(row + ROWS_PER_LAUNCH, height)
        blocks = (-(-width // BLOCK), -(-(stop - row) // BLOCK))
        for texture, (first, count, channels) in zip(
            textures, component_groups(components), strict=True
        ):
            device.launch(
                f"project_{channels}",
                blocks,
                (BLOCK, BLOCK),
                rays,
                texture,
                picture,
                *(slab[0], row, stop, width, components, first, count),
            )
        device.synchronize()
        progress(stop / height, "projecting")


def line_integrals(
    volume: CudaVolume,
    ijk_from_world: NDArray[np.float64],
    source: NDArray[np.float64],
    world_per_pixel: NDArray[np.float64],
    size: tuple[int, int],
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """As :func:`meddl.deepdrr.projector.line_integrals`, with a volume of :func:`upload`.

    Returns:
        (H, W, M) float32, value x mm.
    """
    picture = project(volume, ijk_from_world, source, world_per_pixel, size, box, progress, cancel)
    return picture.cpu().numpy()


def transmitted(
    paths: Any,
    materials: Sequence[str],
    energies: NDArray[np.float64],
    weights: NDArray[np.float64],
    device: str,
) -> NDArray[np.float64]:
    """As :func:`meddl.deepdrr.attenuation.transmitted`, on the device.

    Args:
        paths: (H, W, M) mass per area of each material, g/cm2; array, or tensor on the device.
        materials: M names.
        energies: (E,) keV.
        weights: (R, E), R sums at once.
        device: ``"cuda:N"``.

    Returns:
        (R, H, W) float64.
    """
    torch = require("torch", PURPOSE)
    opened = open_device(device)
    coefficients = np.array([mass_attenuation(name, energies) for name in materials])  # (M, E)
    paths, table, rows = (
        torch.as_tensor(values, dtype=torch.float32, device=opened.name).contiguous()
        for values in (paths, coefficients, weights)
    )
    height, width, _ = paths.shape
    sums = torch.empty((len(rows), height, width), device=opened.name)
    threads = BLOCK * BLOCK
    for row in range(0, len(rows), SUMS_PER_LAUNCH):
        opened.launch(
            "transmit",
            (-(-height * width // threads), 1),
            (threads, 1),
            *(paths, table, rows[row:], sums[row:]),
            *(height * width, len(materials), len(energies)),
            min(SUMS_PER_LAUNCH, len(rows) - row),
        )
    result: NDArray[np.float64] = sums.cpu().numpy().astype(np.float64)
    return result
