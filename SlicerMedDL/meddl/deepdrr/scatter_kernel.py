"""Multiple scatter by superposition of pencil-beam kernels.

Every ray of a coarse picture is a pencil beam through a slab of water of its own thickness and
distance; it spreads a kernel of multiply scattered energy over the detector (Love and Kruger 1987;
with kernels that depend on the object's thickness, Sun and Star-Lack 2010). The kernels come from
:mod:`meddl.deepdrr.scatter_table`. Single scatter, which knows the object's shape best, is
integrated instead (:mod:`meddl.deepdrr.scatter_single`).

A real object is no wide slab of water. Three factors, fitted on random torsos, allow for that:

- The way out. Scatter from the middle of a beam to a pixel leaves a slab through half of its
  thickness over the cosine, the object through what lies on the straight line between them. The
  difference, times the attenuation, is an exponent.
- The sides. Where the object is thinner around a beam, part of the scatter is lost.
- The spread. Where a beam's mass is spread further than a slab's, as by lungs, kernels are wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.deepdrr.attenuation import spectral_moments
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.scatter_single import trilinear
from meddl.deepdrr.scatter_table import FINE
from meddl.deepdrr.spectrum import Spectrum
from meddl.deepdrr.transport import to_box

Array = NDArray[np.float64]

SHORTER, LONGER = 0.37, 0.41  # of the attenuation, on a way out shorter and longer than the slab's
SIDES = 1.79  # of the attenuation, per g/cm2 that the object is thinner around a beam
AROUND = 28.0  # mm; standard deviation of the weights of that surrounding, in the object
WIDENING, WIDEST = 0.11, 3.0  # power of the mass's spread over a slab's, which is bounded
WAY_STEPS = 8  # points on the way out
THICKEST = 100.0  # g/cm2 of water


@dataclass(frozen=True, eq=False)
class Slabs:
    """The slab of water that stands for the object on each ray of a (coarse) camera.

    Attributes:
        thickness: (H, W) g/cm2 of water that transmit as much of the spectrum's energy.
        middle: (H, W) distance of the object's centroid from the detector, mm.
        spread: (H, W) standard deviation of the object's mass about it, mm.
        mass: (H, W) g/cm2 of the object.
        attenuation: of water for the spectrum behind 20 g/cm2 of it, cm2/g.
    """

    thickness: Array
    middle: Array
    spread: Array
    mass: Array
    attenuation: float


@numba.njit(nogil=True, cache=True)
def _masses(  # type: ignore[no-untyped-def]  # numba infers the types
    densities, source, first, per_column, per_row, mm_per_step, step, masses, middle, spread
):
    """Mass (g/cm2) of each material along each ray; its centroid and spread, fractions of the way.

    The ray of cell (u, v) is source + f (first + u per_column + v per_row), in ijk; f = 1 is on the
    detector, mm_per_step the 3x3 that turns ijk to mm.
    """
    size = np.array([densities.shape[2], densities.shape[1], densities.shape[0]])
    ray = np.empty(3)
    for row in range(masses.shape[0]):
        for column in range(masses.shape[1]):
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
            piece = 0.1 * (stop - start) * length / count
            total, moment, square = 0.0, 0.0, 0.0
            for n in range(count):
                f = start + (n + 0.5) / count * (stop - start)
                i = min(max(math.floor(source[0] + f * ray[0] + 0.5), 0), size[0] - 1)
                j = min(max(math.floor(source[1] + f * ray[1] + 0.5), 0), size[1] - 1)
                k = min(max(math.floor(source[2] + f * ray[2] + 0.5), 0), size[2] - 1)
                for m in range(masses.shape[2]):
                    masses[row, column, m] += piece * densities[k, j, i, m]
                    total += densities[k, j, i, m]
                    moment += densities[k, j, i, m] * f
                    square += densities[k, j, i, m] * f * f
            if total > 0.0:
                middle[row, column] = moment / total
                variance = square / total - (moment / total) ** 2
                spread[row, column] = math.sqrt(max(variance, 0.0))


def slabs(
    densities: NDArray[np.float32],
    materials: Sequence[str],
    ijk_from_world: Array,
    camera: Camera,
    distance: float,
    spectrum: Spectrum,
) -> Slabs:
    """The slab of water that each ray of a (coarse) camera goes through.

    Args:
        densities: (K, J, I, M) g/cm3.
        distance: source to detector, mm.
    """
    linear = ijk_from_world[:3, :3]
    rays = linear @ camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K) * distance
    mm_per_step = np.linalg.inv(linear)
    step = 0.5 * float(np.linalg.norm(mm_per_step, axis=0).min())
    masses = np.zeros((*camera.size[::-1], len(materials)), np.float32)
    middle, spread = np.zeros(masses.shape[:2]), np.zeros(masses.shape[:2])
    per_column, per_row, first = (np.ascontiguousarray(ray) for ray in rays.T)
    source = linear @ camera.source + ijk_from_world[:3, 3]
    _masses(
        densities, source, first, per_column, per_row, mm_per_step, step, masses, middle, spread
    )
    water = np.linspace(0, THICKEST, 501, dtype=np.float32)
    energy = spectral_moments(water[None, :, None], ("water",), spectrum)[1, 0]
    depth = -np.log(energy / energy[0])
    transmitted = spectral_moments(masses, materials, spectrum)[1] / energy[0]
    thickness = np.interp(-np.log(np.maximum(transmitted, 1e-30)), depth, water)
    slope = float(np.interp(20.0, water, np.gradient(depth, water)))
    mass = masses.sum(axis=2, dtype=np.float64)
    return Slabs(thickness, (1 - middle) * distance, spread * distance, mass, slope)


@numba.njit(nogil=True, cache=True)
def _superpose(  # type: ignore[no-untyped-def]
    kernels, fine, thickness, middle, wide, weight, cell, distance, at, shorter, longer, out
):
    """Add to each point what all beams send there; kernels (T, G, R) on uniform grids fine (3,).

    wide: (h, w) factors on the kernels' radii; at: (N, 2) mm on the detector; cell: (2,) mm between
    beams; shorter, longer: cm2/g of the way out; out: (N,). See :func:`superpose` for the others.
    """
    height, width = thickness.shape
    deepest = 5.0 * thickness.max()  # mm from the middle of a beam to the object's last layer
    for n in range(out.shape[0]):
        total = 0.0
        for row in range(height):
            for column in range(width):
                beam = thickness[row, column]
                if beam <= 0.0:
                    continue
                x, y = (column + 0.5) * cell[0], (row + 0.5) * cell[1]
                dx, dy = at[n, 0] - x, at[n, 1] - y
                radius = math.sqrt(dx * dx + dy * dy)
                r = radius / (fine[2] * wide[row, column])
                if r >= kernels.shape[2] - 1:
                    continue
                drop = middle[row, column]
                t = min(beam / fine[0], kernels.shape[0] - 1.001)
                # 1 g/cm2 of water is 10 mm, half of it behind the middle.
                g = min(max(drop - 5.0 * beam, 0.0) / fine[1], kernels.shape[1] - 1.001)
                value = trilinear(kernels, t, g, r)
                # On the straight way to the pixel, what of it lies within the slabs of other beams.
                last = min(1.0, deepest / drop)
                inside = 0
                for step in range(WAY_STEPS):
                    f = (step + 0.5) / WAY_STEPS * last
                    above = drop * (1.0 - f)
                    across = f * distance / (distance - above)  # as seen from the source
                    u = min(max(int((x + across * dx) / cell[0]), 0), width - 1)
                    v = min(max(int((y + across * dy) / cell[1]), 0), height - 1)
                    if abs(above - middle[v, u]) < 5.0 * thickness[v, u]:
                        inside += 1
                reach = 0.1 * math.sqrt(drop * drop + radius * radius)  # cm
                spared = min(5.0 * beam / drop, last) * reach - inside / WAY_STEPS * last * reach
                value *= math.exp(spared * (shorter if spared > 0.0 else longer))
                total += value * weight[row, column] / wide[row, column] ** 2
        out[n] = total


def superpose(
    kernels: Array,
    beams: Slabs,
    cell: tuple[float, float],
    grid: tuple[int, int],
    distance: float,
    open_share: Array | None = None,
) -> Array:
    """Scatter of slabs on a coarse grid.

    Args:
        kernels: (T, G, R) of :func:`meddl.deepdrr.scatter_table.spectral_kernels`.
        beams: (h, w) slabs.
        cell: distance of beams along columns and rows on the detector, mm.
        grid: (h', w') of the result, over the same area.
        distance: source to detector, mm.
        open_share: (h, w) share of each beam that the collimator lets through; without it all.

    Returns:
        (h', w') keV per photon emitted towards a pixel.
    """
    from scipy.ndimage import gaussian_filter

    out = np.zeros(grid[0] * grid[1])
    thickness = beams.thickness
    object_ = thickness > 0
    if not object_.any():
        return out.reshape(grid)
    magnification = distance / (distance - beams.middle[object_].mean())
    sigma = [AROUND * magnification / length for length in cell[::-1]]
    around = gaussian_filter(thickness, sigma, mode="nearest")
    weight = np.exp(-SIDES * beams.attenuation * np.maximum(thickness - around, 0))
    slab = 10 / math.sqrt(12) * np.maximum(beams.mass, 1e-6)  # mm; that of water
    wide = np.clip(beams.spread / slab, 1, WIDEST) ** WIDENING
    if open_share is not None:
        weight = weight * open_share
    h, w = thickness.shape
    rows, columns = np.mgrid[: grid[0], : grid[1]]
    at = np.stack(
        [(columns + 0.5) * cell[0] * w / grid[1], (rows + 0.5) * cell[1] * h / grid[0]], -1
    ).reshape(-1, 2)
    _superpose(
        *(kernels, np.array(FINE), thickness, beams.middle, wide, weight, np.array(cell), distance),
        *(at, SHORTER * beams.attenuation, LONGER * beams.attenuation, out),
    )
    return out.reshape(grid) * cell[0] * cell[1]


def block_mean(picture: Array, grid: tuple[int, int]) -> Array:
    """Mean over blocks; the sides must be multiples of the grid's."""
    h, w = grid
    blocks = picture.reshape(h, picture.shape[0] // h, w, picture.shape[1] // w)
    result: Array = blocks.mean(axis=(1, 3))
    return result
