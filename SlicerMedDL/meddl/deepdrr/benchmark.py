"""Time, accuracy and memory of the projectors on this machine, side by side in one run."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import list_devices, require_memory
from meddl.core.errors import InputError, MedDLError
from meddl.core.geometry import compose
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.parameters import parameter, validate
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.backends import BACKENDS, Backend, choose_backend
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.prepared import PreparedCT, prepare
from meddl.deepdrr.radiograph import RenderParameters, render_prepared

SAMPLING_INTERVAL = 0.002  # s between looks at the process's memory
WIDTH = 320.0  # mm of the phantom, and of what the detector sees at the isocentre
PROBE = 32  # the first picture of a slow projector has every 32nd row
POSE = (33.0, 22.0, 17.0)  # primary, secondary, rotation: no axis of the volume is the detector's


@dataclass(frozen=True)
class BenchmarkParameters:
    """What is projected, and how often.

    Raises:
        InputError: a value outside its bounds.
    """

    size: int = parameter(
        256, "voxels along each axis of the built-in phantom", "voxels", minimum=16, maximum=1024
    )
    pixels: int = parameter(
        512, "columns and rows of the picture", "pixels", minimum=16, maximum=4096
    )
    repeat: int = parameter(5, "pictures per projector, at most", minimum=1, maximum=1000)
    budget: float = parameter(
        10.0,
        "after this time a projector gets no further picture; one whose picture would take longer "
        "projects every 2nd, 4th, ... row, and its times are multiplied",
        "s",
        minimum=0.1,
        maximum=3600,
    )

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class BackendRecord:
    """What one projector took, or why it is not here.

    Attributes:
        backend: see :class:`meddl.deepdrr.backends.Backend`.
        device: as torch writes it; ``""`` where the backend is absent.
        volume: (I, J, K) voxels.
        pixels: (W, H).
        repeats: pictures that the medians are of.
        rows: every how many-th row was projected; the times are for all rows.
        prepare_s: wall time of taking the volume over, once.
        cpu_s, wall_s: medians of a picture, copied to main memory; CPU time of all threads.
        error: relative L2 norm of the difference from the exact line integrals.
        memory_bytes: what preparing and projecting added to the process's memory at the most, or
            on CUDA what torch allocated on the device; the volume itself is not counted.
        reason: why the backend is absent; ``""`` where it ran.
    """

    backend: str
    device: str
    volume: tuple[int, int, int]
    pixels: tuple[int, int]
    repeats: int = 0
    rows: int = 1
    prepare_s: float | None = None
    cpu_s: float | None = None
    wall_s: float | None = None
    error: float | None = None
    memory_bytes: int | None = None
    reason: str = ""


def benchmark(
    parameters: BenchmarkParameters | None = None,
    ct: Image | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[BackendRecord]:
    """Project one volume by every backend of this machine, in a general pose.

    The projected values are HU + 1000, below 0 as 0: air is nothing, as in a radiograph. Compiling
    the kernels and waking a device are done beforehand, on a small volume, and not counted.

    Args:
        ct: scalar volume in HU in place of :func:`phantom`; it is seen whole.

    Returns:
        One record per backend and device, the exact one first, then those that are absent.

    Raises:
        InputError: no scalar volume, or NaN voxels.
        DeviceError: too little memory for the exact projector, which is the truth.
        Cancelled: between blocks of a picture.
    """
    parameters = parameters or BenchmarkParameters()
    if ct is None:
        require_memory(32 * parameters.size**3, f"a phantom of {parameters.size} voxels a side")
        ct = phantom(parameters.size)
    ct = ct.require_volume("CT").require_finite("CT")
    found, absent = _backends(ct, parameters.pixels**2)
    picture_size = (parameters.pixels, parameters.pixels)
    records: list[BackendRecord] = []
    pictures: list[NDArray[np.float32]] = []
    for number, backend in enumerate(found):
        share = subprogress(progress, number / len(found), (number + 1) / len(found))
        record, picture = _measure(backend, ct, parameters, share, cancel)
        records.append(record)
        pictures.append(picture)
        if not pictures[0].any():
            raise InputError("the CT has no voxel above -1000 HU in the view: nothing to project")
        step = max(record.rows, records[0].rows)  # both are powers of two
        truth = pictures[0][:: step // records[0].rows]
        difference = picture[:: step // record.rows] - truth
        error = float(np.linalg.norm(difference) / np.linalg.norm(truth))
        records[-1] = replace(record, error=error)
        share(1.0, f"{backend.name} on {backend.device}")
    for name, reason in absent:
        records.append(BackendRecord(name, "", ct.size, picture_size, reason=reason))
    return records


def phantom(size: int) -> Image:
    """A torso of ellipsoids in HU: soft tissue, two lungs, a spine, in a cube of 320 mm.

    Edges are smoothed over about a voxel, as a scanner does.

    Args:
        size: voxels along each axis.

    Returns:
        (size, size, size) float32, -1000 outside, centred on the RAS origin.
    """
    spacing = WIDTH / size
    axis = (np.arange(size, dtype=np.float32) + 0.5) * spacing - WIDTH / 2
    s, a, r = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    values = np.full((size, size, size), -1000, np.float32)
    # Centre and half axes in mm, HU.
    for center, radii, hu in (
        ((0, 0, 0), (150, 100, 155), 40.0),
        ((-70, 10, 30), (50, 65, 90), -850.0),
        ((70, 10, 30), (50, 65, 90), -850.0),
        ((0, -65, 0), (18, 20, 130), 600.0),
    ):
        distance = np.sqrt(
            sum(((x - c) / h) ** 2 for x, c, h in zip((r, a, s), center, radii, strict=True))
        )
        # Millimetres outside the surface, to first order, in units of a voxel.
        beyond = (distance - 1) * (min(radii) / spacing)
        inside = np.clip(0.5 - beyond, 0, 1)
        values += inside * (np.float32(hu) - values)
    return Image(values, compose([spacing] * 3, [axis[0]] * 3))


def _backends(ct: Image, pixels: int) -> tuple[list[Backend], list[tuple[str, str]]]:
    """The backends of this machine, and those that it lacks with the reason."""
    found, absent = [], []
    shape, needed = (*ct.array.shape, 1), 12 * ct.array.size  # the values and two temporaries
    devices = [device.name for device in list_devices()]
    for name in BACKENDS[1:]:
        for device in devices if name == "torch" else ["auto"]:
            try:
                found.append(choose_backend(name, device, shape, pixels, needed))
            except MedDLError as error:
                if name == "exact":
                    raise
                absent.append((name, str(error)))
    if devices == ["cpu"]:
        absent.append(("torch", "on an accelerator: this machine has none that torch can use"))
    return found, absent


def _measure(
    backend: Backend,
    ct: Image,
    parameters: BenchmarkParameters,
    progress: Progress,
    cancel: CancelToken | None,
) -> tuple[BackendRecord, NDArray[np.float32]]:
    """The record, but for its error, and the picture (H / rows, W)."""
    progress(0.0, f"{backend.name} on {backend.device}")
    rendering = RenderParameters(quantity="integral", hu_offset=1000.0, hu_below="0:0")
    pixels, cpu, wall = parameters.pixels, [], []

    def picture_of(prepared: PreparedCT, camera: Camera, share: Progress) -> NDArray[np.float32]:
        start = time.process_time(), time.perf_counter()
        picture = render_prepared(prepared, camera, rendering, progress=share, cancel=cancel)
        cpu.append(time.process_time() - start[0])
        wall.append(time.perf_counter() - start[1])
        return picture.array[0]

    small = phantom(64)
    picture_of(prepare(small, rendering, backend=backend), _camera(small, 64), no_progress)
    with _peak_memory(backend.device) as peak:
        begin = time.perf_counter()
        prepared = prepare(ct, rendering, backend=backend)
        prepare_s = time.perf_counter() - begin
        # The first picture also prepares what its pose needs. The projectors that go ray by ray
        # show in it how long all rays will take.
        first = 1 if backend.name == "numba" else min(PROBE, pixels)
        picture_of(prepared, _camera(ct, pixels, first), no_progress)
        rows = 1
        while first > 1 and rows < first and wall[-1] * first / rows > parameters.budget:
            rows *= 2
        cpu.clear()
        wall.clear()
        while len(wall) < parameters.repeat and sum(wall) < parameters.budget:
            part = len(wall) / parameters.repeat, (len(wall) + 1) / parameters.repeat
            picture = picture_of(prepared, _camera(ct, pixels, rows), subprogress(progress, *part))
    record = BackendRecord(
        backend.name,
        backend.device,
        ct.size,
        (pixels, pixels),
        repeats=len(wall),
        rows=rows,
        prepare_s=prepare_s,
        cpu_s=rows * statistics.median(cpu),
        wall_s=rows * statistics.median(wall),
        memory_bytes=peak[0],
    )
    return record, picture


def _camera(ct: Image, pixels: int, rows: int = 1) -> Camera:
    """The general pose, with the longest edge of the volume just in the picture; every ``rows``-th
    row of ``pixels``."""
    arm = CArm(*POSE)
    extent = 1.1 * float(np.max(ct.spacing * ct.size))
    spacing = arm.source_detector / arm.source_isocenter * extent / pixels
    camera = replace(arm, detector_size=(pixels, pixels), pixel_spacing=spacing).camera(ct.center)
    count = -(-pixels // rows)
    return Camera(np.diag([1, 1 / rows, 1]) @ camera.K, camera.camera_from_world, (pixels, count))


@contextmanager
def _peak_memory(device: str) -> Iterator[list[int]]:
    """A list whose only entry is, at the end, the bytes that were added at the most."""
    peak = [0]
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak[0] = torch.cuda.max_memory_allocated(device) - before
        return
    process = require("psutil", "measuring memory").Process()
    before, done = process.memory_info().rss, threading.Event()

    def look() -> None:
        while not done.wait(SAMPLING_INTERVAL):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
