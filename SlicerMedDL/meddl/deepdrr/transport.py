"""Monte-Carlo transport of photons through voxels of several materials, on the CPU by numba.

A photon flies by Woodcock's delta tracking (Woodcock et al. 1965) from block to block of voxels:
free paths are drawn with an upper bound of the attenuation in the block, and a collision counts
with the probability that the attenuation there has of it. At a real collision one material of the
voxel and one interaction are drawn. The photoelectric effect ends the history; angles come
from :mod:`meddl.deepdrr.photon_sampling`.

What reaches the detector is scored by expectation, not by chance hits. After a Compton collision a
random point of the detector receives the probability of being aimed at times the transmission on
the way there; a Rayleigh photon, whose narrow cone would make that estimate noisy, is aimed first
and then receives the transmission along its new direction. Scattered photons that really arrive are
counted as well ("analogue"), as an independent check.

Every history has a random number generator of its own, seeded by the run's seed and the number of
the history, so that the result does not depend on the number of threads. ``cuda/transport.cu``
is the same arithmetic for CUDA; a test runs it on the CPU and compares.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.deepdrr.cross_sections import ELECTRON_REST_ENERGY, KEV_ANGSTROM
from meddl.deepdrr.photon_sampling import (
    draw_compton,
    draw_rayleigh,
    seed_history,
    table,
    turn,
    uniform,
)

EPSILON = 1e-9  # voxels beyond a border, so that the next block is entered whatever the direction
BLOCK = 8  # voxels along each side of a block

# Indices of the tally: energies in keV.
EMITTED, ABSORBED, UNSCATTERED, ESCAPED = range(4)
# Indices of the scored pictures. Behind them, where there are more, are photons by energy: page
# SPECTRUM + n counts those from n to n + 1 keV, of all kinds but the analogue ones.
COMPTON_ONCE, RAYLEIGH_ONCE, MULTIPLE, ANALOGUE, SPECTRUM = range(5)

_jit = numba.njit(nogil=True, cache=True)


@_jit
def to_box(position, step, size):  # type: ignore[no-untyped-def]
    """Entry and exit distance, mm, of a ray in the volume's outer faces; exit < entry: a miss.

    position, step: (3,) ijk and ijk per mm; size: (3,) voxels.
    """
    start, stop = 0.0, math.inf
    for axis in range(3):
        low, high = -0.5, size[axis] - 0.5
        if abs(step[axis]) < 1e-14:
            if position[axis] < low or position[axis] > high:
                stop = -1.0
        else:
            a = (low - position[axis]) / step[axis]
            b = (high - position[axis]) / step[axis]
            start, stop = max(start, min(a, b)), min(stop, max(a, b))
    return start, stop


@_jit
def mass_to_exit(densities, position, step, size, mass):  # type: ignore[no-untyped-def]
    """Mass per area of each material, g/cm2, from a position inside the volume to its border.

    densities: (K, J, I, M) g/cm3, constant in each voxel; mass: (M,), overwritten.
    """
    mass[:] = 0.0
    _, stop = to_box(position, step, size)
    at = np.empty(3, np.int64)
    crossing = np.empty(3)
    stride = np.empty(3)
    way = np.empty(3, np.int64)
    for axis in range(3):
        at[axis] = min(max(math.floor(position[axis] + 0.5), 0), size[axis] - 1)
        if abs(step[axis]) < 1e-14:
            crossing[axis], stride[axis], way[axis] = math.inf, math.inf, 0
        else:
            way[axis] = 1 if step[axis] > 0.0 else -1
            crossing[axis] = (at[axis] + 0.5 * way[axis] - position[axis]) / step[axis]
            stride[axis] = 1.0 / abs(step[axis])
    t = 0.0
    while t < stop:
        axis = 0 if crossing[0] < crossing[1] else 1
        if crossing[2] < crossing[axis]:
            axis = 2
        end = min(crossing[axis], stop)
        length = 0.1 * (end - t)
        if length > 0.0:
            for m in range(mass.shape[0]):
                mass[m] += length * densities[at[2], at[1], at[0], m]
        t = max(t, end)
        at[axis] += way[axis]
        if at[axis] < 0 or at[axis] >= size[axis]:
            break
        crossing[axis] += stride[axis]


@_jit
def _add(picture, u, v, width, height, value):  # type: ignore[no-untyped-def]
    """Add to the cell of the picture in which pixel coordinates (u, v) lie, if any."""
    column = math.floor((u + 0.5) / width * picture.shape[1])
    row = math.floor((v + 0.5) / height * picture.shape[0])
    if 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1]:
        picture[row, column] += value


@_jit
def _score(pictures, kind, u, v, width, height, energy, value):  # type: ignore[no-untyped-def]
    """Add the energy ``value`` that photons of ``energy`` keV bring to a picture of its kind."""
    _add(pictures[kind], u, v, width, height, value)
    page = SPECTRUM + math.floor(energy)
    if page < pictures.shape[0]:
        _add(pictures[page], u, v, width, height, value / energy)


@_jit
def _matrix(matrix, vector, out):  # type: ignore[no-untyped-def]
    for row in range(3):
        out[row] = matrix[row, 0] * vector[0] + matrix[row, 1] * vector[1]
        out[row] += matrix[row, 2] * vector[2]


@_jit
def _strike(detector, offset, direction, pixel):  # type: ignore[no-untyped-def]
    """Whether a ray meets the detector's plane ahead; its pixel (2,) is written.

    detector: (5, 3) mm: first pixel's centre, step per column, per row (all from the source), and
    the two duals of the steps; offset: (3,) mm of the ray's start from the source.
    """
    normal = np.empty(3)
    column, row = detector[1], detector[2]
    normal[0] = column[1] * row[2] - column[2] * row[1]
    normal[1] = column[2] * row[0] - column[0] * row[2]
    normal[2] = column[0] * row[1] - column[1] * row[0]
    speed = 0.0
    height = 0.0
    for axis in range(3):
        speed += normal[axis] * direction[axis]
        height += normal[axis] * (detector[0, axis] - offset[axis])
    if speed * height <= 0.0:
        return False
    pixel[0] = 0.0
    pixel[1] = 0.0
    for axis in range(3):
        across = offset[axis] + height / speed * direction[axis] - detector[0, axis]
        pixel[0] += detector[3, axis] * across
        pixel[1] += detector[4, axis] * across
    return True


@_jit
def _transmission(total, mass, index):  # type: ignore[no-untyped-def]
    depth = 0.0
    for m in range(mass.shape[0]):
        depth += table(total[m], index) * mass[m]
    return math.exp(-depth)


@_jit
def run_histories(  # type: ignore[no-untyped-def]
    densities,
    ijk_from_mm,
    mm_from_ijk,
    source,
    detector,
    field,
    width,
    height,
    spectrum,
    grid,
    total,
    photoelectric,
    coherent,
    form_integral,
    scattering_function,
    incoherent_norm,
    bounds,
    seed,
    first,
    count,
    pictures,
    tally,
    dose,
):
    """Follow the histories first .. first + count - 1 and add to pictures, tally and dose.

    Args:
        densities: (K, J, I, M) float32 g/cm3.
        ijk_from_mm, mm_from_ijk: 3x3, between directions in ijk and in mm from the source.
        source: (3,) ijk.
        detector: (5, 3), see _strike.
        field: (4,) pixel coordinates of the irradiated field: first and last u, first and last v.
        width, height: of the detector, pixels.
        spectrum: (2, S) energies in keV and their cumulative probability.
        grid: (4,) lowest energy, entries per keV, entries per 1/Angstrom, cut-off in keV.
        total .. incoherent_norm: see meddl.deepdrr.cross_sections.Interactions.
        bounds: (K', J', I', M) float32 g/cm3, largest density of each material in each block of
            BLOCK voxels a side.
        pictures: (4 + G, h, w) keV: Compton once, Rayleigh once, multiple, analogue; and photons
            in G bins of 1 keV from 0 keV on.
        tally: (4,) keV: emitted, absorbed, escaped unscattered, escaped scattered.
        dose: (K, J, I) keV absorbed in each voxel; an empty array is left alone.
    """
    size = np.array([densities.shape[2], densities.shape[1], densities.shape[0]])
    materials = densities.shape[3]
    state = np.zeros(1, np.uint64)
    position = np.empty(3)
    step = np.empty(3)
    direction = np.empty(3)
    aim = np.empty(3)
    offset = np.empty(3)
    pixel = np.empty(2)
    mass = np.empty(materials)
    attenuation = np.empty(materials)  # 1/mm per g/cm3
    at = np.empty(3, np.int64)
    material = 0
    cross_x = detector[1, 1] * detector[2, 2] - detector[1, 2] * detector[2, 1]
    cross_y = detector[1, 2] * detector[2, 0] - detector[1, 0] * detector[2, 2]
    cross_z = detector[1, 0] * detector[2, 1] - detector[1, 1] * detector[2, 0]
    pixel_area = math.sqrt(cross_x**2 + cross_y**2 + cross_z**2)
    area = pixel_area * width * height
    for history in range(first, first + count):
        seed_history(seed, np.uint64(history), state)
        chance = uniform(state)
        low, high = 0, spectrum.shape[1] - 1
        while low < high:
            middle = (low + high) // 2
            if spectrum[1, middle] < chance:
                low = middle + 1
            else:
                high = middle
        energy = spectrum[0, low]
        u = field[0] + uniform(state) * (field[1] - field[0])
        v = field[2] + uniform(state) * (field[3] - field[2])
        length = 0.0
        for axis in range(3):
            direction[axis] = detector[0, axis] + u * detector[1, axis] + v * detector[2, axis]
            length += direction[axis] ** 2
            position[axis] = source[axis]
        length = math.sqrt(length)
        for axis in range(3):
            direction[axis] /= length
        _matrix(ijk_from_mm, direction, step)
        tally[EMITTED] += energy
        start, stop = to_box(position, step, size)
        if stop <= start:
            tally[UNSCATTERED] += energy
            continue
        for axis in range(3):
            position[axis] += start * step[axis]
            inner = min(position[axis], size[axis] - 0.5 - EPSILON)
            position[axis] = max(inner, EPSILON - 0.5)
        order = 0
        while True:
            index = (energy - grid[0]) * grid[1]
            for m in range(materials):
                attenuation[m] = 0.1 * table(total[m], index)
            # Fly to the next real collision.
            kind = -1.0
            while True:
                inside = True
                border = math.inf
                across = 0
                beyond = 0.0
                for axis in range(3):
                    at[axis] = math.floor(position[axis] + 0.5)
                    if at[axis] < 0 or at[axis] >= size[axis]:
                        inside = False
                    face = BLOCK * (at[axis] // BLOCK + (step[axis] > 0.0))
                    face = min(face, size[axis]) - 0.5
                    if abs(step[axis]) > 1e-14:
                        reach = (face - position[axis]) / step[axis]
                        if reach < border:
                            border = reach
                            across = axis
                            beyond = face + (EPSILON if step[axis] > 0.0 else -EPSILON)
                if not inside:
                    break
                largest = 0.0
                for m in range(materials):
                    bound = bounds[at[2] // BLOCK, at[1] // BLOCK, at[0] // BLOCK, m]
                    largest += bound * attenuation[m]
                distance = -math.log(uniform(state)) / largest if largest > 0.0 else math.inf
                if distance >= border:
                    for axis in range(3):
                        position[axis] += border * step[axis]
                    position[across] = beyond
                    continue
                for axis in range(3):
                    position[axis] += distance * step[axis]
                    at[axis] = math.floor(position[axis] + 0.5)
                    at[axis] = min(max(at[axis], 0), size[axis] - 1)
                here = 0.0
                chance = uniform(state) * largest
                for m in range(materials):
                    share = densities[at[2], at[1], at[0], m] * attenuation[m]
                    if kind < 0.0 and chance < here + share:
                        material = m
                        kind = (chance - here) / share  # again uniform in 0..1
                    here += share
                if kind >= 0.0:
                    break
            if not inside:
                tally[ESCAPED if order else UNSCATTERED] += energy
                if order:
                    _offset(mm_from_ijk, position, source, offset)
                    if _strike(detector, offset, direction, pixel):
                        _add(pictures[ANALOGUE], pixel[0], pixel[1], width, height, energy)
                break
            order += 1
            kind *= table(total[material], index)
            deposited = energy
            absorbed = table(photoelectric[material], index)
            if kind < absorbed:
                energy = 0.0
            elif kind < absorbed + table(coherent[material], index):
                deposited = 0.0
                cosine = draw_rayleigh(energy, form_integral[material], grid[2], state)
                turn(direction, cosine, 2.0 * math.pi * uniform(state))
                _matrix(ijk_from_mm, direction, step)
                _offset(mm_from_ijk, position, source, offset)
                if _strike(detector, offset, direction, pixel):
                    mass_to_exit(densities, position, step, size, mass)
                    sort = RAYLEIGH_ONCE if order == 1 else MULTIPLE
                    value = energy * _transmission(total, mass, index)
                    _score(pictures, sort, pixel[0], pixel[1], width, height, energy, value)
            else:
                # Aim at a random point of the detector.
                u = uniform(state) * width - 0.5
                v = uniform(state) * height - 0.5
                _offset(mm_from_ijk, position, source, offset)
                length = 0.0
                toward = 0.0
                cosine = 0.0
                for axis in range(3):
                    aim[axis] = detector[0, axis] + u * detector[1, axis] + v * detector[2, axis]
                    aim[axis] -= offset[axis]
                    length += aim[axis] ** 2
                toward = aim[0] * cross_x + aim[1] * cross_y + aim[2] * cross_z
                behind = detector[0, 0] * cross_x + detector[0, 1] * cross_y
                behind += detector[0, 2] * cross_z
                if toward * behind > 0.0:
                    distance = math.sqrt(length)
                    for axis in range(3):
                        aim[axis] /= distance
                        cosine += aim[axis] * direction[axis]
                    ratio = 1.0 / (1.0 + energy / ELECTRON_REST_ENERGY * (1.0 - cosine))
                    transfer = energy * math.sqrt(max(0.5 * (1.0 - cosine), 0.0)) / KEV_ANGSTROM
                    chance = ratio * ratio * (ratio + 1.0 / ratio - 1.0 + cosine * cosine)
                    chance *= table(scattering_function[material], transfer * grid[2])
                    chance /= table(incoherent_norm[material], index)
                    # Solid angle of the detector's area seen under the angle of incidence.
                    chance *= area * abs(toward) / (pixel_area * distance * length)
                    after = energy * ratio
                    _matrix(ijk_from_mm, aim, step)
                    mass_to_exit(densities, position, step, size, mass)
                    value = after * chance
                    value *= _transmission(total, mass, (after - grid[0]) * grid[1])
                    sort = COMPTON_ONCE if order == 1 else MULTIPLE
                    _score(pictures, sort, u, v, width, height, after, value)
                after, cosine = draw_compton(energy, scattering_function[material], grid[2], state)
                turn(direction, cosine, 2.0 * math.pi * uniform(state))
                _matrix(ijk_from_mm, direction, step)
                deposited = energy - after
                energy = after
            if 0.0 < energy < grid[3]:
                deposited += energy
                energy = 0.0
            tally[ABSORBED] += deposited
            if dose.size:
                dose[at[2], at[1], at[0]] += deposited
            if energy == 0.0:
                break


@_jit
def _offset(mm_from_ijk, position, source, out):  # type: ignore[no-untyped-def]
    """(3,) mm from the source to an ijk position."""
    for row in range(3):
        out[row] = mm_from_ijk[row, 0] * (position[0] - source[0])
        out[row] += mm_from_ijk[row, 1] * (position[1] - source[1])
        out[row] += mm_from_ijk[row, 2] * (position[2] - source[2])
