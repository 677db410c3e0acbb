"""transport.cu: nvcc compiles it, and its arithmetic, run on the CPU, is that of transport.py."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import meddl.deepdrr
from meddl.deepdrr import CArm, load_spectrum
from meddl.deepdrr import montecarlo as mc

SOURCE = Path(meddl.deepdrr.__file__).parent / "transport.cu"
POINTERS = ("densities", "bounds", "ijk_from_mm", "mm_from_ijk", "source", "detector", "field")
POINTERS += ("spectrum", "grid", "total", "photoelectric", "coherent", "form_integral")
POINTERS += ("scattering", "norm")


class Scene(ctypes.Structure):
    """The struct of transport.cu."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in POINTERS),
        ("width", ctypes.c_double),
        ("height", ctypes.c_double),
        ("size", ctypes.c_int64 * 3),
        *((n, ctypes.c_int64) for n in ("materials", "lines", "energies", "transfers")),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
    )


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_nvcc_compiles_the_kernel(tmp_path):
    options = ["-O2", "-std=c++17", "-ptx", "-o", str(tmp_path / "transport.ptx")]
    subprocess.run(["nvcc", *options, str(SOURCE)], check=True, capture_output=True)
    assert ".entry run_histories" in (tmp_path / "transport.ptx").read_text()


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_histories_are_those_of_the_cpu_transport(tmp_path, monkeypatch):
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
    densities = np.zeros((9, 20, 17, 3), np.float32)  # no multiple of a block
    densities[..., 1] = 1.05
    densities[3:6, 5:9, 4:12] = 0, 0, 1.9
    densities[:, :3] = 0.0012, 0, 0
    ijk_from_world = np.diag([1 / 14, 1 / 9, 1 / 20, 1.0])
    ijk_from_world[:3, :3] = ijk_from_world[:3, :3] @ _turned()
    ijk_from_world[:3, 3] = 8, 9.5, 4
    view = CArm(isocenter=(0, 0, 0), detector_size=(20, 16), pixel_spacing=14)
    names = ("air", "soft tissue", "bone")
    spectrum = load_spectrum("90kV")
    mc.simulate(densities, names, ijk_from_world, view.camera(), 1020, spectrum, 3200, seed=4)
    run = ctypes.CDLL(str(library)).run_histories_host
    for arguments in caught:
        (volume, linear, inverse, source, detector, field, width, height, lines, grid) = arguments[
            :10
        ]
        (total, photo, coherent, integral, scattering, norm, bounds, seed) = arguments[10:18]
        first, count, pictures, tally, _ = arguments[18:]
        arrays = (volume, bounds, linear, inverse, source, detector, field, lines, grid)
        arrays += (total, photo, coherent, integral, scattering, norm)
        arrays = tuple(np.ascontiguousarray(array) for array in arrays)
        scene = Scene(
            *(array.ctypes.data for array in arrays),
            *(width, height),
            (ctypes.c_int64 * 3)(*volume.shape[2::-1]),
            *(volume.shape[3], lines.shape[1], total.shape[1], integral.shape[1]),
            *pictures.shape[1:],
            int(seed),
        )
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


def _turned() -> np.ndarray:
    from meddl.core.geometry import rotation

    return rotation((1, 2, 3), 25)[:3, :3]
