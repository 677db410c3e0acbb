"""Monte-Carlo simulation of one radiograph's scatter: geometry, histories, standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.cross_sections import (
    ENERGIES,
    ENERGY_STEP,
    LOWEST_ENERGY,
    TRANSFER_STEP,
    interactions,
)
from meddl.deepdrr.spectrum import Spectrum

Array = NDArray[np.float64]

BLOCKS = 64  # independent parts; their spread is the standard error (good to 9 %)
LONGEST_SIDE = 24  # cells of the scatter picture along the detector's longer side


@dataclass(frozen=True, eq=False)
class Simulation:
    """What reached a detector, in keV per photon that the source emits towards a pixel.

    Attributes:
        compton_once, rayleigh_once, multiple: (h, w) energy by kind of scatter.
        scatter, standard_error: (h, w) their sum and its standard error.
        analogue, analogue_error: (h, w) the same sum from photons that really arrived.
        emitted, absorbed, unscattered, escaped: keV of all histories; the last three add up to the
            first. ``escaped`` has scattered, wherever it went.
        dose: (K, J, I) keV absorbed in each voxel, or None.
        spectrum: (G, h, w) photons of the scatter in bins of 1 keV from 0 keV on, per photon that
            the source emits towards a pixel, or None. With the middles of the bins as energies the
            photons of a cell bring the energy of ``scatter``.
        histories: number of photons followed.
    """

    compton_once: Array
    rayleigh_once: Array
    multiple: Array
    scatter: Array
    standard_error: Array
    analogue: Array
    analogue_error: Array
    emitted: float
    absorbed: float
    unscattered: float
    escaped: float
    dose: Array | None
    histories: int
    spectrum: Array | None = None


def detector_vectors(camera: Camera, distance: float) -> Array:
    """(5, 3) world mm from the source: first pixel's centre, step per column, per row, and duals.

    Args:
        distance: from the source to the detector along the viewing direction, mm.
    """
    rays = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K) * distance
    steps = rays[:, :2].T
    duals = np.linalg.solve(steps @ steps.T, steps)
    return np.ascontiguousarray(np.vstack([rays[:, 2], steps, duals]))


def cells(size: tuple[int, int], longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """(h, w) of a coarse picture of a (W, H) detector, with cells as square as pixels."""
    width, height = size
    scale = min(1.0, longest / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def block_maxima(densities: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Largest density of each material in blocks of voxels.

    Args:
        densities: (K, J, I, M) g/cm3.
        block: voxels along each side; the last ones may be smaller.

    Returns:
        (K', J', I', M) float32.
    """
    for axis in range(3):
        starts = np.arange(0, densities.shape[axis], block)
        densities = np.maximum.reduceat(densities, starts, axis=axis)
    return np.ascontiguousarray(densities)


