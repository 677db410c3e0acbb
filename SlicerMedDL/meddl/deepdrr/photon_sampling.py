"""Random numbers and angles of single photons, for the kernels of :mod:`meddl.deepdrr.transport`.

SplitMix64 (Steele, Lea and Flood 2014) gives the numbers. Compton angles follow Klein and Nishina's
formula, drawn by the method of Butcher and Messel (1960), times S(x); Rayleigh angles follow
F(x)^2, drawn by inverting its integral, times Thomson's formula.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.deepdrr.cross_sections import ELECTRON_REST_ENERGY, KEV_ANGSTROM

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFT_30, SHIFT_27, SHIFT_31, SHIFT_11 = (np.uint64(n) for n in (30, 27, 31, 11))
UNIT = 1.0 / 9007199254740992.0  # 2^-53

_jit = numba.njit(nogil=True, cache=True)


@_jit
def _mix(value):  # type: ignore[no-untyped-def]  # numba infers the types
    value = (value ^ (value >> SHIFT_30)) * MIX_1
    value = (value ^ (value >> SHIFT_27)) * MIX_2
    return value ^ (value >> SHIFT_31)


@_jit
def seed_history(seed, history, state):  # type: ignore[no-untyped-def]
    """Start the generator of one history; state is (1,) uint64, seed and history uint64."""
    state[0] = _mix(_mix(seed + GOLDEN) + GOLDEN * (history + np.uint64(1)))


@_jit
def uniform(state):  # type: ignore[no-untyped-def]
    """The next number in (0, 1)."""
    state[0] += GOLDEN
    return (np.float64(_mix(state[0]) >> SHIFT_11) + 0.5) * UNIT


@_jit
def table(values, position):  # type: ignore[no-untyped-def]
    """Linear interpolation at a fractional index, clipped to the table."""
    position = min(max(position, 0.0), values.shape[0] - 1.0)
    index = min(int(position), values.shape[0] - 2)
    fraction = position - index
    return values[index] * (1.0 - fraction) + values[index + 1] * fraction


@_jit
def bracket(values, wanted):  # type: ignore[no-untyped-def]
    """The fractional index at which the increasing table reaches ``wanted``."""
    low, high = 0, values.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if values[middle] <= wanted:
            low = middle
        else:
            high = middle
    rise = values[high] - values[low]
    return low + min(max((wanted - values[low]) / rise, 0.0), 1.0) if rise > 0.0 else low + 0.0


@_jit
def draw_compton(energy, scattering, per_transfer, state):  # type: ignore[no-untyped-def]
    """Energy after a Compton collision (keV) and the cosine of its angle.

    scattering: (X,) S(x) over its largest value; per_transfer: entries per 1/Angstrom.
    """
    k = energy / ELECTRON_REST_ENERGY
    least = 1.0 / (1.0 + 2.0 * k)
    first = -math.log(least)
    second = 0.5 * (1.0 - least * least)
    while True:
        if uniform(state) * (first + second) < first:
            ratio = math.exp(-first * uniform(state))
        else:
            ratio = math.sqrt(least * least + 2.0 * second * uniform(state))
        versine = (1.0 - ratio) / (k * ratio)  # 1 - cosine
        square = versine * (2.0 - versine)
        accept = 1.0 - ratio * square / (1.0 + ratio * ratio)
        transfer = energy * math.sqrt(max(0.5 * versine, 0.0)) / KEV_ANGSTROM
        if uniform(state) < accept * table(scattering, transfer * per_transfer):
            return energy * ratio, 1.0 - versine


@_jit
def draw_rayleigh(energy, form_integral, per_transfer, state):  # type: ignore[no-untyped-def]
    """Cosine of the angle of a Rayleigh collision; form_integral: (X,) of F(x)^2 over x^2."""
    largest = energy / KEV_ANGSTROM
    limit = table(form_integral, largest * per_transfer)
    while True:
        index = bracket(form_integral, limit * uniform(state))
        # The integral is linear in x^2 between its nodes.
        low = int(index)
        x2 = low * low + (index - low) * (2.0 * low + 1.0)
        cosine = max(1.0 - 2.0 * x2 / (per_transfer * largest) ** 2, -1.0)
        if 2.0 * uniform(state) < 1.0 + cosine * cosine:
            return cosine


@_jit
def turn(direction, cosine, azimuth):  # type: ignore[no-untyped-def]
    """Turn a unit direction (3,) in place by a polar angle and an azimuth."""
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0))
    a, b = sine * math.cos(azimuth), sine * math.sin(azimuth)
    x, y, z = direction
    across = math.sqrt(max(1.0 - z * z, 0.0))
    if across > 1e-6:
        direction[0] = x * cosine + (x * z * a - y * b) / across
        direction[1] = y * cosine + (y * z * a + x * b) / across
        direction[2] = z * cosine - across * a
    else:
        direction[0], direction[1], direction[2] = a, b, cosine if z > 0.0 else -cosine
    length = math.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    for axis in range(3):
        direction[axis] /= length
