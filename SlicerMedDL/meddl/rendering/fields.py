"""Pieces from which anatomy is made: smooth noise on grids, soft unions, distances to curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]


def smooth_noise(shape: tuple[int, int, int], size: float, rng: np.random.Generator) -> Grid:
    """Noise of about unit standard deviation that varies over ``size`` nodes (cubic B-splines)."""
    counts = [int(np.ceil(n / size)) + 3 for n in shape]
    result = rng.standard_normal(counts).astype(np.float32) * 1.9  # the splines average
    for axis, (n, m) in enumerate(zip(shape, counts, strict=True)):
        offset = rng.uniform(1, 2)
        position = np.abs(np.arange(n)[:, None] / size + offset - np.arange(m))
        near = 2 / 3 - position**2 * (1 - position / 2)
        far = np.maximum(2 - position, 0) ** 3 / 6
        weights = np.where(position < 1, near, far).astype(np.float32)
        result = np.moveaxis(np.tensordot(weights, result, (1, axis)), 0, axis)
    return np.ascontiguousarray(result, dtype=np.float32)


def soft_minimum(a: Grid, b: Grid, radius: float) -> Grid:
    """The smaller of two fields, rounded over ``radius`` where they cross (Quilez's polynomial)."""
    h = np.maximum(radius - np.abs(a - b), 0) / radius
    return np.asarray(np.minimum(a, b) - h**2 * radius / 4, np.float32)


def soft_maximum(a: Grid, b: Grid, radius: float) -> Grid:
    """The larger of two fields, rounded over ``radius`` where they cross."""
    return -soft_minimum(-a, -b, radius)


def closed(free: Grid, spacing: float) -> Grid:
    """The field with tissue along the border of the grid, so that every ray ends on a wall."""
    inward = [np.minimum(np.arange(n), np.arange(n)[::-1]) * spacing for n in free.shape]
    k, j, i = np.meshgrid(*inward, indexing="ij", sparse=True)
    border = np.minimum(np.minimum(k, j), i) - 2.0 * spacing
    return np.minimum(free, border.astype(np.float32))


def smooth_curve(points: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points (N, 3) ``step`` mm apart on the cubic spline through control points (M, 3), M >= 2."""
    from scipy.interpolate import CubicSpline

    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = max(int(length[-1] / step), 2)
    return np.asarray(CubicSpline(length, points)(np.linspace(0, length[-1], count)))


def ellipsoid(
    x: Grid, y: Grid, z: Grid, centre: NDArray[np.float64], axes: NDArray[np.float64]
) -> Grid:
    """About the signed distance to an ellipsoid along the grid's axes, negative inside."""
    p = [(c - m) / a for c, m, a in zip((x, y, z), centre, axes, strict=True)]
    k0 = np.sqrt(p[0] ** 2 + p[1] ** 2 + p[2] ** 2)
    q = [c / a for c, a in zip(p, axes, strict=True)]
    k1 = np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2)
    return np.asarray(k0 * (k0 - 1) / np.maximum(k1, 1e-6), np.float32)
