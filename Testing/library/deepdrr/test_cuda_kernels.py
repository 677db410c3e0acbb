"""The CUDA kernels and their host side without a CUDA device: the same sources run on the CPU."""

from __future__ import annotations

import ctypes
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DependencyError, DeviceError, Image
from meddl.deepdrr import Camera, CArm, projector_cuda, render
from meddl.deepdrr.attenuation import transmitted
from meddl.deepdrr.cuda import driver

from .cuda_on_cpu import stand_in
from .phantoms import exact_integrals, random_volume

MATERIALS = ("air", "soft tissue", "bone")


def scene(seed: int, components: int, shape=(19, 21, 23)):
    """A random volume (K, J, I, M) in an oblique geometry, and the arguments of line_integrals."""
    ct = random_volume(seed, shape, lps=bool(seed % 2))
    view = CArm(
        primary_angle=37 * seed, secondary_angle=20, detector_size=(38, 29), pixel_spacing=4
    )
    camera = view.camera(ct.center)
    volume = np.random.default_rng(seed).uniform(0, 1, (*shape, components)).astype(np.float32)
    return volume, (
        ct.ijk_from_ras,
        camera.source,
        camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K),
        camera.size,
    )


@pytest.mark.parametrize(("seed", "components"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6)])
def test_kernel_gives_the_exact_line_integrals(monkeypatch, seed, components):
    stand_in(monkeypatch)
    volume, arguments = scene(seed, components)
    expected = exact_integrals(volume, *arguments)
    found = projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments)
    assert found.dtype == np.float32 and expected.max() > 5
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), rtol=0)


def test_textures_of_eight_bits_stay_far_within_half_a_percent(monkeypatch):
    """Noise is the worst that the rounding of places can meet: 1.5e-4 of its norm."""
    stand_in(monkeypatch, bits=8)
    volume, arguments = scene(5, 3)
    expected = exact_integrals(volume, *arguments)
    error = projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments) - expected
    assert 1e-5 < np.linalg.norm(error) / np.linalg.norm(expected) < 3e-4
    assert abs(error).max() < 1e-3 * expected.max()


@pytest.mark.parametrize(
    ("x", "expected"), [(-0.51, 0.0), (-0.49, 4.0), (0.0, 4.0), (3.49, 4.0), (3.51, 0.0)]
)
def test_ray_along_an_axis_sees_the_slab_between_its_outer_faces(monkeypatch, x, expected):
    stand_in(monkeypatch)
    uploaded = projector_cuda.upload(np.ones((4, 4, 4, 1), np.float32))
    # The focal length makes the ray's other two components exactly zero.
    per_pixel = np.array([[0.001, 0, 0], [0, 0.001, 0], [0, 0, 1]])
    source = np.array([x, 1.0, -100.0])
    found = projector_cuda.line_integrals(uploaded, np.eye(4), source, per_pixel, (1, 1))
    assert found.item() == pytest.approx(expected)


def test_source_inside_the_volume_integrates_forward_only(monkeypatch):
    stand_in(monkeypatch)
    uploaded = projector_cuda.upload(np.ones((11, 11, 11, 1), np.float32))
    found = projector_cuda.line_integrals(uploaded, np.eye(4), np.full(3, 5.0), np.eye(3), (1, 1))
    assert found.item() == pytest.approx(5.5)


