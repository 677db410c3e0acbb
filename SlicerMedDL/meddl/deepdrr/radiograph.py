"""One radiograph from one CT: values, materials, projection, attenuation, noise."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.parameters import parameter, to_dict, validate
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.attenuation import detected_energy, spectral_moments
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.hounsfield import correct_values, inspect_values, parse_hu_below
from meddl.deepdrr.materials import THRESHOLD_MATERIALS, material_densities
from meddl.deepdrr.spectrum import SPECTRA, load_spectrum

logger = logging.getLogger(__name__)

UNITS = {
    "intensity": "I/I0",
    "energy": "keV per emitted photon",
    "neglog": "-log(I/I0)",
    "path": "g/cm2",
    "integral": "value x mm",
}


@dataclass(frozen=True)
class RenderParameters:
    """What is rendered and how.

    Raises:
        InputError: a value outside its bounds or choices.
    """

    quantity: str = parameter("intensity", "what the picture holds", choices=tuple(UNITS))
    materials: str = parameter("threshold", "how voxels become materials", choices=("threshold",))
    spectrum: str = parameter("90kV", "tube spectrum", choices=SPECTRA)
    photons: float = parameter(
        100_000.0, "photons emitted towards each pixel, with noise on", minimum=1, maximum=1e12
    )
    noise: bool = parameter(False, "quantum noise")
    backend: str = parameter("auto", "projector", choices=("auto", "numba"))
    hu_offset: float = parameter(0.0, "added to every voxel before use", "HU")
    hu_below: str | None = parameter(
        None, "every value below V becomes REPLACEMENT, after the offset", metavar="V:REPLACEMENT"
    )
    seed: int = parameter(0, "seed of the noise", minimum=0, maximum=2**63 - 1)

    def __post_init__(self) -> None:
        validate(self)
        parse_hu_below(self.hu_below)
        if self.noise and self.quantity in ("path", "integral"):
            raise InputError(
                f"--noise on has no meaning for --quantity {self.quantity}; "
                "quantum noise is in intensity, energy and neglog"
            )


def render(
    ct: Image,
    view: CArm | Camera,
    parameters: RenderParameters | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Image:
    """Render one radiograph.

    Args:
        ct: scalar volume in HU.
        view: C-arm pose or camera. A C-arm without isocentre turns about the centre of the CT.
        parameters: the record; ``options`` replace single fields, as in ``quantity="path"``.

    Returns:
        float32 image (1, H, W), or (1, H, W, 3) for ``path``, with the unit of
        :data:`UNITS`. ``ras_from_ijk`` stands it upright in a slice view, spaced as the detector.
        ``metadata`` holds quantity, unit, materials, camera and parameters.

    Raises:
        InputError: no scalar volume, NaN voxels, or parameters out of bounds.
        DeviceError: too little memory.
        Cancelled: no result.
    """
    views = render_views(ct, [view], parameters, progress=progress, cancel=cancel, **options)
    return next(views)


def render_views(
    ct: Image,
    views: Sequence[CArm | Camera],
    parameters: RenderParameters | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Iterator[Image]:
    """Render several radiographs of one CT, preparing its materials once; see :func:`render`.

    With noise, view number n uses the seed sequence (seed, n). Bad input is refused at the call,
    before the first picture is asked for.
    """
    parameters = replace(parameters or RenderParameters(), **options)
    ct = ct.require_volume("CT").require_finite("CT")
    components = 1 if parameters.quantity == "integral" else len(THRESHOLD_MATERIALS)
    cameras = [v.camera(ct.center) if isinstance(v, CArm) else v for v in views]
    pixels = max((camera.size[0] * camera.size[1] for camera in cameras), default=0)
    # Volume in float32 and one temporary; per pixel the integrals, moments and the reading.
    choose_device("cpu", 4 * ct.array.size * (components + 2) + pixels * (8 * components + 48))
    return _render_views(ct, views, parameters, progress, cancel)


def _render_views(
    ct: Image,
    views: Sequence[CArm | Camera],
    parameters: RenderParameters,
    progress: Progress,
    cancel: CancelToken | None,
) -> Iterator[Image]:
    progress(0.0, "preparing materials")
    prepared = prepare(ct, parameters)
    for number, view in enumerate(views):
        part = subprogress(progress, number / len(views), (number + 1) / len(views))
        yield render_prepared(prepared, view, parameters, number, progress=part, cancel=cancel)
        part(1.0, f"view {number + 1}/{len(views)}")


@dataclass(frozen=True, eq=False)
class PreparedCT:
    """A CT as the projector takes it, for views of which each has its own tube and noise.

    Attributes:
        ct: scalar volume in corrected HU.
        volume: (K, J, I, M) float32, density of each material in g/cm3, or the values themselves.
        box: what of it is not empty.
    """

    ct: Image
    volume: NDArray[np.float32]
    box: tuple[NDArray[np.float64], NDArray[np.float64]]


# Fields of RenderParameters that may change from view to view of one PreparedCT.
READING_FIELDS = frozenset({"spectrum", "photons", "noise", "seed"})


def prepare(ct: Image, parameters: RenderParameters) -> PreparedCT:
    """Correct the values and decompose them into materials.

    Args:
        ct: scalar volume in HU without NaN.
        parameters: all fields but :data:`READING_FIELDS` decide.
    """
    from meddl.deepdrr.projector import occupied_box

    ct = correct_values(ct, parameters.hu_offset, parse_hu_below(parameters.hu_below))
    if parameters.quantity == "integral":
        volume = np.ascontiguousarray(ct.array[..., None], dtype=np.float32)
    else:
        for warning in inspect_values(ct):
            logger.warning("CT %s: %s", ct.metadata.get("path", ""), warning)
        volume = material_densities(ct)
    return PreparedCT(ct, volume, occupied_box(volume))


def render_prepared(
    prepared: PreparedCT,
    view: CArm | Camera,
    parameters: RenderParameters,
    number: int = 0,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Render one view of a prepared CT; see :func:`render`.

    Args:
        parameters: equal to those of :func:`prepare` but for :data:`READING_FIELDS`.
        number: with noise, the view uses the seed sequence (parameters.seed, number).
    """
    from meddl.deepdrr.projector import line_integrals

    if cancel is not None:
        cancel.check()
    ct = prepared.ct
    camera = view.camera(ct.center) if isinstance(view, CArm) else view
    _warn_if_outside(ct, camera, number)
    integrals = line_integrals(
        prepared.volume,
        ct.ijk_from_ras,
        camera.source,
        camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K),
        camera.size,
        prepared.box,
        subprogress(progress, 0.0, 0.95),
        cancel,
    )
    values = _reading(integrals, parameters, np.random.default_rng([parameters.seed, number]))
    return _as_image(values, view, camera, parameters)


