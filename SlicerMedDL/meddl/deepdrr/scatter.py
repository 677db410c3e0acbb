"""Scattered radiation on the detector, by one of several methods.

``montecarlo`` follows photons through the voxels (:mod:`meddl.deepdrr.montecarlo`), the truth of
the others, with a standard error. ``kernel`` integrates single scatter
(:mod:`meddl.deepdrr.scatter_single`) and superposes the multiple scatter of slabs of water
(:mod:`meddl.deepdrr.scatter_kernel`); ``network`` corrects the sum by a small network trained on
the Monte Carlo (:mod:`meddl.deepdrr.scatter_network`).

All work on a coarse picture, since scatter varies slowly, and give keV per photon that the source
emits towards a pixel, as the primary signal of :mod:`meddl.deepdrr.attenuation`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.parameters import parameter
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.spectrum import Spectrum

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]

METHODS = ("none", "kernel", "network", "montecarlo")
SMOOTHING = 1.2  # cells; standard deviation of the filter over the Monte-Carlo picture
BEAMS_PER_CELL = 2  # of the kernel model, along columns and rows
PHOTONS = 2_000_000  # default of the Monte Carlo: 3 to 5 % standard error behind an abdomen

# What the kernel model and the network were fitted to (:mod:`meddl.deepdrr.scatter_examples`).
SIDES, DISTANCES = (150.0, 430.0), (900.0, 1300.0)  # mm, of the detector and from the source
VOLTAGES = (60.0, 120.0)  # kV
THICKEST = 45.0  # g/cm2 of water; few torsos of the training are thicker


@dataclass(frozen=True)
class ScatterParameters:
    """Which scatter a radiograph has."""

    scatter: str = parameter("none", "scattered radiation", choices=METHODS)
    scatter_photons: int = parameter(
        PHOTONS, "photons that --scatter montecarlo follows", minimum=1000, maximum=10**10
    )
    detector_distance: float | None = parameter(
        None,
        "distance from source to detector, which scatter, --mtf50 and --air-kerma need with a "
        "camera; a C-arm has its own",
        "mm",
        minimum=1,
        maximum=10000,
    )


@dataclass(frozen=True, eq=False)
class Scatter:
    """What scatter adds to a radiograph.

    Attributes:
        signal: (H, W) float32, keV per emitted photon.
        standard_error: (H, W) float32 in the same unit, or None if the method is not random.
        spectrum: (G, h, w) photons per emitted photon in bins of 1 keV from 0 keV on, smoothed, on
            a coarse picture; None: that of the tube is taken.
    """

    signal: NDArray[np.float32]
    standard_error: NDArray[np.float32] | None = None
    spectrum: Array | None = None

    def detected(
        self, per_photon: Callable[[Array], Array], emitted: Spectrum
    ) -> NDArray[np.float64]:
        """What a detector sums of the scattered photons.

        Args:
            per_photon: (R, E) of energies (E,) keV, see :func:`meddl.deepdrr.detector.per_photon`.
            emitted: spectrum of the tube.

        Returns:
            (R, H, W) per emitted photon.
        """
        if self.spectrum is None:
            sums = (per_photon(emitted.energies) * emitted.fractions).sum(axis=1)
            result: Array = sums[:, None, None] * (self.signal / emitted.mean_energy)
            return result
        weights = per_photon(np.arange(len(self.spectrum), dtype=np.float64) + 0.5)
        height, width = self.signal.shape
        pages = np.tensordot(weights, self.spectrum, 1)
        return np.array([resample(page, (width, height)) for page in pages], np.float64)

    @property
    def relative_error(self) -> float | None:
        """Root mean square standard error over the mean signal; None without either."""
        if self.standard_error is None or not self.signal.any():
            return None
        squares = np.square(self.standard_error, dtype=np.float64)
        return float(np.sqrt(squares.mean()) / self.signal.mean(dtype=np.float64))


@dataclass(frozen=True, eq=False)
class View:
    """One view of one object.

    Attributes:
        densities: (K, J, I, M) float32 g/cm3 of each material.
        materials: M names.
        ijk_from_world: 4x4.
        camera: the detector.
        distance: source to detector along the viewing direction, mm.
        spectrum: of the tube.
        field: first and last u, first and last v (pixels) of what is irradiated, evenly; without it
            the whole detector.
    """

    densities: NDArray[np.float32]
    materials: Sequence[str]
    ijk_from_world: Array
    camera: Camera
    distance: float
    spectrum: Spectrum
    field: tuple[float, float, float, float] | None = None


def scatter(
    view: View,
    method: str = "kernel",
    *,
    photons: int = PHOTONS,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Scatter:
    """The scatter signal of one view, for an ideal energy-integrating detector without a grid.

    A warning tells of a view that the fast models were not fitted to.

    Args:
        method: one of :data:`METHODS`.
        photons: followed by ``montecarlo``; the standard error falls with their square root.
        seed: of ``montecarlo``.
        device: of ``montecarlo``, see :func:`meddl.deepdrr.montecarlo.simulate`.

    Raises:
        InputError: an unknown method or a distance that is not positive.
        Cancelled: by ``cancel``.
    """
    if method not in METHODS:
        raise InputError(f"scatter method is {method!r}, expected one of: {', '.join(METHODS)}")
    if not (np.isfinite(view.distance) and view.distance > 0):
        raise InputError(
            f"the detector is {view.distance:g} mm from the source, not in front of it"
        )
    first, last, top, bottom = view.field or (0.0, 1.0, 0.0, 1.0)
    if method == "none" or not (first < last and top < bottom):
        return Scatter(np.zeros(view.camera.size[::-1], np.float32))
    if method == "montecarlo":
        return _montecarlo(view, photons, seed, device, progress, cancel)
    from meddl.deepdrr.scatter_kernel import block_mean

    inputs, picture = features(view)
    outside = _not_fitted(view, 30 * float(inputs[0].max()))
    if outside:
        logger.warning(
            "scatter by the %s model is uncertain here: %s; montecarlo has no such limits",
            method,
            ", ".join(outside),
        )
    if method == "network":
        from meddl.deepdrr.scatter_network import correct

        picture = correct(inputs, picture)
    width, height = view.camera.size
    parts = _parts(view.camera.size)
    fine = resample(picture, (width * parts, height * parts)).astype(np.float64)
    return Scatter(block_mean(fine, (height, width)).astype(np.float32))


def _parts(size: tuple[int, int]) -> int:
    """Into how many parts the models cut large pixels, so that cells are those of their fit."""
    from meddl.deepdrr.montecarlo import LONGEST_SIDE

    return -(-LONGEST_SIDE // max(size))


def _not_fitted(view: View, thickness: float) -> list[str]:
    """What of a view, with water-equivalent ``thickness`` in g/cm2, lies outside the fit."""
    sides = [view.distance * view.camera.size[n] / view.camera.K[n, n] for n in (0, 1)]
    highest = float(view.spectrum.energies.max())  # keV; the middle of a bin of 1 keV
    found = [
        (f"a detector of {sides[0]:.0f} x {sides[1]:.0f} mm", *SIDES, "mm", sides),
        (f"{view.distance:.0f} mm from the source", *DISTANCES, "mm", [view.distance]),
        (f"{highest:.0f} kV", VOLTAGES[0] - 1, VOLTAGES[1] + 1, "kV", [highest]),
        (f"{thickness:.0f} g/cm2", 0.0, THICKEST, "g/cm2", [thickness]),
    ]
    return [
        f"{text} ({low:g} to {high:g} {unit} were fitted)"
        for text, low, high, unit, values in found
        if not low <= min(values) <= max(values) <= high
    ]


def features(view: View) -> tuple[NDArray[np.float32], Array]:
    """What the network sees, and the kernel model, on the coarse grid of a view.

    Returns:
        (8, h, w) float32, with the whole detector irradiated: water-equivalent thickness / 30
        g/cm2, distance of the object's middle from the detector / 500 mm, logarithm of the kernel
        model over its largest value, size of a cell / 15 mm, mean energy of the spectrum / 50 keV,
        thickness less mass (bone) / 3 g/cm2, share of single scatter in the kernel model, spread
        of the object's mass along the ray / 100 mm; and the (h, w) kernel model of the field, keV
        per emitted photon.
    """
    from meddl.deepdrr.montecarlo import cells
    from meddl.deepdrr.scatter_kernel import block_mean, slabs, superpose
    from meddl.deepdrr.scatter_single import single_scatter
    from meddl.deepdrr.scatter_table import spectral_kernels

    width, height = view.camera.size
    parts = _parts(view.camera.size)
    grid = cells((width * parts, height * parts))
    half = ((grid[0] + 1) // 2, (grid[1] + 1) // 2)  # the smoothed Monte Carlo shows no more
    fine = coarse_camera(view.camera, (grid[0] * BEAMS_PER_CELL, grid[1] * BEAMS_PER_CELL))
    geometry = (view.densities, view.materials, view.ijk_from_world, fine, view.distance)
    beams = slabs(*geometry, view.spectrum)
    cell = (view.distance / fine.K[0, 0], view.distance / fine.K[1, 1])
    kernels = spectral_kernels(view.spectrum)

    def model(share: Array | None) -> tuple[Array, Array]:
        single = single_scatter(*geometry, view.spectrum, half, share)
        once = resample(single, grid[::-1]).astype(np.float64)
        return once, once + superpose(kernels, beams, cell, grid, view.distance, share)

    once, kernel = model(None)
    flat = np.ones(grid)
    inputs = [
        block_mean(beams.thickness, grid) / 30,
        block_mean(beams.middle, grid) / 500,
        np.log(np.maximum(kernel / max(float(kernel.max()), 1e-12), 1e-4)),
        flat * cell[0] * BEAMS_PER_CELL / 15,
        flat * view.spectrum.mean_energy / 50,
        block_mean(beams.thickness - beams.mass, grid) / 3,
        once / np.maximum(kernel, 1e-12),
        block_mean(beams.spread, grid) / 100,
    ]
    if view.field is not None:
        share = open_share(view.field, view.camera.size, beams.thickness.shape)
        kernel = model(share)[1]
    return np.array(inputs, np.float32), kernel


def open_share(
    field: tuple[float, float, float, float], size: tuple[int, int], grid: tuple[int, int]
) -> Array:
    """(h, w) share of each cell of a grid over a (W, H) detector that lies in a field (pixels)."""

    def along(first: float, last: float, pixels: int, count: int) -> Array:
        borders = np.linspace(-0.5, pixels - 0.5, count + 1)
        inside = np.minimum(borders[1:], last) - np.maximum(borders[:-1], first)
        share: Array = np.maximum(inside, 0) * count / pixels
        return share

    columns = along(field[0], field[1], size[0], grid[1])
    return along(field[2], field[3], size[1], grid[0])[:, None] * columns


def coarse_camera(camera: Camera, grid: tuple[int, int]) -> Camera:
    """The same detector with (h, w) larger pixels."""
    (width, height), (h, w) = camera.size, grid
    scale = np.diag([w / width, h / height, 1.0])
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])  # from pixel centres to borders
    K = np.linalg.inv(shift) @ scale @ shift @ camera.K
    return Camera(K, camera.camera_from_world, (w, h))


def resample(picture: Array, size: tuple[int, int]) -> NDArray[np.float32]:
    """A coarse picture (h, w) at the pixels of a (W, H) detector, by cubic splines, not below 0."""
    from scipy.ndimage import map_coordinates

    width, height = size
    h, w = picture.shape
    rows = (np.arange(height) + 0.5) * h / height - 0.5
    columns = (np.arange(width) + 0.5) * w / width - 0.5
    at = np.meshgrid(rows, columns, indexing="ij")
    fine: NDArray[np.float32] = map_coordinates(picture, at, np.float32, order=3, mode="nearest")
    return np.maximum(fine, np.float32(0))


def _montecarlo(
    view: View,
    photons: int,
    seed: int,
    device: str,
    progress: Progress,
    cancel: CancelToken | None,
) -> Scatter:
    from meddl.deepdrr.montecarlo import simulate

    found = simulate(
        *(view.densities, view.materials, view.ijk_from_world, view.camera, view.distance),
        view.spectrum,
        photons,
        field=view.field,
        seed=seed,
        device=device,
        with_spectrum=True,
        progress=progress,
        cancel=cancel,
    )
    assert found.spectrum is not None
    signal, error = smooth(found.scatter, found.standard_error)
    spectrum = np.array([smooth(page, page)[0] for page in found.spectrum])
    size = view.camera.size
    return Scatter(resample(signal, size), resample(error, size), spectrum)


def smooth(picture: Array, error: Array) -> tuple[Array, Array]:
    """A coarse picture and its standard error after a Gaussian filter of :data:`SMOOTHING` cells.

    The errors of different cells are independent, so that their squares add with the squared
    weights of the filter.
    """
    from scipy.ndimage import convolve1d

    offsets = np.arange(-4, 5)
    weights = np.exp(-0.5 * (offsets / SMOOTHING) ** 2)
    weights /= weights.sum()
    variance = error**2
    for axis in (0, 1):
        picture = convolve1d(picture, weights, axis=axis, mode="nearest")
        variance = convolve1d(variance, weights**2, axis=axis, mode="nearest")
    return picture, np.sqrt(variance)
