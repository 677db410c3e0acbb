"""Kernel model and network beside Monte Carlo on a CT that neither was fitted on.

    python Testing/peers/scatter_models.py --photons 1500000

prints one line per view: root mean square difference to the Monte Carlo over its mean, the standard
error of the Monte Carlo in the same measure, and the seconds that each took.
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

CT = Path(__file__).parents[1] / "data" / "abdomen_pelvis_ct.nii.gz"
CARM = (1020.0, 530.0, 300.0, "90kV")  # source-detector, source-isocentre, detector side, spectrum
STAND = (1200.0, 900.0, 400.0, "60kV")
VIEWS = (
    *((angles, CARM) for angles in ((0, 0), (180, 0), (90, 0), (40, 20), (-30, -25))),
    *((angles, STAND) for angles in ((0, 0), (90, 0))),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photons", type=int, default=1_500_000, help="of the Monte Carlo")
    args = parser.parse_args()
    ct = read_image(CT)
    densities = material_densities(ct)
    print("primary secondary  spectrum  side   kernel  network  Monte Carlo's own error  seconds")
    for (primary, secondary), (distance, isocenter, side, spectrum) in VIEWS:
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
        times = [time.perf_counter()]
        inputs, kernel = features(View(*geometry))
        times.append(time.perf_counter())
        network = correct(inputs, kernel)
        times.append(time.perf_counter())
        found = simulate(*geometry, args.photons)
        times.append(time.perf_counter())
        truth, error = smooth(found.scatter, found.standard_error)
        noise = np.sqrt((error**2).mean()) / truth.mean()
        seconds = " ".join(f"{n:6.2f}" for n in np.diff(times))
        print(
            f"{primary:7d} {secondary:9d}  {spectrum:>8}  {side:4.0f}   "
            f"{relative_error(kernel, truth):6.3f}  {relative_error(network, truth):7.3f}  "
            f"{noise:23.3f}  {seconds}",
            flush=True,
        )


if __name__ == "__main__":
    main()