def test_a_box_clips_the_integrals(monkeypatch):
    stand_in(monkeypatch)
    volume, arguments = scene(1, 1)
    box = np.array([2.0, 3.0, 4.0]), np.array([15.0, 12.5, 9.0])
    expected = exact_integrals(volume, *arguments, box)
    found = projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments, box)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_slabs_of_a_volume_that_does_not_fit_add_up(monkeypatch, caplog, seed):
    monkeypatch.setattr(projector_cuda, "CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(projector_cuda, "CODE_BYTES", 1000)
    volume, arguments = scene(seed, 3)
    slice_bytes = 4 * 21 * 23 * 4  # three components take four channels
    beside = 2 * (1 << 14) + 1000
    budget = int((beside + 5.5 * slice_bytes) / (1 - projector_cuda.RESERVE))
    device = stand_in(monkeypatch, free_bytes=budget)
    with caplog.at_level(logging.WARNING):
        uploaded = projector_cuda.upload(volume)
    assert uploaded.slabs == [(0, 4), (4, 8), (8, 12), (12, 16), (16, 18)]
    assert "projecting 5 slabs" in caplog.text and "--coarsen" in caplog.text
    expected = exact_integrals(volume, *arguments)
    found = projector_cuda.line_integrals(uploaded, *arguments)
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max(), rtol=0)
    assert (device.alive, device.most_alive) == (0, 5 * slice_bytes)


def test_a_second_volume_is_planned_beside_the_first(monkeypatch):
    """The textures are made at the upload, so that the free memory asked for next counts them."""
    device = stand_in(monkeypatch)
    uploaded = projector_cuda.upload(scene(0, 3)[0])
    assert device.alive == 4 * 4 * 19 * 21 * 23
    del uploaded
    assert device.alive == 0


def test_two_slices_that_do_not_fit_are_refused():
    with pytest.raises(DeviceError, match="two slices of the volume need 200 MB"):
        projector_cuda.plan_slabs(10, 10**8, 10**8 + 1)
    assert projector_cuda.plan_slabs(10, 10**8, 10**9) == [(0, 9)]
    assert projector_cuda.plan_slabs(4, 10**8, 2 * 10**8) == [(0, 1), (1, 2), (2, 3)]


def test_attenuation_is_that_of_the_cpu(monkeypatch):
    stand_in(monkeypatch)
    g = np.random.default_rng(0)
    paths = g.uniform(0, 20, (7, 50, 3)).astype(np.float32)
    spectrum = (MATERIALS, np.linspace(20, 120, 90), g.uniform(0, 1, (6, 90)))
    found = projector_cuda.transmitted(paths, *spectrum, "cuda:0")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, transmitted(paths, *spectrum), rtol=1e-5)


@pytest.mark.parametrize("quantity", ["intensity", "neglog", "path"])
def test_radiograph_is_that_of_the_cpu(monkeypatch, quantity):
    """A head-like phantom through the whole chain, with the texture's rounding."""
    stand_in(monkeypatch, bits=8)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in (20, 24, 28)], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    hu = np.where(radius < 0.5, 1200, np.where(radius < 0.8, 40, -1000)).astype(np.float32)
    ct = Image(hu, np.diag([6.0, 6.0, 8.0, 1.0]))
    view = CArm(primary_angle=25, detector_size=(48, 40), pixel_spacing=6)
    expected = render(ct, view, quantity=quantity, backend="exact")
    found = render(ct, view, quantity=quantity, backend="pycuda")
    assert (found.metadata["backend"], found.metadata["device"]) == ("pycuda", "cuda:0")
    assert expected.metadata["backend"] == "exact"
    error = np.linalg.norm(found.array - expected.array) / np.linalg.norm(expected.array)
    assert 0 < error < 1e-3


def test_cancel_stops_between_launches(monkeypatch):
    monkeypatch.setattr(projector_cuda, "ROWS_PER_LAUNCH", 4)
    device = stand_in(monkeypatch)
    volume, arguments = scene(0, 1)
    cancel = CancelToken()

    def progress(fraction: float, message: str) -> None:
        if fraction > 0.3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        projector_cuda.line_integrals(
            projector_cuda.upload(volume), *arguments, progress=progress, cancel=cancel
        )
    assert device.launches == 3  # 12 of 29 rows


