"""Anatomy of real size, closed, with room for a camera; paths that keep to free space."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Image
from meddl.core.errors import InputError
from meddl.core.geometry import apply, compose, rotation
from meddl.rendering import (
    Appearance,
    abdomen,
    camera_path,
    colon,
    lumen_from_labels,
    sinus,
    surface,
)
from meddl.rendering.distance_field import distances, gradient, sample
from meddl.rendering.path import ray_lengths

from .analytic_fields import ball, pipe, scene_of

# Coarser than by default, for speed: makers, spacing (mm), radius of the widest place (mm).
SCENES = [(sinus, 0.8, (4, 14)), (colon, 2.0, (12, 26)), (abdomen, 3.0, (25, 60))]


@pytest.fixture(scope="module", params=SCENES, ids=[make.__name__ for make, *_ in SCENES])
def made(request):
    make, spacing, widest = request.param
    return make(5, spacing), make, spacing, widest


def test_scenes_have_the_size_of_their_anatomy(made):
    scene, _, _, (low, high) = made
    assert low < scene.field.values.max() < high


def test_scenes_are_distance_fields(made):
    scene, *_ = made
    rng = np.random.default_rng(0)
    low, high = scene.field.extent
    points = rng.uniform(low, high, (4000, 3))
    near = points[np.abs(sample(scene.field, points)) < 2 * scene.field.spacing]
    slopes = np.linalg.norm(gradient(scene.field, near), axis=1)
    assert 0.75 < np.median(slopes) < 1.1
    assert scene.field.slope < 2


def test_every_ray_ends_on_a_wall(made):
    scene, *_ = made
    poses = camera_path(scene, 3, 1)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    starts = np.repeat(poses[:1, :3, 3], 500, axis=0)
    ends = starts + ray_lengths(scene.field, starts, directions)[:, None] * directions
    assert np.abs(sample(scene.field, ends)).max() < 1e-4


def test_a_seed_decides_the_scene(made):
    scene, make, spacing, _ = made
    again, other = make(5, spacing), make(6, spacing)
    assert np.array_equal(scene.field.values, again.field.values)
    assert scene.appearance == again.appearance != other.appearance


def test_paths_are_smooth_and_clear_of_the_walls(made):
    scene, *_ = made
    for seed in range(4):
        poses = camera_path(scene, 40, seed)
        assert poses.shape == (40, 4, 4)
        turns = poses[:, :3, :3]
        np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.eye(3)[None] + 0 * turns,
                                   atol=1e-9)  # fmt: skip
        assert np.linalg.det(turns).min() > 0.99
        assert sample(scene.field, poses[:, :3, 3]).min() > 0.5
        moves = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert moves.max() < 3 * np.median(moves) + 1e-6
        cosines = (np.einsum("nij,nij->n", turns[1:], turns[:-1]) - 1) / 2
        assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 6
        assert np.array_equal(poses, camera_path(scene, 40, seed))


def test_a_step_is_what_was_asked_for():
    poses = camera_path(scene_of(pipe), 20, 2, step=0.25)
    moves = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    assert np.median(moves) == pytest.approx(0.25, rel=0.1)


def test_a_path_needs_frames_and_room():
    with pytest.raises(InputError, match="0 frames"):
        camera_path(scene_of(ball), 0)


def test_the_surface_of_a_ball_has_its_area_and_faces_inwards():
    mesh = surface(scene_of(ball).field)
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    normals = np.cross(b - a, c - a) / 2
    assert np.linalg.norm(normals, axis=1).sum() == pytest.approx(4 * np.pi * 15**2, rel=0.005)
    assert (np.einsum("ni,ni->n", normals, (a + b + c) / 3) < 0).mean() > 0.999


def test_distances_of_any_field_are_those_of_its_surface():
    x, y, z = np.meshgrid(*[np.linspace(-20, 20, 81)] * 3, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    found = distances(np.exp(-((radius / 10) ** 2)) - np.exp(-1.44), 0.5)
    # The blur of 0.7 nodes moves a sphere of 12 mm inwards by (0.7 x 0.5)^2 / 12 mm.
    away = np.abs(radius - 12)
    assert np.abs(found - (12 - radius))[away < 0.1].max() < 0.03
    assert np.abs(found - (12 - radius))[away < 0.6].max() < 0.1
    assert np.abs(found - (12 - radius))[radius > 2].max() < 0.6


@pytest.mark.parametrize("direction", [np.eye(3), rotation((1, 2, 0.5), 30)[:3, :3]])
def test_the_lumen_of_labels_lies_where_the_labels_are(direction):
    ras_from_ijk = compose((1.0, 1.5, 2.0), (30, -20, 10), direction)
    shape = (30, 30, 44)  # k, j, i
    k, j, i = np.indices(shape)
    ras = apply(ras_from_ijk, np.stack([i, j, k], axis=-1))
    centre = apply(ras_from_ijk, (22, 15, 15))
    labels = np.where(np.linalg.norm(ras - centre, axis=-1) < 11, 7, 3).astype(np.uint8)
    scene = lumen_from_labels(Image(labels, ras_from_ijk), [7], 1)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    reached = ray_lengths(scene.field, np.repeat(centre[None], 300, 0), directions)
    assert reached.mean() == pytest.approx(11, abs=0.5)
    assert np.abs(reached - 11).max() < 2.0  # the largest voxel


def test_labels_that_are_not_there_are_refused():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[4, 4, 4] = 2
    with pytest.raises(InputError, match="no voxel of"):
        lumen_from_labels(Image(labels), [5])
    with pytest.raises(InputError, match="1 voxels"):
        lumen_from_labels(Image(labels), [2])


def test_appearances_are_reflectances():
    from meddl.rendering.appearance import random_appearance, reflectance

    rng = np.random.default_rng(1)
    for _ in range(20):
        look = random_appearance(rng, 12.0)
        assert isinstance(look, Appearance)
        colours = np.array([reflectance(look, *point) for point in rng.uniform(-30, 30, (40, 3))])
        assert colours.min() >= 0 and colours.max() <= 1
        assert (colours[:, 0] > colours[:, 2]).mean() > 0.95  # tissue is red
