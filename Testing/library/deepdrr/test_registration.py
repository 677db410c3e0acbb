"""2-D/3-D registration: its parts against independent formulas, the whole on known poses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from meddl.cli.main import main
from meddl.core import (
    Cancelled,
    CancelToken,
    GeometryError,
    Image,
    InputError,
    read_image,
    write_image,
)
from meddl.core.geometry import apply, rotation
from meddl.deepdrr import (
    Camera,
    CArm,
    read_camera,
    register,
    render,
    write_camera,
    write_dicom_radiograph,
    write_radiograph,
)
from meddl.deepdrr.beam_hardening import hardening_beam
from meddl.deepdrr.registration import _level, attenuation_map, attenuation_picture
from meddl.deepdrr.rigid_motion import motion, motion_between, moved_pose
from meddl.deepdrr.similarity import gradient_correlation
from meddl.deepdrr.spectrum import load_spectrum

from .phantoms import oblique_geometry

ABDOMEN = Path(__file__).parents[2] / "data" / "abdomen_pelvis_ct.nii.gz"
BEAM = hardening_beam(load_spectrum("90kV"))
OFFSET = np.array([4.0, -6, 5, 8, -7, 12])  # degrees, mm


def rods() -> Image:
    """Four bone-like ellipsoids of different size in soft tissue, in air; an oblique CT of 4 mm."""
    k, j, i = np.mgrid[-20:20, -22:22, -24:24]
    hu = np.where((i / 21) ** 2 + (j / 18) ** 2 + (k / 30) ** 2 < 1, 30, -1000)
    for x, y, z, a, b, c in (
        (-9, 2, 5, 3, 5, 9),
        (8, -6, -3, 5, 3, 4),
        (2, 9, -9, 2, 2, 8),
        (7, 6, 10, 6, 2, 3),
    ):
        hu[((i - x) / a) ** 2 + ((j - y) / b) ** 2 + ((k - z) / c) ** 2 < 1] = 900
    return Image(hu.astype(np.int16), oblique_geometry(5, (4, 4, 4)))


def moved(camera: Camera, offset: np.ndarray, center: np.ndarray) -> Camera:
    """The camera after a motion about ``center``."""
    pose = moved_pose(camera.camera_from_world, torch.from_numpy(offset), center).numpy()
    return Camera(camera.K, pose, camera.size)


def error(found: Camera, truth: Camera, ct: Image, above: float = 300) -> float:
    """Mean distance in mm of bone voxels in view between two poses."""
    points = apply(ct.ras_from_ijk, np.argwhere(ct.array > above)[:, ::-1])
    pixels, _ = truth.project(points)
    points = points[((pixels >= 0) & (pixels < truth.size)).all(axis=1)]
    there, here = (apply(camera.camera_from_world, points) for camera in (found, truth))
    return float(np.linalg.norm(there - here, axis=1).mean())


@pytest.fixture(scope="module")
def phantom() -> tuple[Image, Camera, Image]:
    """CT, true camera, and its intensity picture with noise."""
    ct = rods()
    carm = CArm(35, 10, detector_size=(80, 64), pixel_spacing=4.0)
    return ct, carm.camera(ct.center), render(ct, carm, noise=True, photons=1e5)


def test_gradient_correlation_is_the_mean_of_pearson_correlations():
    first, second = np.random.default_rng(0).normal(size=(2, 12, 16))
    expected = []
    for a, b in ((first, second), [x.reshape(6, 2, 8, 2).mean((1, 3)) for x in (first, second)]):
        for axis in (0, 1):
            slopes = [np.gradient(x, axis=axis)[1:-1, 1:-1].ravel() for x in (a, b)]
            expected.append(np.corrcoef(*slopes)[0, 1])
    found = float(gradient_correlation(torch.from_numpy(first), torch.from_numpy(second)))
    assert found == pytest.approx(np.mean(expected))


def test_gradient_correlation_ignores_gain_and_offset():
    picture = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 16)))
    assert float(gradient_correlation(picture, 3 * picture + 7)) == pytest.approx(1)
    assert float(gradient_correlation(picture, -picture)) == pytest.approx(-1)
    assert float(gradient_correlation(picture, torch.ones(12, 16, dtype=torch.float64))) == 0


def test_motion_is_a_rotation_vector_and_a_shift():
    expected = rotation((1, 2, -2), 30)
    expected[:3, 3] = 4, 5, 6
    found = motion(torch.tensor([10.0, 20, -20, 4, 5, 6], dtype=torch.float64))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    start = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(motion, start)


def test_motion_between_inverts_moved_pose():
    pose, center = rotation((3, 1, 2), 70) @ np.diag([1.0, 1, 1, 1]), np.array([10.0, 20, 30])
    second = moved_pose(pose, torch.from_numpy(OFFSET), center).numpy()
    np.testing.assert_allclose(motion_between(pose, second, center), OFFSET, atol=1e-9)
    turned = moved_pose(pose, torch.tensor([5.0, 6, 7, 0, 0, 0], dtype=torch.float64), center)
    np.testing.assert_allclose(apply(turned.numpy(), center), apply(pose, center), atol=1e-9)


def test_a_ct_that_is_thinner_than_a_pixel_is_registered():
    hu = np.full((12, 2, 12), -1000, np.float32)
    hu[3:9, :, 4:7] = 900
    ct = Image(hu, np.diag([8.0, 2, 8, 1]))
    carm = CArm(20, detector_size=(24, 20), pixel_spacing=12)
    picture = render(ct, carm, quantity="neglog")
    options = {"candidates": 2, "starts": 1, "rounds": 1, "device": "cpu"}
    assert register(ct, picture, carm.camera(ct.center), **options).score > 0.99


def test_auto_is_the_cpu_even_where_an_accelerator_is(monkeypatch):
    from meddl.core import devices

    there = [devices.Device("cuda:0", "pretended", 10**10, 10**10), *devices.list_devices()]
    monkeypatch.setattr(devices, "list_devices", lambda: there)
    hu = np.full((12, 12, 12), -1000, np.float32)
    hu[3:9, 2:8, 4:7] = 900
    ct = Image(hu, np.diag([8.0, 8, 8, 1]))
    carm = CArm(20, detector_size=(24, 20), pixel_spacing=12)
    picture = render(ct, carm, quantity="neglog")
    options = {"candidates": 2, "starts": 1, "rounds": 1}
    assert register(ct, picture, carm.camera(ct.center), **options).device == "cpu"


def test_levels_keep_the_geometry(phantom):
    """Halved pictures of the halved CT still correlate best at the true pose."""
    ct, camera, picture = phantom
    target = attenuation_picture(picture, camera.size, "intensity")
    for factor in (1, 2, 4):
        level = _level(
            attenuation_map(ct, BEAM.energy), BEAM, target, camera, factor, factor * 2.0, "cpu"
        )
        shifts = np.linspace(-6, 6, 13)
        for axis in (3, 4):
            scores = []
            for shift in shifts:
                offset = np.eye(6)[axis] * shift
                scores.append(
                    float(
                        level.score(
                            torch.from_numpy(
                                moved(camera, offset, ct.center).camera_from_world[None]
                            )
                        )
                    )
                )
            assert abs(shifts[int(np.argmax(scores))]) <= 1


def test_both_renderers_give_the_same_score_and_gradient(phantom):
    """The compiled one of the CPU and torch's, which accelerators use."""
    ct, camera, picture = phantom
    target = attenuation_picture(picture, camera.size, "intensity")
    start = moved(camera, OFFSET, ct.center).camera_from_world
    results = []
    for device in ("cpu", "cpu:0"):  # the second name selects torch's renderer
        level = _level(attenuation_map(ct, BEAM.energy), BEAM, target, camera, 2, 4.0, device)
        poses = torch.from_numpy(np.stack([start, camera.camera_from_world])).requires_grad_()
        scores = level.score(poses)
        results.append((scores.detach(), torch.autograd.grad(scores.sum(), poses)[0]))
        apart = torch.cat([level.score(pose[None]) for pose in poses])
        torch.testing.assert_close(apart, scores, rtol=0, atol=1e-6)
    assert results[0][0][0] < results[0][0][1] - 0.1
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-4)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=2e-3, atol=2e-3)


