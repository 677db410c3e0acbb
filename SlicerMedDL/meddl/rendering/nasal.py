"""A nasal cavity drawn at random: septum, side wall, turbinates, meatus, an ostium with a sinus.

Sizes follow adult anatomy: the cavity is about 65 mm long and 45 mm high, a few mm wide above and
10 to 15 mm at the floor; the inferior turbinate is 45 to 55 mm long, the middle one 35 to 45 mm;
the gaps beside them are 1.5 to 4 mm.
"""

from __future__ import annotations

import numpy as np

from meddl.rendering.appearance import random_appearance
from meddl.rendering.distance_field import DistanceField, distances, node_positions
from meddl.rendering.fields import Grid, closed, ellipsoid, smooth_noise, soft_maximum, soft_minimum
from meddl.rendering.renderer import Scene


def sinus(seed: int = 0, spacing: float = 0.4) -> Scene:
    """A nasal cavity.

    World axes: x from the septum to the side wall, y up, z from the nostril backwards, mm.

    Args:
        seed: of all that is random.
        spacing: mm between the nodes.
    """
    rng = np.random.default_rng(seed)
    length, height, width = rng.uniform(58, 70), rng.uniform(40, 48), rng.uniform(11, 16)
    margin = 3.0
    reach = rng.uniform(14, 24)  # of the sinus beside the cavity
    origin = np.array([-margin - 2, -margin, -margin])
    size = np.array([width + 1.35 * reach + 2, height, length]) + 2 * margin
    i, j, k = (int(n) for n in np.ceil(size / spacing))
    x, y, z = node_positions((k, j, i), spacing, origin)
    shape = (k, j, i)

    # Large waves of all walls, a deviated septum among them, by moving the positions.
    bend = [rng.uniform(0.5, 1.2) * smooth_noise(shape, 14 / spacing, rng) for _ in range(3)]
    fine = rng.uniform(0.1, 0.3) * smooth_noise(shape, 4 / spacing, rng)
    x, y, z = x + bend[0] + fine, y + bend[1], z + bend[2]

    up = y / height
    side = width * (1 - rng.uniform(0.45, 0.65) * np.clip(up, 0, 1) ** 1.3)
    wall = np.minimum(x, side - x)  # septum and side wall
    ends = np.minimum(np.minimum(y, height - y), np.minimum(z, length - z))
    free = soft_minimum(wall, ends, 4.0)

    middle = length * rng.uniform(0.5, 0.56)
    inferior = _turbinate(
        x, y, z, side, rng, middle, 0.2 * height, rng.uniform(22, 27), rng.uniform(4.5, 6.5)
    )
    tip = length * rng.uniform(0.54, 0.62)
    upper = _turbinate(
        x, y, z, side, rng, tip, 0.55 * height, rng.uniform(17, 22), rng.uniform(4.0, 6.0)
    )
    free = soft_minimum(free, np.minimum(inferior, upper), 0.8)

    # The maxillary sinus: seen through its ostium, or a wide one after surgery.
    centre = np.array([width + rng.uniform(0.5, 0.75) * reach, height * 0.42, length * 0.55])
    cave = -ellipsoid(x, y, z, centre, np.array([0.6 * reach, 0.32 * height, 0.3 * length]))
    free = soft_maximum(free, cave, 1.5)
    for _ in range(int(rng.integers(2, 6))):  # ethmoid cells open to the middle meatus
        where = np.array(
            [width * 0.55, height * rng.uniform(0.6, 0.9), length * rng.uniform(0.4, 0.85)]
        )
        axes = rng.uniform(2.5, 5.0, 3)
        free = soft_maximum(free, -ellipsoid(x, y, z, where + rng.normal(0, 2, 3), axes), 1.0)
    field = DistanceField(distances(closed(free, spacing), spacing), spacing, origin)
    return Scene(field, random_appearance(rng, rng.uniform(8, 14)), f"sinus {seed}")


def _turbinate(
    x: Grid, y: Grid, z: Grid, side: Grid, rng: np.random.Generator,
    middle: float, low: float, half: float, thick: float,
) -> Grid:  # fmt: skip
    """A scroll that hangs from the side wall: distance outside of it, negative inside."""
    along = (z - middle) / half
    swell = np.sqrt(np.clip(1 - along**2, 0.0, 1)) * (
        1 + 0.15 * np.sin(3 * along + rng.uniform(0, 6))
    )
    droop = low + rng.uniform(-2, 2) * along
    gap = rng.uniform(1.6, 3.2)  # to the side wall, the meatus
    radius = thick * swell
    centre = side - gap - thick * rng.uniform(0.55, 0.8)
    tall = rng.uniform(1.2, 1.7)
    body = np.hypot((x - centre) * 1.25, (y - droop) / tall) - radius
    body = np.maximum(body, (np.abs(along) - 1) * half)
    # The plate by which it hangs.
    top = droop + radius * tall * 0.6
    plate = np.hypot(np.clip(centre - x, 0, None) + np.clip(x - side - 2, 0, None), (y - top) * 0.9)
    plate = np.maximum(plate - 1.2, (np.abs(along) - 0.95) * half)
    return soft_minimum(body.astype(np.float32), plate.astype(np.float32), 2.0)
