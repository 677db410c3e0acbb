"""Scenes whose depth, flow and poses are known in closed form."""

from __future__ import annotations

import numpy as np

from meddl.core.pinhole import intrinsics_matrix, pixel_centres

INTRINSICS = intrinsics_matrix([[52.0, 0, 30.3], [0, 50.0, 24.9], [0, 0, 1]])
SIZE = (64, 96)


def motion(seed: int, turn: float = 0.08, shift: float = 0.15) -> np.ndarray:
    """A random small rigid motion (4, 4)."""
    from scipy.spatial.transform import Rotation

    generator = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(turn * generator.normal(size=3)).as_matrix()
    matrix[:3, 3] = shift * generator.normal(size=3)
    return matrix


def plane_depth(
    world_from_camera: np.ndarray,
    normal: np.ndarray,
    offset: float,
    intrinsics: np.ndarray = INTRINSICS,
    size: tuple[int, int] = SIZE,
) -> np.ndarray:
    """(H, W) depth of the plane normal . x = offset, by cutting each ray with it."""
    centres = pixel_centres(*size)
    rays = np.concatenate([centres, np.ones((*size, 1))], -1) @ np.linalg.inv(intrinsics).T
    directions = rays @ world_from_camera[:3, :3].T
    return (offset - normal @ world_from_camera[:3, 3]) / (directions @ normal)
