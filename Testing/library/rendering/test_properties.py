"""Rendered pictures at any size, field of view, pose and seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meddl.core import Image, InputError
from meddl.core.geometry import compose
from meddl.core.pinhole import pixel_centres
from meddl.rendering import (
    IDEAL,
    Appearance,
    DistanceField,
    Light,
    Scene,
    Sensor,
    abdomen,
    camera_path,
    colon,
    expose,
    fov_intrinsics,
    lumen_from_labels,
    random_appearance,
    random_light,
    random_sensor,
    render,
    render_radiance,
    sinus,
    surface,
)
from meddl.rendering.distance_field import sample
from meddl.rendering.sensor import BRIGHTEST, GAMMA, PERCENTILE, SHOULDER
from properties import examples

from .analytic_fields import ball, scene_of

few = examples(10, deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
BALL = scene_of(ball, 0.5, 16)  # of 15 mm


@few
@given(sizes, st.floats(20, 120), seeds)
def test_depth_in_a_ball_is_that_of_the_sphere(size, degrees, seed):
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = rng.uniform(-5, 5, 3)
    intrinsics = fov_intrinsics(degrees, size)
    _, depth = render_radiance(BALL, intrinsics, size, pose, random_light(rng))
    assert depth.shape == size
    homogeneous = np.concatenate([pixel_centres(*size), np.ones((*size, 1))], -1)
    rays = homogeneous @ np.linalg.inv(intrinsics).T @ pose[:3, :3].T
    a, b = (rays**2).sum(-1), rays @ pose[:3, 3]
    expected = (-b + np.sqrt(b**2 - a * (pose[:3, 3] @ pose[:3, 3] - 15**2))) / a
    np.testing.assert_allclose(depth, expected, atol=0.02)
    # The field of view spans the longer side's outer edges.
    edge = np.linalg.inv(intrinsics) @ [intrinsics[0, 2] + max(size) / 2, intrinsics[1, 2], 1]
    assert intrinsics[0, 0] > 0 and np.isfinite(edge).all()


@few
@given(sizes, seeds)
def test_a_sensor_keeps_size_and_range_and_repeats_by_its_seed(size, seed):
    rng = np.random.default_rng(seed)
    sensor = random_sensor(rng, size[1])
    light = rng.uniform(0, 2, (*size, 3)).astype(np.float32)
    pictures = [expose(light, sensor, np.random.default_rng(seed)) for _ in range(2)]
    assert pictures[0].shape == (*size, 3) and pictures[0].dtype == np.uint8
    np.testing.assert_array_equal(*pictures)
    ideal = expose(light, IDEAL, None)
    assert ideal.shape == (*size, 3) and ideal.dtype == np.uint8
    # More light is never darker.
    assert (expose(2 * light, IDEAL, None).astype(int) >= ideal).mean() > 0.99


@examples(3, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([sinus, colon, abdomen]), st.integers(2, 6))
def test_a_path_stays_in_the_free_space_of_any_scene(seed, make, frames):
    scene = make(seed=seed, spacing=2.0)
    assert isinstance(scene, Scene) and isinstance(scene.appearance, Appearance)
    poses = camera_path(scene, frames, seed)
    assert poses.shape == (frames, 4, 4)
    distances = sample(scene.field, poses[:, :3, 3])
    assert (distances > 0).all()
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.eye(3)[None].repeat(frames, 0),
        atol=1e-6,
    )  # fmt: skip
    picture = render(scene, fov_intrinsics(80, (12, 16)), (12, 16), poses[0], Light())
    assert picture.colour.shape == (12, 16, 3) and picture.depth.shape == (12, 16)
    assert np.isfinite(picture.depth).all() and (picture.depth >= 0).all()


@few
@given(st.floats(0.5, 2), st.floats(4, 9), st.tuples(*[st.floats(-90, 90)] * 3))
def test_a_lumen_of_labels_is_where_the_labels_are(spacing, radius, origin):
    count = int(2 * radius / spacing) + 7
    grid = (np.indices((count,) * 3) - (count - 1) / 2) * spacing
    labels = 3 * ((grid**2).sum(0) < radius**2).astype(np.uint8)
    image = Image(labels, compose((spacing,) * 3, origin))
    if np.count_nonzero(labels) < 30:
        with pytest.raises(InputError, match="at least 30"):
            lumen_from_labels(image, [3])
        return
    scene = lumen_from_labels(image, [3])
    assert isinstance(scene.field, DistanceField)
    mesh = surface(scene.field)
    far = np.linalg.norm(mesh.vertices - mesh.vertices.mean(0), axis=1)
    assert abs(np.median(far) - radius) < 1.5 * spacing


@few
@given(seeds, st.floats(0.5, 50))
def test_an_appearance_is_that_of_its_generator(seed, size):
    one, other = (random_appearance(np.random.default_rng(seed), size) for _ in range(2))
    assert one == other and all(0 <= c <= 1 for c in one.colour)


@few
@given(sizes, seeds, st.floats(-0.5, 1), st.tuples(*[st.floats(0.5, 2)] * 3), st.floats(0.01, 100))
def test_a_sharp_sensor_gives_each_pixel_its_gain_and_gamma(size, seed, exposure, balance, unit):
    if exposure <= 0:
        with pytest.raises(InputError, match="a positive number was expected"):
            Sensor(exposure)
        return
    sensor = Sensor(exposure, balance, vignetting=0, blur=0, electrons=np.inf, read_noise=0)
    light = np.random.default_rng(seed).uniform(0.01, 2, (*size, 3))
    gain = exposure / np.percentile(light.mean(-1), PERCENTILE)
    linear = np.minimum(gain * light, BRIGHTEST) * balance
    rest = 1 - SHOULDER
    shoulder = 1 - rest * np.exp((SHOULDER - linear) / rest)
    expected = 255 * np.where(linear > SHOULDER, shoulder, linear) ** (1 / GAMMA)
    # The unit of the radiance does not matter.
    found = expose((unit * light).astype(np.float32), sensor, np.random.default_rng(seed))
    np.testing.assert_allclose(found, expected, atol=0.52)
