"""The Monte-Carlo transport compiled by nvcc, on a device, history by history as on the CPU."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from meddl.deepdrr import CArm, load_spectrum, montecarlo, transport
from meddl.deepdrr.cuda.driver import SOURCES, find_nvcc
from meddl.deepdrr.transport_cuda import ARRAYS, scene_of

from .measuring import Row, Setting, failure

MATERIALS = ("air", "soft tissue", "bone")


def calls_of(histories: int) -> tuple[list[tuple[Any, ...]], float]:
    """Every call of ``run_histories`` in a simulation, with its results, and the seconds of all."""
    caught, real = [], transport.run_histories

    def catch(*arguments: Any) -> None:
        real(*arguments)
        caught.append(arguments)

    densities = np.zeros((60, 60, 60, 3), np.float32)
    densities[..., 1] = 1.05
    densities[20:40, 25:35, 20:40] = 0, 0, 1.9
    ijk_from_world = np.diag([0.2, 0.2, 0.2, 1.0])  # voxels of 5 mm: a cube of 300 mm
    ijk_from_world[:3, 3] = 29.5
    view = CArm(20, 10, isocenter=(0, 0, 0), detector_size=(24, 20), pixel_spacing=16)
    setup = (densities, MATERIALS, ijk_from_world, view.camera(), 1020, load_spectrum("90kV"))
    montecarlo.simulate(*setup, 640, seed=1)  # compiles
    transport.run_histories = catch
    try:
        start = time.perf_counter()
        montecarlo.simulate(*setup, histories, seed=4)
        seconds = time.perf_counter() - start
    finally:
        transport.run_histories = real
    return caught, seconds


def histories(setting: Setting) -> Iterator[Row]:
    """Sums of the same histories, and histories per second."""
    histories = setting.size(640_000, 6_400)
    caught, seconds = calls_of(histories)
    yield {"on": "CPU, all cores", "histories": histories, "per s": round(histories / seconds)}
    if setting.device == "cpu":
        return
    row: Row = {"on": setting.device, "histories": histories}
    try:
        yield _on_device(row, caught, setting.device)
    except Exception as error:
        yield {**row, **failure(error)}


def _on_device(row: Row, caught: list[tuple[Any, ...]], device: str) -> Row:
    import pycuda.driver as cuda

    major, minor = torch.cuda.get_device_capability(device)
    torch.zeros(1, device=device)
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "transport.cubin"
        command = [find_nvcc(), "-cubin", f"-arch=sm_{major}{minor}", "-std=c++17", "-O2"]
        # Without contraction the operations are the CPU's, one by one.
        command += ["-fmad=false", "-o", str(cubin), str(SOURCES / "transport.cu")]
        subprocess.run(command, check=True)
        code = cubin.read_bytes()
    cuda.init()
    context = cuda.Device(torch.device(device).index or 0).retain_primary_context()
    context.push()
    try:
        kernel = cuda.module_from_buffer(code).get_function("run_histories")
        arguments = caught[0]
        held = {
            name: torch.from_numpy(np.ascontiguousarray(arguments[place])).to(device)
            for name, place in ARRAYS.items()
        }
        pictures = arguments[20]
        addresses = {name: tensor.data_ptr() for name, tensor in held.items()}
        scene = scene_of(arguments[:18], addresses, pictures.shape[1:])
        packed = np.void(bytes(scene))
        results, times = [], []
        for _ in range(2):
            found = torch.zeros(pictures.shape, dtype=torch.float64, device=device)
            tally = torch.zeros(4, dtype=torch.float64, device=device)
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            total = sum(call[19] for call in caught)
            kernel(
                packed, np.uint64(0), np.uint64(total),
                np.uint64(found.data_ptr()), np.uint64(tally.data_ptr()),
                grid=(1024, 1, 1), block=(128, 1, 1),
            )  # fmt: skip
            context.synchronize()
            times.append(time.perf_counter() - start)
            results = [found.cpu().numpy(), tally.cpu().numpy()]
        row["per s"] = round(total / times[-1])
        # simulate() scaled its pictures since; the detector was irradiated as a whole.
        cells = pictures.shape[1] * pictures.shape[2]
        expected = sum(call[20] * call[19] / cells for call in caught)
        tallies = sum(call[21] for call in caught)
        row["tallies off by"] = f"{np.abs(results[1] / tallies - 1).max():.1e}"
        away = np.abs(results[0] - expected).max() / expected.max()
        row["pictures off by"] = f"{away:.1e}"
    finally:
        context.pop()
        context.detach()
    return row
