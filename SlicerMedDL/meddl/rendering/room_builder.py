"""Collects the solids, materials and lamps of a random room."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meddl.rendering.room_kinds import MOTTLED, PATCHES, PLAIN, PLANKS, WOOD

Floats = NDArray[np.float64]


@dataclass
class Builder:
    """Collects solids, materials and lamps; ``place`` turns furniture to where it stands."""

    rng: np.random.Generator
    solids: list[list[float]] = field(default_factory=list)
    surfaces: list[list[int]] = field(default_factory=list)
    materials: list[list[float]] = field(default_factory=list)
    lamps: list[list[float]] = field(default_factory=list)
    tables: list[Floats] = field(default_factory=list)
    origin: Floats = field(default_factory=lambda: np.zeros(3))
    turn: float = 0.0

    def place(self, origin: tuple[float, float, float], turn: float) -> None:
        """Where the following solids stand: their frame's origin, and its turn about z."""
        self.origin, self.turn = np.array(origin, dtype=np.float64), turn

    def add(
        self,
        kind: int,
        centre: tuple[float, float, float],
        size: tuple[float, float, float],
        material: int | list[int],
        turn: float = 0.0,
    ) -> None:
        """A solid by centre and full size in the frame of :meth:`place`, m."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        x, y, z = centre
        position = self.origin + np.array((c * x - s * y, s * x + c * y, z))
        angle = self.turn + turn
        half = [max(edge, 0.002) / 2 for edge in size]
        radius2 = float(np.square(half).sum())
        self.solids.append([kind, *position, *half, np.cos(angle), np.sin(angle), radius2])
        self.surfaces.append([material] * 6 if isinstance(material, int) else material)

    def material(
        self,
        colours: tuple[Floats, Floats],
        pattern: int = PLAIN,
        size: float = 0.5,
        contrast: float = 1.0,
        gloss: float = 0.0,
        glow: float = 0.0,
    ) -> int:
        """The number of a new material; colours are linear RGB 0..1, ``size`` is in m."""
        self.materials.append([*colours[0], *colours[1], pattern, size, contrast, gloss, glow])
        return len(self.materials) - 1

    def colour(
        self,
        hue: tuple[float, float] = (0, 1),
        saturation: tuple[float, float] = (0, 0.8),
        value: tuple[float, float] = (0.05, 0.8),
    ) -> Floats:
        """A linear RGB colour within ranges of HSV."""
        draw = self.rng.uniform
        return np.array(
            colorsys.hsv_to_rgb(draw(*hue) % 1, draw(*saturation), draw(*value)), np.float64
        )

    def wood(self, pattern: int = WOOD) -> int:
        """Light to dark wood."""
        base = self.colour((0.02, 0.11), (0.35, 0.8), (0.08, 0.6))
        size = self.rng.uniform(0.07, 0.18) if pattern == PLANKS else self.rng.uniform(0.15, 0.5)
        dark = base * self.rng.uniform(0.45, 0.85)
        return self.material(
            (base, dark), pattern, size, self.rng.uniform(0.4, 1), self.rng.uniform(0, 0.5)
        )

    def cloth(self) -> int:
        """Any colour, mottled or with large blobs."""
        first = self.colour()
        size = float(np.exp(self.rng.uniform(np.log(0.01), np.log(0.3))))
        if self.rng.random() < 0.2:
            return self.material((first, first), PATCHES, size, self.rng.uniform(0.2, 0.6))
        second = first * self.rng.uniform(0.5, 1.3)
        return self.material((first, second), MOTTLED, size, self.rng.uniform(0.2, 1))

    def any(self) -> int:
        """Wood, cloth, paint or metal."""
        kind = self.rng.random()
        if kind < 0.35:
            return self.wood()
        if kind < 0.6:
            return self.cloth()
        colour = self.colour() if kind < 0.8 else self.colour((0, 1), (0, 0.1), (0.02, 0.9))
        return self.material((colour, colour), PLAIN, 0.3, 1, self.rng.uniform(0, 0.8))

    def arrays(self) -> tuple[Floats, NDArray[np.int64], Floats, Floats, Floats, Floats]:
        """What :class:`meddl.rendering.rooms.Room` holds."""
        warm = self.colour((0.05, 0.65), (0, 0.15), (1, 1))
        ambient = warm * self.rng.uniform(0.25, 0.9)
        return (
            np.array(self.solids),
            np.array(self.surfaces, dtype=np.int64),
            np.array(self.materials),
            np.array(self.lamps),
            ambient,
            np.array(self.tables).reshape(-1, 3),
        )

    def table(self, centre: tuple[float, float, float]) -> None:
        """Remember a table top: cameras like to look at them."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        x, y, z = centre
        self.tables.append(self.origin + np.array((c * x - s * y, s * x + c * y, z)))
