"""One radiograph from one CT: values, materials, projection, attenuation, detector."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, apply
from meddl.core.image import Image
from meddl.core.parameters import parameter, to_dict
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.backends import BACKENDS, Backend, choose_backend
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.density_grid import volume_of
from meddl.deepdrr.detector import (
    DetectorParameters,
    bin_edges,
    bin_names,
    require_pixel_spacing,
)
from meddl.deepdrr.exposure import open_field
from meddl.deepdrr.hounsfield import parse_hu_below
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.layers import Layer
from meddl.deepdrr.materials import MaterialParameters, labels_of
from meddl.deepdrr.prepared import PreparedCT, prepare
from meddl.deepdrr.reading import photons_of, pixel_spacing_of, reading, require_open_reading
from meddl.deepdrr.scatter import Scatter, ScatterParameters, View, scatter
from meddl.deepdrr.solids import Solid, insert_solids
from meddl.deepdrr.spectrum import SpectrumParameters, tube_spectrum

logger = logging.getLogger(__name__)

UNITS = {
    "intensity": "I/I0",
    "energy": "keV per emitted photon",
    "neglog": "-log(I/I0)",
    "counts": "photons",
    "path": "g/cm2",
    "integral": "value x mm",
}


@dataclass(frozen=True)
class RenderParameters(
    MaterialParameters, SpectrumParameters, DetectorParameters, ScatterParameters
):
    """What is rendered and how; the fields of materials, tube and detector are inherited.

    Raises:
        InputError: a value outside its bounds or choices, or two that exclude each other.
    """

    quantity: str = parameter("intensity", "what the picture holds", choices=tuple(UNITS))
    backend: str = parameter("auto", "projector; auto takes account of the size", choices=BACKENDS)
    device: str = parameter("auto", "where to project", metavar="auto|cpu|cuda:0|mps")
    coarsen: int = parameter(
        1, "average N x N x N voxels, to save memory", minimum=1, maximum=16, metavar="N"
    )
    hu_offset: float = parameter(0.0, "added to every voxel before use", "HU")
    hu_below: str | None = parameter(
        None, "every value below V becomes REPLACEMENT, after the offset", metavar="V:REPLACEMENT"
    )

    def __post_init__(self) -> None:
        for subject in (MaterialParameters, SpectrumParameters, DetectorParameters):
            subject.__post_init__(self)
        parse_hu_below(self.hu_below)
        if self.noise and self.quantity in ("path", "integral"):
            raise InputError(
                f"--noise on has no meaning for --quantity {self.quantity}; "
                "quantum noise is in intensity, energy, neglog and counts"
            )
        if self.scatter != "none" and self.quantity in ("path", "integral"):
            raise InputError(
                f"--scatter {self.scatter} has no meaning for --quantity {self.quantity}; "
                "scatter is in intensity, energy, neglog and counts"
            )
        if self.quantity == "energy" and self.detector != "energy":
            raise InputError("--quantity energy is what --detector energy reads; choose counts")
        if self.quantity == "counts" and self.detector == "energy":
            raise InputError("--quantity counts needs --detector counting or bins")

    @property
    def one_picture(self) -> bool:
        """Whether a pixel has one value, rather than one per material or energy bin."""
        return self.quantity != "path" and (
            self.quantity == "integral" or len(bin_edges(self.detector)) < 2
        )


def render(
    ct: Image,
    view: CArm | Camera,
    parameters: RenderParameters | None = None,
    *,
    labels: Labels | None = None,
    over: Sequence[Layer] = (),
    solids: Sequence[Solid] = (),
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Image:
    """Render one radiograph.

    Args:
        ct: scalar volume in HU.
        view: C-arm pose or camera. A C-arm without isocentre turns about the centre of the CT.
        parameters: the record; ``options`` replace single fields, as in ``quantity="path"``.
        labels: structures of the CT, in place of a label map that ``parameters.materials`` names.
        over: volumes that replace the CT where they are, highest priority first.
        solids: bodies in the place of all volumes; a later one displaces an earlier one.

    Returns:
        float32 image (1, H, W), or (1, H, W, C) with one component per material (``path``) or
        energy bin, with the unit of :data:`UNITS`. ``ras_from_ijk`` stands it upright in a slice
        view, spaced as the detector. ``metadata`` holds quantity, unit, camera, parameters,
        backend, device, the names of the components (``pages``), what lies over the CT (``over``,
        ``solids``), and of scatter by Monte Carlo the standard error over the mean
        (``scatter_error``).

    Raises:
        InputError: no scalar volume, NaN voxels, or parameters out of bounds.
        DeviceError: too little memory.
        DependencyError: a tube by ``kvp`` without SpekPy.
        Cancelled: no result.
    """
    views = render_views(
        ct,
        [view],
        parameters,
        labels=labels,
        over=over,
        solids=solids,
        progress=progress,
        cancel=cancel,
        **options,
    )
    return next(views)


def render_views(
    ct: Image,
    views: Sequence[CArm | Camera],
    parameters: RenderParameters | None = None,
    *,
    labels: Labels | None = None,
    over: Sequence[Layer] = (),
    solids: Sequence[Solid] = (),
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Iterator[Image]:
    """Render several radiographs of one CT, preparing its materials once; see :func:`render`.

    With noise, view number n uses the seed sequence (seed, n). Bad input is refused at the call,
    before the first picture is asked for.
    """
    parameters = replace(parameters or RenderParameters(), **options)
    if parameters.quantity == "integral" and (over or solids):
        raise InputError(
            "--quantity integral is of the CT alone, other volumes and solids have no voxel values "
            "of its kind; use path, intensity, energy or neglog"
        )
    ct = ct.require_volume("CT").require_finite("CT")
    labels = labels or labels_of(parameters)
    backend = backend_for(ct, views, parameters, labels, len(solids))
    return _render_views(ct, views, parameters, labels, over, solids, backend, progress, cancel)


def backend_for(
    ct: Image,
    views: Sequence[CArm | Camera],
    parameters: RenderParameters,
    labels: Labels | None = None,
    solids: int = 0,
) -> Backend:
    """The projector for these views, once nothing is left that would be refused during the work.

    Args:
        ct: scalar volume.
        labels: structures of the CT.
        solids: how many bodies.

    Raises:
        InputError, FileError, DeviceError, DependencyError: see :func:`render`.
    """
    cameras = [_camera(view, ct) for view in views]
    spectrum = tube_spectrum(parameters)
    require_open_reading(parameters, spectrum)
    for view, camera in zip(views, cameras, strict=True):
        photons_of(parameters, spectrum, view, camera)
        require_pixel_spacing(parameters, pixel_spacing_of(parameters, view))
        _detector_distance(view, parameters)
    components = 1 if parameters.quantity == "integral" else _most_materials(parameters, labels)
    pixels = max((camera.size[0] * camera.size[1] for camera in cameras), default=0)
    # Density, label and what of them is occupied; with structures a map of them, for which the
    # network smooths a float32 copy; per pixel the integrals, moments and the reading.
    structures = labels is not None or parameters.materials == "network"
    needed = (9 if structures else 6) * ct.array.size
    if parameters.scatter != "none":  # it takes the density of each material in each voxel
        needed += 4 * components * ct.array.size
    needed += pixels * (8 * (components + 2 * solids) + 48)
    shape = (*(-(-n // parameters.coarsen) for n in ct.array.shape), components)
    return choose_backend(parameters.backend, parameters.device, shape, pixels, needed)


def _most_materials(parameters: RenderParameters, labels: Labels | None) -> int:
    """How many materials there can be: the thresholds' three, and with structures six, into which
    bones, vessels and what has no label are split."""
    if labels is None:
        return 6 if parameters.materials == "network" else 3
    return len(set(labels.materials.values())) + 6


def _render_views(
    ct: Image,
    views: Sequence[CArm | Camera],
    parameters: RenderParameters,
    labels: Labels | None,
    over: Sequence[Layer],
    solids: Sequence[Solid],
    backend: Backend,
    progress: Progress,
    cancel: CancelToken | None,
) -> Iterator[Image]:
    progress(0.0, "preparing materials")
    share = 0.5 if parameters.materials == "network" else 0.0  # the others take no time to speak of
    part = subprogress(progress, 0.0, share)
    prepared = prepare(ct, parameters, labels, over, backend, part, cancel)
    progress = subprogress(progress, share, 1.0)
    for number, view in enumerate(views):
        part = subprogress(progress, number / len(views), (number + 1) / len(views))
        picture = render_prepared(
            prepared, view, parameters, number, solids=solids, progress=part, cancel=cancel
        )
        above = {"over": [layer.to_dict() for layer in over]} if over else {}
        yield replace(picture, metadata={**picture.metadata, **above})
        part(1.0, f"view {number + 1}/{len(views)}")


def render_prepared(
    prepared: PreparedCT,
    view: CArm | Camera,
    parameters: RenderParameters,
    number: int = 0,
    *,
    solids: Sequence[Solid] = (),
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Render one view of a prepared CT; see :func:`render`.

    Args:
        parameters: equal to those of :func:`prepare` but for :data:`READING_FIELDS`.
        number: with noise, the view uses the seed sequence (parameters.seed, number).
    """
    if cancel is not None:
        cancel.check()
    camera = _camera(view, prepared.ct)
    _warn_if_outside(prepared.ct, camera, number)
    names, grids = prepared.names, prepared.grids
    integrals: NDArray[np.float32] | None = None
    share = 0.95 if parameters.scatter == "none" else 0.5  # of the projection in the time
    world_per_pixel = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K)
    for index, (grid, project) in enumerate(zip(grids, prepared.projectors, strict=True)):
        found = project(
            camera.source,
            world_per_pixel,
            camera.size,
            progress=subprogress(
                progress, share * index / len(grids), share * (index + 1) / len(grids)
            ),
            cancel=cancel,
        )
        if grid.components != tuple(range(max(1, len(names)))):
            spread = np.zeros((*found.shape[:2], len(names)), np.float32)
            spread[..., list(grid.components)] = found
            found = spread
        integrals = found if integrals is None else integrals + found
    assert integrals is not None
    if solids:
        integrals, names = insert_solids(integrals, names, solids, camera, grids, cancel=cancel)
    if parameters.quantity == "integral":
        return _as_image(
            integrals[..., 0], names, view, camera, parameters, solids, prepared.backend
        )
    paths = np.multiply(integrals, np.float32(0.1), out=integrals)  # g/cm3 x mm to g/cm2
    # The fast projectors' cubic resampling swings below zero beside a step: without this, pixels
    # beside a block of gold were 20 times as bright as the open beam.
    np.maximum(paths, 0, out=paths)
    if parameters.quantity == "path":
        return _as_image(paths, names, view, camera, parameters, solids, prepared.backend)
    generator = np.random.default_rng([parameters.seed, number])
    spectrum = tube_spectrum(parameters)
    transmitted = prepared.backend.transmitted
    scattered: Scatter | None = None
    if parameters.scatter != "none":
        components, densities, ijk_from_ras = volume_of(grids)
        held = tuple(prepared.names[index] for index in components)
        if solids:
            from meddl.deepdrr.solid_voxels import with_solids

            densities, held, ijk_from_ras = with_solids(
                densities, held, ijk_from_ras, solids, cancel
            )
        object_in_view = View(
            densities,
            held,
            ijk_from_ras,
            camera,
            _detector_distance(view, parameters),
            spectrum,
            open_field(camera, parameters.collimation),
        )
        scattered = scatter(
            object_in_view,
            parameters.scatter,
            photons=parameters.scatter_photons,
            seed=parameters.seed + number,
            device=prepared.backend.device if prepared.backend.name == "pycuda" else "cpu",
            progress=subprogress(progress, share, 1.0),
            cancel=cancel,
        )
    values = reading(
        *(paths, names, spectrum, parameters, view, camera, generator, scattered),
        transmitted=transmitted,
    )
    scatter_error = scattered.relative_error if scattered else None
    return _as_image(
        values, names, view, camera, parameters, solids, prepared.backend, scatter_error
    )