def simulate(
    densities: NDArray[np.float32],
    materials: Sequence[str],
    ijk_from_world: Array,
    camera: Camera,
    distance: float,
    spectrum: Spectrum,
    histories: int,
    *,
    grid: tuple[int, int] | None = None,
    field: tuple[float, float, float, float] | None = None,
    seed: int = 0,
    device: str = "cpu",
    with_dose: bool = False,
    with_spectrum: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Simulation:
    """Follow photons from the source through the volume and score what reaches the detector.

    Photons are emitted evenly over the detector's pixels (or over ``field``), as the renderer
    assumes. The space between and behind the voxels is empty. The same seed gives the same result
    on any number of threads, and on a CUDA device but for the order of sums.

    Args:
        densities: (K, J, I, M) float32 g/cm3 of each material, constant within a voxel.
        materials: M names.
        ijk_from_world: 4x4.
        distance: source to detector along the viewing direction, mm.
        histories: photons to follow, at least one per block (64).
        grid: (h, w) cells of the picture; by default up to 24 along the longer side.
        field: first and last u, first and last v of the irradiated field, pixels.
        device: ``"cpu"`` or ``"cuda:N"`` (:mod:`meddl.deepdrr.transport_cuda`).
        with_dose: also score the absorbed energy of each voxel; on the CPU.
        with_spectrum: also count the scattered photons that reach the detector by their energy.

    Raises:
        InputError: too few histories, photons beyond 200 keV, or a dose on a CUDA device.
        Cancelled: between blocks, or launches of a CUDA device.
    """
    from meddl.deepdrr.projector import run_blocks
    from meddl.deepdrr.transport import BLOCK, SPECTRUM, run_histories

    if histories < BLOCKS:
        raise InputError(f"{histories} photons for scatter, at least {BLOCKS} were expected")
    if not LOWEST_ENERGY <= spectrum.energies.max() <= ENERGIES[-1]:
        raise InputError(
            f"the spectrum reaches {spectrum.energies.max():g} keV, "
            f"{LOWEST_ENERGY:g} to {ENERGIES[-1]:g} keV were expected"
        )
    if with_dose and device != "cpu":
        raise InputError(f"the dose is scored on the CPU, not on {device}")
    width, height = camera.size
    grid = grid or cells(camera.size)
    field = field or (-0.5, width - 0.5, -0.5, height - 0.5)
    tables = interactions(tuple(materials))
    densities = np.ascontiguousarray(densities, np.float32)
    linear = np.ascontiguousarray(ijk_from_world[:3, :3], np.float64)
    cumulative = np.cumsum(spectrum.fractions) / spectrum.fractions.sum()
    cumulative[-1] = 1.0
    per_block = -(-histories // BLOCKS)
    groups = math.ceil(spectrum.energies.max()) + 1 if with_spectrum else 0
    pictures = np.zeros((BLOCKS, SPECTRUM + groups, *grid))
    tallies = np.zeros((BLOCKS, 4))
    doses = np.zeros((BLOCKS if with_dose else 0, *densities.shape[:3]))
    no_dose = np.zeros((0, 0, 0))
    arguments = (
        densities,
        linear,
        np.linalg.inv(linear),
        linear @ camera.source + ijk_from_world[:3, 3],
        detector_vectors(camera, distance),
        np.array(field, np.float64),
        float(width),
        float(height),
        np.ascontiguousarray([spectrum.energies, cumulative]),
        np.array([LOWEST_ENERGY, 1 / ENERGY_STEP, 1 / TRANSFER_STEP, LOWEST_ENERGY]),
        tables.total,
        tables.photoelectric,
        tables.coherent,
        tables.form_integral,
        tables.scattering_function,
        tables.incoherent_norm,
        block_maxima(densities, BLOCK),
        np.uint64(seed),
    )

    def block(number: int) -> None:
        dose = doses[number] if with_dose else no_dose
        run_histories(
            *arguments, number * per_block, per_block, pictures[number], tallies[number], dose
        )

    if device == "cpu":
        run_blocks(block, range(BLOCKS), progress, cancel)
    else:
        from meddl.deepdrr import transport_cuda

        transport_cuda.run_blocks(device, arguments, per_block, pictures, tallies, progress, cancel)
    # Energy in a cell over the photons emitted towards it, had the whole detector been irradiated.
    area = (field[1] - field[0]) * (field[3] - field[2]) / (width * height)
    pictures *= area * grid[0] * grid[1] / per_block
    sums = np.concatenate([pictures, pictures[:, :3].sum(axis=1, keepdims=True)], axis=1)
    mean = sums.mean(axis=0)
    error = sums.std(axis=0, ddof=1) / np.sqrt(BLOCKS)
    photons = mean[SPECTRUM:-1]
    if with_spectrum:
        found = np.tensordot(np.arange(groups) + 0.5, photons, 1)
        photons *= mean[-1] / np.maximum(found, np.finfo(float).tiny)
    emitted, absorbed, unscattered, escaped = (float(n) for n in tallies.sum(axis=0))
    return Simulation(
        compton_once=mean[0],
        rayleigh_once=mean[1],
        multiple=mean[2],
        scatter=mean[-1],
        standard_error=error[-1],
        analogue=mean[3],
        analogue_error=error[3],
        emitted=emitted,
        absorbed=absorbed,
        unscattered=unscattered,
        escaped=escaped,
        dose=doses.sum(axis=0) if with_dose else None,
        histories=per_block * BLOCKS,
        spectrum=photons if with_spectrum else None,
    )
