"""What a texture unit's rounding of places to 1/256 voxel costs on a real CT.

    python Testing/peers/cuda_rounding.py

Runs without a GPU: the CUDA sources compiled by the C++ compiler. The error is relative to the
exact integrals, norm of the difference over the norm. Where there is a GPU, `meddl drr benchmark`
times its backends beside the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING), str(TESTING.parent / "SlicerMedDL")]

from library.deepdrr.cuda_on_cpu import stand_in  # noqa: E402
from meddl.core import read_image  # noqa: E402
from meddl.deepdrr import CArm, render  # noqa: E402

POSES = ((0.0, 0.0), (30.0, 15.0), (90.0, 0.0), (135.0, -25.0))  # primary, secondary angle


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=128, help="of the picture's side")
    pixels = parser.parse_args().pixels
    ct = read_image(TESTING / "data" / "abdomen_pelvis_ct.nii.gz")
    print(f"CT {ct.size}, spacing {np.round(ct.spacing, 2)} mm -> {pixels}x{pixels}")
    print("| quantity | pose | places exact | places to 1/256 | largest error, of the maximum |")
    print("|---|---|---|---|---|")
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
            print(
                f"| {quantity} | {primary:.0f}/{secondary:.0f} | {relative(found[0], expected):.1e}"
                f" | {relative(found[8], expected):.1e} | {largest:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
