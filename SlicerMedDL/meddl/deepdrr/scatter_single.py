"""Single scatter: what photons bring that scatter once, by integration.

A ray goes through each cell of a picture; from a point on it, anywhere in its mass with equal
chance, the scatter toward every cell is the product of what arrives there, the chance of that
angle, and the transmission on the way out (Ingleby et al., J X-Ray Sci Technol 23:119, 2015, do so
for all voxels). Ways in and out go through the object as it is, so that skin, lungs and what lies
beside the body count where they are.

Energies are summed beforehand, for water, into a table over angle, way in and way out. Other
materials attenuate and scatter as some mass of water does, by their ratio at one energy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.spectrum import Spectrum
from meddl.deepdrr.transport import to_box

Array = NDArray[np.float64]

VOXEL = 4.0  # mm, of the grid for ways out (8 mm: up to 5 % off; 12 points of a ray: 0.3 %)
STEP = 2.0  # mm between samples on a way in
ANGLES = 129  # nodes over sin(angle / 2) from 0 to 1: 0.9 degrees at small angles
FORWARD = 0.5  # sin(angle / 2) beyond which materials scatter as water does
WAY, WAYS = 2.0, 36  # g/cm2 of water between nodes, and their number
HARDENED = 15.0  # g/cm2 of water, behind which the mean energy is taken for that ratio
SPREAD = np.array([0.8191725133961645, 0.6710436067037893, 0.5497004779019703])  # Roberts 2018: R3

_jit = numba.njit(nogil=True, cache=True)


@lru_cache(maxsize=8)
def _scattered(energies: tuple[float, ...], fractions: tuple[float, ...]) -> NDArray[np.float32]:
    """(2, ANGLES, WAYS, WAYS) log of keV per steradian, g/cm2 and emitted photon, of water.

    Compton and Rayleigh scatter together, and Rayleigh scatter alone, over sin(angle / 2), the way
    in and the way out.
    """
    from meddl.deepdrr.cross_sections import (
        ELECTRON_REST_ENERGY,
        ENERGIES,
        KEV_ANGSTROM,
        TRANSFERS,
        interactions,
        klein_nishina,
    )

    water = interactions(("water",))
    energy = np.array(energies)
    half = np.linspace(0, 1, ANGLES)  # sin(angle / 2)
    cosines = 1 - 2 * half**2
    transfers = energy * half[:, None] / KEV_ANGSTROM  # (A, E)
    ways = WAY * np.arange(WAYS)

    def at(table: Array, where: Array) -> Array:
        return np.interp(where, ENERGIES, table[0])

    def way_through(energies: Array) -> Array:
        return np.exp(-at(water.total, energies)[..., None] * ways)

    norm = at(water.incoherent_norm, energy)
    compton = klein_nishina(energy, cosines[:, None]) / norm * at(water.incoherent, energy)
    compton *= np.interp(transfers, TRANSFERS, water.scattering_function[0])
    after = energy / (1 + energy / ELECTRON_REST_ENERGY * (1 - cosines[:, None]))
    squares = np.interp(transfers, TRANSFERS, water.form_factor[0])
    rayleigh = squares * (1 + cosines[:, None] ** 2) / 2
    # Over the sphere: 2 pi d(cosine) = 8 pi half d(half).
    rayleigh /= np.trapezoid(8 * np.pi * half[:, None] * rayleigh, half, axis=0)
    rayleigh *= at(water.coherent, energy)
    into = np.array(fractions)[:, None] * way_through(energy)  # (E, W)
    unchanged = np.einsum("ae,ew,ev->awv", rayleigh * energy, into, way_through(energy))
    changed = np.einsum("ae,ew,aev->awv", compton * after, into, way_through(after))
    both = np.array([unchanged + changed, unchanged])
    return np.log(np.maximum(both, 1e-30)).astype(np.float32)


@_jit
def _coarse(densities, ratios, block, water):  # type: ignore[no-untyped-def]
    """Mean of 8 voxels of each block: the density of water that attenuates as much.

    ratios: (M, 3), the first of which are attenuation to water's per gram.
    """
    for k in range(water.shape[0]):
        for j in range(water.shape[1]):
            for i in range(water.shape[2]):
                for n in range(8):
                    z = k * block[2] + (1 + 2 * (n & 1)) * block[2] // 4
                    y = j * block[1] + (1 + (n & 2)) * block[1] // 4
                    x = i * block[0] + (1 + ((n >> 1) & 2)) * block[0] // 4
                    if z >= densities.shape[0] or y >= densities.shape[1]:
                        continue
                    if x >= densities.shape[2]:
                        continue
                    for m in range(ratios.shape[0]):
                        water[k, j, i] += 0.125 * ratios[m, 0] * densities[z, y, x, m]


@_jit
def _way(water, x, y, z, dx, dy, dz, length):  # type: ignore[no-untyped-def]
    """g/cm2 of water on the first ``length`` mm from (x, y, z), ijk within the coarse grid.

    From voxel to voxel: samples at even steps would keep step with the voxels on rays along an axis
    (10 to 28 % off in such a view). dx, dy, dz: ijk per mm.
    """
    i = min(max(math.floor(x + 0.5), 0), water.shape[2] - 1)
    j = min(max(math.floor(y + 0.5), 0), water.shape[1] - 1)
    k = min(max(math.floor(z + 0.5), 0), water.shape[0] - 1)
    right, up, on = (1 if dx > 0.0 else -1), (1 if dy > 0.0 else -1), (1 if dz > 0.0 else -1)
    stride_x = 1.0 / max(abs(dx), 1e-9)
    stride_y = 1.0 / max(abs(dy), 1e-9)
    stride_z = 1.0 / max(abs(dz), 1e-9)
    next_x = (0.5 + right * (i - x)) * stride_x
    next_y = (0.5 + up * (j - y)) * stride_y
    next_z = (0.5 + on * (k - z)) * stride_z
    total, t = 0.0, 0.0
    while True:
        density = water[k, j, i]
        if next_x < next_y and next_x < next_z:
            end = next_x
            next_x += stride_x
            i += right
        elif next_y < next_z:
            end = next_y
            next_y += stride_y
            j += up
        else:
            end = next_z
            next_z += stride_z
            k += on
        if end >= length:
            return 0.1 * (total + density * (length - t))
        total += density * (end - t)
        t = end
        if i < 0 or j < 0 or k < 0:
            return 0.1 * total
        if i >= water.shape[2] or j >= water.shape[1] or k >= water.shape[0]:
            return 0.1 * total


@_jit
def _points(  # type: ignore[no-untyped-def]
    densities, ratios, linear, source, first, per_column, per_row, share, spread, points
):
    """A point on the ray of each cell of a picture, anywhere in its mass with equal chance.

    Through the voxels as they are: where skin lies along a ray, it is behind the skin or beside it
    (means of 4 mm have 3 % more scatter of a box whose sides lie so).

    ratios: (M, 3) to water per gram: attenuation, Compton scatter, Rayleigh less Compton scatter;
    linear: 3x3, mm to ijk; source: (3,) ijk; first, per_column, per_row: (3,) mm from the source to
    the first cell's centre and between cells; share: (h, w) of each cell's photons; spread: (3,);
    points: (N, 9), filled with the offset from the source (mm), direction, way in (g/cm2) and two
    weights (g/cm2 times share), of both kinds of scatter and of Rayleigh scatter beyond water's.
    Returns how many.
    """
    size = np.array([densities.shape[2], densities.shape[1], densities.shape[0]])
    found = 0
    ray, step = np.empty(3), np.empty(3)
    for row in range(share.shape[0]):
        for column in range(share.shape[1]):
            if share[row, column] <= 0.0:
                continue
            # Each ray lies elsewhere within its cell.
            number = row * share.shape[1] + column
            u = column - 0.5 + (number * spread[0]) % 1.0
            v = row - 0.5 + (number * spread[1]) % 1.0
            length = 0.0
            for axis in range(3):
                ray[axis] = first[axis] + u * per_column[axis] + v * per_row[axis]
                length += ray[axis] ** 2
            length = math.sqrt(length)
            for axis in range(3):
                ray[axis] /= length
            for axis in range(3):
                step[axis] = linear[axis, 0] * ray[0] + linear[axis, 1] * ray[1]
                step[axis] += linear[axis, 2] * ray[2]
            start, stop = to_box(source, step, size)
            count = math.ceil(max(min(stop, length) - start, 0.0) / STEP)
            total, before, way, wanted = 0.0, 0.0, 0.0, 0.0
            for n in range(2 * count):  # the mass of the ray first, then the point
                if n == count:
                    if total == 0.0:
                        break
                    wanted = (number * spread[2]) % 1.0 * total
                t = start + (n % count + 0.5) * STEP
                i = min(max(math.floor(source[0] + t * step[0] + 0.5), 0), size[0] - 1)
                j = min(max(math.floor(source[1] + t * step[1] + 0.5), 0), size[1] - 1)
                k = min(max(math.floor(source[2] + t * step[2] + 0.5), 0), size[2] - 1)
                here, water, more = 0.0, 0.0, 0.0
                for m in range(ratios.shape[0]):
                    mass = 0.1 * STEP * densities[k, j, i, m]
                    water += ratios[m, 0] * mass
                    here += ratios[m, 1] * mass
                    more += ratios[m, 2] * mass
                if n < count:
                    total += here
                elif before + here <= wanted or here == 0.0:
                    before += here
                    way += water
                else:
                    into = (wanted - before) / here
                    for axis in range(3):
                        points[found, axis] = (t + (into - 0.5) * STEP) * ray[axis]
                        points[found, 3 + axis] = ray[axis]
                    points[found, 6] = way + into * water
                    points[found, 7] = total * share[row, column]
                    points[found, 8] = points[found, 7] * more / here
                    found += 1
                    break
    return found


@_jit
def trilinear(values, a, b, c):  # type: ignore[no-untyped-def]
    """Value of a 3-D table at fractional indices that lie below its last ones."""
    ia, ib, ic = int(a), int(b), int(c)
    fa, fb, fc = a - ia, b - ib, c - ic
    total = 0.0
    for p in range(2):
        for q in range(2):
            line = values[ia + p, ib + q, ic] * (1.0 - fc) + values[ia + p, ib + q, ic + 1] * fc
            total += (fa if p else 1.0 - fa) * (fb if q else 1.0 - fb) * line
    return total


@_jit
def _gather(  # type: ignore[no-untyped-def]
    scattered, water, linear, source, first, per_column, per_row, points, row, out
):
    """Scatter of all points into the cells of one row; out: (w,)."""
    normal = np.empty(3)
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        normal[axis] = per_column[b] * per_row[c] - per_column[c] * per_row[b]  # area of a cell
    aim, step, at = np.empty(3), np.empty(3), np.empty(3)
    for column in range(out.shape[0]):
        total = 0.0
        for n in range(points.shape[0]):
            square, along, area = 0.0, 0.0, 0.0
            for axis in range(3):
                aim[axis] = first[axis] + column * per_column[axis] + row * per_row[axis]
                aim[axis] -= points[n, axis]
                square += aim[axis] ** 2
                along += aim[axis] * points[n, 3 + axis]
                area += aim[axis] * normal[axis]
            distance = math.sqrt(square)
            half = math.sqrt(max(0.5 - 0.5 * along / distance, 0.0))
            for axis in range(3):
                at[axis] = source[axis] + linear[axis, 0] * points[n, 0]
                at[axis] += linear[axis, 1] * points[n, 1] + linear[axis, 2] * points[n, 2]
                step[axis] = linear[axis, 0] * aim[0] + linear[axis, 1] * aim[1]
                step[axis] = (step[axis] + linear[axis, 2] * aim[2]) / distance
            way = _way(water, at[0], at[1], at[2], step[0], step[1], step[2], distance)
            a = min(half * (ANGLES - 1), ANGLES - 1.001)
            b = min(points[n, 6] / WAY, WAYS - 1.001)
            c = min(way / WAY, WAYS - 1.001)
            value = math.exp(trilinear(scattered[0], a, b, c)) * points[n, 7]
            if points[n, 8] != 0.0 and half < FORWARD:
                value += math.exp(trilinear(scattered[1], a, b, c)) * points[n, 8]
            total += value * abs(area) / (square * distance)
        out[column] = total


def single_scatter(
    densities: NDArray[np.float32],
    materials: Sequence[str],
    ijk_from_world: Array,
    camera: Camera,
    distance: float,
    spectrum: Spectrum,
    grid: tuple[int, int],
    share: Array | None = None,
) -> Array:
    """Energy that photons bring to the cells of a coarse detector after one scatter.

    Args:
        densities: (K, J, I, M) g/cm3.
        camera: a coarse one; a ray goes through each of its (w, h) cells.
        distance: source to detector, mm.
        grid: (h', w') cells of the result, over the same area.
        share: (h, w) share of each ray's photons that the collimator lets through; without it all.

    Returns:
        (h', w') keV per photon emitted towards a cell.
    """
    from meddl.deepdrr.cross_sections import ENERGIES, interactions
    from meddl.deepdrr.materials import mass_attenuation
    from meddl.deepdrr.projector import run_blocks

    energies = spectrum.energies
    depth = HARDENED * mass_attenuation("water", energies)
    behind = spectrum.fractions * np.exp(depth.min() - depth)  # 5 keV alone would be exp(-600)
    energy = (behind * energies).sum() / behind.sum()
    tables = interactions(("water", *materials))
    parts = np.array([tables.total, tables.incoherent, tables.coherent])
    parts = np.array([[np.interp(energy, ENERGIES, row) for row in part] for part in parts])
    ratios = (parts[:, 1:] / parts[:, :1]).T
    ratios[:, 2] -= ratios[:, 1]
    linear = np.ascontiguousarray(ijk_from_world[:3, :3], np.float64)
    source = linear @ camera.source + ijk_from_world[:3, 3]
    rays = camera.world_from_camera[:3, :3] @ np.linalg.inv(camera.K) * distance
    per_column, per_row, first = (np.ascontiguousarray(ray) for ray in rays.T)
    (width, height), (rows, columns) = camera.size, grid
    if share is None:
        share = np.ones((height, width))
    points = np.empty((width * height, 9))
    count = _points(
        *(densities, ratios, linear, source, first, per_column, per_row),
        *(share * (rows * columns / (width * height)), SPREAD, points),
    )
    out = np.zeros(grid)
    if not count:
        return out
    spacing = np.linalg.norm(np.linalg.inv(linear), axis=0)
    block = np.maximum(1, np.rint(VOXEL / spacing)).astype(np.int64)  # voxels along i, j, k
    water = np.zeros([-(-n // b) for n, b in zip(densities.shape[:3], block[::-1], strict=True)])
    _coarse(densities, ratios, block, water)
    across, down = per_column * (width / columns), per_row * (height / rows)
    corner = first + 0.5 * (across - per_column) + 0.5 * (down - per_row)
    scattered = _scattered(tuple(spectrum.energies), tuple(spectrum.fractions))
    geometry = (linear / block[:, None], (source - 0.5 * (block - 1)) / block, corner, across, down)
    run_blocks(
        lambda row: _gather(scattered, water, *geometry, points[:count], row, out[row]),
        *(range(rows), no_progress, None),
    )
    return out
