"""From line integrals to the wanted quantity: tube, attenuation, detector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.deepdrr.attenuation import transmitted
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.detector import bin_names, open_reading, per_photon, read_out, response
from meddl.deepdrr.exposure import field, photons_per_pixel
from meddl.deepdrr.scatter import Scatter
from meddl.deepdrr.spectrum import Spectrum

if TYPE_CHECKING:
    from meddl.deepdrr.radiograph import RenderParameters


def photons_of(
    parameters: RenderParameters, spectrum: Spectrum, view: CArm | Camera, camera: Camera
) -> float:
    """Photons emitted towards each pixel: as given, or by mAs or air kerma.

    Raises:
        InputError: tube output or detector distance are unknown.
    """
    if parameters.mas is None and parameters.air_kerma is None:
        return parameters.photons
    distance = view.source_detector if isinstance(view, CArm) else parameters.detector_distance
    return photons_per_pixel(spectrum, camera, parameters.mas, parameters.air_kerma, distance)


def pixel_spacing_of(parameters: RenderParameters, view: CArm | Camera) -> float | None:
    """mm on the detector; None if neither a C-arm nor the detector's distance tells."""
    if isinstance(view, CArm):
        return view.pixel_spacing
    if parameters.detector_distance is None:
        return None
    return parameters.detector_distance / float(np.sqrt(view.K[0, 0] * view.K[1, 1]))


def require_open_reading(parameters: RenderParameters, spectrum: Spectrum) -> None:
    """Refuse readings relative to the open field where it reads nothing.

    Raises:
        InputError: an energy bin without photons; the message names it.
    """
    if parameters.quantity not in ("intensity", "neglog"):
        return
    sums = response(parameters, spectrum).sum(axis=1)
    for name, total in zip(bin_names(parameters.detector), sums, strict=False):
        if total == 0:
            raise InputError(
                f"--detector {parameters.detector}: no photon of the spectrum, which ends at "
                f"{spectrum.energies.max():.0f} keV, falls into {name}; use --quantity counts "
                "or other edges"
            )


def reading(
    paths: NDArray[np.float32],
    names: tuple[str, ...],
    spectrum: Spectrum,
    parameters: RenderParameters,
    view: CArm | Camera,
    camera: Camera,
    generator: np.random.Generator,
    scatter: Scatter | None = None,
    transmitted: Callable[..., NDArray[np.float64]] = transmitted,
) -> NDArray[np.float32]:
    """Intensity, energy, negative logarithm or counts of one view.

    Args:
        paths: (H, W, M) mass per area, g/cm2.
        names: M materials.
        spectrum: what the tube emits.
        view: the C-arm or camera, as the user gave it; ``camera`` is what it means.
        generator: source of the noise.
        scatter: before the grid.
        transmitted: the backend's own, in place of the CPU's.

    Returns:
        (H, W) float32, or (H, W, B) with B > 1 energy bins.
    """
    p, uneven = parameters, parameters.heel != "none" or parameters.collimation is not None
    weights = response(parameters, spectrum)
    open_sums = weights.sum(axis=1)
    photons = photons_of(parameters, spectrum, view, camera)
    values = read_out(
        transmitted(paths, names, spectrum.energies, weights),
        parameters,
        photons,
        generator,
        scatter=scatter.detected(partial(per_photon, parameters), spectrum) if scatter else None,
        field=field(camera, p, p.heel, p.collimation) if uneven else None,
        pixel_spacing=pixel_spacing_of(parameters, view),
    )
    if parameters.quantity == "counts":
        values = values * photons
    elif parameters.quantity != "energy":
        values = values / np.maximum(open_reading(open_sums, parameters), 1e-300)[:, None, None]
    if parameters.quantity == "neglog":
        # No photon reads as half of one: the logarithm stays finite.
        floor = 0.5 / photons if parameters.noise else float(np.finfo(np.float32).tiny)
        values = -np.log(np.maximum(values, floor))
    pages = np.moveaxis(values, 0, -1).astype(np.float32)
    return pages[..., 0] if pages.shape[-1] == 1 else pages
