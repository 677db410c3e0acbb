from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DeviceError, Image, devices
from meddl.core.geometry import compose
from meddl.deepdrr import Camera, CArm, render

from .phantoms import dense_integral, oblique_geometry, random_volume


@pytest.mark.parametrize("seed", range(4))
def test_integral_is_the_exact_trilinear_line_integral(seed):
    """Against plain sampling (scipy) with 2 micrometre steps, on oblique anisotropic volumes."""
    ct = random_volume(seed, lps=bool(seed % 2))
    view = CArm(primary_angle=37 * seed, secondary_angle=20, detector_size=(7, 5), pixel_spacing=6)
    camera = view.camera(ct.center)
    found = render(ct, camera, quantity="integral", backend="exact").array[0]
    for v, u in np.ndindex(found.shape):
        expected = dense_integral(ct, camera.source, camera.rays([u, v]), 0.002)
        assert found[v, u] == pytest.approx(expected, abs=0.02)


def test_box_has_its_chord_length_out_to_the_outer_faces():
    """A uniform volume integrates to the slab length between its outer voxel faces."""
    ct = Image(np.ones((10, 12, 14), np.int16), compose((2, 3, 4), (-10, 5, 7)))
    view = CArm(detector_size=(3, 3), pixel_spacing=1)
    camera = view.camera(ct.center)
    found = render(ct, camera, quantity="integral", backend="exact").array[0]
    directions = camera.rays(np.stack(np.meshgrid(range(3), range(3)), -1))
    np.testing.assert_allclose(found, 12 * 3 / np.abs(directions[..., 1]), rtol=1e-6)


def test_ray_that_grazes_a_face_or_misses_gives_zero_or_the_slab():
    ct = Image(np.ones((4, 4, 4), np.float32))
    K = np.array([[1000.0, 0, 0], [0, 1000, 0], [0, 0, 1]])
    pose = np.eye(4)
    for x, expected in [(-0.51, 0.0), (-0.49, 4.0), (3.49, 4.0), (3.51, 0.0), (0.0, 4.0)]:
        pose[:3, 3] = -x, -1.0, 100.0
        camera = Camera(K, pose, (1, 1))
        assert render(
            ct, camera, quantity="integral", backend="exact"
        ).array.item() == pytest.approx(expected)


def test_source_inside_the_volume_integrates_forward_only():
    ct = Image(np.ones((11, 11, 11), np.float32))
    pose = np.eye(4)
    pose[:3, 3] = -5
    camera = Camera(np.eye(3), pose, (1, 1))
    assert render(ct, camera, quantity="integral", backend="exact").array.item() == pytest.approx(
        5.5
    )


def test_blob_in_a_large_empty_volume_equals_the_cropped_one():
    """Skipping empty space changes nothing."""
    values = np.zeros((40, 40, 40), np.float32)
    values[17:23, 18:21, 5:9] = np.random.default_rng(0).uniform(1, 2, (6, 3, 4))
    full = Image(values + 0.0)
    shifted = Image(np.where(values == 0, np.float32(1e-30), values))  # nothing to skip
    view = CArm(detector_size=(32, 32), pixel_spacing=3, primary_angle=33, secondary_angle=12)
    camera = view.camera(full.center)
    np.testing.assert_allclose(
        render(full, camera, quantity="integral", backend="exact").array,
        render(shifted, camera, quantity="integral", backend="exact").array,
        atol=1e-4,
    )


@pytest.mark.parametrize("lps", [False, True])
def test_fiducial_lands_on_its_shadow(lps):
    """20 random poses of oblique, anisotropic CTs: centroid of the shadow within 0.5 pixel."""
    for seed in range(10):
        g = np.random.default_rng(100 + seed)
        values = np.zeros((40, 50, 60), np.float32)
        ijk = g.integers(8, 32, 3)
        values[ijk[2], ijk[1], ijk[0]] = 1000.0
        ct = Image(values, oblique_geometry(seed, (1.0, 0.7, 1.9), lps))
        view = CArm(
            primary_angle=g.uniform(-120, 120),
            secondary_angle=g.uniform(-50, 50),
            rotation=g.uniform(-180, 180),
            detector_size=(200, 160),
            pixel_spacing=1.5,
        )
        camera = view.camera(ct.center)
        shadow = (
            render(ct, camera, quantity="integral", backend="exact").array[0].astype(np.float64)
        )
        centroid = [(shadow * n).sum() / shadow.sum() for n in np.meshgrid(range(200), range(160))]
        fiducial = ct.ras_from_ijk[:3, :3] @ ijk + ct.ras_from_ijk[:3, 3]
        expected, depth = camera.project(fiducial)
        assert depth > 0
        assert np.linalg.norm(np.array(centroid) - expected) < 0.5


def test_cancel_stops_between_blocks():
    ct = random_volume(0)
    cancel = CancelToken()
    reports = []

    def progress(fraction: float, message: str) -> None:
        reports.append(fraction)
        if len(reports) == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        render(ct, CArm(detector_size=(8, 800)), progress=progress, cancel=cancel)
    assert max(reports) < 0.2


def test_too_little_memory_is_said_before_the_work(monkeypatch):
    small = devices.Device("cpu", "small", 10**8, 10**8)
    monkeypatch.setattr(devices, "_cpu", lambda: small)
    view = CArm(detector_size=(1500, 1500))
    with pytest.raises(DeviceError, match="needs about"):
        render(random_volume(0), view)


def test_volume_beside_the_picture_is_said(caplog):
    render(random_volume(0), CArm(isocenter=(5000.0, 0.0, 0.0), detector_size=(8, 8)))
    assert "outside the picture" in caplog.text
