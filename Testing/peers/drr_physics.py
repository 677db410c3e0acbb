"""Materials, spectra, detector against published figures: ``python Testing/peers/drr_physics.py``.

Prints the tables of Docs/validation.md, section "Materials, spectra and detector". Needs SpekPy.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from reproduction.report import Report, add_output

from library.deepdrr.published import (
    NIST,
    NIST_ENERGIES,
    PTB_ANODE_ANGLE,
    PTB_FILTRATION,
    PTB_HALF_VALUE_LAYERS,
    nist_water,
)
from meddl.core import Image
from meddl.core.geometry import compose
from meddl.deepdrr import (
    CArm,
    DetectorParameters,
    half_value_layer,
    load_spectrum,
    mass_attenuation,
    render,
)
from meddl.deepdrr.detector import read_out, response
from meddl.deepdrr.spectrum import SHIPPED, bare_spectrum, filtered

Rows = Iterator[tuple[object, ...]]
VIEW = CArm(detector_size=(3, 3), pixel_spacing=0.1)


def attenuation() -> Rows:
    """Largest deviation from NIST between 20 and 100 keV."""
    for name, values in NIST.items():
        deviation = mass_attenuation(name, NIST_ENERGIES) / values - 1
        yield name, f"{100 * np.abs(deviation).max():.3f} %"


def slabs() -> Rows:
    """Water slabs at 90 kV: rendered against the sum over the spectrum with NIST's table."""
    spectrum = load_spectrum("90kV")
    energy = spectrum.fractions * spectrum.energies
    for depth in (1, 5, 10, 20, 30, 40):
        ct = Image(np.zeros((50, 10, 50), np.float32), compose((10, depth, 10)))
        got = float(render(ct, VIEW, materials="water").array[0, 1, 1])
        expected = energy @ np.exp(-depth * nist_water(spectrum.energies)) / energy.sum()
        deviation = f"{100 * (got / expected - 1):+.2f} %"
        yield depth, f"{got:.5f}", f"{expected:.5f}", deviation, f"{-np.log(got) / depth:.4f}"


def half_value_layers() -> Rows:
    """First and second half-value layers against PTB's."""
    for kvp, (first, second) in PTB_HALF_VALUE_LAYERS.items():
        spectrum = filtered(bare_spectrum(kvp, PTB_ANODE_ANGLE), PTB_FILTRATION)
        one = half_value_layer(spectrum)
        two = half_value_layer(spectrum, fraction=0.25) - one
        cells = (f"{one:.3f} ({100 * (one / first - 1):+.1f} %)", first)
        yield kvp, *cells, f"{two:.3f} ({100 * (two / second - 1):+.1f} %)", second


def shipped() -> Rows:
    """Half-value layers and output of the shipped spectra."""
    for name, (_, filtration, output) in SHIPPED.items():
        spectrum = load_spectrum(name)
        layer = f"{half_value_layer(spectrum):.3f}"
        yield name, filtration, f"{spectrum.mean_energy:.2f}", layer, f"{output:.3g}"


def noise(side: int = 1000, photons: float = 1000.0) -> Rows:
    """Mean and variance of a million pixels against Poisson's law."""
    spectrum = load_spectrum("90kV")
    for detector in ("counting", "energy"):
        parameters = DetectorParameters(detector=detector, noise=True)
        weights = response(parameters, spectrum)
        for depth in (0, 20, 40, 60):
            through = np.exp(-depth * mass_attenuation("water", spectrum.energies))
            sums = weights @ through
            shape = (len(sums), side, side)
            generator = np.random.default_rng(depth)
            broadcast = np.broadcast_to(sums[:, None, None], shape)
            (reading,) = read_out(broadcast, parameters, photons, generator)
            mean, square = (sums[1], sums[2]) if detector == "energy" else (sums[0], sums[0])
            ratio, variance = reading.mean() / mean, reading.var() * photons / square
            yield detector, depth, f"{photons * sums[0]:.4g}", f"{ratio:.5f}", f"{variance:.4f}"


TABLES = {
    "attenuation": (attenuation, ("material", "largest deviation")),
    "slabs": (
        slabs,
        ("water, cm", "transmitted energy", "by NIST's table", "deviation", "effective mu, 1/cm"),
    ),
    "half_value_layers": (
        half_value_layers,
        ("kV", "first HVL, mm Al", "measured", "second HVL", "measured"),
    ),
    "shipped": (
        shipped,
        ("shipped", "filtration", "mean, keV", "first HVL, mm Al", "photons/(mm2 mAs) at 1 m"),
    ),
    "noise": (
        noise,
        ("detector", "water, cm", "expected photons", "mean / expected", "variance / expected"),
    ),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_output(parser)
    logging.disable(logging.WARNING)  # a slab of water is no CT, as the renderer rightly says
    with Report(parser.parse_args().output) as report:
        for name, (rows, head) in TABLES.items():
            report.table(f"drr_physics/{name}", head, rows())


if __name__ == "__main__":
    main()
