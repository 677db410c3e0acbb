"""Furnished rooms with exact depth: training pairs for depth from one picture.

A room is a few dozen boxes, cylinders and ellipsoids with procedural materials and a few lamps,
drawn from a seed. Its frame has z up and the floor's centre as origin, in metres. Cameras follow
:mod:`meddl.core.pinhole`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError, InputError
from meddl.core.pinhole import intrinsics_matrix, pixel_centres
from meddl.rendering.room_builder import Builder
from meddl.rendering.room_furniture import furnish

Floats = NDArray[np.float64]

# Focal length over picture width: the depth cameras of the common data sets have 525 / 640.
FOCAL = 0.82
NEAREST = 0.35  # m, of what a camera looks at
TRIES = 40


@dataclass(frozen=True, eq=False)
class Room:
    """What :func:`random_room` makes; the arrays are those of :func:`room_rays.trace`.

    Attributes:
        solids: (S, 10); the first is the room itself, seen from inside.
        surfaces: (S, 6) int64, materials of the faces.
        materials: (M, 11).
        lamps: (L, 7).
        ambient: (3,).
        tables: (T, 3) centres of table tops, m.
    """

    solids: Floats
    surfaces: NDArray[np.int64]
    materials: Floats
    lamps: Floats
    ambient: Floats
    tables: Floats

    @property
    def size(self) -> Floats:
        """(3,) of the room along x, y and z, m."""
        return 2 * self.solids[0, 4:7]


def random_room(seed: int | np.random.Generator) -> Room:
    """A room 2.4 to 8 m wide and long and 2.3 to 3.2 m high, with furniture along the walls.

    Args:
        seed: of everything that is random.
    """
    rng = np.random.default_rng(seed)
    builder = Builder(rng)
    furnish(builder)
    return Room(*builder.arrays())


def room_intrinsics(height: int, width: int, focal: float = FOCAL) -> Floats:
    """(3, 3) intrinsics with the principal point in the middle.

    Args:
        focal: focal length over picture width.

    Raises:
        InputError: no picture, or a focal length that is not positive.
    """
    if min(height, width) < 1 or not focal > 0:
        raise InputError(f"a picture {width}x{height} with focal {focal}: all must be positive")
    length = focal * width
    return np.array([[length, 0, width / 2], [0, length, height / 2], [0, 0, 1]])


def render_room(
    room: Room,
    intrinsics: ArrayLike,
    shape: tuple[int, int],
    world_from_camera: ArrayLike,
    seed: int = 0,
) -> tuple[Floats, NDArray[np.float32]]:
    """What a camera in the room sees.

    Args:
        intrinsics: (3, 3) pixels, see :mod:`meddl.core.pinhole`.
        shape: (H, W).
        world_from_camera: (4, 4), the room's frame, m.
        seed: of the light's noise.

    Returns:
        Linear light (H, W, 3) float64 and depth (H, W) float32, m, at the centres of the pixels.

    Raises:
        GeometryError: a camera outside the room, or a matrix that is none.
    """
    from meddl.rendering.room_rays import trace

    pose = np.array(world_from_camera, dtype=np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise GeometryError(f"the pose has shape {pose.shape}; a finite (4, 4) was expected")
    centre, half = room.solids[0, 1:4], room.solids[0, 4:7]
    if (np.abs(pose[:3, 3] - centre) >= half).any():
        raise GeometryError(
            f"the camera is at {pose[:3, 3].round(2).tolist()} m, outside a room of "
            f"{room.size.round(2).tolist()} m"
        )
    camera_from_pixel = np.linalg.inv(intrinsics_matrix(intrinsics))
    rays = pixel_centres(*shape) @ camera_from_pixel[:, :2].T + camera_from_pixel[:, 2]
    depth, light = np.empty(shape), np.empty((*shape, 3))
    trace(
        np.ascontiguousarray(rays @ pose[:3, :3].T),
        pose[:3, 3].copy(),
        room.solids,
        room.surfaces,
        room.materials,
        room.lamps,
        room.ambient,
        seed,
        depth,
        light,
    )
    return light, depth.astype(np.float32)


def random_pose(room: Room, rng: np.random.Generator) -> Floats:
    """``world_from_camera`` of somebody in the room: standing, sitting, or bent over a table.

    Raises:
        GeometryError: no place was found from which nothing is too near.
    """
    least = rng.uniform(
        0.9, 2.5
    )  # median depth, m: people rarely look at what is before their nose
    for attempt in range(TRIES):
        over_table = len(room.tables) > 0 and rng.random() < 0.25
        if over_table:
            table = room.tables[rng.integers(len(room.tables))]
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.5)
            height = rng.uniform(0.35, 0.9)
            offset = (distance * np.cos(angle), distance * np.sin(angle), height)
            position = table + np.array(offset)
            target = table + np.array((*rng.uniform(-0.25, 0.25, 2), rng.uniform(-0.1, 0.3)))
        else:
            half = room.size[:2] / 2 - 0.25
            position = np.array([*rng.uniform(-half, half), rng.uniform(0.8, 1.8)])
            # Most people look across the room, not at the wall before them.
            target = np.array([*(rng.uniform(-1, 1, 2) * room.size[:2] / 2), 0.0])
            reach = np.linalg.norm(target[:2] - position[:2])
            target[2] = position[2] + reach * np.tan(np.radians(rng.normal(-10, 10)))
        wanted = 0.7 if over_table or attempt > TRIES // 2 else least
        if _is_free(room, position, target, wanted):
            return look_at(position, target, np.radians(rng.normal(0, 2.5)))
    raise GeometryError(f"no free place for a camera was found in {TRIES} tries; use another seed")


def _is_free(room: Room, position: Floats, target: Floats, least: float) -> bool:
    centre, half = room.solids[0, 1:4], room.solids[0, 4:7]
    if (np.abs(position - centre) > half - 0.15).any():
        return False
    if np.linalg.norm(target[:2] - position[:2]) < 0.3:
        return False
    offset = position - room.solids[1:, 1:4]
    turned = np.empty_like(offset)
    cosine, sine = room.solids[1:, 7], room.solids[1:, 8]
    turned[:, 0] = cosine * offset[:, 0] + sine * offset[:, 1]
    turned[:, 1] = cosine * offset[:, 1] - sine * offset[:, 0]
    turned[:, 2] = offset[:, 2]
    outside = np.maximum(np.abs(turned) - room.solids[1:, 4:7], 0)
    if len(outside) and np.linalg.norm(outside, axis=1).min() < 0.2:
        return False
    _, depth = render_room(room, room_intrinsics(6, 8), (6, 8), look_at(position, target))
    return bool(np.median(depth) > least and depth.min() > NEAREST)


def look_at(position: ArrayLike, target: ArrayLike, roll: float = 0.0) -> Floats:
    """``world_from_camera`` of a camera that looks at a point, upright but for ``roll`` (radians).

    Raises:
        GeometryError: it would look straight up or down, or at itself.
    """
    position, target = np.asarray(position, np.float64), np.asarray(target, np.float64)
    forward = target - position
    right = np.cross(forward, (0.0, 0.0, 1.0))
    if np.linalg.norm(right) < 1e-9:
        raise GeometryError(f"from {position.tolist()} to {target.tolist()} there is no upright")
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    pose[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    pose[:3, 2], pose[:3, 3] = forward, position
    return pose


def develop(light: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A photograph (H, W, 3) uint8 of linear light: exposure, white balance, noise, vignette."""
    height, width = light.shape[:2]
    exposure = rng.uniform(0.25, 0.6) / max(float(np.percentile(light, 70)), 1e-6)
    balance = rng.normal(1.0, 0.06, 3)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    vignette = 1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2
    linear = light * exposure * balance * vignette[..., None]
    linear = linear + rng.normal(0, 1, light.shape) * rng.uniform(0.002, 0.02) * np.sqrt(
        linear + 0.02
    )
    encoded = np.clip(linear, 0, 1) ** (1 / rng.uniform(1.9, 2.5))
    grey = encoded.mean(-1, keepdims=True)
    encoded = grey + rng.uniform(0.6, 1.2) * (encoded - grey)
    return (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8)
