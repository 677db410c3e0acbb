"""From mass per area to the detector's reading: polychromatic Beer-Lambert law, quantum noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.deepdrr.materials import mass_attenuation
from meddl.deepdrr.spectrum import Spectrum

BeerLambert = Callable[
    [NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]
]
ROWS_PER_CHUNK = 16  # 16 rows x 512 columns x 90 energies x 8 bytes = 6 MB at a time


def beer_lambert(
    paths: NDArray[np.float32],
    coefficients: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted sums over the photon energies behind the object.

    sums[r] = sum_E weights[r, E] exp(-sum_m coefficients[m, E] paths[..., m]).

    Args:
        paths: (H, W, M) mass per area of each material, g/cm2.
        coefficients: (M, E) cm2/g.
        weights: (R, E), R sums at once.

    Returns:
        (R, H, W) float64.
    """
    height, width, _ = paths.shape
    sums = np.empty((len(weights), height, width))
    for row in range(0, height, ROWS_PER_CHUNK):
        chunk = paths[row : row + ROWS_PER_CHUNK].astype(np.float64)
        sums[:, row : row + ROWS_PER_CHUNK] = np.moveaxis(
            np.exp(-chunk @ coefficients) @ weights.T, -1, 0
        )
    return sums


def spectral_moments(
    paths: NDArray[np.float32],
    materials: Sequence[str],
    spectrum: Spectrum,
    beer_lambert: BeerLambert = beer_lambert,
) -> NDArray[np.float64]:
    """Transmitted photons and their energy, per emitted photon.

    With T(E) = exp(-sum_m (mu/rho)_m(E) L_m) and the spectrum p(E), the three moments
    sum_E p T, sum_E p T E and sum_E p T E^2; the second is the reading of Unberath et al. 2018.

    Args:
        paths: (H, W, M) mass per area of each material, g/cm2.
        materials: M names.
        beer_lambert: what computes the sums; a backend may bring its own.

    Returns:
        (3, H, W) float64: survival probability, energy (keV), energy squared (keV2).
    """
    energies = spectrum.energies
    coefficients = np.array([mass_attenuation(name, energies) for name in materials])  # (M, E)
    weights = spectrum.fractions * np.array([np.ones_like(energies), energies, energies**2])
    return beer_lambert(paths, coefficients, weights)


def detected_energy(
    moments: NDArray[np.float64], photons: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """One noisy reading of an ideal energy-integrating detector, keV per emitted photon.

    The number of photons in a pixel is Poisson with mean N sum p T; their total energy is a
    compound Poisson variable. Given the count n it is drawn as normal with mean n E1 and variance
    n Var(E), so that mean and variance are exact, and zero photons read zero.

    Args:
        moments: (3, H, W) from :func:`spectral_moments`.
        photons: N, photons emitted towards each pixel.
        generator: source of the randomness.
    """
    survival, first, second = moments
    counts = generator.poisson(photons * survival).astype(np.float64)
    safe = np.maximum(survival, np.finfo(np.float64).tiny)
    mean = first / safe
    variance = np.maximum(second / safe - mean**2, 0)
    energy = counts * mean + np.sqrt(counts * variance) * generator.standard_normal(counts.shape)
    return np.maximum(energy, 0) / photons
