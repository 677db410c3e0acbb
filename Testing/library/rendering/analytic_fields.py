"""Distance fields whose surfaces are known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meddl.rendering import Appearance, DistanceField, Scene
from meddl.rendering.distance_field import node_positions

# White, without vessels, mottling, relief, gloss, or light from other walls.
MATT = Appearance(
    colour=(0.9, 0.5, 0.1), pale=(0.9, 0.5, 0.1), deep=(0.9, 0.5, 0.1), mottle=0, vessels=0,
    mucus=0, relief=0, gloss=0, scatter=0, ambient=0,
)  # fmt: skip


def scene_of(function: Callable, spacing: float = 0.5, half: float = 20.0, look=MATT) -> Scene:
    """A scene of ``function(x, y, z)`` in a cube about the origin, mm."""
    count = round(2 * half / spacing) + 1
    nodes = node_positions((count,) * 3, spacing, np.full(3, -half))
    values = np.broadcast_to(function(*nodes), (count,) * 3)
    return Scene(DistanceField(values, spacing, np.full(3, -half)), look)


def plane(x, y, z):
    """Free below a tilted plane 12 mm along z."""
    return 12 - (0.6 * x + 0.8 * z)


def wall(x, y, z):
    """Free below z = 12."""
    return 12 - z + 0 * (x + y)


def ball(x, y, z):
    """Free inside a sphere of 15 mm."""
    return 15 - np.sqrt(x**2 + y**2 + z**2)


def pipe(x, y, z):
    """Free inside a cylinder of 9 mm along y."""
    return 9 - np.hypot(x, z) + 0 * y
