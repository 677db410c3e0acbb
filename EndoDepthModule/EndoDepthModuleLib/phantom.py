"""A small exact sequence for tests: a camera with its light inside an ellipsoid.

Depths, poses, points and surface are analytic, so that every number of the module has its truth.
The wall is coloured in patches, whose brightness falls with the square of the distance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import depth_writer
from meddl.core.geometry import rotation
from meddl.core.image import Image
from meddl.core.mesh import Mesh
from meddl.core.pictures import write_picture
from meddl.core.pinhole import Floats, backproject, pixel_centres, project
from meddl.endodepth.sequence import EndoscopicSequence, unposed, write_sequence

AXES = np.array([30.0, 22.0, 40.0])  # half axes, mm
SIZE = (96, 128)  # (H, W)
FOCAL = 80.0
FRAMES = 8
STEP = 5  # between frame numbers


def intrinsics() -> Floats:
    """(3, 3), pixels."""
    return np.array([[FOCAL, 0, SIZE[1] / 2], [0, FOCAL, SIZE[0] / 2], [0, 0, 1.0]])


def poses(frames: int = FRAMES) -> Floats:
    """(N, 4, 4) world_from_camera, mm: along the longest axis, turning about it."""
    result = np.tile(np.eye(4), (frames, 1, 1))
    for number, matrix in enumerate(result):
        t = number / max(frames - 1, 1)
        matrix[:] = rotation((0, 0, 1), 25 * t) @ rotation((1, 0, 0), 12 * t - 6)
        matrix[:3, 3] = (6 * t - 3, 2 * np.sin(3 * t), 10 * t - 15)
    return result


def depth_of(world_from_camera: Floats) -> NDArray[np.float32]:
    """The exact depth (H, W) of the wall, mm."""
    pixels = pixel_centres(*SIZE)
    rays = np.concatenate([pixels, np.ones((*SIZE, 1))], axis=-1)
    rays = rays @ np.linalg.inv(intrinsics()).T @ world_from_camera[:3, :3].T / AXES
    start = world_from_camera[:3, 3] / AXES
    a, b, c = (rays**2).sum(-1), rays @ start, start @ start - 1
    return ((-b + np.sqrt(b**2 - a * c)) / a).astype(np.float32)


def surface(steps: int = 40) -> Mesh:
    """The wall as a closed mesh, mm."""
    v, u = np.mgrid[0 : steps + 1, 0 : 2 * steps]
    polar, around = np.pi * v / steps, np.pi * u / steps
    unit = np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1
    )
    index = np.arange(unit[..., 0].size).reshape(steps + 1, 2 * steps)
    a, b = index[:-1].ravel(), index[1:].ravel()
    c, d = np.roll(index, -1, axis=1)[:-1].ravel(), np.roll(index, -1, axis=1)[1:].ravel()
    return Mesh(
        (unit * AXES).reshape(-1, 3), np.vstack([np.stack(f, 1) for f in ((a, b, c), (c, b, d))])
    )


def picture_of(world_from_camera: Floats) -> NDArray[np.uint8]:
    """The frame (H, W, 3) uint8."""
    depth = depth_of(world_from_camera).astype(np.float64)
    points = _world(depth, world_from_camera)
    patches = np.sin(points[..., 0] / 3) * np.sin(points[..., 1] / 3) * np.sin(points[..., 2] / 4)
    albedo = 0.75 + 0.2 * np.sign(patches)
    light = np.clip(albedo * (16 / depth) ** 2, 0, 1)
    return (light[..., np.newaxis] * np.array([240, 150, 130])).astype(np.uint8)


def _world(depth: NDArray[np.floating], world_from_camera: Floats) -> Floats:
    points = backproject(depth, intrinsics())
    return points @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]


def write_phantom(folder: str | Path, unit_mm: float = 1.0, seed: int = 0) -> EndoscopicSequence:
    """Write the sequence with exact depths in its folder ``depth``, relative.

    Args:
        folder: made if missing.
        unit_mm: length of the unit in which poses, points and depths are written.
        seed: of the choice of points.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng, matrices = np.random.default_rng(seed), poses()
    numbers = STEP * np.arange(FRAMES, dtype=np.int64) + 10
    row, column = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = (row - 47.5) ** 2 + (column - 63.5) ** 2 < 46**2
    empty = unposed(folder, numbers, mask, intrinsics(), suffix=".png")
    with depth_writer(folder / "depth") as writer:
        for path, matrix in zip(empty.frame_files, matrices, strict=True):
            picture = picture_of(matrix) * mask[..., np.newaxis]
            write_picture(path, Image(picture[np.newaxis]))
            writer.write(path.stem, depth_of(matrix) / unit_mm * mask)
    wall = surface().vertices
    points = wall[rng.choice(len(wall), 400, replace=False)]
    visibility = np.array([_sees(matrix, points, mask) for matrix in matrices])
    seen = visibility.sum(axis=0) >= 2
    matrices[:, :3, 3] /= unit_mm
    sequence = EndoscopicSequence(
        folder=folder,
        frame_numbers=numbers,
        frame_files=empty.frame_files,
        intrinsics=intrinsics(),
        mask=mask,
        view_numbers=numbers,
        world_from_camera=matrices,
        points=points[seen] / unit_mm,
        visibility=visibility[:, seen],
    )
    return write_sequence(sequence)


def _sees(world_from_camera: Floats, points: Floats, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    matrix = np.linalg.inv(world_from_camera)
    pixels, _ = project(points @ matrix[:3, :3].T + matrix[:3, 3], intrinsics())
    inside = np.all((pixels >= 0) & (pixels < SIZE[::-1]), axis=-1)
    column, row = np.where(inside[:, np.newaxis], pixels, 0).astype(int).T
    return inside & mask[row, column]