def test_phantom_is_found_whatever_the_gain(phantom):
    ct, camera, picture = phantom
    start = moved(camera, OFFSET, ct.center)
    brighter = Image(picture.array * 1e-4)
    options = {"quantity": "intensity", "candidates": 60, "starts": 6, "seed": 4}
    found = register(ct, brighter, start, **options)
    assert found.converged and found.score > 0.9
    assert error(found.camera, camera, ct) < 1.0 < 10 < error(start, camera, ct)
    inverse_motion = motion_between(start.camera_from_world, camera.camera_from_world, ct.center)
    np.testing.assert_allclose(found.motion[:5], inverse_motion[:5], atol=0.5)
    again = register(ct, brighter, start, **options)
    np.testing.assert_array_equal(again.camera.camera_from_world, found.camera.camera_from_world)


def test_bundled_ct_is_found_from_far_away():
    ct = read_image(ABDOMEN)
    carm = CArm(20, 10, detector_size=(128, 128), pixel_spacing=2.4)
    camera = carm.camera(ct.center)
    picture = render(ct, carm, quantity="neglog", noise=True, photons=1e5)
    start = moved(camera, np.array([9.0, -8, 10, 20, -15, 30]), ct.center)
    found = register(ct, picture, start)
    assert error(start, camera, ct) > 35
    assert found.converged
    assert error(found.camera, camera, ct) < 0.5


