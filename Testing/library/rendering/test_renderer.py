"""Depth, light and noise of rendered pictures against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meddl.core.errors import GeometryError, InputError
from meddl.core.geometry import apply, rotation
from meddl.core.pinhole import backproject, pixel_centres
from meddl.rendering import (
    IDEAL,
    DistanceField,
    Light,
    Scene,
    Sensor,
    expose,
    fov_intrinsics,
    render,
    render_radiance,
)
from meddl.rendering.distance_field import sample
from meddl.rendering.fields import smooth_noise
from meddl.rendering.path import ray_lengths

from .analytic_fields import MATT, ball, pipe, plane, scene_of, wall

SIZE = (48, 64)
INTRINSICS = fov_intrinsics(80, SIZE)
AT_LENS = Light((0, 0, 0), beam=0)


def rays(pose):
    """Directions (H, W, 3) of the world, of depth 1."""
    pixels = pixel_centres(*SIZE)
    camera = np.concatenate([pixels, np.ones((*SIZE, 1))], -1) @ np.linalg.inv(INTRINSICS).T
    return camera @ pose[:3, :3].T


def pose_at(position, axis=(0, 1, 0), degrees=0.0):
    pose = rotation(axis, degrees)
    pose[:3, 3] = position
    return pose


def bumpy():
    rng = np.random.default_rng(3)
    noise = smooth_noise((81,) * 3, 8, rng)
    return scene_of(lambda x, y, z: ball(x, y, z) + 0.6 * noise)


def test_the_depth_of_a_plane_is_exact():
    pose = pose_at((1, -2, -3), (1, 1, 0), 20)
    _, depth = render_radiance(scene_of(plane, 0.7, 21), INTRINSICS, SIZE, pose)
    normal = np.array([0.6, 0, 0.8])
    expected = (12 - pose[:3, 3] @ normal) / (rays(pose) @ normal)
    inside = (np.abs(pose[:3, 3] + expected[..., None] * rays(pose)) < 20.9).all(-1)
    assert inside.mean() > 0.6
    assert np.abs(depth / expected - 1)[inside & (expected > 0)].max() < 1e-6


@pytest.mark.parametrize(("shape", "radius", "mask"), [(ball, 15, (1, 1, 1)), (pipe, 9, (1, 0, 1))])
def test_the_depth_of_curved_walls_is_that_of_the_closed_form(shape, radius, mask):
    pose = pose_at((2, -1, 3), (0.3, 1, 0.1), 140)
    _, depth = render_radiance(scene_of(shape, 0.25, 16), INTRINSICS, SIZE, pose)
    directions, centre = rays(pose) * mask, pose[:3, 3] * mask
    a, b = (directions**2).sum(-1), directions @ centre
    expected = (-b + np.sqrt(b**2 - a * (centre @ centre - radius**2))) / a
    inside = (np.abs(pose[:3, 3] + expected[..., None] * rays(pose)) < 15.9).all(-1)
    # Between its nodes the field sags by spacing^2 / (4 radius) at most.
    sag = 0.25**2 / (4 * radius)
    grazing = np.abs(b + a * expected) / np.sqrt(a) / radius  # cosine to the wall
    assert inside.mean() > 0.5
    assert np.abs(depth - expected)[inside & (grazing > 0.3)].max() < sag / 0.3 * 1.1


def test_every_depth_is_the_first_zero_of_the_trilinear_field():
    scene = bumpy()
    pose = pose_at((1, 2, -5), (1, 2, 3), 70)
    _, depth = render_radiance(scene, INTRINSICS, SIZE, pose)
    points = apply(pose, backproject(depth, INTRINSICS))
    assert (depth > 0).all()
    assert np.abs(sample(scene.field, points)).max() < 1e-4 * depth.min()
    before = np.linspace(0, 0.999, 400)[:, None, None, None]
    along = pose[:3, 3] + before * (points - pose[:3, 3])
    assert sample(scene.field, along).min() > 0


def test_two_views_agree_about_a_point():
    scene = bumpy()
    first, second = pose_at((1, 2, -5), (1, 2, 3), 70), pose_at((-3, 0, -4), (1, 2, 3), 60)
    _, depth = render_radiance(scene, INTRINSICS, SIZE, first)
    points = apply(first, backproject(depth, INTRINSICS)).reshape(-1, 3)
    way = points - second[:3, 3]
    distance = np.linalg.norm(way, axis=1)
    starts = np.repeat(second[None, :3, 3], len(way), axis=0)
    reached = ray_lengths(scene.field, starts, way / distance[:, None])
    assert (reached < distance * (1 + 1e-4)).all()
    assert (np.abs(reached - distance) < 1e-4 * distance).mean() > 0.9


def test_a_matt_wall_follows_lambert_and_the_inverse_square():
    for back in (0.0, 8.0):
        pose = pose_at((0, 0, -back))
        light, depth = render_radiance(scene_of(wall), INTRINSICS, SIZE, pose, AT_LENS)
        cosine = 1 / np.linalg.norm(rays(pose), axis=-1)
        expected = cosine * (cosine / (12 + back)) ** 2 / np.pi
        assert depth == pytest.approx(12 + back, rel=1e-6)
        for channel, reflectance in enumerate(MATT.colour):
            np.testing.assert_allclose(light[..., channel], reflectance * expected, rtol=1e-4)


def test_a_beam_falls_off_sideways():
    pose = np.eye(4)
    even, _ = render_radiance(scene_of(wall), INTRINSICS, SIZE, pose, AT_LENS)
    beam, _ = render_radiance(scene_of(wall), INTRINSICS, SIZE, pose, Light((0, 0, 0), beam=2))
    cosine = 1 / np.linalg.norm(rays(pose), axis=-1)
    np.testing.assert_allclose(beam / even, np.repeat(cosine[..., None] ** 2, 3, -1), rtol=1e-4)


def test_the_highlight_has_the_height_of_the_ggx_lobe():
    # One pixel that looks straight at the wall: D F G / (4 n.l n.v) = gloss / (4 pi alpha^2).
    scene = Scene(scene_of(wall).field, MATT._replace(gloss=0.03, roughness=0.2))
    light, _ = render_radiance(scene, fov_intrinsics(1, (1, 1)), (1, 1), np.eye(4), AT_LENS)
    expected = (np.array(MATT.colour) / np.pi + 0.03 / (4 * np.pi * 0.2**2)) / 12**2
    np.testing.assert_allclose(light[0, 0], expected, rtol=1e-3)


def test_the_same_seed_gives_the_same_pixels():
    scene = Scene(bumpy().field)
    one, again, other = (
        render(scene, INTRINSICS, SIZE, np.eye(4), seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.colour, again.colour) and np.array_equal(one.depth, again.depth)
    assert not np.array_equal(one.colour, other.colour)
    assert np.array_equal(one.depth, other.depth)


def test_the_texture_stays_on_the_surface():
    """Two views of one point have the same ratio of red to green, which light does not change."""
    look = MATT._replace(mottle=0.3, pale=(0.9, 0.8, 0.5), deep=(0.3, 0.05, 0.05), patch_size=5.0)
    scene = Scene(scene_of(ball).field, look)
    target = 15 * np.array([3.0, 2.0, 14.0]) / np.linalg.norm((3, 2, 14))
    ratios = []
    for position in ((0, 0, 0), (2, 1, 5)):
        z = target - position
        z /= np.linalg.norm(z)
        x = np.cross((0, 1, 0), z) / np.linalg.norm(np.cross((0, 1, 0), z))
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = np.stack([x, np.cross(z, x), z], axis=1), position
        light, _ = render_radiance(scene, fov_intrinsics(1, (1, 1)), (1, 1), pose, AT_LENS)
        ratios.append(light[0, 0, 0] / light[0, 0, 1])
    assert ratios[0] == pytest.approx(ratios[1], rel=5e-3)
    assert ratios[0] != pytest.approx(0.9 / 0.5, rel=1e-2)


def test_the_gain_makes_pictures_independent_of_the_light():
    radiance, _ = render_radiance(scene_of(ball), INTRINSICS, SIZE, pose_at((1, 2, 3)))
    bright, dim = expose(radiance, IDEAL), expose(radiance / 1024, IDEAL)
    assert np.array_equal(bright, dim)
    # 0.2 is below the shoulder in all three channels.
    linear = (expose(radiance, replace(IDEAL, exposure=0.2)) / 255.0) ** 2.2
    assert np.percentile(linear.mean(-1), 85) == pytest.approx(0.2, rel=0.02)
    assert expose(np.zeros((4, 5, 3), np.float32), IDEAL).max() == 0


def test_shot_noise_has_the_variance_of_the_electrons():
    sensor = replace(IDEAL, electrons=1000.0, read_noise=10.0, exposure=0.5)
    flat = np.full((200, 200, 3), 7.0, np.float32)
    linear = (expose(flat, sensor, np.random.default_rng(0)) / 255.0) ** 2.2
    assert linear.mean() == pytest.approx(0.5, rel=0.01)
    assert linear.std() == pytest.approx(np.sqrt(0.5 / 1000 + 0.01**2), rel=0.03)


def test_motion_blur_keeps_the_mean_along_its_direction():
    edge = np.zeros((32, 64, 3), np.float32)
    edge[:, 32:] = 0.4
    sensor = replace(IDEAL, motion=(9.0, 0.0), exposure=0.4)
    linear = (expose(edge, sensor) / 255.0) ** 2.2
    profile = linear[16, :, 0]
    assert profile[20] == 0 and profile[45] == pytest.approx(0.4, rel=0.02)
    assert profile[32] == pytest.approx(0.2, abs=0.03)
    np.testing.assert_allclose(linear, np.broadcast_to(linear[:1], linear.shape), atol=0.01)


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (pose_at((0, 0, 18)), "6.00 mm inside tissue"),
        (pose_at((0, 0, -30)), "outside of the scene"),
        (np.diag([1.0, 1.0, -1.0, 1.0]), "not rigid"),
        (np.diag([2.0, 2.0, 2.0, 1.0]), "not rigid"),
        (np.full((4, 4), np.nan), "NaN"),
    ],
)
def test_impossible_poses_are_refused(pose, message):
    with pytest.raises(GeometryError, match=message):
        render(scene_of(wall), INTRINSICS, SIZE, pose)


@pytest.mark.parametrize(
    ("values", "spacing", "message"),
    [
        (np.zeros((3, 3)), 1.0, "shape"),
        (np.ones((3, 3, 3)), 1.0, "no surface"),
        (np.full((3, 3, 3), np.nan), 1.0, "NaN"),
        (np.arange(27).reshape(3, 3, 3) - 9, 0.0, "spacing"),
    ],
)
def test_impossible_fields_are_refused(values, spacing, message):
    with pytest.raises(InputError, match=message):
        DistanceField(values, spacing, np.zeros(3))


def test_impossible_pictures_are_refused():
    with pytest.raises(InputError, match="0x5"):
        render(scene_of(wall), INTRINSICS, (0, 5), np.eye(4))
    with pytest.raises(InputError, match="field of view"):
        fov_intrinsics(180, SIZE)
    with pytest.raises(InputError, match="exposure"):
        Sensor(exposure=-1)
