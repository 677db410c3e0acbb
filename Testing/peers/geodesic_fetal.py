"""The fetal MR of GeodisTK and its reference map: largest difference over the map's range.

    python Testing/peers/geodesic_fetal.py FOLDER

FOLDER has GeodisTK's img3d.nii.gz and its fast-marching map of the sub-volume [18:38, 63:183,
93:233] from voxel (10, 60, 70), as geodesic_reference_dis1.nii.gz (image3d_dis1.nii.gz there).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output

from meddl.core import read_image
from meddl.geodesic import geodesic_distance


def main() -> None:
    """Print the difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    add_output(parser)
    args = parser.parse_args()
    folder = args.folder
    image = read_image(folder / "img3d.nii.gz")
    expected = read_image(folder / "geodesic_reference_dis1.nii.gz").array
    part = image.array[18:38, 63:183, 93:233]
    seeds = np.zeros(part.shape, bool)
    seeds[10, 60, 70] = True
    found = geodesic_distance(part, seeds, image.spacing[::-1])
    with Report(args.output) as report:
        row = ("GeodisTK's reference map of its fetal MR", f"0 to {expected.max():.0f}")
        head = ("truth", "its range", "largest difference, bar 0.005")
        report.table("geodesic_fetal", head, [(*row, f"{abs(found - expected).max():g}")])


if __name__ == "__main__":
    main()
