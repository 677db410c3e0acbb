"""Pictures of a scene with exact depth: a camera that carries its light."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError, InputError
from meddl.core.geometry import affine, apply
from meddl.core.pinhole import intrinsics_matrix
from meddl.rendering.appearance import MUCOSA, Appearance
from meddl.rendering.distance_field import DistanceField, sample
from meddl.rendering.sensor import USUAL, Sensor, expose

ROWS_PER_BLOCK = 16


@dataclass(frozen=True, eq=False)
class Scene:
    """Surfaces and their look.

    Attributes:
        field: the surfaces, mm.
        appearance: colour, vessels, wetness.
        name: what it shows, for records.
        aim: world direction in which one looks; None: along the open space.
    """

    field: DistanceField
    appearance: Appearance = MUCOSA
    name: str = "scene"
    aim: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Light:
    """A point light that moves with the camera.

    Attributes:
        offset: (x, y, z) in the camera frame, mm.
        beam: exponent of the cosine to the view with which it falls off sideways; 0 is even.
    """

    offset: tuple[float, float, float] = (1.0, -0.5, 0.0)
    beam: float = 1.0


def random_light(rng: np.random.Generator) -> Light:
    """A light drawn at random, up to 3 mm beside the lens."""
    x, y = rng.uniform(0.5, 3.0) * _unit(rng.normal(size=2))
    return Light((float(x), float(y), float(rng.uniform(-0.5, 0))), float(rng.uniform(0.0, 3.0)))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def fov_intrinsics(degrees: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Intrinsics (3, 3) of a picture (H, W) whose width spans ``degrees``, centred.

    Raises:
        InputError: an angle outside of 1 to 170 degrees.
    """
    if not 1 <= degrees <= 170:
        raise InputError(f"the field of view is {degrees} degrees, 1 to 170 was expected")
    height, width = size
    focal = width / 2 / np.tan(np.radians(degrees) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


HEADLIGHT = Light()


class Rendered(NamedTuple):
    """``colour`` (H, W, 3) uint8 and ``depth`` (H, W) float32, z in mm, 0 where nothing is hit."""

    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]


def render(
    scene: Scene,
    intrinsics: ArrayLike,
    size: tuple[int, int],
    world_from_camera: ArrayLike,
    light: Light = HEADLIGHT,
    sensor: Sensor = USUAL,
    seed: int | np.random.Generator | None = 0,
) -> Rendered:
    """Render a picture as an endoscope shows it, with its depth.

    Args:
        scene: what is seen.
        intrinsics: (3, 3) of :mod:`meddl.core.pinhole`.
        size: (H, W) pixels.
        world_from_camera: 4x4 rigid pose, mm; the camera stands in free space.
        light, sensor: see there.
        seed: of the sensor's noise; None renders without noise.

    Raises:
        GeometryError: a pose that is not rigid, or a camera in tissue or outside of the scene.
        InputError: a size that is not positive.
    """
    radiance, depth = render_radiance(scene, intrinsics, size, world_from_camera, light)
    rng = None if seed is None else np.random.default_rng(seed)
    return Rendered(expose(radiance, sensor, rng), depth)


def render_radiance(
    scene: Scene,
    intrinsics: ArrayLike,
    size: tuple[int, int],
    world_from_camera: ArrayLike,
    light: Light = HEADLIGHT,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear radiance (H, W, 3) and depth (H, W) in mm; arguments and errors as :func:`render`.

    The light has the intensity 1: a white wall that faces it at d mm has the radiance 1 / (pi d^2).
    """
    from meddl.rendering.shading import shade_rows

    surfaces = scene.field
    height, width = size
    if min(size) < 1:
        raise InputError(f"the picture has {height}x{width} pixels, at least 1x1 was expected")
    camera_from_pixel = np.linalg.inv(intrinsics_matrix(intrinsics))
    pose = rigid(world_from_camera)
    eye = pose[:3, 3]
    require_free(surfaces, eye)
    lamp = apply(pose, np.array(light.offset))
    if sample(surfaces, lamp) <= 0:  # the tip touches the wall: the light stays at the lens
        lamp = eye
    colour = np.zeros((height, width, 3), np.float32)
    depth = np.zeros((height, width), np.float32)
    rotation = np.ascontiguousarray(pose[:3, :3])

    def block(start: int) -> None:
        rows = slice(start, start + ROWS_PER_BLOCK)
        shade_rows(
            surfaces.values, surfaces.spacing, surfaces.origin, surfaces.slope, scene.appearance,
            camera_from_pixel, rotation, eye, lamp, float(light.beam), start, colour[rows],
            depth[rows],
        )  # fmt: skip

    starts = range(0, height, ROWS_PER_BLOCK)
    threads = min(_cores(), len(starts))
    if threads == 1:
        for start in starts:
            block(start)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(block, starts))
    return colour, depth


def rigid(world_from_camera: ArrayLike) -> NDArray[np.float64]:
    """Check and copy a rigid 4x4 pose.

    Raises:
        GeometryError: no rotation and translation.
    """
    pose = affine(world_from_camera, "world_from_camera")
    turn = pose[:3, :3]
    if np.abs(turn.T @ turn - np.eye(3)).max() > 1e-6 or np.linalg.det(turn) < 0:
        raise GeometryError(f"world_from_camera is not rigid: {turn.tolist()} is no rotation")
    return pose


def require_free(field: DistanceField, point: NDArray[np.float64]) -> None:
    """Refuse a camera position that is not in free space.

    Raises:
        GeometryError: inside tissue, or outside of the grid.
    """
    low, high = field.extent
    if (point < low).any() or (point > high).any():
        raise GeometryError(
            f"the camera at {np.round(point, 2).tolist()} mm is outside of the scene, which "
            f"reaches from {np.round(low, 2).tolist()} to {np.round(high, 2).tolist()} mm"
        )
    distance = float(sample(field, point))
    if distance <= 0:
        raise GeometryError(
            f"the camera at {np.round(point, 2).tolist()} mm is {-distance:.2f} mm inside tissue; "
            "move it into free space"
        )


def _cores() -> int:
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = os.cpu_count() or 1
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores
