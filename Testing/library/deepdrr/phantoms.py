"""Analytic volumes and an independent integrator for the projector's tests."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from meddl.core import Image
from meddl.core.geometry import RAS_FROM_LPS, compose, rotation
from meddl.deepdrr import projector
from meddl.deepdrr.density_grid import DensityGrid


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
