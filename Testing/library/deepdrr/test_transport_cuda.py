"""transport.cu: nvcc compiles it, and its arithmetic, run on the CPU, is that of transport.py."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DeviceError, Image, InputError
from meddl.deepdrr import CArm, load_spectrum, render, transport_cuda
from meddl.deepdrr import montecarlo as mc
from meddl.deepdrr.cuda.driver import SOURCES
from meddl.deepdrr.transport_cuda import ARRAYS, scene_of

from .cuda_on_cpu import stand_in

SOURCE = SOURCES / "transport.cu"


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_nvcc_compiles_the_kernel(tmp_path):
    options = ["-O2", "-std=c++17", "-ptx", "-o", str(tmp_path / "transport.ptx")]
    subprocess.run(["nvcc", *options, str(SOURCE)], check=True, capture_output=True)
    assert ".entry run_histories" in (tmp_path / "transport.ptx").read_text()


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("with_spectrum", [False, True])
def test_histories_are_those_of_the_cpu_transport(tmp_path, monkeypatch, with_spectrum):
    """Same random numbers, same order of operations: sums of 3,200 histories to 1e-9."""
    library = tmp_path / "transport.so"
    options = ["-x", "c++", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run(["g++", *options, str(SOURCE)], check=True, capture_output=True)
    from meddl.deepdrr import transport

    caught = []
    real = transport.run_histories

    def catch(*arguments):
        real(*arguments)
        caught.append(arguments)

    monkeypatch.setattr(transport, "run_histories", catch)
    mc.simulate(*oblique_bone(), 3200, seed=4, with_spectrum=with_spectrum)
    run = ctypes.CDLL(str(library)).run_histories_host
    for arguments in caught:
        first, count, pictures, tally, _ = arguments[18:]
        arrays = {name: np.ascontiguousarray(arguments[place]) for name, place in ARRAYS.items()}
        addresses = {name: array.ctypes.data for name, array in arrays.items()}
        groups = len(pictures) - 4
        assert bool(groups) == with_spectrum == bool(pictures[4:].any())
        scene = scene_of(arguments[:18], addresses, pictures.shape[1:], groups)
        found, sums = np.zeros(pictures.shape), np.zeros(4)
        run(
            ctypes.byref(scene),
            *(ctypes.c_uint64(first), ctypes.c_uint64(count)),
            *(ctypes.c_void_p(array.ctypes.data) for array in (found, sums)),
        )
        np.testing.assert_allclose(sums, tally, rtol=1e-9)
        # simulate() scaled its pictures since; the detector was irradiated as a whole.
        scale = pictures.shape[1] * pictures.shape[2] / count
        np.testing.assert_allclose(found * scale, pictures, rtol=1e-7, atol=1e-12)
    assert len(caught) == mc.BLOCKS


def oblique_bone():
    """The arguments of simulate() up to the spectrum: bone in tissue, oblique to the C-arm."""
    densities = np.zeros((9, 20, 17, 3), np.float32)  # no multiple of a block
    densities[..., 1] = 1.05
    densities[3:6, 5:9, 4:12] = 0, 0, 1.9
    densities[:, :3] = 0.0012, 0, 0
    ijk_from_world = np.diag([1 / 14, 1 / 9, 1 / 20, 1.0])
    ijk_from_world[:3, :3] = ijk_from_world[:3, :3] @ _turned()
    ijk_from_world[:3, 3] = 8, 9.5, 4
    view = CArm(isocenter=(0, 0, 0), detector_size=(20, 16), pixel_spacing=14)
    names = ("air", "soft tissue", "bone")
    return densities, names, ijk_from_world, view.camera(), 1020, load_spectrum("90kV")


def _turned() -> np.ndarray:
    from meddl.core.geometry import rotation

    return rotation((1, 2, 3), 25)[:3, :3]


@pytest.mark.parametrize(("at_once", "launches"), [(1, 64), (500, 13), (10**6, 1)])
def test_simulation_on_a_device_is_that_of_the_cpu(monkeypatch, at_once, launches):
    """However many of its parts, of 100 histories, are launched at once."""
    device = stand_in(monkeypatch)
    monkeypatch.setattr(transport_cuda, "LAUNCHED", at_once)
    steps = []
    options = {"device": "cuda:0", "progress": lambda share, _: steps.append(share)}
    expected = mc.simulate(*oblique_bone(), 6400, seed=7, with_spectrum=True)
    found = mc.simulate(*oblique_bone(), 6400, seed=7, with_spectrum=True, **options)
    kinds = ("compton_once", "rayleigh_once", "multiple", "analogue", "standard_error", "spectrum")
    for name in kinds:
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-7, atol=1e-12
        )
    for name in ("emitted", "absorbed", "unscattered", "escaped"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
    assert device.launches == len(steps) == launches and steps[-1] == 1


def test_a_radiograph_by_pycuda_has_its_scatter_from_the_device(monkeypatch):
    device = stand_in(monkeypatch)
    monkeypatch.setattr(transport_cuda, "LAUNCHED", 1)
    hu = np.full((12, 14, 16), -1000, np.int16)
    hu[2:10, 2:12, 2:14] = 40
    ct = Image(hu, np.diag([12.0, 12.0, 12.0, 1.0]))
    view = CArm(detector_size=(16, 12), pixel_spacing=20)
    options = {"quantity": "energy", "scatter": "montecarlo", "scatter_photons": 6400}
    found = render(ct, view, **options, backend="pycuda").array
    assert device.launches > mc.BLOCKS
    np.testing.assert_allclose(found, render(ct, view, **options, backend="exact").array, rtol=1e-4)


def test_what_a_device_cannot_do_is_refused(monkeypatch):
    device = stand_in(monkeypatch)
    monkeypatch.setattr(transport_cuda, "LAUNCHED", 1)
    token = CancelToken()
    with pytest.raises(Cancelled):
        mc.simulate(
            *oblique_bone(), 6400, device="cuda:0", cancel=token, progress=lambda *_: token.cancel()
        )
    assert device.launches == 1
    with pytest.raises(InputError, match="dose"):
        mc.simulate(*oblique_bone(), 6400, device="cuda:0", with_dose=True)
    densities, _, *rest = oblique_bone()
    many = np.repeat(densities[..., :1], 17, axis=-1), ("water",) * 17
    with pytest.raises(InputError, match="17 materials"):
        mc.simulate(*many, *rest, 6400, device="cuda:0")


def test_too_little_memory_on_the_device_is_said_with_the_remedy(monkeypatch):
    stand_in(monkeypatch, free_bytes=1000)
    with pytest.raises(DeviceError, match="--coarsen"):
        mc.simulate(*oblique_bone(), 6400, device="cuda:0")
