"""How a photon interacts in a material: cross sections and the angles that it leaves at.

Photoelectric, coherent and incoherent cross sections are those of xraydb's Elam tables, so that
their sum is :func:`meddl.deepdrr.materials.mass_attenuation`. Coherent (Rayleigh) scattering
follows Thomson's formula times the squared form factor F(x)^2 of Waasmaier and Kirfel (1995), in
xraydb; beyond its range of 6/Angstrom it falls with x^-4, as hydrogen's does. Incoherent (Compton)
scattering follows Klein and Nishina's formula times an incoherent scattering function S(x), with
x = sin(theta/2) / wavelength.

S(x) comes from an independent-electron model: every electron of a shell contributes 1 - f(x)^2 with
the hydrogen-like form factor f(x) = (1 + (x/b)^2)^-2. The width b of the K shell follows from its
screened charge Z - 0.3; those of the outer shells are fitted to the energy dependence of Elam's
incoherent cross section. The tables of Hubbell et al. (1975) are met within 3 % of Z for H, C, N,
O, P and S, and within 7 % for the other elements of tissue.

Atoms scatter independently: the interference of water's molecules, seen below about 5 degrees, is
left out, and so are Doppler broadening and fluorescence (below 4.1 keV in tissue).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meddl.core.optional import require
from meddl.deepdrr.compositions import find_material

Array = NDArray[np.float64]

LOWEST_ENERGY, HIGHEST_ENERGY, ENERGY_STEP = 5.0, 200.0, 0.25  # keV; below, all is absorbed
ENERGIES = np.arange(LOWEST_ENERGY, HIGHEST_ENERGY + ENERGY_STEP, ENERGY_STEP)
TRANSFER_STEP = 0.004  # 1/Angstrom
TRANSFERS = np.arange(0.0, HIGHEST_ENERGY / 12.3984 + 2 * TRANSFER_STEP, TRANSFER_STEP)
KEV_ANGSTROM = 12.398419843  # photon energy x wavelength
ELECTRON_REST_ENERGY = 510.99895  # keV
ELECTRON_RADIUS_SQUARED = 0.0794078  # barn
HYDROGEN_WIDTH = 0.300774  # 1/Angstrom; 1 / (2 pi a0)
FORM_FACTOR_RANGE = 6.0  # 1/Angstrom
AVOGADRO_PER_BARN = 0.602214  # atoms per mol x cm2 per barn


@dataclass(frozen=True, eq=False)
class Interactions:
    """Tables of M materials for the transport, all float64 and C-contiguous.

    Attributes:
        photoelectric, coherent, incoherent: (M, E) cm2/g on :data:`ENERGIES`.
        form_factor: (M, X) F(x)^2 per gram, any scale, on :data:`TRANSFERS`.
        form_integral: (M, X) its integral over x^2 from 0, from which coherent angles are drawn.
        scattering_function: (M, X) S(x) over its largest value.
        incoherent_norm: (M, E) integral over the sphere of the unit-free Klein-Nishina formula
            eps^2 (eps + 1/eps - sin^2) times S(x), steradian.
    """

    photoelectric: Array
    coherent: Array
    incoherent: Array
    form_factor: Array
    form_integral: Array
    scattering_function: Array
    incoherent_norm: Array

    @property
    def total(self) -> Array:
        """(M, E) cm2/g."""
        return self.photoelectric + self.coherent + self.incoherent


@lru_cache(maxsize=16)
def interactions(materials: tuple[str, ...]) -> Interactions:
    """The tables of materials that :func:`meddl.deepdrr.compositions.find_material` knows."""
    xraydb = require("xraydb", "cross sections")
    sections = {
        kind: np.array([_mixture(name, kind) for name in materials])
        for kind in ("photo", "coh", "incoh")
    }
    form = np.zeros((len(materials), len(TRANSFERS)))
    scattering = np.zeros_like(form)
    for row, name in enumerate(materials):
        for element, share in mass_shares(name).items():
            atoms = share / xraydb.atomic_mass(element)
            form[row] += atoms * form_factor(element, TRANSFERS) ** 2
            scattering[row] += atoms * incoherent_scattering_function(element, TRANSFERS)
    scattering /= scattering.max(axis=1, keepdims=True)
    integral = np.zeros_like(form)
    steps = 0.5 * (form[:, 1:] + form[:, :-1]) * np.diff(TRANSFERS**2)
    np.cumsum(steps, axis=1, out=integral[:, 1:])
    norm = np.array([_klein_nishina_integral(ENERGIES, row) for row in scattering])
    return Interactions(
        sections["photo"], sections["coh"], sections["incoh"], form, integral, scattering, norm
    )


def mass_shares(material: str) -> dict[str, float]:
    """Mass fraction of each element; the sum is 1."""
    return dict(find_material(material).fractions)


def form_factor(element: str, transfers: Array) -> Array:
    """Atomic form factor F(x), electrons; x in 1/Angstrom, any shape."""
    xraydb = require("xraydb", "form factors")
    inside = np.minimum(transfers, FORM_FACTOR_RANGE)
    values: Array = xraydb.f0(element, inside) * (inside / np.maximum(transfers, 1e-9)) ** 4
    return np.where(transfers == 0, xraydb.f0(element, 0.0), values)


def incoherent_scattering_function(element: str, transfers: Array) -> Array:
    """S(x), electrons; from 0 at x = 0 to Z; x in 1/Angstrom, any shape."""
    return _shells(transfers, *_shell_widths(element))


def klein_nishina(energies: Array, cosines: Array) -> Array:
    """Unit-free differential cross section eps^2 (eps + 1/eps - sin^2) of a free electron.

    Times r_e^2 / 2 it is the area per steradian (Klein and Nishina 1929). Arguments broadcast.
    """
    ratio = 1 / (1 + energies / ELECTRON_REST_ENERGY * (1 - cosines))
    result: Array = ratio**2 * (ratio + 1 / ratio - (1 - cosines**2))
    return result


def _mixture(material: str, kind: str) -> Array:
    xraydb = require("xraydb", "cross sections")
    result = np.zeros_like(ENERGIES)
    for element, share in mass_shares(material).items():
        result += share * xraydb.mu_elam(element, 1000 * ENERGIES, kind=kind)
    return result


@lru_cache(maxsize=1)  # two thirds of the time of :func:`interactions` went into the nodes
def _angles() -> tuple[Array, Array]:
    """Nodes and weights over cos(theta), dense where S(x) rises (small angles)."""
    nodes, weights = np.polynomial.legendre.leggauss(96)
    half = 0.5 * (nodes + 1)  # cos(theta) = 1 - 2 half^2, so that half = sin(theta/2)
    return 1 - 2 * half**2, 2 * half * weights


def _klein_nishina_integral(energies: Array, scattering: Array) -> Array:
    """(E,) integral over the sphere of Klein-Nishina times a table of S(x)."""
    cosines, weights = _angles()
    transfers = energies[:, None] * np.sqrt((1 - cosines) / 2) / KEV_ANGSTROM
    values = klein_nishina(energies[:, None], cosines) * np.interp(transfers, TRANSFERS, scattering)
    return 2 * np.pi * values @ weights


def _shells(transfers: Array, electrons: Sequence[int], widths: Sequence[float]) -> Array:
    result = np.zeros_like(np.asarray(transfers, dtype=np.float64))
    for count, width in zip(electrons, widths, strict=True):
        result += count * (1 - (1 + (transfers / width) ** 2) ** -4.0)
    return result


@lru_cache(maxsize=128)
def _shell_widths(element: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Electrons and widths (1/Angstrom) of the shells K, L and the rest."""
    from scipy.optimize import least_squares

    xraydb = require("xraydb", "cross sections")
    number = xraydb.atomic_number(element)
    if number == 1:
        return (1,), (HYDROGEN_WIDTH,)
    electrons = tuple(n for n in (2, min(number - 2, 8), number - 10) if n > 0)
    inner = HYDROGEN_WIDTH * (number - 0.3)
    energies = np.geomspace(5, 120, 24)
    barns = xraydb.atomic_mass(element) / AVOGADRO_PER_BARN
    measured = barns * xraydb.mu_elam(element, 1000 * energies, kind="incoh")

    def residual(logs: Array) -> Array:
        scattering = _shells(TRANSFERS, electrons, (inner, *np.exp(logs)))
        computed = 0.5 * ELECTRON_RADIUS_SQUARED * _klein_nishina_integral(energies, scattering)
        return computed / measured - 1

    start = np.log(inner / np.arange(2, len(electrons) + 1) ** 1.5)
    # One or two valence electrons hardly show above 5 keV: their width is kept in an atom's range.
    found = least_squares(residual, start, bounds=(np.log(0.2), np.inf), xtol=1e-8).x
    return electrons, (inner, *(float(width) for width in np.exp(found)))