def test_without_a_cuda_device_pycuda_is_refused_and_auto_takes_numba():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    ct, view = random_volume(0), CArm(detector_size=(4, 4))
    with pytest.raises(DeviceError, match="no device 'cuda'"):
        render(ct, view, backend="pycuda")
    assert render(ct, view).metadata["backend"] == "exact"


def test_structures_are_those_of_cuda(tmp_path):
    """Sizes and offsets of the two structures that ctypes passes, from the toolkit's cuda.h."""
    nvcc, compiler = driver.find_nvcc(), shutil.which("c++")
    header = Path(nvcc).resolve().parents[1] / "include" / "cuda.h" if nvcc else None
    candidates = [p for p in (header, Path("/usr/local/cuda/include/cuda.h")) if p and p.exists()]
    if not candidates or compiler is None:
        pytest.skip("no cuda.h or no C++ compiler here")
    source = tmp_path / "sizes.cpp"
    source.write_text(
        "#include <cuda.h>\n#include <cstddef>\n#include <cstdio>\n"
        "#define AT(s, f) (int)offsetof(s, f)\n"
        'int main() { std::printf("%d %d %d %d %d %d %d %d %d %d", '
        "(int)sizeof(CUDA_RESOURCE_DESC), AT(CUDA_RESOURCE_DESC, res.array.hArray), "
        "AT(CUDA_RESOURCE_DESC, flags), (int)sizeof(CUDA_TEXTURE_DESC), "
        "AT(CUDA_TEXTURE_DESC, filterMode), AT(CUDA_TEXTURE_DESC, flags), "
        "AT(CUDA_TEXTURE_DESC, borderColor), CU_RESOURCE_TYPE_ARRAY, "
        "CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR); }"
    )
    program = tmp_path / "sizes"
    command = [compiler, f"-I{candidates[0].parent}", "-o", str(program), str(source)]
    subprocess.run(command, check=True, timeout=60)
    found = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    resource, look = driver.ResourceDescription, driver.TextureDescription
    expected = [
        ctypes.sizeof(resource),
        resource.array.offset,
        resource.flags.offset,
        ctypes.sizeof(look),
        look.filter.offset,
        look.flags.offset,
        look.border.offset,
        *(0, 1, 1),  # the values that Texture passes
    ]
    assert [int(n) for n in found.split()] == expected


def test_nvcc_compiles_the_kernels_once(tmp_path, monkeypatch):
    nvcc = driver.find_nvcc()
    if nvcc is None:
        pytest.skip("no nvcc here")
    monkeypatch.setenv("MEDDL_CACHE", str(tmp_path))
    cubin = driver.compiled("sm_75")
    assert cubin.startswith(b"\x7fELF")
    for name in (b"project_1", b"project_2", b"project_4", b"transmit"):
        assert name in cubin
    monkeypatch.setattr(driver, "find_nvcc", lambda: None)
    assert driver.compiled("sm_75") == cubin  # from the cache
    monkeypatch.setattr(driver, "find_nvcc", lambda: nvcc)
    with pytest.raises(DependencyError, match="does not compile the kernels for sm_5"):
        driver.compiled("sm_5")
    assert len(list(tmp_path.rglob("*"))) == 2  # the folder and the one cubin


def test_missing_nvcc_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDL_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    with pytest.raises(DependencyError, match="nvcc, which is neither on the PATH"):
        driver.compiled("sm_75")


def test_missing_pycuda_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(DependencyError, match="pip install pycuda"):
        driver.CudaDevice("cuda:0")


def test_camera_that_sees_nothing_gives_zeros(monkeypatch):
    stand_in(monkeypatch)
    pose = np.eye(4)
    pose[:3, 3] = 0, 0, -500  # the volume lies behind the source
    camera = Camera(np.array([[100.0, 0, 4], [0, 100, 4], [0, 0, 1]]), pose, (9, 9))
    ct = Image(np.ones((4, 4, 4), np.float32))
    assert not render(ct, camera, quantity="integral", backend="pycuda").array.any()
