"""An abdomen blown up for laparoscopy, drawn at random: a dome over organs, fat and bowel loops."""

from __future__ import annotations

import numpy as np

from meddl.rendering.appearance import random_appearance
from meddl.rendering.distance_field import DistanceField, distances, node_positions
from meddl.rendering.fields import Grid, closed, ellipsoid, smooth_curve, smooth_noise, soft_minimum
from meddl.rendering.renderer import Scene


def abdomen(seed: int = 0, spacing: float = 1.2) -> Scene:
    """An abdominal cavity, seen from above at 40 to 110 mm.

    World axes: z up, from the organs to the abdominal wall, mm.

    Args:
        seed: of all that is random.
        spacing: mm between the nodes.
    """
    rng = np.random.default_rng(seed)
    half = np.array([rng.uniform(75, 95), rng.uniform(65, 80), rng.uniform(80, 110)])
    origin = np.array([-half[0], -half[1], -25.0]) - 3 * spacing
    i, j, k = (int(n) for n in np.ceil((np.array([2, 2, 1]) * half + (0, 0, 25)) / spacing) + 6)
    shape = (k, j, i)
    x, y, z = node_positions(shape, spacing, origin)
    x, y, z = (p + 1.5 * smooth_noise(shape, 25 / spacing, rng) for p in (x, y, z))

    free = -ellipsoid(x, y, z, np.array([0.0, 0.0, -5.0]), half)
    ground = z - 8.0 * smooth_noise(shape, 35 / spacing, rng)
    free = soft_minimum(free, ground, 6.0)
    for _ in range(int(rng.integers(2, 5))):  # organs
        centre = np.array([*(rng.uniform(-0.7, 0.7, 2) * half[:2]), rng.uniform(-5, 12)])
        organ = ellipsoid(x, y, z, centre, rng.uniform((20, 20, 10), (50, 40, 24)))
        free = soft_minimum(free, organ, 1.5)
    for _ in range(int(rng.integers(2, 6))):  # bowel loops
        free = soft_minimum(free, _loop(x, y, z, half, rng), 1.0)
    free = free - 0.35 * smooth_noise(shape, 5 / spacing, rng)
    field = DistanceField(distances(closed(free, spacing), spacing), spacing, origin)
    look = random_appearance(
        rng, rng.uniform(30, 50), patch_size=rng.uniform(25, 45), pale=(0.72, 0.45, 0.17),
        deep=(0.30, 0.07, 0.04), mottle=rng.uniform(0.04, 0.15),
    )  # fmt: skip
    return Scene(field, look, f"abdomen {seed}", (0.0, 0.0, -1.0))


def _loop(x: Grid, y: Grid, z: Grid, half: np.ndarray, rng: np.random.Generator) -> Grid:
    """Distance to a tube of 9 to 15 mm radius that lies on the ground."""
    from scipy.spatial import cKDTree

    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.uniform(-0.9, 0.9, 7))
    way = np.cumsum(25 * np.stack([np.cos(angles), np.sin(angles)], axis=-1), axis=0)
    way += rng.uniform(-0.6, 0.6, 2) * half[:2] - way.mean(0)
    line = smooth_curve(np.column_stack([way, rng.uniform(2, 12, 7)]), 1.0)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3)
    radius = rng.uniform(9, 15)
    away, nearest = cKDTree(line).query(points, distance_upper_bound=3 * radius)
    away = np.where(np.isfinite(away), away, 3 * radius)
    folds = 0.6 * np.sin(nearest * 2 * np.pi / rng.uniform(9, 16))
    return np.asarray(away - radius - folds, np.float32).reshape(x.shape)
