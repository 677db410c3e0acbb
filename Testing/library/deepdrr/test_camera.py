from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddl.core import FileError, GeometryError, InputError
from meddl.core.geometry import apply, rotation
from meddl.deepdrr import Camera, CArm, read_camera, write_camera
from properties import examples


def random_camera(seed: int) -> Camera:
    """Skewed, non-square pixels, arbitrary pose."""
    g = np.random.default_rng(seed)
    K = np.array([[g.uniform(200, 3000), g.normal(), g.uniform(0, 900)], [0, 0, 0], [0, 0, 1]])
    K[1, 1:] = g.uniform(200, 3000), g.uniform(0, 900)
    pose = rotation(g.normal(size=3), g.uniform(-180, 180))
    pose[:3, 3] = g.uniform(-800, 800, 3)
    return Camera(K, pose, (640, 480))


@examples(30, deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.sampled_from([1.0, -1.0, 1e-7, -3e5]))
def test_projection_matrix_round_trip(seed, factor):
    camera = random_camera(seed)
    again = Camera.from_projection(factor * camera.P, camera.size)
    np.testing.assert_allclose(again.K, camera.K, rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(again.camera_from_world, camera.camera_from_world, atol=1e-6)


@examples(30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_projection_agrees_with_matrix_and_back(seed):
    camera = random_camera(seed)
    pixels = np.random.default_rng(seed).uniform(-100, 700, (5, 2))
    depth = np.random.default_rng(seed + 1).uniform(1, 2000, 5)
    points = camera.unproject(pixels, depth)
    homogeneous = np.c_[points, np.ones(5)] @ camera.P.T
    np.testing.assert_allclose(homogeneous[:, :2] / homogeneous[:, 2:], pixels, atol=1e-5)
    projected, found = camera.project(points)
    np.testing.assert_allclose(projected, pixels, atol=1e-5)
    np.testing.assert_allclose(found, depth, rtol=1e-9)
    beyond = camera.source + 500 * camera.rays(pixels)
    np.testing.assert_allclose(camera.project(beyond)[0], pixels, atol=1e-5)


def test_point_behind_the_source_has_negative_depth():
    camera = CArm().camera()
    pixels, depth = camera.project([[0.0, -600.0, 0.0], [0.0, -530.0, 0.0]])
    assert np.isnan(pixels).all()
    np.testing.assert_allclose(depth, [-70, 0], atol=1e-9)


def test_reference_pose_of_the_c_arm():
    """Zero pose: source posterior, detector anterior, picture right = patient right, up = head."""
    camera = CArm(isocenter=(10.0, 20.0, 30.0)).camera()
    np.testing.assert_allclose(camera.source, [10, 20 - 530, 30])
    (center, right, head), depth = camera.project([[10, 20, 30], [20, 20, 30], [10, 20, 40]])
    np.testing.assert_allclose(center, [255.5, 255.5])
    np.testing.assert_allclose(depth, 530)
    scale = 1020 / 530 / 0.6
    np.testing.assert_allclose(right - center, [10 * scale, 0], atol=1e-9)
    np.testing.assert_allclose(head - center, [0, -10 * scale], atol=1e-9)


@pytest.mark.parametrize(
    ("angles", "detector_towards"),
    [
        ((90, 0), [-1, 0, 0]),  # LAO 90: detector at the patient's left
        ((-90, 0), [1, 0, 0]),
        ((0, 90), [0, 0, 1]),  # cranial 90: detector at the head
        ((30, 0), [-0.5, np.sqrt(0.75), 0]),
        ((0, 30), [0, np.sqrt(0.75), 0.5]),
    ],
)
def test_dicom_signs_of_the_angles(angles, detector_towards):
    primary, secondary = angles
    axes = CArm(primary_angle=primary, secondary_angle=secondary).axes()
    np.testing.assert_allclose(axes[2], detector_towards, atol=1e-12)


@pytest.mark.parametrize("angles", [(17.0, -23.0, 31.0), (-140.0, 60.0, -90.0)])
def test_axes_follow_the_stated_formulas(angles):
    a, b, r = np.deg2rad(angles)
    axes = CArm(primary_angle=angles[0], secondary_angle=angles[1], rotation=angles[2]).axes()

    def z(b):
        return np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])

    y = -(z(b + 1e-6) - z(b - 1e-6)) / 2e-6
    x = np.cross(y, z(b))
    np.testing.assert_allclose(axes[0], np.cos(r) * x + np.sin(r) * y, atol=1e-9)
    np.testing.assert_allclose(axes[1], -np.sin(r) * x + np.cos(r) * y, atol=1e-9)
    assert np.linalg.det(axes) == pytest.approx(1)


def test_camera_file_round_trip(tmp_path):
    camera = random_camera(3)
    write_camera(tmp_path / "c.json", camera)
    again = read_camera(tmp_path / "c.json")
    np.testing.assert_array_equal(again.K, camera.K)
    np.testing.assert_array_equal(again.camera_from_world, camera.camera_from_world)
    (tmp_path / "p.json").write_text(
        json.dumps({"P": (-2 * camera.P).tolist(), "size": [640, 480]})
    )
    np.testing.assert_allclose(read_camera(tmp_path / "p.json").P, camera.P, rtol=1e-8, atol=1e-6)


