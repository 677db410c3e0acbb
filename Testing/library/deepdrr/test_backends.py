"""Choosing a backend, and larger voxels on request."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import DeviceError, Image, InputError, devices
from meddl.deepdrr import CArm, RenderParameters, render
from meddl.deepdrr.backends import choose_backend
from meddl.deepdrr.coarsen import coarsen_grid
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.radiograph import backend_for

from .cuda_on_cpu import stand_in
from .phantoms import oblique_geometry, random_volume

WORK = (9, 11, 13, 3), 64 * 64, 10**6  # volume, pixels, bytes


def test_pycuda_is_taken_only_by_name(monkeypatch):
    stand_in(monkeypatch)
    assert choose_backend("auto", "auto", *WORK).name == "exact"
    assert choose_backend("pycuda", "auto", *WORK).device == "cuda:0"
    assert choose_backend("auto", "cpu", *WORK).device == "cpu"


def test_auto_is_exact_for_small_work_and_fast_for_large():
    assert choose_backend("auto", "auto", (100, 100, 100, 3), 128 * 128, 0).name == "exact"
    assert choose_backend("auto", "auto", (100, 100, 100, 3), 256 * 256, 0).name == "numba"
    assert choose_backend("auto", "auto", (256, 256, 256, 3), 256 * 256, 0).name == "numba"


def test_an_absent_cuda_device_is_said():
    with pytest.raises(DeviceError, match="no device 'cuda:7'"):
        choose_backend("auto", "cuda:7", *WORK)


@pytest.mark.parametrize(
    ("name", "device"), [("numba", "cuda:0"), ("exact", "cuda"), ("pycuda", "cpu")]
)
def test_backend_on_a_device_of_another_kind_is_refused(name, device):
    with pytest.raises(InputError, match=f"--backend {name} computes on"):
        choose_backend(name, device, *WORK)


@pytest.mark.parametrize("shape", [(12, 8, 16), (11, 7, 13)])
def test_coarse_voxels_keep_mass_and_place(shape):
    g = np.random.default_rng(0)
    volume = g.uniform(0, 1, shape).astype(np.float32)
    label = g.integers(0, 2, shape).astype(np.uint8)
    world_from_ijk = oblique_geometry(3)
    grid = DensityGrid(volume, label, (4, 7), np.linalg.inv(world_from_ijk))
    middle = world_from_ijk @ [9.5, 1.5, 5.5, 1]  # of a block
    for number, coarse in enumerate(coarsen_grid(grid, 4)):
        part = np.where(label == number, volume, 0)
        assert coarse.density.shape == (3, 2, 4) and coarse.components == (grid.components[number],)
        assert 64 * coarse.density.sum() == pytest.approx(part.sum(), rel=1e-5)
        assert coarse.density[1, 0, 2] == pytest.approx(part[4:8, :4, 8:12].mean(), rel=1e-5)
        np.testing.assert_allclose(coarse.ijk_from_ras @ middle, [2, 0, 1, 1], atol=1e-9)


def test_coarse_radiograph_of_a_smooth_body_is_nearly_the_fine_one():
    axes = np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij")
    ct = Image(np.exp(-8 * sum(a**2 for a in axes)).astype(np.float32), oblique_geometry(1))
    view = CArm(primary_angle=20, detector_size=(40, 40), pixel_spacing=4)
    fine = render(ct, view, quantity="integral").array
    coarse = render(ct, view, quantity="integral", coarsen=2).array
    error = np.linalg.norm(coarse - fine) / np.linalg.norm(fine)
    assert 1e-4 < error < 0.02
    with pytest.raises(InputError, match="coarsen"):
        render(random_volume(0), view, coarsen=0)


def test_memory_counts_coarser_voxels_and_scatter(monkeypatch):
    """64 million voxels: 6 bytes each, 12 more for torch's three materials or for scatter."""
    ct = Image(np.broadcast_to(np.int16(0), (400, 400, 400)))

    def chosen(free: float, **options):
        device = devices.Device("cpu", "test", int(16e9), int(free))
        monkeypatch.setattr(devices, "_cpu", lambda: device)
        view = CArm(detector_size=(64, 64))
        return backend_for(ct, [view], RenderParameters(device="cpu", **options)).name

    with pytest.raises(DeviceError, match="--coarsen 2"):
        chosen(6e8, backend="torch")
    assert chosen(6e8, backend="torch", coarsen=2) == "torch"
    assert chosen(9e8, backend="torch") == "torch"
    assert chosen(6e8, backend="numba") == "numba"
    with pytest.raises(DeviceError, match="576 MB"):
        chosen(5e8, backend="numba", materials="network")
    assert chosen(5e8, backend="numba") == "numba"
    with pytest.raises(DeviceError, match=r"1\.2 GB"):
        chosen(6e8, backend="numba", scatter="kernel")
