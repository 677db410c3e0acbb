"""Every backend against the exact distances; the CUDA kernel runs here as C++."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DependencyError, DeviceError, InputError
from meddl.geodesic import geodesic_distance, nearest_seed, sweeps_cuda

SPACING = (2.0, 0.7, 1.1)
CASES = [
    (cost, lambda_, channels)
    for cost, lambda_ in (("product", 1.0), ("geodistk", 0.6), ("fastgeodis", 0.4))
    for channels in ((), (3,))
]


def make_case(channels=(), shape=(9, 12, 21)):
    rng = np.random.default_rng(2)
    seeds = np.zeros(shape, bool)
    seeds[tuple(rng.integers(0, n, 3) for n in shape)] = True
    return rng.normal(0, 30, (*shape, *channels)).astype(np.float32), seeds


@cache
def kernels(folder: Path) -> ctypes.CDLL:
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no C++ compiler to run the CUDA kernel on the CPU")
    library = folder / "kernels.so"
    source = Path(__file__).with_name("cuda_on_cpu.cpp")
    flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC"]
    command = [compiler, *flags, f"-I{sweeps_cuda.SOURCES}", "-o", str(library), str(source)]
    subprocess.run(command, check=True, timeout=120)
    return ctypes.CDLL(str(library))


class CpuDevice:
    """What sweeps_cuda uses of a CudaDevice."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library, self.launches = library, 0

    def upload(self, array):
        return array.copy()

    def download(self, memory, like):
        assert (memory.shape, memory.dtype) == (like.shape, like.dtype)
        return memory.copy()

    def sweep_plane(self, rows, columns, *arguments):
        self.launches += 1
        kinds = [ctypes.c_void_p] * 2 + [ctypes.c_longlong] * 4 + [ctypes.c_void_p] * 3
        kinds += [ctypes.c_int] * 4 + [ctypes.c_float]
        values = [
            kind(value.ctypes.data if kind is ctypes.c_void_p else value.item())
            for kind, value in zip(kinds, arguments, strict=True)
        ]
        del values[10:12]  # rows and columns again
        self.library.launch_sweep_plane(rows, columns, *values)


@pytest.fixture
def cuda(monkeypatch, tmp_path_factory):
    device = CpuDevice(kernels(tmp_path_factory.getbasetemp()))

    @contextmanager
    def open_device(name, needed_bytes):
        yield device

    monkeypatch.setattr(sweeps_cuda, "open_device", open_device)
    return device


@pytest.mark.parametrize(("cost", "lambda_", "channels"), CASES)
@pytest.mark.parametrize("iterations", [None, 2])
@pytest.mark.parametrize("backend", ["torch", "pycuda"])
def test_sweeps_end_in_the_same_distances(cuda, backend, cost, lambda_, channels, iterations):
    if backend == "torch":
        pytest.importorskip("torch")
    image, seeds = make_case(channels)
    settings = {"cost": cost, "lambda_": lambda_, "iterations": iterations}
    expected = geodesic_distance(image, seeds, SPACING, backend="numba", **settings)
    device = "cpu" if backend == "torch" else "auto"
    found = geodesic_distance(image, seeds, SPACING, backend=backend, device=device, **settings)
    assert found.dtype == np.float32 and (cuda.launches > 0) == (backend == "pycuda")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("backend", ["numba", "torch", "pycuda"])
def test_pictures_and_caps(cuda, backend):
    image, seeds = make_case(shape=(1, 20, 31))
    settings = {"backend": backend, "device": "cpu" if backend == "torch" else "auto", "cap": 50}
    found = geodesic_distance(image[0], seeds[0], SPACING[1:], **settings)
    exact = geodesic_distance(image[0], seeds[0], SPACING[1:])
    assert exact.max() > 50
    np.testing.assert_allclose(found, np.minimum(exact, 50), rtol=1e-6)


@pytest.mark.parametrize("backend", ["numba", "torch", "pycuda"])
@pytest.mark.parametrize("iterations", [None, 3])
def test_cancel_stops(cuda, backend, iterations):
    image, seeds = make_case()
    cancel = CancelToken()
    cancel.cancel()
    device = "cpu" if backend == "torch" else "auto"
    settings = {"backend": backend, "device": device, "iterations": iterations}
    with pytest.raises(Cancelled):
        geodesic_distance(image, seeds, SPACING, cancel=cancel, **settings)


@pytest.mark.parametrize("compute", [geodesic_distance, nearest_seed])
def test_cancel_stops_a_cost_that_ignores_the_image(compute):
    image, seeds = make_case()
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        compute(image, seeds.astype(np.uint8), SPACING, lambda_=0.0, cancel=cancel)


def test_progress_reaches_the_end():
    image, seeds = make_case()
    seen: list[float] = []
    geodesic_distance(image, seeds, SPACING, iterations=2, progress=lambda f, m: seen.append(f))
    assert seen[-1] == 1 and seen == sorted(seen) and len(seen) == 12


def test_devices_that_do_not_fit_are_refused():
    image, seeds = make_case()
    for backend, device, kind in (
        ("numba", "cuda", InputError),
        ("pycuda", "cpu", InputError),
        ("torch", "cuda:9", DeviceError),
        ("pycuda", "cuda:9", (DeviceError, DependencyError)),
    ):
        with pytest.raises(kind):
            geodesic_distance(image, seeds, SPACING, backend=backend, device=device)


class FakeMemory:
    """An allocation that counts itself among those of a device."""

    def __init__(self, alive: list[FakeMemory]) -> None:
        self.alive = alive
        alive.append(self)

    def free(self) -> None:
        self.alive.remove(self)


@pytest.mark.parametrize("fails", [False, True])
def test_the_device_gets_its_memory_back_before_the_context_is_detached(monkeypatch, fails):
    alive: list[FakeMemory] = []
    left = []
    context = SimpleNamespace(
        push=lambda: None, pop=lambda: None, detach=lambda: left.append(len(alive))
    )
    device = SimpleNamespace(retain_primary_context=lambda: context)
    driver = SimpleNamespace(
        Error=RuntimeError,
        CompileError=ImportError,
        init=lambda: None,
        Device=type("Device", (), {"count": staticmethod(lambda: 1), "__new__": lambda *_: device}),
        mem_get_info=lambda: (10**9, 10**9),
        to_device=lambda array: FakeMemory(alive),
    )
    module = SimpleNamespace(get_function=lambda name: None)
    compiler = SimpleNamespace(SourceModule=lambda *_, **__: module)
    monkeypatch.setitem(sys.modules, "pycuda", SimpleNamespace(driver=driver, compiler=compiler))
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    monkeypatch.setitem(sys.modules, "pycuda.compiler", compiler)
    with (
        pytest.raises(DeviceError, match="launch failed") if fails else nullcontext(),
        sweeps_cuda.open_device("cuda:0", 100) as opened,
    ):
        for size in (3, 4):
            opened.upload(np.zeros(size))
        assert len(alive) == 2
        if fails:
            raise RuntimeError("launch failed")
    assert left == [0]


def test_nvcc_compiles_the_kernel(tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc here")
    source, output = sweeps_cuda.SOURCES / "sweeps.cu", tmp_path / "sweeps.cubin"
    command = [nvcc, "-cubin", "-arch=sm_75", *sweeps_cuda.OPTIONS, "-o", str(output), str(source)]
    subprocess.run(command, check=True, timeout=300)
    assert output.read_bytes().startswith(b"\x7fELF") and b"sweep_plane" in output.read_bytes()
