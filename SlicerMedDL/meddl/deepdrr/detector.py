"""What the detector reads: efficiency, grid, quantum noise, blur, electronic noise.

A detector is a few sums over the photon energies (:func:`response`): an energy-integrating one
needs the number of its photons, their energy and its square; a counting one their number; one with
bins their number in each bin. All are kept per photon emitted towards a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.parameters import parameter, validate
from meddl.deepdrr.compositions import find_material, mass_attenuation
from meddl.deepdrr.spectrum import Spectrum

Array = NDArray[np.float64]
MOST_BINS = 16


@dataclass(frozen=True)
class DetectorParameters:
    """The detector, the grid before it and the exposure.

    Raises:
        InputError: a value outside its bounds or choices.
    """

    detector: str = parameter(
        "energy",
        "energy-integrating, photon-counting, or counting in bins that begin at these keV",
        metavar="energy|counting|bins:20,50,80",
    )
    csi: float = parameter(
        0.0,
        "thickness of the CsI scintillator, as if without gaps; 0 is an ideal detector",
        "um",
        minimum=0,
        maximum=5000,
    )
    grid_primary: float = parameter(
        1.0, "share of the primary photons that the grid lets through", minimum=1e-3, maximum=1
    )
    grid_scatter: float = parameter(
        1.0, "share of the scattered photons that the grid lets through", minimum=0, maximum=1
    )
    photons: float = parameter(
        100_000.0, "photons emitted towards each pixel, with noise on", minimum=1, maximum=1e12
    )
    mas: float | None = parameter(
        None, "tube current and time, in place of photons", "mAs", minimum=1e-6, maximum=1e5
    )
    air_kerma: float | None = parameter(
        None,
        "air kerma at the detector without an object, in place of photons",
        "uGy",
        minimum=1e-6,
        maximum=1e6,
    )
    noise: bool = parameter(False, "quantum and electronic noise")
    electronic_noise: float = parameter(
        0.0,
        "standard deviation of the electronic noise of a pixel, with noise on",
        "keV or photons",
        minimum=0,
        maximum=1e9,
        metavar="SIGMA",
    )
    mtf50: float | None = parameter(
        None,
        "spatial frequency at which the detector's MTF is one half; without it no blur",
        "lp/mm",
        minimum=1e-3,
        maximum=1e3,
        metavar="LP/MM",
    )
    heel: str = parameter(
        "none",
        "heel effect: the side of the picture where the anode is (needs SpekPy)",
        choices=("none", "left", "right", "top", "bottom"),
    )
    collimation: tuple[int, int] | None = parameter(
        None, "columns and rows of the open field, centred", minimum=1, metavar="W,H"
    )
    seed: int = parameter(0, "seed of the noise", minimum=0, maximum=2**63 - 1)

    def __post_init__(self) -> None:
        validate(self)
        bin_edges(self.detector)
        if self.mas is not None and self.air_kerma is not None:
            raise InputError("--mas and --air-kerma exclude each other")


def bin_edges(detector: str) -> tuple[float, ...]:
    """Lower edges in keV of the bins of ``"bins:20,50,80"``; empty for the other detectors.

    Raises:
        InputError: neither ``energy`` nor ``counting`` nor increasing edges.
    """
    if detector in ("energy", "counting"):
        return ()
    kind, _, text = detector.partition(":")
    try:
        edges = tuple(float(part) for part in text.split(","))
    except ValueError:
        edges = ()
    increasing = all(a < b for a, b in zip((-1e-9, *edges), (*edges, 1000.0), strict=True))
    if kind != "bins" or not edges or len(edges) > MOST_BINS or not increasing:
        raise InputError(
            f"--detector is {detector!r}, expected energy, counting or bins: with up to "
            f"{MOST_BINS} increasing lower edges in keV, as in bins:20,50,80"
        )
    return edges


def bin_names(detector: str) -> list[str]:
    """``["20-50 keV", "50-80 keV", "80+ keV"]``; empty without bins."""
    lows = [f"{edge:g}" for edge in bin_edges(detector)]
    return [f"{low}-{high} keV" for low, high in pairwise(lows)] + [
        f"{low}+ keV" for low in lows[-1:]
    ]


def efficiency(energies: Array, csi: float) -> Array:
    """(E,) probability that a photon interacts in ``csi`` um of CsI; 1 for an ideal detector.

    Photoelectric and Compton interactions count. The whole energy of the photon is taken as
    deposited: fluorescence that escapes is neglected.
    """
    if csi == 0:
        return np.ones_like(energies)
    mass = 1e-4 * csi * find_material("CsI").density
    parts = (mass_attenuation("CsI", energies, kind) for kind in ("photo", "incoh"))
    return 1 - np.exp(-mass * sum(parts))


def per_photon(parameters: DetectorParameters, energies: Array) -> Array:
    """(R, E) what a detector sums, on the average, of a photon of each energy (keV).

    R is 3 (photons, energy, energy squared) for ``energy``, 1 for ``counting``, the number of bins
    otherwise.
    """
    eta = efficiency(energies, parameters.csi)
    if parameters.detector == "energy":
        return eta * np.array([np.ones_like(energies), energies, energies**2])
    edges = bin_edges(parameters.detector) or (0.0,)
    bin_of = np.searchsorted(edges, energies, side="right") - 1
    inside: Array = bin_of == np.arange(len(edges))[:, None]
    return inside * eta


def response(parameters: DetectorParameters, spectrum: Spectrum) -> Array:
    """(R, E) weights of :func:`meddl.deepdrr.attenuation.transmitted` for a detector; R as for
    :func:`per_photon`."""
    return per_photon(parameters, spectrum.energies) * spectrum.fractions


def read_out(
    sums: Array,
    parameters: DetectorParameters,
    photons: float,
    generator: np.random.Generator,
    *,
    scatter: Array | None = None,
    field: Array | None = None,
    pixel_spacing: float | None = None,
) -> Array:
    """The reading of every pixel per emitted photon: keV for ``energy``, else photons per bin.

    Args:
        sums: (R, H, W) of the primary photons.
        photons: N, emitted towards each pixel where ``field`` is 1.
        generator: source of the randomness.
        scatter: (R, H, W) sums of the scattered photons, see
            :meth:`meddl.deepdrr.scatter.Scatter.detected`.
        field: (H, W) relative number of emitted photons.
        pixel_spacing: mm, for the blur.

    Returns:
        (B, H, W); not below 0, except by electronic noise.

    Raises:
        InputError: blur without a pixel spacing.
    """
    require_pixel_spacing(parameters, pixel_spacing)
    sums = parameters.grid_primary * (sums if field is None else sums * field)
    if scatter is not None:
        sums = sums + parameters.grid_scatter * scatter
    if not parameters.noise:
        reading = sums[1:2] if parameters.detector == "energy" else sums
    elif parameters.detector == "energy":
        reading = detected_energy(sums, photons, generator)[None]
    else:
        reading = generator.poisson(photons * sums) / photons
    if parameters.mtf50 is not None and pixel_spacing is not None:
        reading = np.stack([blurred(page, parameters.mtf50, pixel_spacing) for page in reading])
        np.maximum(reading, 0, out=reading)  # beside a shutter's edge the filter swings below
    if parameters.noise and parameters.electronic_noise > 0:
        sigma = parameters.electronic_noise / photons
        reading = reading + sigma * generator.standard_normal(reading.shape)
    return reading


def require_pixel_spacing(parameters: DetectorParameters, pixel_spacing: float | None) -> None:
    """Refuse a blur in mm without millimetres.

    Raises:
        InputError: blur without a pixel spacing.
    """
    if parameters.mtf50 is not None and pixel_spacing is None:
        raise InputError(
            "--mtf50 is in lp/mm, and a camera has no pixel spacing; give a C-arm or "
            "--detector-distance MM"
        )


def open_reading(open_sums: Array, parameters: DetectorParameters) -> Array:
    """(B,) what :func:`read_out` gives in the open field, without noise."""
    return parameters.grid_primary * (
        open_sums[1:2] if parameters.detector == "energy" else open_sums
    )


def detected_energy(moments: Array, photons: float, generator: np.random.Generator) -> Array:
    """One noisy reading of an energy-integrating detector, keV per emitted photon.

    The number of photons in a pixel is Poisson with mean N sum p T; their total energy is a
    compound Poisson variable. Given the count n it is drawn as gamma with mean n E1 and variance
    n Var(E), so that mean and variance are exact, nothing is negative, and zero photons read zero.

    Args:
        moments: (3, H, W) photons, energy and energy squared per emitted photon.
        photons: N, photons emitted towards each pixel.
        generator: source of the randomness.
    """
    survival, first, second = moments
    counts = generator.poisson(photons * survival).astype(np.float64)
    # The sums come from float32: behind thick metal the energy may be left where no photon is.
    safe = np.maximum(survival, np.finfo(np.float32).tiny)
    mean = first / safe
    variance = np.maximum(second / safe - mean**2, 0)
    spread = variance > 1e-9 * mean**2  # a single energy needs no draw
    scale = np.where(spread, variance, 1.0) / np.where(spread, mean, 1.0)
    shape = np.where(spread, mean / scale, 0.0)
    energy = np.where(spread, generator.standard_gamma(counts * shape) * scale, counts * mean)
    return energy / photons


def blurred(picture: Array, mtf50: float, pixel_spacing: float) -> Array:
    """Filter a picture (H, W) by the MTF 1 / (1 + (f / f50)^2) of a scintillator.

    The Lorentzian of Siewerdsen et al. (1997, Med Phys 24:71). The picture is mirrored at its
    borders (cosine transform), so that its sum is kept. Noise that is already in the picture gets
    the spectrum MTF^2.
    """
    from scipy.fft import dctn, idctn

    fv, fu = (np.arange(n) / (2 * n * pixel_spacing) for n in picture.shape)
    mtf = 1 / (1 + (fu[None, :] ** 2 + fv[:, None] ** 2) / mtf50**2)
    return np.asarray(idctn(dctn(picture, norm="ortho") * mtf, norm="ortho"))
