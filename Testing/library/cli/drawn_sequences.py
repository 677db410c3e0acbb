"""Endoscopic sequences of drawn size before a plane, whose depth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from library.endodepth.analytic_scenes import plane_depth
from meddl.core.depth_maps import depth_writer
from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.pinhole import resized
from meddl.endodepth.sequence import (
    EndoscopicSequence,
    frame_name,
    points_in_mask,
    unposed,
    write_sequence,
)

AHEAD = np.array([0.0, 0.0, 1.0])


def plane_sequence(
    folder: Path, size: tuple[int, int], count: int, seed: int, unit: float = 1.0
) -> EndoscopicSequence:
    """``count`` frames (H, W) of the plane z = 4 units, which 60 points lie on."""
    rng = np.random.default_rng(seed)
    focal = 1.1 * max(size)
    camera = np.array([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]])
    poses = np.repeat(np.eye(4)[None], count, axis=0)
    poses[:, :3, :3] = Rotation.from_rotvec(rng.uniform(-0.05, 0.05, (count, 3))).as_matrix()
    poses[:, :3, 3] = unit * rng.uniform(-0.2, 0.2, (count, 3))
    points = unit * np.column_stack([rng.uniform(-1.6, 1.6, (60, 2)), np.full(60, 4.0)])
    numbers = np.arange(count) * 5 + int(rng.integers(1000))
    mask = np.ones(size, bool)
    visibility = np.zeros((count, len(points)), bool)
    folder.mkdir()
    for view, (number, pose) in enumerate(zip(numbers, poses, strict=True)):
        depth = plane_depth(pose, AHEAD, 4.0 * unit, camera, size)
        grey = np.clip(130 * (4 * unit / depth) ** 2, 0, 255).astype(np.uint8)
        shown = Image(np.repeat(grey[None, ..., None], 3, -1), RAS_FROM_PICTURE)
        write_picture(folder / frame_name(int(number), ".png"), shown)
        visibility[view, points_in_mask(points, pose, camera, mask)[0]] = True
    bare = unposed(folder, numbers, mask, camera, ".png")
    sequence = EndoscopicSequence(
        folder, numbers, bare.frame_files, camera, mask, numbers, poses, points, visibility
    )
    return write_sequence(sequence)


def depth_maps(
    folder: Path,
    sequence: EndoscopicSequence,
    shrunk: float = 1.0,
    factor: float = 1.0,
    unit: str = "relative",
) -> Path:
    """True maps of ``shrunk`` the frames' size, times a factor."""
    size = tuple(max(1, round(side * shrunk)) for side in sequence.size)
    scale = size[1] / sequence.size[1], size[0] / sequence.size[0]
    intrinsics = resized(sequence.require_intrinsics(), scale)
    plane = float(sequence.points[0, 2])
    with depth_writer(folder, unit) as writer:
        for number, pose in zip(sequence.view_numbers, sequence.world_from_camera, strict=True):
            depth = plane_depth(pose, AHEAD, plane, intrinsics, size)
            writer.write(sequence.file_of(int(number)).stem, factor * depth)
    return folder
