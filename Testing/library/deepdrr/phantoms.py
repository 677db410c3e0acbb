"""Analytic volumes and an independent integrator for the projector's tests."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from meddl.core import Image
from meddl.core.geometry import RAS_FROM_LPS, apply, compose, inverse, rotation
from meddl.deepdrr import Camera, CArm, projector
from meddl.deepdrr.density_grid import DensityGrid

# Bodies of value 1: the unit ball, the cube from -1 to 1, or the endless plate -1 < y < 1, placed
# by ras_from_unit (mm).
SHAPES = {
    "sphere": ("ball", compose((55, 55, 55), (3.3, -2.1, 1.7))),
    "ellipsoid": ("ball", rotation((1, 2, 3), 40) @ compose((62, 28, 45), (-4.2, 3.1, 2.6))),
    "slab": ("plate", rotation((3, -1, 2), 12) @ compose((15, 15, 15), (2.4, 1.3, -3.2))),
    "box": ("cube", rotation((3, -1, 2), 25) @ compose((40, 30, 33), (2.4, 1.3, -3.2))),
}
FIELDS = {"slab": 60.0}  # mm seen at the isocentre: no ray meets the grid's border within the slab
GRIDS = {  # turn of the axes, and relative spacing of i, j, k
    "straight": (np.eye(4), (1.0, 1.0, 1.0)),
    "oblique": (rotation((2, 1, -1), 35), (1.0, 1.0, 1.0)),
    "oblique, anisotropic": (rotation((-1, 3, 1), -50), (0.8, 1.0, 1.25)),
}
EDGE = 150.0  # mm, of the grids with spacing 1
SUBVOXELS = 4  # per axis, in voxels that the surface may cross


def oblique_geometry(seed: int, spacing=(0.8, 1.1, 2.3), lps: bool = False) -> np.ndarray:
    """A reproducible ``ras_from_ijk`` with rotated axes and anisotropic voxels (mm)."""
    generator = np.random.default_rng(seed)
    turn = rotation(generator.normal(size=3), generator.uniform(-60, 60))
    geometry = turn @ compose(spacing, generator.uniform(-50, 50, 3))
    return RAS_FROM_LPS @ geometry if lps else geometry


def random_volume(seed: int, shape=(9, 11, 13), lps: bool = False) -> Image:
    """Random voxel values in an oblique, anisotropic geometry."""
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Image(values, oblique_geometry(seed, lps=lps))


def dense_integral(ct: Image, source: np.ndarray, direction: np.ndarray, step: float) -> float:
    """Line integral by plain midpoint sampling with scipy's trilinear interpolation, value x mm.

    The volume ends at the outer faces of its voxels; ``nearest`` holds the edge value there.
    """
    reach = np.linalg.norm(ct.center - source) + np.linalg.norm(ct.spacing * ct.size)
    distances = np.arange(0.5 * step, reach, step)
    points = source + distances[:, None] * direction
    ijk = points @ ct.ijk_from_ras[:3, :3].T + ct.ijk_from_ras[:3, 3]
    inside = ((ijk >= -0.5) & (ijk <= np.array(ct.size) - 0.5)).all(axis=1)
    samples = map_coordinates(ct.array, ijk[inside].T[::-1], order=1, mode="nearest")
    return float(samples.sum(dtype=np.float64) * step)


def exact_integrals(volume, ijk_from_world, source, world_per_pixel, size, box=None) -> np.ndarray:
    """(H, W, M) exact integrals of a volume (K, J, I, M) whose voxels are mixtures."""
    grids = [DensityGrid(part, None, (0,), ijk_from_world) for part in np.moveaxis(volume, -1, 0)]
    pictures = [
        projector.line_integrals(grid, source, world_per_pixel, size, box) for grid in grids
    ]
    return np.concatenate(pictures, axis=-1)


def body_view(shape: str, pose: tuple[float, float, float], pixels: int) -> CArm:
    """The C-arm that sees a body of :data:`SHAPES` whole, and of the slab its middle."""
    spacing = 1020 / 530 * FIELDS.get(shape, 150.0) / pixels
    return CArm(*pose, detector_size=(pixels, pixels), pixel_spacing=spacing)


def body(shape: str, grid: str, size: int) -> Image:
    """Coverage of each voxel by a body of :data:`SHAPES`, on a grid of :data:`GRIDS`.

    Returns:
        (size, size, size) float32, 0 to 1; the grid's middle is the RAS origin.
    """
    kind, ras_from_unit = SHAPES[shape]
    turn, relative = GRIDS[grid]
    spacing = EDGE / size * np.array(relative)
    ras_from_ijk = turn @ compose(spacing, -0.5 * (size - 1) * spacing)
    unit_from_ijk = inverse(ras_from_unit) @ ras_from_ijk
    # Half a voxel's diagonal in the body's unit coordinates, at the most.
    reach = 0.5 * np.linalg.norm(spacing) * np.linalg.norm(inverse(ras_from_unit)[:3, :3], 2)
    values = np.empty((size, size, size), np.float32)
    j, i = np.mgrid[:size, :size]
    part = (np.arange(SUBVOXELS) + 0.5) / SUBVOXELS - 0.5
    inner = np.stack(np.meshgrid(part, part, part), -1).reshape(-1, 3)
    for k in range(size):
        ijk = np.stack([i, j, np.full_like(i, k)], -1).astype(float)
        beyond = _radius(kind, apply(unit_from_ijk, ijk)) - 1
        values[k] = beyond < 0
        crossed = np.abs(beyond) <= reach
        points = ijk[crossed][:, None] + inner
        values[k][crossed] = (_radius(kind, apply(unit_from_ijk, points)) < 1).mean(axis=1)
    return Image(values, ras_from_ijk)


def _radius(kind: str, points: np.ndarray) -> np.ndarray:
    """Below 1 inside: the norm whose unit sphere is the body."""
    if kind == "plate":
        return np.abs(points[..., 1])
    return np.linalg.norm(points, axis=-1, ord=2 if kind == "ball" else np.inf)


def body_chords(shape: str, camera: Camera) -> np.ndarray:
    """(H, W) length in mm of each pixel's ray within a body of :data:`SHAPES`, by formula."""
    kind, ras_from_unit = SHAPES[shape]
    unit_from_ras = inverse(ras_from_unit)
    pixels = np.stack(np.meshgrid(*map(np.arange, camera.size)), -1)
    source = apply(unit_from_ras, camera.source)
    rays = camera.rays(pixels) @ unit_from_ras[:3, :3].T  # per mm
    if kind == "ball":
        a, b = (rays**2).sum(-1), rays @ source
        return 2 * np.sqrt(np.maximum(b**2 - a * (source @ source - 1), 0)) / a
    if kind == "plate":
        return 2 / np.abs(rays[..., 1])
    with np.errstate(divide="ignore"):
        ends = [(sign - source) / rays for sign in (-1, 1)]
    return np.maximum(np.maximum(*ends).min(-1) - np.minimum(*ends).max(-1), 0)
