"""Rigid motions as six numbers: rotation vector (degrees) and translation (mm), scaled alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from meddl.core.geometry import Matrix, apply, inverse


def motion(parameters: Tensor) -> Tensor:
    """The rigid motion exp(w), t about the origin; differentiable everywhere, also at 0.

    Args:
        parameters: (..., 6) rotation vector w in degrees, translation t in mm. At 57 mm from the
            centre one degree moves as far as one millimetre.

    Returns:
        (..., 4, 4).
    """
    x, y, z = (parameters[..., :3] * (math.pi / 180)).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    upper = torch.cat([torch.linalg.matrix_exp(skew), parameters[..., 3:, None]], -1)
    last = torch.zeros_like(upper[..., :1, :])
    last[..., 3] = 1
    return torch.cat([upper, last], -2)


def about(center: ArrayLike) -> tuple[Matrix, Matrix]:
    """4x4 translations that take ``center`` (3,) to the origin, and back."""
    there = np.eye(4)
    there[:3, 3] = -np.asarray(center, dtype=np.float64)
    return there, inverse(there)


def moved_pose(camera_from_world: Matrix, parameters: Tensor, center: ArrayLike) -> Tensor:
    """``camera_from_world`` after a motion about ``center``, along the camera's axes.

    Args:
        camera_from_world: 4x4 of the start.
        parameters: (..., 6), see :func:`motion`; z is the depth.
        center: (3,) world mm.

    Returns:
        (..., 4, 4) float64.
    """
    there, back = about(apply(camera_from_world, center))
    return torch.from_numpy(back) @ motion(parameters) @ torch.from_numpy(there @ camera_from_world)


def motion_between(first: Matrix, second: Matrix, center: ArrayLike) -> NDArray[np.float64]:
    """(6,) parameters that take the pose ``first`` to ``second``: inverse of :func:`moved_pose`."""
    from scipy.spatial.transform import Rotation

    there, back = about(apply(first, center))
    moved: Any = there @ second @ inverse(first) @ back
    turn = Rotation.from_matrix(moved[:3, :3]).as_rotvec(degrees=True)
    return np.concatenate([turn, moved[:3, 3]])
