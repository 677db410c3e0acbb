"""Kernel model and network beside Monte Carlo on CTs that neither was fitted on.

    python Testing/peers/scatter_models.py [CT ...] --photons 1500000

prints a row per CT and view: largest water-equivalent thickness, root mean square difference to
the Monte Carlo over its mean (kernel model, network), the standard error of the Monte Carlo in the
same measure, which the differences contain, and the seconds of CPU time that each took. Without
CTs the bundled one is taken.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from reproduction.report import Report, add_output

from meddl.core import read_image
from meddl.deepdrr import CArm, load_spectrum, material_densities
from meddl.deepdrr.materials import THRESHOLD_MATERIALS
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.scatter import View, features, smooth
from meddl.deepdrr.scatter_examples import relative_error
from meddl.deepdrr.scatter_network import correct

BUNDLED = Path(__file__).parents[1] / "data" / "abdomen_pelvis_ct.nii.gz"
CARM = (1020.0, 530.0, 300.0)  # source-detector, source-isocentre, side of the detector, mm
BAR = 0.15
STAND = (1200.0, 900.0, 400.0)
ANGLES = {  # primary and secondary, degrees
    (CARM, "90kV"): ((0, 0), (180, 0), (90, 0), (40, 20), (-30, -25)),
    (STAND, "60kV"): ((0, 0), (90, 0), (-45, 0)),
    (STAND, "120kV"): ((180, 0), (90, 0)),
    (CARM, "60kV"): ((0, 0), (-90, 0)),
}


def rows(paths: list[Path], photons: int, errors: list[Any]) -> Iterator[tuple[str, ...]]:
    """A row per CT and view; their errors and seconds go into ``errors``."""
    for path in paths:
        ct = read_image(path)
        name = path.name.split(".")[0].removesuffix("_ct").replace("_", ", ")
        densities = material_densities(ct)
        for ((distance, isocenter, side), spectrum), angles in ANGLES.items():
            for primary, secondary in angles:
                carm = CArm(
                    primary_angle=primary,
                    secondary_angle=secondary,
                    source_detector=distance,
                    source_isocenter=isocenter,
                    detector_size=(256, 256),
                    pixel_spacing=side / 256,
                )
                camera, tube = carm.camera(ct.center), load_spectrum(spectrum)
                geometry = (densities, THRESHOLD_MATERIALS, ct.ijk_from_ras, camera, distance, tube)
                times = [time.process_time()]
                inputs, kernel = features(View(*geometry))
                times.append(time.process_time())
                network = correct(inputs, kernel)
                times.append(time.process_time())
                found = simulate(*geometry, photons)
                times.append(time.process_time())
                truth, error = smooth(found.scatter, found.standard_error)
                noise = np.sqrt((error**2).mean()) / truth.mean()
                both = (relative_error(kernel, truth), relative_error(network, truth))
                errors.append((*both, *np.diff(times)))
                setting = f"{spectrum[:-2]} kV, {side:.0f} mm, {distance:.0f} mm"
                view = (f"{primary} / {secondary}", setting, f"{30 * inputs[0].max():.0f}")
                yield name, *view, *map(bold, both), f"{noise:.3f}"


def bold(error: float) -> str:
    """Bold where it is over the bar."""
    return f"**{error:.3f}**" if error > BAR else f"{error:.3f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", nargs="*", type=Path, default=[BUNDLED], help="CTs (HU)")
    parser.add_argument("--photons", type=int, default=1_500_000, help="of the Monte Carlo")
    add_output(parser)
    args = parser.parse_args()
    errors: list[Any] = []
    with Report(args.output) as report:
        head = ("CT", "view (primary / secondary)", "spectrum, detector, source-detector", "g/cm2")
        head += ("kernel", "network", "Monte Carlo's error")
        report.table("scatter_models/views", head, rows(args.ct, args.photons, errors))
        found = np.array(errors)
        off = found[:, :2]
        square, middle, worst = (
            [f"{100 * value:.1f} %" for value in values]
            for values in (np.sqrt((off**2).mean(0)), np.median(off, 0), off.max(0))
        )
        seconds = [f"{value:.2f}" for value in np.median(found[:, 2:], 0)]
        head = ("model", "root mean square", "median", "worst", "CPU s, median")
        lines = [
            (name, square[n], middle[n], worst[n], seconds[n])
            for n, name in enumerate(("kernel", "network, beside the kernel"))
        ]
        lines.append(("Monte Carlo", "", "", "", seconds[2]))
        report.table("scatter_models/all", head, lines)


if __name__ == "__main__":
    main()
