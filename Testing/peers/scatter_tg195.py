"""Energy absorbed in a tissue box beside AAPM Report 195, case 2 (Sechopoulos et al. 2015).

    python Testing/peers/scatter_tg195.py --photons 4000000

Radiography, 56.4 keV, incidence at 0 degrees: a box of 39 x 39 x 20 cm from 155 to 175 cm, air
elsewhere, field of 39 x 39 cm at 180 cm. The report's values are means of four codes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from reproduction.report import Report, add_output

from meddl.deepdrr import CArm, Spectrum
from meddl.deepdrr.compositions import Material, material_table
from meddl.deepdrr.montecarlo import simulate

TISSUE = {"H": 0.105, "C": 0.256, "N": 0.027, "O": 0.602, "Na": 0.001}
TISSUE |= {"P": 0.002, "S": 0.003, "Cl": 0.002, "K": 0.002}
BODY = 33171.4  # eV per photon
# Cubes of 3 cm: number in the report, centre x, depth, z in the box (mm), eV per photon.
CUBES = (
    (6, 0, 40, 0, 72.86),
    (7, 0, 70, 0, 53.35),
    (3, 0, 100, 0, 36.67),
    (8, 0, 130, 0, 23.83),
    (9, 0, 160, 0, 14.60),
    (1, 0, 100, -150, 27.01),
    (2, -150, 100, 0, 27.00),
    (4, 150, 100, 0, 27.01),
    (5, 0, 100, 150, 27.01),
)


def rows(body: float, values: dict[int, float]) -> Iterator[tuple[str, ...]]:
    """The whole body, the cubes on the axis, and those beside it in one row."""
    yield "whole body", f"{BODY}", f"{body:.1f}", f"{100 * (body / BODY - 1):+.1f} %"
    aside = []
    for number, x, depth, z, expected in CUBES:
        found = (f"{expected:.2f}", f"{values[number]:.2f}")
        difference = f"{100 * (values[number] / expected - 1):+.1f}"
        if x or z:
            aside.append((str(number), *found, difference))
        else:
            start = "on the axis, " if number == 6 else ""
            where = f"{start}{depth / 10 - 1.5:.1f}-{depth / 10 + 1.5:.1f} cm"
            yield f"{where} deep (cube {number})", *found, f"{difference} %"
    numbers, *cells = map(", ".join, zip(*aside, strict=True))
    yield f"15 cm off the axis ({numbers})", *cells[:2], f"{cells[2]} %"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photons", type=int, default=4_000_000)
    add_output(parser)
    args = parser.parse_args()
    name = "tissue of TG-195"
    material_table()[name] = Material(name, 1.03, tuple(TISSUE.items()))
    densities = np.zeros((80, 360, 80, 2), np.float32)  # voxels of 5 mm; y is the depth
    densities[..., 1] = 0.001205
    densities[1:-1, 310:350, 1:-1] = 1.03, 0
    ijk_from_world = np.diag([0.2, 0.2, 0.2, 1.0])
    ijk_from_world[:3, 3] = 39.5, 1650 / 5 - 0.5, 39.5
    carm = CArm(
        isocenter=(0, 0, 0),
        source_detector=1800,
        source_isocenter=1650,
        detector_size=(39, 39),
        pixel_spacing=10,
    )
    found = simulate(
        densities,
        (name, "air"),
        ijk_from_world,
        carm.camera(),
        1800.0,
        Spectrum(np.array([56.4]), np.ones(1)),
        args.photons,
        with_dose=True,
    )
    dose = 1000 * found.dose[1:-1, 310:350, 1:-1] / found.histories
    # Photons are even over the plane here, over the solid angle there: cos^3 between them.
    across = (np.arange(390) + 0.5) - 195
    even = (1800 / np.sqrt(across[:, None] ** 2 + across**2 + 1800**2)) ** 3
    values = {}
    for number, x, depth, z, _ in CUBES:
        i, j, k = ((n - 15) // 5 for n in (x + 195, depth, z + 195))
        value = dose[k : k + 6, j : j + 6, i : i + 6].sum()
        values[number] = value * (1650 / np.sqrt(x**2 + z**2 + 1650**2)) ** 3 / even.mean()
    with Report(args.output) as report:
        head = ("where", "report, eV", "here, eV", "difference")
        report.table("scatter_tg195", head, rows(float(dose.sum()), values))


if __name__ == "__main__":
    main()
