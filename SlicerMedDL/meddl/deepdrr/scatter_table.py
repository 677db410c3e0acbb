"""Pencil-beam kernels of multiple scatter behind slabs of water: a table made by Monte Carlo.

The kernels are results of :mod:`meddl.deepdrr.montecarlo` by photon energy, thickness and air gap,
so that they serve any spectrum and C-arm; :mod:`meddl.deepdrr.scatter_kernel` superposes them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.weights import Card, find_weights, save_weights, verify_weights
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.spectrum import Spectrum

Array = NDArray[np.float64]

NAME = "scatter-kernels"
KERNEL_ENERGIES = np.array([15, 20, 25, 30, 40, 50, 65, 80, 100, 120, 150], float)  # keV
THICKNESSES = np.array([1, 3, 6, 10, 15, 20, 25, 30, 37, 45, 55], float)  # g/cm2
GAPS = np.array([20, 60, 140, 260, 420, 650], float)  # mm, slab to detector
RADII = np.array([0, 8, 16, 25, 35, 48, 65, 85, 110, 140, 180, 230, 290, 350], float)  # mm
FINE = (0.5, 20.0, 5.0)  # spacing of the kernels' grid: g/cm2, mm of gap, mm of radius


def spectral_kernels(spectrum: Spectrum) -> Array:
    """(T, G, R) energy per area, keV/mm2, of one pencil beam's multiple scatter.

    On uniform grids with the spacing :data:`FINE`, all from 0; interpolated from the Monte-Carlo
    nodes in the logarithm, divided by the thickness squared, as multiple scatter starts.
    """
    return _spectral_kernels(tuple(spectrum.energies), tuple(spectrum.fractions)).copy()


@lru_cache(maxsize=8)
def _spectral_kernels(energies: tuple[float, ...], fractions: tuple[float, ...]) -> Array:
    from scipy.interpolate import PchipInterpolator

    table = load_kernels()
    logs = PchipInterpolator(KERNEL_ENERGIES, np.log(table), axis=0)(
        np.clip(energies, KERNEL_ENERGIES[0], KERNEL_ENERGIES[-1])
    )
    kernels = np.log(np.tensordot(fractions, np.exp(logs), 1) / THICKNESSES[:, None, None] ** 2)
    for axis, (nodes, step) in enumerate(zip((THICKNESSES, GAPS, RADII), FINE, strict=True)):
        fine = np.arange(0, nodes[-1] + step, step)
        kernels = PchipInterpolator(nodes, kernels, axis=axis)(np.clip(fine, *nodes[[0, -1]]))
    thickness = np.arange(kernels.shape[0]) * FINE[0]
    result: Array = np.exp(kernels) * thickness[:, None, None] ** 2
    return result


@lru_cache(maxsize=1)
def load_kernels() -> Array:
    """(E, T, G, R) keV/mm2 per photon: the shipped Monte-Carlo kernels.

    Raises:
        FileError: missing, damaged, or made for other nodes.
    """
    import safetensors.numpy

    path = find_weights(NAME)
    verify_weights(path)
    table = safetensors.numpy.load_file(path).get("kernels", np.empty(0)).astype(np.float64)
    expected = tuple(len(nodes) for nodes in (KERNEL_ENERGIES, THICKNESSES, GAPS, RADII))
    if table.shape != expected or not (table > 0).all():
        raise FileError(
            f"{path} holds no scatter kernels of shape {expected}; make them again with "
            "meddl drr scatter train --model kernel"
        )
    return table


def fit_kernels(
    histories: int = 200_000,
    seed: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Array:
    """Compute the kernels by Monte Carlo: a pencil beam on wide slabs of water.

    Args:
        histories: photons per energy, thickness and gap up to 20 g/cm2; behind thicker slabs more,
            with the square of the thickness, since fewer arrive (a million take 3 s on one core).

    Returns:
        (E, T, G, R) keV/mm2 per photon.
    """
    shape = (len(KERNEL_ENERGIES), len(THICKNESSES), len(GAPS))
    result = np.zeros((*shape, len(RADII)))
    jobs = list(np.ndindex(shape))
    for e, t, g in steps(jobs, len(jobs), "kernel", progress, cancel):
        result[e, t, g] = _slab_kernel(
            float(KERNEL_ENERGIES[e]),
            float(THICKNESSES[t]),
            float(GAPS[g]),
            round(histories * max(1.0, float(THICKNESSES[t]) ** 2 / 400)),
            seed,
            cancel,
        )
    return result


def _slab_kernel(
    energy: float,
    thickness: float,
    gap: float,
    histories: int,
    seed: int,
    cancel: CancelToken | None,
) -> Array:
    """(R,) radial kernel of one slab 1 m across, from cells of a 700 mm detector."""
    count, pixel, beam = 140, 5.0, 1e-6  # cells; mm; width of the beam in cells
    ijk_from_world = np.diag([1e-3, 1 / (10 * thickness), 1e-3, 1.0])
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=3000,
        source_isocenter=3000 - gap - 5 * thickness,
        detector_size=(count, count),
        pixel_spacing=pixel,
    )
    middle = (count - 1) / 2
    low, high = middle - beam / 2, middle + beam / 2
    found = simulate(
        np.ones((1, 1, 1, 1), np.float32),
        ("water",),
        ijk_from_world,
        view.camera(),
        3000.0,
        Spectrum(np.array([energy]), np.ones(1)),
        histories,
        grid=(count, count),
        field=(low, high, low, high),
        seed=seed,
        cancel=cancel,
    )
    # simulate() scales to a fully irradiated detector; one photon is wanted, per area.
    cells = found.multiple / beam**2 / pixel**2
    offsets = (np.arange(count) - middle) * pixel
    radius = np.hypot(offsets[:, None], offsets)
    # Weighted means of the cells around each node: triangular weights between the nodes.
    result = np.zeros(len(RADII))
    for n in range(len(RADII)):
        weight = np.interp(radius, RADII, np.eye(len(RADII))[n], right=0.0)
        result[n] = (weight * cells).sum() / weight.sum()
    return np.maximum(result, 1e-12 * energy)


def save_kernels(table: Array, folder: Path, histories: int, seed: int, command: str) -> Card:
    """Write the kernels and their card into a folder."""
    import torch

    card = Card(
        name=NAME,
        task="pencil-beam kernels of multiply scattered X-rays behind slabs of water",
        architecture="table",
        arguments={
            "energies_keV": KERNEL_ENERGIES.tolist(),
            "thicknesses_g_cm2": THICKNESSES.tolist(),
            "gaps_mm": GAPS.tolist(),
            "radii_mm": RADII.tolist(),
        },
        input_range=f"15 to 150 keV, up to {THICKNESSES[-1]:g} g/cm2, up to {GAPS[-1]:g} mm behind "
        "the object",
        units="keV per mm2 and photon",
        training_data=f"Monte-Carlo transport of this library, {histories} photons per node, more "
        "behind thick slabs",
        licence="Apache-2.0",
        seed=seed,
        command=command,
    )
    kernels = torch.from_numpy(table.astype(np.float32))
    return save_weights({"kernels": kernels}, folder / f"{NAME}.safetensors", card)
