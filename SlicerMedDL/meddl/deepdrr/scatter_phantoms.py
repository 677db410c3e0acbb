"""Random torsos, drawn from ellipsoids, on which scatter models are fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.image import Image

SPACING = 4.0  # mm
SHAPE = (96, 80, 120)  # voxels along S, A and R: 384 x 320 x 480 mm
FAT, TISSUE, LUNG, AIR = -100.0, 40.0, -750.0, -1000.0  # HU


def random_torso(generator: np.random.Generator) -> Image:
    """A torso in HU: body with a layer of fat, lungs or bowel gas, spine, pelvis and ribs.

    Half axes of the body are 110 to 230 mm (left-right) and 75 to 145 mm (front-back); it is cut
    off at both ends of the volume, or not, as scans are.
    """
    k, j, i = (np.arange(n, dtype=np.float32) * SPACING - SPACING * (n - 1) / 2 for n in SHAPE)
    grid = (i[None, None, :], j[None, :, None], k[:, None, None])
    hu = np.full(SHAPE, AIR, np.float32)
    wide = generator.uniform(110, 230)
    deep = np.clip(wide * generator.uniform(0.55, 0.8), 75, 145)
    tall = generator.choice([1e4, generator.uniform(150, 400)])
    lean = 1 - generator.uniform(0.05, 0.25)
    body = _inside(grid, (0, 0, 0), (wide, deep, tall), power=2.5)
    hu[body] = FAT
    muscle = _inside(grid, (0, 0, 0), (wide * lean, deep * lean, tall), power=2.5)
    hu[muscle] = TISSUE + generator.uniform(-20, 30)
    if generator.random() < 0.5:
        top = generator.uniform(40, 150)
        for side in (-1, 1):
            axes = (wide * 0.34, deep * 0.65, generator.uniform(80, 160))
            lung = _inside(grid, (side * wide * 0.45, 0.1 * deep, top), axes)
            hu[lung & muscle] = LUNG + generator.uniform(-80, 80)
    for _ in range(generator.integers(0, 5)):  # gas and fluid in the bowel
        centre = generator.uniform(-0.5, 0.5, 3) * (wide, deep, 180)
        part = _inside(grid, centre, generator.uniform(10, 35, 3)) & muscle
        hu[part] = generator.choice([-900.0, -20.0, 60.0])
    _add_bones(hu, grid, muscle, wide, deep, generator)
    hu[body] += generator.normal(0, 15, int(body.sum())).astype(np.float32)
    return Image(hu, _ras_from_ijk())


def _add_bones(
    hu: NDArray[np.float32],
    grid: tuple[NDArray[np.float32], ...],
    muscle: NDArray[np.bool_],
    wide: float,
    deep: float,
    generator: np.random.Generator,
) -> None:
    spine = _inside(grid, (0, -0.55 * deep, 0), (22, 20, 1e4)) & muscle
    hu[spine] = generator.uniform(250, 600)
    hu[spine & _inside(grid, (0, -0.75 * deep, 0), (8, 8, 1e4))] = TISSUE
    if generator.random() < 0.6:  # pelvis and femoral heads
        low = generator.uniform(-150, -40)
        for side in (-1, 1):
            hip = (side * wide * 0.5, -0.1 * deep, low)
            wing = _inside(grid, hip, (wide * 0.32, deep * 0.5, 80))
            wing &= ~_inside(grid, hip, (wide * 0.25, deep * 0.42, 74))
            wing |= _inside(grid, (side * wide * 0.52, 0, low - 60), (26, 26, 26))
            hu[wing & muscle] = generator.uniform(400, 1000)
    if generator.random() < 0.5:  # ribs: rings in tilted planes
        shell = _inside(grid, (0, 0, 0), (wide * 0.8, deep * 0.8, 1e4))
        shell &= ~_inside(grid, (0, 0, 0), (wide * 0.8 - 9, deep * 0.8 - 9, 1e4))
        planes = (grid[2] + 0.4 * grid[1]) % 32 < 11
        hu[shell & planes & (grid[2] > 0)] = generator.uniform(400, 900)
    if generator.random() < 0.15:  # a metal implant
        centre = generator.uniform(-0.5, 0.5, 3) * (wide, deep, 100)
        hu[_inside(grid, centre, (12, 12, 30)) & muscle] = 3000


def _inside(
    grid: tuple[NDArray[np.float32], ...], centre: object, axes: object, power: float = 2.0
) -> NDArray[np.bool_]:
    centre, axes = np.asarray(centre, np.float32), np.asarray(axes, np.float32)
    total = sum(
        np.abs((along - c) / a) ** power for along, c, a in zip(grid, centre, axes, strict=True)
    )
    return np.asarray(total <= 1)


def _ras_from_ijk() -> NDArray[np.float64]:
    matrix = np.diag([SPACING, SPACING, SPACING, 1.0])
    matrix[:3, 3] = -SPACING * (np.array(SHAPE[::-1]) - 1) / 2
    return matrix
