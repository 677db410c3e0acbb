"""Rigid and similarity transforms between point sets: in closed form, and one step at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from meddl.core.errors import InputError
from meddl.core.pinhole import Floats

TRANSFORMS = ("similarity", "rigid")


def umeyama(source: ArrayLike, target: ArrayLike, scaled: bool = True) -> Floats:
    """``target_from_source`` (4, 4) of least squared distance between paired points.

    Umeyama, IEEE PAMI 13(4), 1991, equations 40 to 43. Never a reflection.

    Args:
        source, target: (N, 3), N of at least 3, not on one line.
        scaled: whether the scale is free; else it is 1.

    Raises:
        InputError: shapes that differ, too few points, or points on one line.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3:
        raise InputError(f"paired points (N, 3) were expected, got {source.shape}, {target.shape}")
    if len(source) < 3 or not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError(f"{len(source)} pairs of points; at least 3 finite ones were expected")
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = source - source_mean, target - target_mean
    for name, points in (("source", x), ("target", y)):
        spread = np.linalg.svd(points, compute_uv=False)
        if spread[1] < 1e-6 * max(spread[0], 1e-300):
            raise InputError(f"the {name} points lie on one line; the turn about it is unknown")
    u, singular, vt = np.linalg.svd(y.T @ x)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * signs) @ vt
    scale = float((singular * signs).sum() / (x**2).sum()) if scaled else 1.0
    result = np.eye(4)
    result[:3, :3] = scale * rotation
    result[:3, 3] = target_mean - scale * rotation @ source_mean
    return result


def scale_of(target_from_source: Floats) -> Floats:
    """The scale of similarity transforms (..., 4, 4)."""
    return np.asarray(np.cbrt(np.linalg.det(target_from_source[..., :3, :3])))


def rotations(vectors: Floats) -> Floats:
    """(..., 3, 3) rotations about the vectors (..., 3) by their lengths in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1)
    cross = cross.reshape(*vectors.shape[:-1], 3, 3)
    # sin(a) / a and (1 - cos(a)) / a^2, exact at 0 too.
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.asarray(np.eye(3) + first * cross + second * (cross @ cross))


def plane_steps(
    moved: Floats, target: Floats, normals: Floats, weights: Floats, scaled: bool
) -> Floats:
    """One Gauss-Newton step of point-to-plane alignment for B sets of pairs: (B, 4, 4).

    The step, applied after the present transform, lessens sum w (n (p - q))^2 / s^2: distances are
    measured in the unit of the source, where the noise is, so that they do not shrink with the
    scale s (the bias that makes plain scaled ICP collapse).

    Args:
        moved: (B, N, 3) source points p under the present transforms.
        target: (B, N, 3) their partners q.
        normals: (B, N, 3) unit normals n at the partners.
        weights: (B, N), at least 0.
        scaled: whether the scale is free.
    """
    total = np.maximum(weights.sum(axis=1), 1e-12)[:, None]
    pivot = ((weights[..., None] * moved).sum(axis=1) / total)[:, None]
    arm, partner = moved - pivot, target - pivot
    size = np.sqrt((weights * (arm**2).sum(axis=-1)).sum(axis=1) / total[:, 0])[:, None, None]
    size = np.maximum(size, 1e-12)
    # Lengths are counted in the size of the source, so that all unknowns are alike.
    columns = [np.cross(arm / size, normals), normals]
    if scaled:
        columns.append((normals * partner / size).sum(axis=-1, keepdims=True))
    rows = np.concatenate(columns, axis=-1)
    residual = (normals * (arm - partner) / size).sum(axis=-1)
    weighted = rows * weights[..., None]
    normal_matrix = np.swapaxes(weighted, 1, 2) @ rows
    gradient = np.swapaxes(weighted, 1, 2) @ residual[..., None]
    # Sliding along a tube is hardly determined: a little damping keeps it from running away.
    unknowns = rows.shape[-1]
    damping = 1e-4 * np.trace(normal_matrix, axis1=1, axis2=2) / unknowns + 1e-12
    step = -np.linalg.solve(normal_matrix + damping[:, None, None] * np.eye(unknowns), gradient)[
        ..., 0
    ]
    longest = np.maximum(np.abs(step).max(axis=1, keepdims=True) / 0.3, 1.0)
    step /= longest
    result = np.zeros((len(moved), 4, 4))
    factor = np.exp(step[:, 6]) if scaled else np.ones(len(moved))
    linear = factor[:, None, None] * rotations(step[:, :3])
    result[:, :3, :3] = linear
    shifted = pivot[:, 0] + step[:, 3:6] * size[:, 0]
    result[:, :3, 3] = shifted - (linear @ pivot[:, 0, :, None])[..., 0]
    result[:, 3, 3] = 1
    return result
