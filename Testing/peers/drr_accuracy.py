"""The fast projectors against the exact one on the bundled CT, in random poses.

OMP_NUM_THREADS=1 python Testing/peers/drr_accuracy.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output

from meddl.core import read_image
from meddl.deepdrr import CArm, render

DATA = Path(__file__).resolve().parents[1] / "data"
POSES = 24


def errors() -> dict[str, list[float]]:
    """Relative L2 errors by picture."""
    ct = read_image(DATA / "abdomen_pelvis_ct.nii.gz")
    generator = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for _ in range(POSES):
        angles = generator.uniform((-180, -45, -180), (180, 45, 180))
        view = CArm(*map(float, angles), detector_size=(256, 256), pixel_spacing=2.4)
        for quantity in ("path", "neglog"):
            exact, dense, plain = (
                render(ct, view, quantity=quantity, backend=backend).array[0].astype(np.float64)
                for backend in ("exact", "dense", "numba")
            )
            for backend, fast in (("dense", dense), ("numba", plain)):
                pictures = {"radiograph (`neglog`)": (fast, exact)}
                if quantity == "path":
                    pictures = {
                        "mass per area": (fast.sum(-1), exact.sum(-1)),
                        "mass per area of bone alone": (fast[..., 2], exact[..., 2]),
                    }
                for name, (got, wanted) in pictures.items():
                    error = np.linalg.norm(got - wanted) / np.linalg.norm(wanted)
                    found.setdefault(f"`{backend}`, {name}", []).append(float(error))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    with Report(parser.parse_args().output) as report:
        rows = [(n, f"{np.median(e):.1e}", f"{max(e):.1e}") for n, e in errors().items()]
        report.table("drr_accuracy", ("picture", "median", "worst"), rows)


if __name__ == "__main__":
    main()
