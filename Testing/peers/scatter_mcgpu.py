"""Scatter-to-primary ratios beside those of MC-GPU 1.3 (Badal and Badano 2009).

MC-GPU is in the public domain; its CPU version shares nothing with this project: other language,
PENELOPE's cross sections, Compton profiles, analogue scoring. ``reproduce.py --only scatter_mcgpu``
builds it (the environment mcgpu of comparisons.toml) and runs::

    python Testing/peers/scatter_mcgpu.py .cache/peers/mcgpu/GPUMC/mcgpu --photons 2e7
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from reproduction.report import Report, add_output

from meddl.deepdrr import CArm, Spectrum
from meddl.deepdrr.attenuation import spectral_moments
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.spectrum import compute_spectrum

FIELD, SOURCE_DETECTOR, SIDE = 300.0, 1000.0, 600.0  # mm
CENTRE = slice(12, 18)  # the middle 6 cm of 30 pixels of 1 cm

INPUT = """\
#[SECTION SIMULATION CONFIG v.2009-05-12]
{photons}
{seed}
0
128
100
#[SECTION SOURCE v.2011-07-12]
spectrum.spc #
30.0 0.0 30.0
0.0 1.0 0.0
{aperture} {aperture}
#[SECTION IMAGE DETECTOR v.2009-12-02]
image.dat #
30 30
30.0 30.0
100.0
#[SECTION CT SCAN TRAJECTORY v.2011-10-25]
1
1.0
0.0 3600.0
60.0
0.0
#[SECTION DOSE DEPOSITION v.2012-12-12]
NO
NO
dose.dat #
1 1
1 1
1 1
#[SECTION VOXELIZED GEOMETRY FILE v.2009-11-30]
slab.vox #
#[SECTION MATERIAL FILE LIST v.2009-11-30]
{material} #
"""

# The slab ends at the air gap before the detector; voxels in front of it are vacuum (air).
VOXELS = """\
[SECTION VOXELS HEADER v.2008-04-13]
 1 2 1   No. OF VOXELS IN X,Y,Z
 60.0 {layer} 60.0   VOXEL SIZE (cm) ALONG X,Y,Z
 1   COLUMN NUMBER WHERE MATERIAL ID IS LOCATED
 2   COLUMN NUMBER WHERE THE MASS DENSITY IS LOCATED
 0   BLANK LINES AT END OF X,Y-CYCLES (1=YES,0=NO)
[END OF VXH SECTION]
1 0.0000001
1 1.0
"""


def slab_of_water(thickness: float):
    """Densities, materials and ijk_from_world: thickness mm along y, 600 mm across."""
    ijk_from_world = np.diag([1 / SIDE, 1 / thickness, 1 / SIDE, 1.0])
    return np.ones((1, 1, 1, 1), np.float32), ("water",), ijk_from_world


def ours(spectrum: Spectrum, thickness: float, gap: float, histories: int) -> np.ndarray:
    """Ratios to the primary: Compton once, Rayleigh once, multiple, their sum and its error."""
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=SOURCE_DETECTOR,
        source_isocenter=SOURCE_DETECTOR - gap - thickness / 2,
        detector_size=(30, 30),
        pixel_spacing=FIELD / 30,
    )
    slab = slab_of_water(thickness)
    found = simulate(*slab, view.camera(), SOURCE_DETECTOR, spectrum, histories, grid=(5, 5))
    paths = np.full((1, 1, 1), 0.1 * thickness, np.float32)
    primary = spectral_moments(paths, ["water"], spectrum)[1, 0, 0]
    parts = (found.compton_once, found.rayleigh_once, found.multiple, found.scatter)
    return np.array([part[2, 2] for part in (*parts, found.standard_error)]) / primary


def theirs(program: Path, spectrum: Spectrum, thickness: float, gap: float, photons: float):
    """The first four of ``ours``, of the same middle sixth of the detector."""
    folder = Path(tempfile.mkdtemp())
    material = program.parent / "MC-GPU_material_files" / "water__5-120keV.mcgpu.gz"
    aperture = 2 * np.rad2deg(np.arctan(FIELD / 2 / SOURCE_DETECTOR))
    text = INPUT.format(photons=photons, seed=271828, aperture=aperture, material=material)
    (folder / "run.in").write_text(text)
    # Two layers of equal thickness along y; the source is at y = 0, the slab the second one.
    start = SOURCE_DETECTOR - gap - thickness
    assert start >= thickness, "the empty layer must fit before the slab"
    (folder / "slab.vox").write_text(VOXELS.format(layer=thickness / 10))
    shift = text.replace("30.0 0.0 30.0", f"30.0 {-(start - thickness) / 10} 30.0")
    (folder / "run.in").write_text(shift)
    step = np.diff(spectrum.energies).mean()
    rows = [
        f"{1000 * (energy - step / 2):.1f} {fraction:.8e}"
        for energy, fraction in zip(spectrum.energies, spectrum.fractions, strict=True)
    ]
    last = f"{1000 * (spectrum.energies[-1] + step / 2):.1f} -1"
    (folder / "spectrum.spc").write_text("\n".join([*rows, last]) + "\n")
    subprocess.run([program, "run.in"], cwd=folder, check=True, capture_output=True)
    image = np.loadtxt(folder / "image.dat", comments="#")[:, :4].reshape(30, 30, 4)
    primary, *parts = image[CENTRE, CENTRE].mean(axis=(0, 1))
    return np.array([*parts, sum(parts)]) / primary


def rows(args: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """A row per thickness and air gap, ours / theirs."""
    spectrum = compute_spectrum(80, "Al:2.5")
    for thickness, gap in ((100.0, 50.0), (200.0, 10.0), (200.0, 50.0), (200.0, 300.0)):
        a = ours(spectrum, thickness, gap, args.histories)
        b = theirs(args.program.resolve(), spectrum, thickness, gap, args.photons)
        pairs = (f"{x:.3f} / {y:.3f}" for x, y in zip(a[:3], b[:3], strict=True))
        ratio = (f"{a[3]:.3f} ({a[4]:.3f})", f"{b[3]:.3f}", f"{a[3] / b[3]:.3f}")
        yield f"{thickness / 10:.0f} cm", f"{gap / 10:.0f} cm", *pairs, *ratio


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="MC-GPU's CPU version, in its repository")
    parser.add_argument("--photons", type=float, default=4e7, help="of MC-GPU per line")
    parser.add_argument("--histories", type=int, default=4_000_000, help="ours per line")
    add_output(parser)
    args = parser.parse_args()
    with Report(args.output) as report:
        head = ("water", "air gap", "Compton once", "Rayleigh once", "multiple")
        head += ("scatter / primary here (s.e.)", "MC-GPU", "ratio")
        report.table("scatter_mcgpu", head, rows(args))


if __name__ == "__main__":
    main()
