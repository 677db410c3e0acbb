"""Rendered rooms: depth against formulas and the solids themselves, light against physics."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import GeometryError, InputError
from meddl.core.pinhole import backproject
from meddl.rendering.room_kinds import BOX, CYLINDER, ELLIPSOID
from meddl.rendering.rooms import (
    Room,
    develop,
    look_at,
    random_pose,
    random_room,
    render_room,
    room_intrinsics,
)

SHAPE = (24, 32)
INTRINSICS = room_intrinsics(*SHAPE)
GREY = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 1, 0, 0, 0]


def solid(kind, centre, size, turn=0.0):
    half = np.array(size) / 2
    return [kind, *centre, *half, np.cos(turn), np.sin(turn), np.square(half).sum()]


def room_of(*solids, lamps=((0, 0, 2.3, 1, 1, 1, 0),), ambient=0.0):
    """A grey room of 6 x 4 x 2.5 m with these solids."""
    rows = np.array([solid(BOX, (0, 0, 1.25), (6, 4, 2.5)), *solids])
    return Room(
        rows,
        np.zeros((len(rows), 6), np.int64),
        np.array([GREY]),
        np.array(lamps, dtype=np.float64).reshape(-1, 7),
        np.full(3, ambient),
        np.empty((0, 3)),
    )


def world_points(depth, pose):
    points = backproject(depth, INTRINSICS)
    return points @ pose[:3, :3].T + pose[:3, 3]


def test_walls_floor_and_ceiling_lie_where_they_are():
    pose = look_at((-1, 0.3, 1.4), (2.9, 0.5, 1.0), roll=0.2)
    _, depth = render_room(room_of(), INTRINSICS, SHAPE, pose)
    directions = world_points(np.ones(SHAPE), pose) - pose[:3, 3]
    with np.errstate(divide="ignore"):
        walls = np.where(directions > 0, (3, 2, 2.5), (-3, -2, 0))
        expected = ((walls - pose[:3, 3]) / directions).min(-1)
    np.testing.assert_allclose(depth, expected, rtol=1e-6)


@pytest.mark.parametrize("turn", [0.0, 0.7])
@pytest.mark.parametrize("kind", [BOX, CYLINDER, ELLIPSOID])
def test_points_lie_on_the_solid_and_nothing_is_seen_through_it(kind, turn):
    centre, size = np.array((1.0, 0.2, 0.6)), np.array((0.8, 0.5, 1.2))
    pose = look_at((-1.5, -0.4, 1.6), centre)
    room = room_of(solid(kind, centre, size, turn))
    _, depth = render_room(room, INTRINSICS, SHAPE, pose)

    def level(points):  # 1 on the surface, below inside
        offset = points - centre
        x = np.cos(turn) * offset[..., 0] + np.sin(turn) * offset[..., 1]
        y = np.cos(turn) * offset[..., 1] - np.sin(turn) * offset[..., 0]
        x, y, z = (
            np.abs(v) / (edge / 2) for v, edge in zip((x, y, offset[..., 2]), size, strict=True)
        )
        if kind == BOX:
            return np.maximum(np.maximum(x, y), z)
        return np.maximum(np.hypot(x, y), z) if kind == CYLINDER else np.sqrt(x**2 + y**2 + z**2)

    _, empty = render_room(room_of(), INTRINSICS, SHAPE, pose)
    hit = depth < empty - 1e-4
    assert hit.sum() > 30
    np.testing.assert_allclose(level(world_points(depth, pose))[hit], 1, atol=1e-5)
    for share in np.linspace(0.02, 0.999, 60):  # on the way there, and past it, is air
        on_the_way = level(world_points(share * depth, pose))
        assert (on_the_way > 1 - 1e-5).all()


def test_a_lamp_lights_by_its_distance_and_casts_a_shadow():
    down = look_at((0.01, 0, 2.2), (0, 0, 0))
    lamp = ((0, 0, 2.0, 4, 2, 1, 0),)
    light, depth = render_room(room_of(lamps=lamp), INTRINSICS, SHAPE, down)
    points = world_points(depth, down)
    floor = points[..., 2] < 1e-3
    assert floor.sum() > 200
    distance2 = (points[..., 0] ** 2 + points[..., 1] ** 2 + 4)[floor]
    falloff = 0.5 * 2 / np.sqrt(distance2) / (distance2 + 0.2)
    np.testing.assert_allclose(
        light[floor] / falloff[:, None], [[4, 2, 1]] * floor.sum(), rtol=1e-3
    )
    shade = solid(BOX, (0, 0, 1.0), (0.4, 0.4, 0.02))
    light, depth = render_room(room_of(shade, lamps=lamp), INTRINSICS, SHAPE, down)
    points = world_points(depth, down)
    floor = points[..., 2] < 1e-3
    shadow = floor & (
        np.abs(points[..., :2]).max(-1) < 0.38
    )  # twice the plate's 0.2 m, less a pixel
    lit = floor & (np.abs(points[..., :2]).max(-1) > 0.42)
    assert shadow.any() and (light[shadow] == 0).all() and (light[lit] > 0).all()


def test_ambient_light_fails_in_corners():
    pose = look_at((0, 0, 1.2), (2.9, 0, 0.9))
    light, depth = render_room(room_of(lamps=(), ambient=1.0), INTRINSICS, SHAPE, pose)
    points = world_points(depth, pose)
    wall = points[..., 0] > 2.99
    low = light[wall & (points[..., 2] < 0.2)].mean()
    assert low < 0.8 * light[wall & (points[..., 2] > 0.8)].mean() < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_random_rooms_are_repeatable_and_their_cameras_stand_free(seed):
    pictures = []
    for _ in range(2):
        rng = np.random.default_rng(seed)
        room = random_room(rng)
        pose = random_pose(room, rng)
        light, depth = render_room(room, INTRINSICS, SHAPE, pose, seed)
        pictures.append(develop(light, rng))
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].dtype == np.uint8 and pictures[0].std() > 5
    assert np.isfinite(depth).all() and depth.min() > 0.2
    assert depth.max() < np.linalg.norm(room.size)
    rotation = pose[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0 and rotation[2, 1] < -0.5  # y of the camera points down


def test_bad_cameras_are_refused():
    room = room_of()
    with pytest.raises(GeometryError, match="outside a room of"):
        render_room(room, INTRINSICS, SHAPE, look_at((0, 0, 3), (1, 1, 1)))
    with pytest.raises(GeometryError, match=r"finite \(4, 4\)"):
        render_room(room, INTRINSICS, SHAPE, np.full((4, 4), np.nan))
    with pytest.raises(GeometryError, match="no upright"):
        look_at((0, 0, 1), (0, 0, 2))
    with pytest.raises(InputError, match="must be positive"):
        room_intrinsics(24, 32, focal=0)
