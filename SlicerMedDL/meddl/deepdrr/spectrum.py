"""X-ray tube spectra: photons per energy bin.

Three are shipped (60, 90 and 120 kV; tungsten anode at 12 degrees; 3.5, 4.0 and 4.3 mm aluminium,
the filtrations of Unberath et al. 2018). They were computed by SpekPy (Poludniowski et al. 2021)
with ``meddl drr spectrum --kvp 90 --aluminium 4.0 --output spectrum_90kV.csv`` and alike.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path
from meddl.core.optional import require

SPECTRA = ("60kV", "90kV", "120kV")
HEADER = ["energy_keV", "photon_fraction"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Emitted photons over energy.

    Attributes:
        energies: (E,) float64, bin centres in keV, increasing.
        fractions: (E,) float64, share of the photons in each bin; the sum is 1.
    """

    energies: NDArray[np.float64]
    fractions: NDArray[np.float64]

    @property
    def mean_energy(self) -> float:
        """Mean photon energy in keV."""
        return float(self.energies @ self.fractions)


@lru_cache(maxsize=8)
def load_spectrum(name: str = "90kV") -> Spectrum:
    """A shipped spectrum by name, one of :data:`SPECTRA`."""
    return read_spectrum(Path(__file__).parent / "data" / f"spectrum_{name}.csv")


def read_spectrum(path: str | Path) -> Spectrum:
    """Read a CSV with the header ``energy_keV,photon_fraction``.

    Raises:
        FileError: unreadable, another header, or values that are no spectrum.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        table = np.array(rows[1:], dtype=np.float64).reshape(-1, 2)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise FileError(f"{path} is no spectrum: {error}") from error
    energies, fractions = table.T
    if (
        rows[0] != HEADER
        or not (np.isfinite(table).all() and (np.diff(energies) > 0).all() and energies[0] > 0)
        or fractions.min() < 0
        or fractions.sum() <= 0
    ):
        raise FileError(
            f"{path} is no spectrum: expected {','.join(HEADER)} with increasing energies"
        )
    return Spectrum(energies, fractions / fractions.sum())


def compute_spectrum(kvp: float, aluminium: float, anode_angle: float = 12.0) -> Spectrum:
    """Compute a tungsten-anode spectrum in 1 keV bins by SpekPy.

    Args:
        kvp: tube voltage, kV.
        aluminium: total filtration, mm of aluminium.
        anode_angle: degrees.

    Raises:
        InputError: outside 20..300 kV, 0..50 mm, 1..45 degrees.
        DependencyError: SpekPy is not installed.
    """
    for name, value, low, high in (
        ("kvp", kvp, 20, 300),
        ("aluminium", aluminium, 0, 50),
        ("anode angle", anode_angle, 1, 45),
    ):
        if not low <= value <= high:
            raise InputError(f"{name} is {value:g}, from {low} to {high} was expected")
    spekpy = require("spekpy", "computing a spectrum")
    tube = spekpy.Spek(kvp=kvp, th=anode_angle, dk=1.0).filter("Al", aluminium)
    energies, fluence = tube.get_spectrum()
    kept = fluence > 1e-6 * fluence.max()
    return Spectrum(energies[kept], fluence[kept] / fluence[kept].sum())


def write_spectrum(path: str | Path, spectrum: Spectrum) -> None:
    """Write the CSV that :func:`read_spectrum` reads, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(
            (f"{energy:g}", f"{fraction:.6e}")
            for energy, fraction in zip(spectrum.energies, spectrum.fractions, strict=True)
        )
