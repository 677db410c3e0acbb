"""Kernel model and network beside Monte Carlo on CTs that neither was fitted on.

    python Testing/peers/scatter_models.py [CT ...] --photons 1500000

prints one line per CT and view: largest water-equivalent thickness, root mean square difference to
the Monte Carlo over its mean (kernel model, network), the standard error of the Monte Carlo in the
same measure, which the differences contain, and the seconds of CPU time that each took. Without
CTs the bundled one is taken.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from meddl.core import read_image
from meddl.deepdrr import CArm, load_spectrum, material_densities
from meddl.deepdrr.materials import THRESHOLD_MATERIALS
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.scatter import View, features, smooth
from meddl.deepdrr.scatter_examples import relative_error
from meddl.deepdrr.scatter_network import correct

BUNDLED = Path(__file__).parents[1] / "data" / "abdomen_pelvis_ct.nii.gz"
CARM = (1020.0, 530.0, 300.0)  # source-detector, source-isocentre, side of the detector, mm
STAND = (1200.0, 900.0, 400.0)
ANGLES = {  # primary and secondary, degrees
    (CARM, "90kV"): ((0, 0), (180, 0), (90, 0), (40, 20), (-30, -25)),
    (STAND, "60kV"): ((0, 0), (90, 0), (-45, 0)),
    (STAND, "120kV"): ((180, 0), (90, 0)),
    (CARM, "60kV"): ((0, 0), (-90, 0)),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", nargs="*", type=Path, default=[BUNDLED], help="CTs (HU)")
    parser.add_argument("--photons", type=int, default=1_500_000, help="of the Monte Carlo")
    args = parser.parse_args()
    print(
        "| CT | view | spectrum, side, distance | g/cm2 | kernel | network | Monte Carlo's error |"
    )
    print("|---|---|---|---|---|---|---|")
    worst = np.zeros(2)
    seconds = []
    for path in args.ct:
        ct = read_image(path)
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
                found = simulate(*geometry, args.photons)
                times.append(time.process_time())
                seconds.append(np.diff(times))
                truth, error = smooth(found.scatter, found.standard_error)
                noise = np.sqrt((error**2).mean()) / truth.mean()
                both = np.array([relative_error(kernel, truth), relative_error(network, truth)])
                worst = np.maximum(worst, both)
                print(
                    f"| {path.name.split('.')[0]} | {primary} / {secondary} | {spectrum}, "
                    f"{side:.0f} mm, {distance:.0f} mm | {30 * inputs[0].max():.0f} | "
                    f"{both[0]:.3f} | {both[1]:.3f} | {noise:.3f} |",
                    flush=True,
                )
    print(f"worst: kernel {worst[0]:.3f}, network {worst[1]:.3f}")
    print(
        "CPU s, medians: kernel {:.2f}, network {:.2f} more, Monte Carlo {:.1f}".format(
            *np.median(seconds, axis=0)
        )
    )


if __name__ == "__main__":
    main()
