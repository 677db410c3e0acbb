"""A sequence whose every value is known: a white plane at z = 4 under a light at the camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from meddl.endodepth.sequence import (
    EndoscopicSequence,
    frame_name,
    points_in_mask,
    unposed,
    write_sequence,
)

SIZE = (90, 128)
CAMERA = np.array([[110.0, 0.0, 66.0], [0.0, 110.0, 44.0], [0.0, 0.0, 1.0]])
PLANE = 4.0
LIGHT = 130 * PLANE**2  # grey level x depth^2
NUMBERS = np.arange(100, 140, 5)


def field() -> np.ndarray:
    """A round field of radius 40 around (66, 45)."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    return np.hypot(x - 66, y - 45) < 40


def pose(turn: float, shift: tuple[float, float, float]) -> np.ndarray:
    """``world_from_camera`` turned about y (radians) and shifted."""
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.eye(4)
    matrix[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    matrix[:3, 3] = shift
    return matrix


def poses() -> np.ndarray:
    """The camera comes nearer, turns and moves aside."""
    return np.array([pose(0.02 * n, (0.06 * n, -0.03 * n, 0.15 * n)) for n in range(len(NUMBERS))])


def plane_depth(world_from_camera: np.ndarray) -> np.ndarray:
    """(H, W) depth of the plane, by intersecting the ray of every pixel."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    rays = np.stack(
        [(x - CAMERA[0, 2]) / CAMERA[0, 0], (y - CAMERA[1, 2]) / CAMERA[1, 1], np.ones(SIZE)], -1
    )
    along = rays @ world_from_camera[2, :3]
    return (PLANE - world_from_camera[2, 3]) / along


def plane_sequence(folder: Path, spoiled: tuple[int, ...] = ()) -> EndoscopicSequence:
    """Write the sequence of 64 points; the frames are black around those that are ``spoiled``."""
    across, down = np.meshgrid(np.linspace(-0.7, 1.0, 8), np.linspace(-1.0, 0.7, 8))
    world = np.column_stack([across.ravel(), down.ravel(), np.full(64, PLANE)])
    world[:, :2] += np.random.default_rng(3).uniform(-0.02, 0.02, (64, 2))
    mask, matrices = field(), poses()
    visibility = np.zeros((len(NUMBERS), len(world)), dtype=bool)
    folder.mkdir(exist_ok=True)
    for view, matrix in enumerate(matrices):
        depth = plane_depth(matrix)
        grey = np.where(mask, LIGHT / depth**2, 0).clip(0, 255)
        index, pixels, _ = points_in_mask(world, matrix, CAMERA, mask)
        visibility[view, index] = True
        for point, (x, y) in zip(index, pixels, strict=True):
            if point in spoiled:
                grey[max(int(y) - 2, 0) : int(y) + 3, max(int(x) - 2, 0) : int(x) + 3] = 0
        picture = np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=-1)
        Image.fromarray(picture).save(folder / frame_name(int(NUMBERS[view]), ".png"))
    bare = unposed(folder, NUMBERS, mask, CAMERA, ".png")
    sequence = EndoscopicSequence(
        folder=folder,
        frame_numbers=NUMBERS,
        frame_files=bare.frame_files,
        intrinsics=CAMERA,
        mask=mask,
        view_numbers=NUMBERS,
        world_from_camera=matrices,
        points=world,
        visibility=visibility,
    )
    return write_sequence(sequence)
