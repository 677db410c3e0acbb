"""How often, how well and how fast a part finds its place on a surface without landmarks.

    python Testing/peers/endodepth_registration.py [--trials 5] [--radius 14] [--noise 0.3]

The surface is a bent tube of 60 mm with random bumps. Each trial cuts a part of the given radius
out of it, adds noise to every point, turns it at random, and gives it a scale of 0.4 to 2.7.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from reproduction.report import Report, add_output
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from meddl.core import Mesh
from meddl.core.geometry import apply, inverse
from meddl.endodepth.registration import register


def bumpy_tube(seed: int, step: float = 0.75) -> Mesh:
    """The surface, mm."""
    grid = np.stack(np.meshgrid(*[np.arange(-30, 30, step)] * 3, indexing="ij"), axis=-1)
    t = np.linspace(0, 1, 200)
    path = np.stack([22 * np.sin(3 * t) - 10, 18 * np.cos(4 * t), 45 * t - 22], axis=-1)
    distance, nearest = cKDTree(path).query(grid)
    bumps = gaussian_filter(np.random.default_rng(seed).normal(size=grid.shape[:3]), 3)
    field = distance - 5 - 1.5 * np.sin(12 * t)[nearest] + 0.9 * bumps / bumps.std()
    vertices, faces, _, _ = marching_cubes(field, 0)
    return Mesh(vertices * step - 30, faces.astype(int))


def part_of(
    surface: Mesh, radius: float, noise: float, seed: int
) -> tuple[Mesh, np.ndarray, float, np.ndarray]:
    """A part in its own frame, the true pose and scale back, and the noiseless places, RAS mm."""
    rng = np.random.default_rng(seed)
    centres = surface.vertices[surface.faces].mean(axis=1)
    near = np.linalg.norm(centres - rng.choice(centres), axis=1) < radius
    used, faces = np.unique(surface.faces[near], return_inverse=True)
    scale = float(np.exp(rng.uniform(-1, 1)))
    ras_from_part = np.eye(4)
    ras_from_part[:3, :3] = scale * Rotation.random(rng=rng).as_matrix()
    ras_from_part[:3, 3] = rng.uniform(-50, 50, 3)
    places = surface.vertices[used]
    noisy = places + rng.normal(0, noise, places.shape)
    part = Mesh(apply(inverse(ras_from_part), noisy), faces.reshape(-1, 3))
    return part, ras_from_part, scale, places


def trials(args: argparse.Namespace) -> Iterator[tuple[object, ...]]:
    """A row per part that is registered."""
    surface = bumpy_tube(0)
    for trial in range(args.trials):
        part, ras_from_part, scale, places = part_of(surface, args.radius, args.noise, trial)
        cpu = time.process_time()
        found = register(part, surface)
        cpu = time.process_time() - cpu
        back = apply(found.ras_from_mesh @ inverse(ras_from_part), places)  # without the noise
        error = np.linalg.norm(back - places, axis=1).mean()
        cells = (f"{error:.3f}", f"{found.scale / scale:.4f}", f"{found.overlap:.2f}")
        yield trial, *cells, f"{found.ambiguity:.2f}", f"{cpu:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--radius", type=float, default=14.0, help="mm")
    parser.add_argument("--noise", type=float, default=0.3, help="mm")
    add_output(parser)
    args = parser.parse_args()
    with Report(args.output) as report:
        head = ("trial", "error, mm", "scale, found / true", "overlap", "ambiguity", "CPU s")
        report.table("endodepth_registration", head, trials(args))


if __name__ == "__main__":
    main()
