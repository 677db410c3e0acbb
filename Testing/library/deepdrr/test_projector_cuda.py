"""The pycuda backend on a CUDA device, against the CPU; skipped where PyTorch sees none."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from meddl.deepdrr import CArm, projector_cuda, render
from meddl.deepdrr.attenuation import transmitted
from meddl.deepdrr.montecarlo import simulate

from .phantoms import exact_integrals
from .test_cuda_kernels import MATERIALS, scene
from .test_transport_cuda import oblique_bone

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")


@pytest.fixture(autouse=True)
def _pycuda():
    pytest.importorskip("pycuda.driver")


def relative(found, expected) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("seed", "components"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6)])
def test_line_integrals_are_those_of_the_cpu(seed, components):
    volume, arguments = scene(seed, components)
    found = projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments)
    assert relative(found, exact_integrals(volume, *arguments)) < 1e-3


def test_volume_on_the_device_and_another_stream():
    volume, arguments = scene(2, 3)
    expected = exact_integrals(volume, *arguments)
    with torch.cuda.stream(torch.cuda.Stream()):
        tensor = torch.from_numpy(volume).cuda()
        picture = projector_cuda.project(projector_cuda.upload(tensor), *arguments)
        assert picture.is_cuda and picture.shape == expected.shape
        assert relative((2 * picture).cpu().numpy(), 2 * expected) < 1e-3


def test_slabs_add_up():
    volume, arguments = scene(1, 3)
    device = projector_cuda.open_device("cuda:0")
    slabs = projector_cuda.CudaVolume(volume, device, [(0, 6), (6, 12), (12, 18)])
    found = projector_cuda.line_integrals(slabs, *arguments)
    assert relative(found, exact_integrals(volume, *arguments)) < 1e-3


def test_attenuation_is_that_of_the_cpu():
    g = np.random.default_rng(0)
    paths = g.uniform(0, 20, (7, 50, 3)).astype(np.float32)
    spectrum = (MATERIALS, np.linspace(20, 120, 90), g.uniform(0, 1, (6, 90)))
    found = projector_cuda.transmitted(paths, *spectrum, "cuda:0")
    np.testing.assert_allclose(found, transmitted(paths, *spectrum), rtol=1e-4)


def test_radiograph_of_a_patient_is_that_of_the_cpu():
    from meddl.core import read_image

    ct = read_image(Path(__file__).parents[2] / "data" / "abdomen_pelvis_ct.nii.gz")
    view = CArm(primary_angle=30, secondary_angle=-15, detector_size=(256, 256), pixel_spacing=1.5)
    for quantity in ("intensity", "neglog"):
        expected = render(ct, view, quantity=quantity, backend="exact").array
        found = render(ct, view, quantity=quantity, backend="pycuda").array
        assert relative(found, expected) < 0.005
        assert np.percentile(abs(found - expected), 99.9) < 0.005 * expected.max()


def test_scattered_photons_are_those_of_the_cpu():
    arguments = *oblique_bone(), 64_000
    found = simulate(*arguments, seed=3, device="cuda:0", with_spectrum=True)
    expected = simulate(*arguments, seed=3, with_spectrum=True)
    np.testing.assert_allclose(found.scatter, expected.scatter, rtol=1e-6)
    np.testing.assert_allclose(found.spectrum, expected.spectrum, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.standard_error, expected.standard_error, rtol=1e-6)
    assert found.absorbed == pytest.approx(expected.absorbed, rel=1e-9)


@pytest.mark.parametrize("detector", ["counting", "bins:20,50,80", "energy"])
def test_detected_scatter_is_that_of_the_cpu(detector):
    """Photons followed on the device, at their own energies, in what a detector counts of them."""
    from meddl.core import read_image

    ct = read_image(Path(__file__).parents[2] / "data" / "abdomen_pelvis_ct.nii.gz")
    view = CArm(primary_angle=90, detector_size=(96, 96), pixel_spacing=4)
    options = {"quantity": "energy" if detector == "energy" else "counts", "detector": detector}
    options |= {"scatter": "montecarlo", "scatter_photons": 200_000, "csi": 0.5}
    expected = render(ct, view, backend="exact", **options).array
    found = render(ct, view, backend="pycuda", **options).array
    plain = render(ct, view, backend="exact", **options | {"scatter": "none"}).array
    assert relative(plain, expected) > 0.1
    assert found.shape == expected.shape and relative(found, expected) < 0.005


def test_textures_give_their_memory_back():
    volume = np.ones((128, 128, 128, 1), np.float32)  # 8 MB
    _, arguments = scene(0, 1)
    projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments)
    gc.collect()
    before = torch.cuda.mem_get_info()[0]
    for _ in range(5):
        projector_cuda.line_integrals(projector_cuda.upload(volume), *arguments)
    gc.collect()
    assert before - torch.cuda.mem_get_info()[0] < volume.nbytes