def _reading(
    integrals: NDArray[np.float32], parameters: RenderParameters, generator: np.random.Generator
) -> NDArray[np.float32]:
    """(H, W, M) line integrals to (H, W) or (H, W, M) of the wanted quantity."""
    if parameters.quantity == "integral":
        return integrals[..., 0]
    paths = integrals * np.float32(0.1)  # g/cm3 x mm to g/cm2
    if parameters.quantity == "path":
        return paths
    spectrum = load_spectrum(parameters.spectrum)
    moments = spectral_moments(paths, THRESHOLD_MATERIALS, spectrum)
    energy, floor = moments[1], float(np.finfo(np.float64).tiny)
    if parameters.noise:
        energy = detected_energy(moments, parameters.photons, generator)
        floor = (
            0.5 / parameters.photons
        )  # no photon reads as half of one: the logarithm stays finite
    if parameters.quantity == "energy":
        return energy.astype(np.float32)
    intensity = energy / spectrum.mean_energy
    if parameters.quantity == "neglog":
        return -np.log(np.maximum(intensity, floor)).astype(np.float32)
    return intensity.astype(np.float32)


def _as_image(
    values: NDArray[np.float32], view: CArm | Camera, camera: Camera, parameters: RenderParameters
) -> Image:
    spacing = view.pixel_spacing if isinstance(view, CArm) else 1.0
    metadata = {
        "quantity": parameters.quantity,
        "unit": UNITS[parameters.quantity],
        "camera": camera.to_dict(),
        "parameters": to_dict(parameters),
    }
    if parameters.quantity == "path":
        metadata["pages"] = list(THRESHOLD_MATERIALS)
    if isinstance(view, CArm):
        metadata["carm"] = to_dict(view)
    return Image(values[None], np.diag([-spacing, -spacing, 1.0, 1.0]), metadata)


def _warn_if_outside(ct: Image, camera: Camera, number: int) -> None:
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in ct.size])).reshape(3, -1).T
    pixels, depth = camera.project(apply(ct.ras_from_ijk, corners))
    if (depth > 0).all():
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        hits = (high >= -0.5).all() and (low <= np.array(camera.size) - 0.5).all()
    else:
        hits = bool((depth > 0).any())
    if not hits:
        logger.warning(
            "view %d: the CT lies outside the picture; check isocentre and angles", number
        )