def _detector_distance(view: CArm | Camera, parameters: RenderParameters) -> float:
    """Source to detector in mm; 0 where nobody needs it.

    Raises:
        InputError: scatter is wanted and the distance unknown.
    """
    if isinstance(view, CArm):
        return view.source_detector
    if parameters.scatter != "none" and parameters.detector_distance is None:
        raise InputError(
            f"--scatter {parameters.scatter} with a camera needs --detector-distance MM, "
            "since a camera matrix does not say how far away the detector is"
        )
    return parameters.detector_distance or 0.0


def _camera(view: CArm | Camera, ct: Image) -> Camera:
    return view.camera(ct.center) if isinstance(view, CArm) else view


def _as_image(
    values: NDArray[np.float32],
    names: tuple[str, ...],
    view: CArm | Camera,
    camera: Camera,
    parameters: RenderParameters,
    solids: Sequence[Solid],
    backend: Backend,
    scatter_error: float | None = None,
) -> Image:
    metadata: dict[str, Any] = {
        "quantity": parameters.quantity,
        "unit": UNITS[parameters.quantity],
        "camera": camera.to_dict(),
        "parameters": to_dict(parameters),
        "backend": backend.name,
        "device": backend.device,
    }
    if values.ndim == 3:
        bins = bin_names(parameters.detector)
        metadata["pages"] = list(names) if parameters.quantity == "path" else bins
    if solids:
        metadata["solids"] = [solid.to_dict() for solid in solids]
    if isinstance(view, CArm):
        metadata["carm"] = to_dict(view)
    if scatter_error is not None:
        metadata["scatter_error"] = scatter_error
    return Image(values[None], picture_geometry(view), metadata)


def picture_geometry(view: CArm | Camera) -> Matrix:
    """``ras_from_ijk`` that stands a picture upright in a slice view, spaced as the detector."""
    spacing = view.pixel_spacing if isinstance(view, CArm) else 1.0
    return np.diag([-spacing, -spacing, 1.0, 1.0])


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
