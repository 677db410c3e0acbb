"""Fast scatter by superposition of pencil-beam kernels.

Every ray of a coarse picture is a pencil beam through a slab of water of its own thickness and
distance; it spreads a kernel of scattered energy over the detector (Love and Kruger 1987; with
kernels that depend on the object's thickness, Sun and Star-Lack 2010). The kernels are results of
:mod:`meddl.deepdrr.montecarlo` for slabs of water, by photon energy, thickness and air gap, so that
they serve any spectrum and C-arm.

A real object is no wide slab. A beam's scatter is therefore multiplied by exp(EDGE (t_beam -
t_pixel)), with one EDGE for pixels behind less and one for pixels behind more material than the
beam, fitted on random torsos.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.weights import Card, find_weights, save_weights, verify_weights
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.materials import mass_attenuation
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.spectrum import Spectrum
from meddl.deepdrr.transport import to_box

Array = NDArray[np.float64]

NAME = "scatter-kernels"
KERNEL_ENERGIES = np.array([15, 20, 25, 30, 40, 50, 65, 80, 100, 120, 150], float)  # keV
THICKNESSES = np.array([1, 3, 6, 10, 15, 20, 25, 30, 36, 44], float)  # g/cm2
GAPS = np.array([20, 60, 140, 260, 420, 650], float)  # mm, slab to detector
RADII = np.array([0, 8, 16, 25, 35, 48, 65, 85, 110, 140, 180, 230, 290, 350], float)  # mm
EDGE = (-0.01, 0.05)  # per g/cm2, where the pixel's ray is thinner and thicker than the beam
WATER_ENERGY = 55.0  # keV at which other materials are turned into water


@numba.njit(nogil=True, cache=True)
def _slabs(  # type: ignore[no-untyped-def]  # numba infers the types
    densities, weights, source, first, per_column, per_row, mm_per_step, step, thickness, middle
):
    """Water-equivalent mass (g/cm2) along each ray and the fraction of the way to its centroid.

    The ray of cell (u, v) is source + f (first + u per_column + v per_row), in ijk; f = 1 is on the
    detector, mm_per_step the 3x3 that turns ijk to mm.
    """
    size = np.array([densities.shape[2], densities.shape[1], densities.shape[0]])
    ray = np.empty(3)
    for row in range(thickness.shape[0]):
        for column in range(thickness.shape[1]):
            length = 0.0
            for axis in range(3):
                ray[axis] = first[axis] + column * per_column[axis] + row * per_row[axis]
            for axis in range(3):
                mm = mm_per_step[axis, 0] * ray[0] + mm_per_step[axis, 1] * ray[1]
                length += (mm + mm_per_step[axis, 2] * ray[2]) ** 2
            length = math.sqrt(length)
            start, stop = to_box(source, ray, size)
            if stop <= start:
                continue
            count = int((stop - start) * length / step) + 1
            total, moment = 0.0, 0.0
            for n in range(count):
                f = start + (n + 0.5) / count * (stop - start)
                i = min(max(math.floor(source[0] + f * ray[0] + 0.5), 0), size[0] - 1)
                j = min(max(math.floor(source[1] + f * ray[1] + 0.5), 0), size[1] - 1)
                k = min(max(math.floor(source[2] + f * ray[2] + 0.5), 0), size[2] - 1)
                mass = 0.0
                for m in range(weights.shape[0]):
                    mass += weights[m] * densities[k, j, i, m]
                total += mass
                moment += mass * f
            if total > 0.0:
                middle[row, column] = moment / total
                thickness[row, column] = 0.1 * total * (stop - start) * length / count


def slabs(
    densities: NDArray[np.float32],
    materials: Sequence[str],
    ijk_from_world: Array,
    camera: Camera,
    distance: float,
) -> tuple[Array, Array]:
    """The slab of water that each ray of a (coarse) camera goes through.

    Args:
        densities: (K, J, I, M) g/cm3.
        distance: source to detector, mm.

    Returns:
        (H, W) thickness in g/cm2, and (H, W) distance in mm from its centroid to the detector.
    """
    reference = mass_attenuation("water", np.array([WATER_ENERGY]))
    weights = np.array(
        [mass_attenuation(name, np.array([WATER_ENERGY]))[0] for name in materials] / reference
    )
    linear = ijk_from_world[:3, :3]
    rays = linear @ camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K) * distance
    mm_per_step = np.linalg.inv(linear)
    step = 0.5 * float(np.linalg.norm(mm_per_step, axis=0).min())
    thickness = np.zeros(camera.size[::-1])
    middle = np.zeros_like(thickness)
    per_column, per_row, first = (np.ascontiguousarray(ray) for ray in rays.T)
    source = linear @ camera.source + ijk_from_world[:3, 3]
    _slabs(
        *(densities, weights, source, first, per_column, per_row, mm_per_step, step),
        *(thickness, middle),
    )
    return thickness, (1 - middle) * distance


@numba.njit(nogil=True, cache=True)
def _superpose(  # type: ignore[no-untyped-def]
    kernels, fine, beam_thickness, beam_gap, beam_at, thickness, at, edge, out
):
    """Add to each cell what all beams send there; kernels (T, G, R) on uniform grids fine (3,)."""
    for n in range(out.shape[0]):
        total = 0.0
        for b in range(beam_thickness.shape[0]):
            t = beam_thickness[b] / fine[0]
            if t <= 0.0:
                continue
            dx, dy = at[n, 0] - beam_at[b, 0], at[n, 1] - beam_at[b, 1]
            r = math.sqrt(dx * dx + dy * dy) / fine[2]
            if r >= kernels.shape[2] - 1:
                continue
            g = min(beam_gap[b] / fine[1], kernels.shape[1] - 1.001)
            t = min(t, kernels.shape[0] - 1.001)
            it, ig, ir = int(t), int(g), int(r)
            ft, fg, fr = t - it, g - ig, r - ir
            value = 0.0
            for a in range(2):
                for c in range(2):
                    line = kernels[it + a, ig + c, ir] * (1.0 - fr)
                    line += kernels[it + a, ig + c, ir + 1] * fr
                    value += (ft if a else 1.0 - ft) * (fg if c else 1.0 - fg) * line
            thinner = beam_thickness[b] - thickness[n]
            total += value * math.exp(thinner * (edge[0] if thinner > 0.0 else edge[1]))
        out[n] = total


def superpose(
    kernels: Array,
    thickness: Array,
    middle: Array,
    cell: tuple[float, float],
    grid: tuple[int, int],
    edge: tuple[float, float] = EDGE,
) -> Array:
    """Scatter of slabs on a coarse grid.

    Args:
        kernels: (T, G, R) of :func:`spectral_kernels`.
        thickness: (h, w) g/cm2 of each beam.
        middle: (h, w) distance from the slab's centroid to the detector, mm.
        cell: distance of beams along columns and rows on the detector, mm.
        grid: (h', w') of the result, over the same area.
        edge: see the head of this file.

    Returns:
        (h', w') keV per photon emitted towards a pixel.
    """
    h, w = thickness.shape
    rows, columns = np.mgrid[:h, :w]
    beams = np.stack([(columns + 0.5) * cell[0], (rows + 0.5) * cell[1]], -1).reshape(-1, 2)
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    at = np.stack(
        [(columns + 0.5) * cell[0] * w / grid[1], (rows + 0.5) * cell[1] * h / grid[0]], -1
    ).reshape(-1, 2)
    here = block_mean(thickness, grid)
    gap = np.maximum(middle - 5 * thickness, 0)  # 1 g/cm2 of water is 10 mm
    out = np.zeros(grid[0] * grid[1])
    _superpose(
        *(kernels, np.array(FINE), thickness.ravel(), gap.ravel(), beams),
        *(here.ravel(), at, np.array(edge), out),
    )
    return out.reshape(grid) * cell[0] * cell[1]


FINE = (0.5, 20.0, 5.0)  # spacing of the kernels' grid: g/cm2, mm of gap, mm of radius


def spectral_kernels(spectrum: Spectrum) -> Array:
    """(T, G, R) energy per area, keV/mm2, that one pencil beam of the spectrum scatters.

    On uniform grids with the spacing :data:`FINE`, all from 0; interpolated from the Monte-Carlo
    nodes in the logarithm, divided by the thickness, so that it starts linearly.
    """
    return _spectral_kernels(tuple(spectrum.energies), tuple(spectrum.fractions)).copy()


@lru_cache(maxsize=8)
def _spectral_kernels(energies: tuple[float, ...], fractions: tuple[float, ...]) -> Array:
    from scipy.interpolate import PchipInterpolator

    table = load_kernels()
    logs = PchipInterpolator(KERNEL_ENERGIES, np.log(table), axis=0)(
        np.clip(energies, KERNEL_ENERGIES[0], KERNEL_ENERGIES[-1])
    )
    kernels = np.log(np.tensordot(fractions, np.exp(logs), 1) / THICKNESSES[:, None, None])
    for axis, (nodes, step) in enumerate(zip((THICKNESSES, GAPS, RADII), FINE, strict=True)):
        fine = np.arange(0, nodes[-1] + step, step)
        kernels = PchipInterpolator(nodes, kernels, axis=axis)(np.clip(fine, *nodes[[0, -1]]))
    thickness = np.arange(kernels.shape[0]) * FINE[0]
    result: Array = np.exp(kernels) * thickness[:, None, None]
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
        histories: photons per energy, thickness and gap (1 million take about 3 s on two cores).

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
            histories,
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
    cells = found.scatter / beam**2 / pixel**2
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
        task="pencil-beam kernels of scattered X-rays behind slabs of water",
        architecture="table",
        arguments={
            "energies_keV": KERNEL_ENERGIES.tolist(),
            "thicknesses_g_cm2": THICKNESSES.tolist(),
            "gaps_mm": GAPS.tolist(),
            "radii_mm": RADII.tolist(),
        },
        input_range="15 to 150 keV, up to 44 g/cm2, up to 650 mm behind the object",
        units="keV per mm2 and photon",
        training_data=f"Monte-Carlo transport of this library, {histories} photons per node",
        licence="Apache-2.0",
        seed=seed,
        command=command,
    )
    kernels = torch.from_numpy(table.astype(np.float32))
    return save_weights({"kernels": kernels}, folder / f"{NAME}.safetensors", card)


def block_mean(picture: Array, grid: tuple[int, int]) -> Array:
    """Mean over blocks; the sides must be multiples of the grid's."""
    h, w = grid
    blocks = picture.reshape(h, picture.shape[0] // h, w, picture.shape[1] // w)
    result: Array = blocks.mean(axis=(1, 3))
    return result
