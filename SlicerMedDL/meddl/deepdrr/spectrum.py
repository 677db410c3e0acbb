"""X-ray tube spectra: photons per energy bin.

Three are shipped (60, 90 and 120 kV; tungsten anode at 12 degrees; 3.5, 4.0 and 4.3 mm aluminium,
the filtrations of Unberath et al. 2018), written by
``meddl drr spectrum --kvp 90 --filtration Al:4.0 --output spectrum_90kV.csv`` and alike. Any other
is computed by SpekPy (Poludniowski et al. 2021, Med Phys 48:3630) or read from a CSV file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file
from meddl.core.optional import require
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.compositions import find_material, mass_attenuation

# Shipped: tube voltage (kV), filtration, photons per mm2 and mAs at 1 m (SpekPy 2.5.4).
SHIPPED = {
    "60kV": (60.0, "Al:3.5", 5.709e5),
    "90kV": (90.0, "Al:4.0", 1.5462e6),
    "120kV": (120.0, "Al:4.3", 2.8455e6),
}
SPECTRA = tuple(SHIPPED)
DEFAULT_FILTRATION = "Al:4.0"
ANODE_ANGLE = 12.0  # degrees, of the shipped spectra
THICKEST = 100.0  # mm; beyond it a filter is a typing error
HIGHEST_ENERGY = 500.0  # keV
HEADER = ["energy_keV", "photon_fraction"]


@dataclass(frozen=True)
class SpectrumParameters:
    """The X-ray tube.

    Raises:
        InputError: a value outside its bounds, no filtration, or two spectra at once.
    """

    spectrum: str = parameter(
        "90kV", "tube spectrum: a shipped one or a file", metavar="60kV|90kV|120kV|FILE.csv"
    )
    kvp: float | None = parameter(
        None,
        "tube voltage, in place of a spectrum (needs SpekPy)",
        "kV",
        minimum=30,
        maximum=150,
    )
    filtration: str | None = parameter(
        None,
        "layers in the beam, MATERIAL:MM,…; with --kvp all of them (default Al:4.0), otherwise "
        "those added to the spectrum's own",
        metavar="Al:4.0,Cu:0.1",
    )
    anode_angle: float = parameter(
        ANODE_ANGLE, "angle of the tungsten anode, with --kvp", "degrees", minimum=3, maximum=45
    )

    def __post_init__(self) -> None:
        validate(self)
        parse_filtration(self.filtration or "")
        is_file = self.spectrum.lower().endswith(".csv")
        if self.spectrum not in SHIPPED and not is_file:
            raise InputError(
                f"--spectrum is {self.spectrum!r}, expected one of: {', '.join(SHIPPED)}, or a "
                ".csv file"
            )
        if is_file and self.kvp is not None:
            raise InputError("--kvp and --spectrum FILE.csv exclude each other")
        if self.kvp is None and self.anode_angle != ANODE_ANGLE:
            raise InputError(
                f"--anode-angle is {self.anode_angle:g}, but the spectrum {self.spectrum} has its "
                "own; give --kvp to compute one"
            )


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Emitted photons over energy.

    Attributes:
        energies: (E,) float64, bin centres in keV, increasing.
        fractions: (E,) float64, share of the photons in each bin; the sum is 1.
        output: photons per mm2 and mAs at 1 m from the source; None if unknown.
    """

    energies: NDArray[np.float64]
    fractions: NDArray[np.float64]
    output: float | None = None

    @property
    def mean_energy(self) -> float:
        """Mean photon energy in keV."""
        return float(self.energies @ self.fractions)


def tube_spectrum(parameters: SpectrumParameters | None = None) -> Spectrum:
    """The spectrum that the parameters describe.

    Raises:
        FileError: no spectrum in the file.
        InputError: a filtration that lets nothing through.
        DependencyError: ``kvp`` is given and SpekPy is not installed.
    """
    p = parameters or SpectrumParameters()
    if p.kvp is not None:
        return compute_spectrum(p.kvp, p.filtration or DEFAULT_FILTRATION, p.anode_angle)
    spectrum = load_spectrum(p.spectrum) if p.spectrum in SHIPPED else read_spectrum(p.spectrum)
    return filtered(spectrum, p.filtration or "")


@lru_cache(maxsize=8)
def load_spectrum(name: str = "90kV") -> Spectrum:
    """A shipped spectrum by name, one of :data:`SPECTRA`."""
    spectrum = read_spectrum(Path(__file__).parent / "data" / f"spectrum_{name}.csv")
    return replace(spectrum, output=SHIPPED[name][2])


