"""A sequence whose geometry is exact: a camera that flies through the inside of a torus.

Depths come from sphere tracing of the torus's exact distance, poses and points are true. Colours
are a function of the place, so that what a surface should look like is known everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meddl.core.depth_maps import DepthCamera, depth_writer
from meddl.core.geometry import apply, inverse
from meddl.core.image import Image
from meddl.core.pictures import write_picture
from meddl.core.pinhole import cropped, pixel_centres, project, resized
from meddl.endodepth.sequence import EndoscopicSequence, write_sequence

RING, TUBE = 20.0, 6.0  # radii of the torus
HEIGHT, WIDTH = 104, 128  # of the frames; the maps are a crop of half that size
SIZE = (44, 52)
FRAME_INTRINSICS = np.array([[70.0, 0, 63], [0, 70, 53], [0, 0, 1]])
ROWS, COLUMNS = (3, 47), (6, 58)
CAMERA = DepthCamera(
    cropped(resized(FRAME_INTRINSICS, 0.5), ROWS[0], COLUMNS[0]), *SIZE, ROWS, COLUMNS, 2.0
)


def distance(points):
    """Exact distance of points (..., 3) to the torus, positive inside the tube."""
    across = np.hypot(points[..., 0], points[..., 1]) - RING
    return TUBE - np.hypot(across, points[..., 2])


def colour(points):
    """uint8 RGB (..., 3) of places on the torus."""
    angle = np.arctan2(points[..., 1], points[..., 0])
    values = np.stack([np.cos(angle), np.sin(angle), points[..., 2] / TUBE], axis=-1)
    return np.round(127 + 70 * values).astype(np.uint8)


def true_points(intrinsics, size, world_from_camera):
    """Where the rays of the pixels meet the torus: (H, W, 3) world, and depths (H, W)."""
    camera_from_pixel = np.linalg.inv(intrinsics)
    pixels = pixel_centres(*size)
    rays = pixels @ camera_from_pixel[:, :2].T + camera_from_pixel[:, 2]
    length = np.linalg.norm(rays, axis=-1)
    along = rays @ world_from_camera[:3, :3].T
    depth = np.zeros(size)
    for _ in range(60):
        depth += distance(world_from_camera[:3, 3] + depth[..., None] * along) / length
    places = world_from_camera[:3, 3] + depth[..., None] * along
    # The tracing of rays that nearly graze the wall is not done yet: their depth stays unknown.
    return places, np.where(np.abs(distance(places)) < 1e-6, depth, 0)


def pose(angle, rng):
    """A camera near the middle of the tube, which looks along it."""
    forward = np.array([-np.sin(angle), np.cos(angle), 0.0]) + rng.normal(0, 0.15, 3)
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 0, 1], forward)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    matrix[:3, 3] = RING * np.array([np.cos(angle), np.sin(angle), 0]) + rng.normal(0, 0.8, 3)
    return matrix


def torus_sequence(folder: Path, frames: int = 12, span: float = 1.5, unit: str = "relative"):
    """Write a sequence and ``depth/`` of true depths; returns the sequence and the depth folder."""
    rng = np.random.default_rng(5)
    poses = np.stack([pose(angle, rng) for angle in np.linspace(0, span, frames)])
    source = folder.with_name("source")
    source.mkdir()
    numbers = np.arange(10, 10 + 2 * frames, 2)
    files, clouds, maps = [], [], []
    with depth_writer(folder.with_name("depth"), unit=unit, camera=CAMERA) as writer:
        for number, matrix in zip(numbers, poses, strict=True):
            places, _ = true_points(FRAME_INTRINSICS, (HEIGHT, WIDTH), matrix)
            files.append(source / f"{number:08d}.png")
            write_picture(files[-1], Image(colour(places)[None]))
            places, depth = true_points(CAMERA.intrinsics, SIZE, matrix)
            writer.write(f"{number:08d}", depth)
            maps.append(depth)
            clouds.append(rng.choice(places[depth > 0], 30, replace=False))
    points = np.concatenate(clouds)
    visibility = np.stack([_visible(points, *view) for view in zip(poses, maps, strict=True)])
    row, column = np.indices((HEIGHT, WIDTH))
    sequence = EndoscopicSequence(
        folder=source,
        frame_numbers=numbers,
        frame_files=tuple(files),
        intrinsics=FRAME_INTRINSICS,
        mask=np.hypot(row - HEIGHT / 2, column - WIDTH / 2) < 60,
        view_numbers=numbers,
        world_from_camera=poses,
        points=points,
        visibility=visibility,
    )
    return write_sequence(sequence, folder), folder.with_name("depth")


def _visible(points, world_from_camera, truth):
    """Whether points are in the map's field and the depth there is theirs."""
    pixels, depth = project(apply(inverse(world_from_camera), points), CAMERA.intrinsics)
    inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels < SIZE[::-1]).all(-1)
    column, row = np.where(inside[:, None], pixels, 0).astype(int).T
    return inside & (np.abs(truth[row, column] / depth - 1) < 0.05)
