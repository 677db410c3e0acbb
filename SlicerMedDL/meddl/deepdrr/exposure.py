"""How many photons: air kerma, half-value layer, tube output, and the field on the detector."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.compositions import find_material, mass_attenuation
from meddl.deepdrr.spectrum import (
    ANODE_ANGLE,
    DEFAULT_FILTRATION,
    SHIPPED,
    Spectrum,
    SpectrumParameters,
    bare_spectrum,
    filtered,
)

# Mass energy-absorption coefficient of dry air, keV: cm2/g (Hubbell and Seltzer 1995).
AIR_ABSORPTION = {
    **{4: 76.36, 5: 39.31, 6: 22.70, 8: 9.446, 10: 4.742, 15: 1.334, 20: 0.5389, 30: 0.1537},
    **{40: 0.06833, 50: 0.04098, 60: 0.03041, 80: 0.02407, 100: 0.02325, 150: 0.02496},
    **{200: 0.02672, 300: 0.02872, 400: 0.02949, 500: 0.02966},
}
GRAY_PER_KEV_PER_GRAM = 1.602176634e-13
STEEPEST = 0.30  # tangent of the angle to the central ray up to which the heel effect is computed


def kerma_spectrum(spectrum: Spectrum) -> NDArray[np.float64]:
    """(E,) air kerma of each bin in Gy per photon and mm2; cubic log-log interpolation.

    Below 4 keV, where a metre of air stops half of the photons and more, the value at 4 keV is
    taken.
    """
    from scipy.interpolate import PchipInterpolator

    logs = np.log(list(AIR_ABSORPTION)), np.log(list(AIR_ABSORPTION.values()))
    energies = np.maximum(spectrum.energies, min(AIR_ABSORPTION))
    absorption = np.exp(PchipInterpolator(*logs)(np.log(energies)))
    per_square_centimetre = spectrum.fractions * spectrum.energies * absorption
    kerma: NDArray[np.float64] = 100 * GRAY_PER_KEV_PER_GRAM * per_square_centimetre
    return kerma


def half_value_layer(spectrum: Spectrum, material: str = "Al", fraction: float = 0.5) -> float:
    """Thickness in mm of ``material`` that leaves ``fraction`` of the air kerma."""
    from scipy.optimize import brentq

    kerma = kerma_spectrum(spectrum)
    per_mm = 0.1 * find_material(material).density * mass_attenuation(material, spectrum.energies)
    low, high = 0.0, np.log(1 / fraction) / per_mm.min()  # all photons as hard as the hardest
    return float(brentq(lambda t: kerma @ np.exp(-t * per_mm) - fraction * kerma.sum(), low, high))


def photons_per_pixel(
    spectrum: Spectrum,
    camera: Camera,
    mas: float | None = None,
    air_kerma: float | None = None,
    source_detector: float | None = None,
) -> float:
    """Photons towards a pixel of the central ray, without an object.

    Args:
        spectrum: with ``output``, if ``mas`` is given.
        camera: a pixel has the solid angle 1 / (fx fy).
        mas: tube current and time.
        air_kerma: micro-Gy at the detector, in place of ``mas``.
        source_detector: mm; with ``air_kerma``.

    Raises:
        InputError: the tube's output or the distance is unknown.
    """
    solid_angle = 1 / float(camera.K[0, 0] * camera.K[1, 1])
    if air_kerma is not None:
        if source_detector is None:
            raise InputError(
                "--air-kerma is at the detector, whose distance a camera does not tell; "
                "give a C-arm, --detector-distance MM or --photons"
            )
        per_square_mm = 1e-6 * air_kerma / kerma_spectrum(spectrum).sum()
        return float(per_square_mm * source_detector**2 * solid_angle)
    if mas is None or spectrum.output is None:
        raise InputError(
            "--mas needs the tube's output: give --kvp, a shipped spectrum or --photons"
        )
    return mas * spectrum.output * 1e6 * solid_angle  # (1 m)2 = 1e6 mm2


def field(
    camera: Camera,
    parameters: SpectrumParameters,
    heel: str = "none",
    collimation: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """(H, W) relative number of photons towards each pixel, 1 in the open centre.

    Args:
        camera: where the pixels are.
        parameters: the tube, for the heel effect.
        heel: ``"none"``, or the side of the picture where the anode is: ``"left"``, ``"right"``,
            ``"top"`` or ``"bottom"``.
        collimation: columns and rows of the open field about the principal point; beyond it ideal
            shutters absorb everything.
    """
    w, h = camera.size
    result = np.ones((h, w))
    K = camera.K
    v = np.arange(h)[:, None] - K[1, 2]
    u = np.arange(w)[None, :] - K[0, 2] - K[0, 1] / K[1, 1] * v
    if heel != "none":
        across = u / K[0, 0] if heel in ("left", "right") else v / K[1, 1] + 0 * u
        towards_cathode = across if heel in ("left", "top") else -across
        result *= np.interp(towards_cathode, *heel_profile(parameters))
    if collimation is not None:
        columns, rows = collimation
        result *= (np.abs(u) <= columns / 2) & (np.abs(v) <= rows / 2)
    return result


def open_field(
    camera: Camera, collimation: tuple[int, int] | None
) -> tuple[float, float, float, float] | None:
    """First and last u, first and last v (pixels) of the detector's part that the shutters of
    :func:`field` leave open, skew neglected; None: all of it.
    """
    if collimation is None:
        return None
    bounds = []
    for axis, (pixels, opened) in enumerate(zip(camera.size, collimation, strict=True)):
        middle = float(camera.K[axis, 2])
        bounds += [max(-0.5, middle - opened / 2), min(pixels - 0.5, middle + opened / 2)]
    return bounds[0], bounds[1], bounds[2], bounds[3]


def heel_profile(
    parameters: SpectrumParameters,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fluence along the anode-cathode axis relative to the same distance across it.

    The anode attenuates what leaves it at a grazing angle; the hardening is neglected.

    Returns:
        (N,) tangents of the angle to the central ray, positive towards the cathode; (N,) factors.

    Raises:
        InputError: a spectrum from a file, of which tube and filtration are unknown.
        DependencyError: SpekPy is not installed.
    """
    if parameters.kvp is not None:
        return _heel_profile(
            parameters.kvp, parameters.filtration or DEFAULT_FILTRATION, parameters.anode_angle
        )
    if parameters.spectrum not in SHIPPED:
        raise InputError("--heel needs a known tube: give --kvp or a shipped spectrum")
    kvp, own, _ = SHIPPED[parameters.spectrum]
    return _heel_profile(kvp, ",".join(filter(None, (own, parameters.filtration))), ANODE_ANGLE)


@lru_cache(maxsize=8)
def _heel_profile(
    kvp: float, filtration: str, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Beyond the angle of its face the anode is in the way. The inverse square law is the camera's.
    tangents = np.linspace(-min(np.tan(np.radians(angle)), STEEPEST), STEEPEST, 9)
    fluence = np.zeros(len(tangents))
    for index, tangent in enumerate(tangents[1:], 1):
        bare = bare_spectrum(kvp, angle, float(tangent))
        fluence[index] = (filtered(bare, filtration).output or 0.0) * (1 + tangent**2)
    return tangents, fluence / np.interp(0.0, tangents, fluence)
