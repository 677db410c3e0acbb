"""A colon drawn at random: a bent tube of 30 to 50 mm with haustral folds and three taeniae.

Between the folds the wall bulges; a fold reaches 4 to 12 mm into the lumen, most folds only between
two taeniae, and stands 12 to 35 mm from the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.rendering.appearance import random_appearance
from meddl.rendering.distance_field import DistanceField, distances, node_positions
from meddl.rendering.fields import closed, smooth_curve, smooth_noise
from meddl.rendering.renderer import Scene


def colon(seed: int = 0, spacing: float = 1.0, length: float = 150.0) -> Scene:
    """A stretch of colon.

    Args:
        seed: of all that is random.
        spacing: mm between the nodes.
        length: mm along the centre line.
    """
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    radius = rng.uniform(15, 23)
    line = _centre_line(rng, length, 1.6 * radius)
    margin = radius * 1.35 + 3
    origin = line.min(0) - margin
    i, j, k = (int(n) for n in np.ceil((np.ptp(line, axis=0) + 2 * margin) / spacing))
    shape = (k, j, i)
    x, y, z = node_positions(shape, spacing, origin)
    bend = [rng.uniform(0.5, 1.5) * smooth_noise(shape, 12 / spacing, rng) for _ in range(3)]
    positions = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    for axis in range(3):
        positions[..., axis] += bend[axis]

    tree = cKDTree(line)
    inside = positions.reshape(-1, 3)
    away, nearest = tree.query(inside, distance_upper_bound=1.5 * radius)
    kept = np.isfinite(away)
    points, near = inside[kept], nearest[kept]
    tangents, first, second = _frames(line)
    across = points - line[near]
    along = near * (length / len(line)) + np.einsum("ni,ni->n", across, tangents[near])
    angle = np.arctan2(
        np.einsum("ni,ni->n", across, second[near]), np.einsum("ni,ni->n", across, first[near])
    )
    wall = _wall(rng, along, angle, radius, length)
    free = np.full(inside.shape[0], -0.3 * radius, np.float32)
    free[kept] = wall - away[kept]
    ends = np.minimum(along, length - along)  # closed at both ends
    free[kept] = np.minimum(free[kept], ends)
    values = distances(closed(free.reshape(shape), spacing), spacing)
    look = random_appearance(rng, rng.uniform(18, 30), mottle=rng.uniform(0.04, 0.15))
    return Scene(DistanceField(values, spacing, origin), look, f"colon {seed}")


def _centre_line(rng: np.random.Generator, length: float, bend: float) -> NDArray[np.float64]:
    """Points 0.5 mm apart on a curve whose bends are no narrower than ``bend`` mm."""
    heading = np.array([0.0, 0.0, 1.0])
    turn = rng.normal(size=3)
    points = [np.zeros(3)]
    step = 5.0
    for _ in range(int(length / step)):
        turn = 0.85 * turn + 0.5 * rng.normal(size=3)
        sideways = turn - heading * (turn @ heading)
        rate = min(float(np.linalg.norm(sideways)) * 0.5, 1.0) * step / (1.5 * bend)
        heading = heading + rate * sideways / (np.linalg.norm(sideways) + 1e-9)
        heading /= np.linalg.norm(heading)
        points.append(points[-1] + step * heading)
    return smooth_curve(np.array(points), 0.5)


def _frames(line: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Tangents and two normals along a curve that do not twist (parallel transport)."""
    tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    first = np.empty_like(line)
    normal = np.cross(tangents[0], (0.3, 0.9, 0.1))
    for n, tangent in enumerate(tangents):
        normal = normal - tangent * (normal @ tangent)
        normal /= np.linalg.norm(normal)
        first[n] = normal
    return tangents, first, np.cross(tangents, first)


def _wall(
    rng: np.random.Generator,
    along: NDArray[np.float64],
    angle: NDArray[np.float64],
    radius: float,
    length: float,
) -> NDArray[np.float64]:
    """Distance (mm) from the centre line to the wall."""
    wave = 0.06 * np.sin(along * 2 * np.pi / rng.uniform(60, 110) + rng.uniform(0, 6))
    third = np.cos(3 * (angle - rng.uniform(0, 6)))  # the taeniae flatten the tube
    wall = radius * (1 + wave - rng.uniform(0.03, 0.1) * third)
    start = rng.uniform(0, 15)
    while start < length:
        middle, half = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.6)
        if rng.random() < 0.25:
            half = 4.0  # all around
        turned = np.abs((angle - middle + np.pi) % (2 * np.pi) - np.pi)
        share = np.clip(1.3 * (1 - turned / half), 0, 1)
        share = share * share * (3 - 2 * share)
        lean = rng.normal(0, 2.5) * np.cos(angle - rng.uniform(0, 6))
        thick = rng.uniform(2.2, 4.0)
        ridge = np.exp(-(np.abs((along - start - lean) / thick) ** 1.6))
        wall -= rng.uniform(0.2, 0.5) * radius * share * ridge
        start += rng.uniform(12, 32)
    return np.maximum(wall, 0.3 * radius)
