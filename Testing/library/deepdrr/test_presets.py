"""C-arm presets and their limits, principal point, cameras of K, R, t."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meddl.core import GeometryError, InputError
from meddl.core.geometry import rotation
from meddl.deepdrr import Camera, CArm, load_preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_reaches_its_neutral_pose_and_its_limits_and_no_further(name):
    preset = load_preset(name)
    assert preset.check(preset.carm) is preset.carm
    for field in ("primary_angle", "secondary_angle"):
        for end, step in zip(preset.limits[field], (-1, 1), strict=True):
            preset.check(replace(preset.carm, **{field: end}))
            beyond = replace(preset.carm, **{field: end + step})
            if max(map(abs, preset.limits[field])) >= 180:  # every angle is reached
                preset.check(beyond)
                continue
            option = "--" + field.replace("_", "-")
            with pytest.raises(GeometryError, match=rf"{option} is .*limits of the preset {name}"):
                preset.check(beyond)


def test_limits_of_distance_and_detector_are_named():
    mobile = load_preset("mobile")
    with pytest.raises(GeometryError, match="--source-detector is 1500 mm"):
        mobile.check(replace(mobile.carm, source_detector=1500))
    with pytest.raises(GeometryError, match="--detector-size H is 1600 pixels"):
        mobile.check(replace(mobile.carm, detector_size=(100, 1600)))
    mobile.check(replace(mobile.carm, detector_size=(512, 512), pixel_spacing=0.582))


def test_whole_turns_do_not_count():
    mobile = load_preset("mobile")
    mobile.check(replace(mobile.carm, primary_angle=330))  # -30
    with pytest.raises(GeometryError):
        mobile.check(replace(mobile.carm, primary_angle=-300))  # 60


def test_the_planes_of_the_biplane_are_perpendicular():
    z = [load_preset(f"biplane-{plane}").carm.axes()[2] for plane in ("frontal", "lateral")]
    np.testing.assert_allclose(z, [[0, 1, 0], [-1, 0, 0]], atol=1e-12)


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(InputError, match="mobile, biplane-frontal"):
        load_preset("cios")


def test_principal_point_moves_the_picture_and_not_the_rays():
    middle = CArm(primary_angle=20, detector_size=(100, 80))
    moved = replace(middle, principal_point=(10.0, 70.0))
    points = np.random.default_rng(0).uniform(-50, 50, (6, 3))
    shift = moved.camera().project(points)[0] - middle.camera().project(points)[0]
    np.testing.assert_allclose(shift, np.tile([10 - 49.5, 70 - 39.5], (6, 1)), atol=1e-9)
    isocentre = moved.camera().project([0.0, 0.0, 0.0])[0]
    np.testing.assert_allclose(isocentre, [10, 70], atol=1e-9)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_camera_from_k_r_t_projects_as_the_textbook_does(shape):
    g = np.random.default_rng(1)
    K = np.array([[900.0, 3, 310], [0, 950, 250], [0, 0, 1]])
    R, t = rotation(g.normal(size=3), 50)[:3, :3], np.array([5.0, -7, 600])
    camera = Camera.from_krt(K, R, t.reshape(shape), (640, 480))
    points = g.uniform(-60, 60, (5, 3))
    expected = (K @ (R @ points.T + t[:, None])).T
    np.testing.assert_allclose(camera.project(points)[0], expected[:, :2] / expected[:, 2:])
    np.testing.assert_allclose(camera.source, -R.T @ t)
    values = {"K": K.tolist(), "R": R.tolist(), "t": t.tolist(), "size": [640, 480]}
    np.testing.assert_array_equal(Camera.from_dict(values).P, camera.P)


@pytest.mark.parametrize(
    ("R", "t", "message"),
    [
        (np.diag([1.0, 1, -1]), np.zeros(3), "no rigid transform"),
        (np.eye(4), np.zeros(3), "R has shape"),
        (np.eye(3), np.zeros(4), "t has shape"),
        (np.eye(3), [0, np.nan, 0], "t contains NaN"),
        (np.eye(3), [[0, 1], [2]], "t is no vector"),
    ],
)
def test_bad_k_r_t_is_named(R, t, message):
    with pytest.raises(GeometryError, match=message):
        Camera.from_krt(np.eye(3), R, t, (4, 4))
