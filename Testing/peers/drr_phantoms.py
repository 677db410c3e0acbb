"""Path lengths of analytic bodies by the exact and the fast projector, against their chords.

    OMP_NUM_THREADS=1 python Testing/peers/drr_phantoms.py

Sphere, rotated ellipsoid, tilted slab and rotated box on straight, oblique and anisotropic grids of
64^3 to 256^3 voxels, whose values are the covered parts; two poses. Prints the relative L2 errors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reproduction.report import Report, add_output

from library.deepdrr.phantoms import GRIDS, SHAPES, body, body_chords, body_view
from meddl.deepdrr import render_views

POSES = ((0.0, 0.0, 0.0), (33.0, 22.0, 17.0))
BACKENDS = ("exact", "numba")


def errors(shape: str, grid: str, size: int, pixels: int = 256) -> dict[str, float]:
    """Relative L2 error over both poses by backend."""
    ct = body(shape, grid, size)
    views = [body_view(shape, pose, pixels) for pose in POSES]
    expected = np.stack([body_chords(shape, view.camera(ct.center)) for view in views])
    found = {}
    for backend in BACKENDS:
        pictures = [
            picture.array[0]
            for picture in render_views(ct, views, quantity="integral", backend=backend)
        ]
        found[backend] = float(np.linalg.norm(pictures - expected) / np.linalg.norm(expected))
    return found


def rows(sizes: list[int]) -> Iterator[tuple[str, ...]]:
    """A row per body, grid and projector."""
    for shape in SHAPES:
        for grid in GRIDS:
            table = [errors(shape, grid, size) for size in sizes]
            for backend in BACKENDS:
                yield shape, grid, f"`{backend}`", *(f"{100 * row[backend]:.3f} %" for row in table)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="64,128,256", help="voxels along an axis")
    add_output(parser)
    args = parser.parse_args()
    sizes = [int(text) for text in args.sizes.split(",")]
    head = ("body", "grid", "projector", *(f"{size}³" for size in sizes))
    with Report(args.output) as report:
        report.table("drr_phantoms", head, rows(sizes))


if __name__ == "__main__":
    main()
