"""What a texture unit's rounding of places to 1/256 voxel costs on a real CT.

    python Testing/peers/cuda_rounding.py

Runs without a GPU: the CUDA sources compiled by the C++ compiler. The error is relative to the
exact integrals, norm of the difference over the norm. Where there is a GPU, `meddl drr benchmark`
times its backends beside the others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SlicerMedDL")]

from reproduction.report import Report, add_output  # noqa: E402

from library.deepdrr.cuda_on_cpu import stand_in  # noqa: E402
from meddl.core import read_image  # noqa: E402
from meddl.deepdrr import CArm, render  # noqa: E402

POSES = ((0.0, 0.0), (30.0, 15.0), (90.0, 0.0), (135.0, -25.0))  # primary, secondary angle


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def rows(pixels: int) -> Iterator[tuple[str, ...]]:
    """A row per quantity and pose."""
    ct = read_image(TESTING / "data" / "abdomen_pelvis_ct.nii.gz")
    for quantity in ("path", "neglog", "intensity"):
        for primary, secondary in POSES:
            view = CArm(
                primary_angle=primary,
                secondary_angle=secondary,
                detector_size=(pixels, pixels),
                pixel_spacing=400 / pixels,
            )
            expected = render(ct, view, quantity=quantity, backend="exact").array
            found = {}
            for bits in (0, 8):
                with pytest.MonkeyPatch.context() as patch:
                    stand_in(patch, bits)
                    found[bits] = render(ct, view, quantity=quantity, backend="pycuda").array
            largest = abs(found[8] - expected).max() / expected.max()
            errors = (f"{relative(found[bits], expected):.1e}" for bits in (0, 8))
            yield quantity, f"{primary:.0f}/{secondary:.0f}", *errors, f"{largest:.1e}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=128, help="of the picture's side")
    add_output(parser)
    args = parser.parse_args()
    with Report(args.output) as report:
        head = ("quantity", "pose", "exact places", "places to 1/256")
        report.table("cuda_rounding", (*head, "largest error, of the maximum"), rows(args.pixels))


if __name__ == "__main__":
    main()