def read_spectrum(path: str | Path) -> Spectrum:
    """Read a CSV with the header ``energy_keV,photon_fraction``.

    The second column may have any scale; it is divided by its sum.

    Raises:
        FileError: unreadable, another header, or values that are no spectrum.
    """
    try:
        with existing_file(path, "spectrum").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        table = np.array(rows[1:], dtype=np.float64).reshape(-1, 2)
    except FileError:
        raise
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} is no spectrum: {error}") from error
    energies, fractions = table.T
    if (
        rows[0] != HEADER
        or not len(table)
        or not (np.isfinite(table).all() and (np.diff(energies) > 0).all())
        or not 0 < energies[0] <= energies[-1] <= HIGHEST_ENERGY
        or fractions.min() < 0
        or fractions.sum() <= 0
    ):
        raise FileError(
            f"{path} is no spectrum: expected {','.join(HEADER)} with increasing energies up to "
            f"{HIGHEST_ENERGY:g} keV"
        )
    return Spectrum(energies, fractions / fractions.sum())


def parse_filtration(text: str) -> tuple[tuple[str, float], ...]:
    """``"Al:4.0,Cu:0.1"`` as (material, mm) pairs; empty text has none.

    Raises:
        InputError: another form, an unknown material, or not 0 to 100 mm.
    """
    layers = []
    for part in text.split(",") if text.strip() else []:
        material, _, number = part.strip().rpartition(":")
        try:
            thickness = float(number)
        except ValueError:
            thickness = -1.0
        if not material or not 0 <= thickness <= THICKEST:
            raise InputError(
                f"--filtration has {part!r}, MATERIAL:MM from 0 to {THICKEST:g} mm was expected, "
                "as in Al:4.0,Cu:0.1"
            )
        find_material(material)
        layers.append((material, thickness))
    return tuple(layers)


def filtered(spectrum: Spectrum, filtration: str) -> Spectrum:
    """A spectrum behind more layers, as ``"Al:4.0,Cu:0.1"``.

    Raises:
        InputError: no such filtration, or it lets less than 1e-9 of the photons through.
    """
    fractions = spectrum.fractions
    for material, thickness in parse_filtration(filtration):
        mass = 0.1 * thickness * find_material(material).density
        fractions = fractions * np.exp(-mass * mass_attenuation(material, spectrum.energies))
    through = float(fractions.sum())
    if through < 1e-9:
        raise InputError(f"the filtration {filtration} lets {through:.0e} of the photons through")
    kept = fractions > 1e-6 * fractions.max()
    fractions = fractions[kept] / fractions[kept].sum()
    output = None if spectrum.output is None else spectrum.output * through
    return Spectrum(spectrum.energies[kept], fractions, output)


@lru_cache(maxsize=16)
def compute_spectrum(
    kvp: float, filtration: str = DEFAULT_FILTRATION, anode_angle: float = ANODE_ANGLE
) -> Spectrum:
    """Compute a tungsten-anode spectrum in 1 keV bins by SpekPy, cached.

    Args:
        kvp: tube voltage, kV.
        filtration: all layers, as ``"Al:4.0,Cu:0.1"``.
        anode_angle: degrees.

    Raises:
        InputError: outside 20 to 300 kV, 3 to 45 degrees, or no filtration.
        DependencyError: SpekPy is not installed.
    """
    for name, value, low, high in (("kvp", kvp, 20, 300), ("anode angle", anode_angle, 3, 45)):
        if not low <= value <= high:
            raise InputError(f"{name} is {value:g}, from {low} to {high} was expected")
    return filtered(bare_spectrum(kvp, anode_angle), filtration)


def bare_spectrum(kvp: float, anode_angle: float, x: float = 0.0, y: float = 0.0) -> Spectrum:
    """The unfiltered spectrum at 1 m, ``x`` m towards the cathode and ``y`` m across."""
    spekpy = require("spekpy", "computing a spectrum")
    tube = spekpy.Spek(kvp=kvp, th=anode_angle, dk=1.0, x=100 * x, y=100 * y)  # cm
    energies, fluence = tube.get_spectrum(diff=False)  # photons per cm2, mAs and bin
    total = float(fluence.sum())
    return Spectrum(energies, fluence / (total or 1.0), total / 100)


def write_spectrum(path: str | Path, spectrum: Spectrum) -> None:
    """Write the CSV that :func:`read_spectrum` reads, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(
            (f"{energy:g}", f"{fraction:.6e}")
            for energy, fraction in zip(spectrum.energies, spectrum.fractions, strict=True)
        )
