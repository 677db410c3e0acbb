"""The torch projector against the exact one, finite differences and the compiled pose gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from meddl.core import Cancelled, CancelToken, DeviceError, Image, InputError, devices, read_image
from meddl.core.geometry import compose
from meddl.deepdrr import Camera, CArm, render
from meddl.deepdrr.pose_gradient import project_pose
from meddl.deepdrr.projector_torch import camera_rays, project

from .phantoms import oblique_geometry, random_volume

ABDOMEN = Path(__file__).parents[2] / "data" / "abdomen_pelvis_ct.nii.gz"


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def tensors(camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    """K and camera_from_world as float64 leaves."""
    return (
        torch.tensor(camera.K, requires_grad=True),
        torch.tensor(camera.camera_from_world, requires_grad=True),
    )


def sphere() -> Image:
    """A soft-edged sphere in an oblique, anisotropic volume."""
    k, j, i = np.mgrid[-12:12, -20:20, -24:24]
    radius = np.sqrt((2.3 * k) ** 2 + (1.1 * j) ** 2 + (0.8 * i) ** 2)
    return Image(np.clip(16 - radius, 0, 1).astype(np.float32), oblique_geometry(3))


@pytest.mark.parametrize("angles", [(0, 0), (30, 15), (-75, 40)])
def test_same_path_as_the_exact_projector_on_a_ct(angles):
    ct = read_image(ABDOMEN)
    view = CArm(*angles, detector_size=(48, 48), pixel_spacing=6.0)
    pages = [
        render(ct, view, quantity="path", backend=backend).array[0]
        for backend in ("torch", "exact")
    ]
    for material in (1, 2):  # soft tissue, bone
        assert relative_error(*(page[..., material] for page in pages)) < 0.005


def test_same_integral_as_the_exact_projector_on_a_phantom():
    view = CArm(40, -20, detector_size=(64, 48), pixel_spacing=1.5, rotation=10)
    torch_picture, exact = (
        render(sphere(), view, quantity="integral", backend=backend).array
        for backend in ("torch", "exact")
    )
    assert relative_error(torch_picture, exact) < 0.002


def test_box_has_its_chord_length_out_to_the_outer_faces():
    ct = Image(np.ones((10, 12, 14), np.int16), compose((2, 3, 4), (-10, 5, 7)))
    camera = CArm(detector_size=(3, 3), pixel_spacing=1).camera(ct.center)
    found = render(ct, camera, quantity="integral", backend="torch").array[0]
    directions = camera.rays(np.stack(np.meshgrid(range(3), range(3)), -1))
    np.testing.assert_allclose(found, 12 * 3 / np.abs(directions[..., 1]), rtol=1e-5)


@pytest.mark.parametrize(("x", "expected"), [(-0.51, 0), (-0.49, 4), (3.49, 4), (3.51, 0)])
def test_ray_parallel_to_an_axis_hits_or_misses(x, expected):
    pose = np.eye(4)
    pose[:3, 3] = -x, -1.0, 100.0
    camera = Camera(np.diag([1000.0, 1000, 1]), pose, (1, 1))
    ct = Image(np.ones((4, 4, 4), np.float32))
    found = render(ct, camera, quantity="integral", backend="torch").array.item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_views_of_a_batch_and_chunks_are_independent(monkeypatch):
    ct = random_volume(0)
    cameras = [CArm(a, detector_size=(6, 5), pixel_spacing=6).camera(ct.center) for a in (0, 50)]
    volume = torch.from_numpy(np.stack([ct.array, 2 * ct.array]))
    K, poses = (
        torch.stack([torch.from_numpy(m) for m in matrices])
        for matrices in ([c.K for c in cameras], [c.camera_from_world for c in cameras])
    )
    ijk_from_world = torch.from_numpy(ct.ijk_from_ras)
    both = project(volume, ijk_from_world, *camera_rays(K, poses), (6, 5))
    assert both.shape == (2, 5, 6, 2)
    torch.testing.assert_close(both[..., 1], 2 * both[..., 0])
    monkeypatch.setattr("meddl.deepdrr.projector_torch.CPU_SAMPLES", 300)
    for view in range(2):
        rays = camera_rays(K[view : view + 1], poses[view : view + 1])
        torch.testing.assert_close(project(volume, ijk_from_world, *rays, (6, 5))[0], both[view])


def test_half_precision_volume_is_widened():
    ct = sphere()
    camera = CArm(20, detector_size=(9, 9), pixel_spacing=4).camera(ct.center)
    rays = camera_rays(*(t.detach()[None] for t in tensors(camera)))
    full, half = (
        project(
            torch.from_numpy(ct.array)[None].to(t), torch.from_numpy(ct.ijk_from_ras), *rays, (9, 9)
        )
        for t in (torch.float32, torch.float16)
    )
    assert half.dtype == torch.float32
    assert relative_error(half.numpy(), full.numpy()) < 1e-3


@pytest.mark.parametrize("samples_in_flight", [2**18, 100])
def test_gradients_with_respect_to_volume_pose_and_intrinsics(samples_in_flight, monkeypatch):
    """Against finite differences in float64, in one chunk and in many."""
    monkeypatch.setattr("meddl.deepdrr.projector_torch.CPU_SAMPLES", samples_in_flight)
    generator = np.random.default_rng(0)
    ijk_from_world = np.linalg.inv(oblique_geometry(1))
    center = np.linalg.inv(ijk_from_world)[:3] @ [1.5, 1.0, 1.0, 1.0]
    camera = CArm(10, 20, detector_size=(2, 3), pixel_spacing=1.3).camera(center)
    volume = torch.from_numpy(generator.normal(size=(1, 3, 3, 4))).requires_grad_()

    def pictures(volume, K, pose):
        rays = camera_rays(K[None], pose[None])
        return project(volume, torch.from_numpy(ijk_from_world), *rays, (2, 3))

    assert torch.autograd.gradcheck(pictures, (volume, *tensors(camera)), atol=1e-4)


def test_compiled_pose_gradient_is_torchs_own():
    """Same samples, so the same values and gradients to rounding (float32 voxels)."""
    ct = random_volume(2)
    camera = CArm(10, 20, detector_size=(9, 40), pixel_spacing=3).camera(ct.center)
    box = np.full(3, -0.5), np.array(ct.size) - 0.5
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 9)))
    results = []
    for compiled in (True, False):
        K, pose = tensors(camera)
        source, rays = camera_rays(K, pose)
        if compiled:
            picture = project_pose(ct.array, ct.ijk_from_ras, source, rays, (9, 40), box, 0.5)
        else:
            volume = torch.from_numpy(ct.array.astype(np.float64))[None]
            matrix = torch.from_numpy(ct.ijk_from_ras)
            picture = project(volume, matrix, source[None], rays[None], (9, 40))[0, ..., 0]
        gradients = torch.autograd.grad((weights * picture).sum(), (K, pose))
        results.append((picture.detach(), *gradients))
    for found, expected in zip(*results, strict=True):
        assert expected.abs().max() > 1
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_cancel_stops_between_chunks(monkeypatch):
    monkeypatch.setattr("meddl.deepdrr.projector_torch.CPU_SAMPLES", 1000)
    cancel, reports = CancelToken(), []

    def progress(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == 3:
            cancel.cancel()

    view = CArm(detector_size=(40, 40))
    options = {"backend": "torch", "device": "cpu", "progress": progress, "cancel": cancel}
    with pytest.raises(Cancelled):
        render(random_volume(0), view, **options)
    assert len(reports) == 3


def test_backend_and_device_are_recorded_and_refused_if_absent(monkeypatch):
    small = CArm(detector_size=(2, 2))
    picture = render(random_volume(0), small, backend="torch", device="cpu")
    assert (picture.metadata["backend"], picture.metadata["device"]) == ("torch", "cpu")
    with pytest.raises(InputError, match="not on cuda:7"):
        render(random_volume(0), small, backend="exact", device="cuda:7")
    with pytest.raises(DeviceError, match="cuda:7"):
        render(random_volume(0), small, device="cuda:7")
    monkeypatch.setattr(devices, "_cpu", lambda: devices.Device("cpu", "small", 10**7, 10**7))
    with pytest.raises(DeviceError, match="needs about"):
        render(random_volume(0), small, backend="torch", device="cpu")