def test_a_picture_of_something_else_does_not_converge(phantom):
    ct, camera, picture = phantom
    other = Image(picture.array[:, ::-1, ::-1].copy())
    found = register(ct, other, camera, quantity="intensity", candidates=20, starts=3, rounds=2)
    assert not found.converged


def test_cancel_gives_no_result(phantom):
    ct, camera, picture = phantom
    cancel, reports = CancelToken(), []

    def progress(fraction: float, message: str) -> None:
        reports.append((fraction, message))
        if message.startswith("improving"):
            cancel.cancel()

    with pytest.raises(Cancelled):
        register(ct, picture, camera, quantity="intensity", progress=progress, cancel=cancel)
    assert 0 < reports[-1][0] < 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"picture": np.ones((1, 64, 80))}, "every pixel"),
        ({"picture": np.full((1, 64, 80), np.nan)}, "NaN"),
        ({"picture": np.eye(64)[None]}, "64x64 pixels, the camera 80x64"),
        ({"picture": np.random.default_rng(0).normal(size=(2, 64, 80))}, "one grey picture"),
        ({"picture": np.random.default_rng(0).normal(size=(1, 64, 80))}, "none below 0"),
        ({"isocenter": (0, -5000, 0)}, "behind the source"),
        ({"candidates": 0}, "--candidates"),
        ({"quantity": "energy"}, "--quantity"),
        ({"device": "cuda:9"}, "cuda:9"),
    ],
)
def test_bad_input_is_refused_at_once(phantom, change, words):
    ct, camera, picture = phantom
    change = dict(change)
    picture = Image(change.pop("picture")) if "picture" in change else picture
    with pytest.raises((InputError, GeometryError, RuntimeError), match=words):
        register(ct, picture, camera, **{"quantity": "intensity", **change})


@pytest.fixture
def files(phantom, tmp_path) -> Path:
    """ct.nii.gz, xray.tiff, the same mirrored in xray.dcm, and start.json in a folder."""
    ct, camera, picture = phantom
    write_image(tmp_path / "ct.nii.gz", ct)
    write_radiograph(tmp_path / "xray.tiff", picture)
    write_dicom_radiograph(tmp_path / "xray.dcm", picture, mirrored=True)
    write_camera(tmp_path / "start.json", moved(camera, OFFSET / 2, ct.center))
    return tmp_path


def command(folder: Path, *options: str, radiograph: str = "xray.tiff") -> list[str]:
    inputs = [str(folder / "ct.nii.gz"), str(folder / radiograph)]
    camera = ["--camera", str(folder / "start.json"), "--output", str(folder / "found.json")]
    search = ["--candidates", "10", "--starts", "2"]
    return ["drr", "register", *inputs, *camera, *search, *options]


@pytest.mark.parametrize("name", ["xray.tiff", "xray.dcm"])
def test_command_writes_a_camera_with_score_and_converged(files, phantom, capsys, name):
    ct, camera, _ = phantom
    assert main(command(files, "--quantity", "intensity", "--json", radiograph=name)) == 0
    report = json.loads(capsys.readouterr().out)
    record = json.loads((files / "found.json").read_text())
    assert record["converged"] is report["converged"] is True
    assert record["score"] == pytest.approx(report["score"], abs=1e-6)
    assert record["score"] > 0.9
    assert error(read_camera(files / "found.json"), camera, ct) < 1.0


@pytest.mark.parametrize(
    "options",
    [
        ["--quantity", "path"],
        ["--camera", "missing.json"],
        ["--output", "no_such_folder/found.json"],
        ["--starts", "0"],
        ["--device", "cuda:9"],
        ["--isocenter", "0,-5000,0"],
        ["--frame", "1"],
        ["--mirrored", "maybe"],
    ],
)
def test_command_refuses_bad_arguments_in_one_line(files, options, capsys):
    assert main(command(files, *options)) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (files / "found.json").exists()


def test_command_never_overwrites_its_inputs(files, capsys):
    assert main(command(files, "--output", str(files / "start.json"))) == 2
    assert "is an input" in capsys.readouterr().err