def test_detector_corners_lie_on_the_detector():
    carm = CArm(primary_angle=25, secondary_angle=-10, isocenter=(1, 2, 3))
    camera = carm.camera()
    corners = camera.detector_corners(carm.source_detector)
    middle = np.array([1, 2, 3]) + (1020 - 530) * carm.axes()[2]
    np.testing.assert_allclose(corners.mean(axis=0), middle, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(corners[1] - corners[0]), 512 * 0.6)


GOOD = {"K": np.eye(3).tolist(), "camera_from_world": np.eye(4).tolist(), "size": [4, 4]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"K": [[1, 0, 0], [0, 1, 0]]}, "shape"),
        ({"K": [[1, 0, 0], [0, -1, 0], [0, 0, 1]]}, "positive"),
        ({"K": [[1, 0, 0], [5, 1, 0], [0, 0, 1]]}, "triangular"),
        ({"K": [[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]]}, "NaN"),
        ({"camera_from_world": np.diag([1, 1, -1, 1]).tolist()}, "rigid"),
        ({"camera_from_world": np.diag([2, 2, 2, 1]).tolist()}, "rigid"),
        ({"size": [0, 4]}, "size"),
        ({"size": [4.5, 4]}, "size"),
        ({"size": [10**9, 4]}, "size"),
        ({"size": "no"}, "size"),
    ],
)
def test_bad_cameras_are_named(tmp_path, change, words):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(GeometryError, match=words) as error:
        read_camera(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"size": [4, 4]}', '{"K": 1}', "nul"])
def test_bad_camera_files_are_named(tmp_path, text):
    path = tmp_path / "camera.json"
    path.write_text(text)
    with pytest.raises(FileError, match=r"camera\.json"):
        read_camera(path)


def test_camera_at_infinity_is_refused():
    with pytest.raises(GeometryError, match="infinity"):
        Camera.from_projection(np.c_[np.diag([1.0, 1.0, 0.0]), np.ones(3)], (4, 4))


@pytest.mark.parametrize(
    "values",
    [
        {"source_isocenter": 1020.0},
        {"source_detector": -5.0},
        {"pixel_spacing": 0.0},
        {"detector_size": (0, 10)},
        {"primary_angle": float("nan")},
        {"isocenter": (1.0, 2.0)},
    ],
)
def test_bad_c_arms_are_refused(values):
    with pytest.raises(InputError):
        CArm(**values)


def random_carm(generator: np.random.Generator, secondary: float) -> CArm:
    primary, rotation = generator.uniform(-360, 360, 2)
    isocenter = tuple(generator.uniform(-500, 500, 3))
    return CArm(primary, secondary, rotation, 1000, 600, isocenter, (30, 20), 1.5, (3.0, 4.0))


@pytest.mark.parametrize("secondary", [None, 90.0, -90.0, 270.0, 90 - 1e-9, -90 + 1e-6])
def test_a_pose_gives_the_c_arm_back_also_where_its_angles_are_not_unique(secondary):
    generator = np.random.default_rng(7)
    for _trial in range(50):
        turn = generator.uniform(-360, 360) if secondary is None else secondary
        carm = random_carm(generator, turn)
        again = CArm(detector_size=(30, 20)).moved(carm.world_from_carm())
        np.testing.assert_allclose(again.axes(), carm.axes(), atol=1e-9)
        np.testing.assert_allclose(again.isocenter, carm.isocenter)
        assert abs(again.secondary_angle) <= 90
        assert again.detector_size == (30, 20)


def test_the_pose_is_where_the_camera_says():
    carm = random_carm(np.random.default_rng(8), 30.0)
    camera = carm.camera()
    pose = carm.world_from_carm()
    np.testing.assert_allclose(apply(pose, (0, 0, -600)), camera.source, atol=1e-9)
    pixels, _ = camera.project(apply(pose, [(0, 0, 0), (1.5 * 0.6, 0, 0), (0, 1.5 * 0.6, 0)]))
    np.testing.assert_allclose(pixels, [(3, 4), (4, 4), (3, 5)], atol=1e-9)
    np.testing.assert_array_equal(CArm().world_from_carm((1, 2, 3))[:3, 3], (1, 2, 3))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([1.0, 1.1, 1.0, 1.0]), "1, 1.1, 1 or shears"),
        (np.diag([1.0, -1.0, 1.0, 1.0]), "mirrors"),
        (np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "shears"),
        (np.zeros((4, 4)), "pose of the C-arm"),
    ],
)
def test_a_pose_that_is_not_rigid_is_refused(matrix, words):
    with pytest.raises(GeometryError, match=words):
        CArm().moved(matrix)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_larger_pixels_lie_over_the_same_points(factor):
    fine = random_carm(np.random.default_rng(9), 10.0)
    coarse = fine.binned(factor)
    points = np.random.default_rng(1).uniform(-50, 50, (20, 3)) + fine.isocenter
    pixels, depth = fine.camera().project(points)
    again, same = coarse.camera().project(points)
    np.testing.assert_allclose(again, (pixels + 0.5) / factor - 0.5)
    np.testing.assert_allclose(same, depth)
    assert coarse.detector_size == {1: (30, 20), 2: (15, 10), 3: (10, 7)}[factor]
    assert CArm(detector_size=(16, 16)).binned(2).camera().K[0, 2] == 3.5
