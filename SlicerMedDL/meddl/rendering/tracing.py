"""Rays through a signed distance field: first hits and normals, on the CPU by numba.

Sphere tracing (Hart 1996): a step of distance / slope cannot pass the surface. Close to it the ray
goes in short steps until the sign changes, and the root is bisected, so that the depth is that of
the trilinear field and not of a tolerance.
"""

from __future__ import annotations

import math

import numba
import numpy as np

MAX_STEPS = 2000
BISECTIONS = 24  # of a short step: below 1e-8 mm
SHORT_STEP = 0.05  # nodes; a fold thinner than this may be passed at a grazing angle

jit = numba.njit(nogil=True, cache=True, error_model="numpy")


@jit
def distance_at(values, x, y, z):  # type: ignore[no-untyped-def]  # numba infers the types
    """Trilinear value at continuous indices (x along i); the border's value outside."""
    depth, height, width = values.shape
    x = min(max(x, 0.0), width - 1.000001)
    y = min(max(y, 0.0), height - 1.000001)
    z = min(max(z, 0.0), depth - 1.000001)
    i, j, k = int(x), int(y), int(z)
    u, v, w = x - i, y - j, z - k
    a = values[k, j, i] * (1 - u) + values[k, j, i + 1] * u
    b = values[k, j + 1, i] * (1 - u) + values[k, j + 1, i + 1] * u
    c = values[k + 1, j, i] * (1 - u) + values[k + 1, j, i + 1] * u
    d = values[k + 1, j + 1, i] * (1 - u) + values[k + 1, j + 1, i + 1] * u
    return (a * (1 - v) + b * v) * (1 - w) + (c * (1 - v) + d * v) * w


@jit
def normal_at(values, x, y, z):  # type: ignore[no-untyped-def]
    """Unit vector into free space: differences over one node, continuous across the cells."""
    nx = distance_at(values, x + 1, y, z) - distance_at(values, x - 1, y, z)
    ny = distance_at(values, x, y + 1, z) - distance_at(values, x, y - 1, z)
    nz = distance_at(values, x, y, z + 1) - distance_at(values, x, y, z - 1)
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-12:
        return 0.0, 0.0, 1.0
    return nx / length, ny / length, nz / length


@jit
def leave(values, x, y, z, dx, dy, dz):  # type: ignore[no-untyped-def]
    """Length of the ray from inside the grid to its border, for a unit direction, in nodes."""
    depth, height, width = values.shape
    end = np.inf
    for p, d, last in ((x, dx, width - 1), (y, dy, height - 1), (z, dz, depth - 1)):
        if p < 0 or p > last:
            return 0.0
        if d > 1e-12:
            end = min(end, (last - p) / d)
        elif d < -1e-12:
            end = min(end, -p / d)
    return end


@jit
def hit(values, safe, x, y, z, dx, dy, dz, end):  # type: ignore[no-untyped-def]
    """Length along a unit direction to the first zero, in nodes; -1 if none before ``end``.

    ``safe`` is nodes of step per mm of distance: 1 / (spacing x slope).
    """
    t = 0.0
    before = 0.0
    for _ in range(MAX_STEPS):
        value = distance_at(values, x + t * dx, y + t * dy, z + t * dz)
        if value <= 0.0:
            low, high = before, t
            for _ in range(BISECTIONS):
                middle = 0.5 * (low + high)
                if distance_at(values, x + middle * dx, y + middle * dy, z + middle * dz) > 0.0:
                    low = middle
                else:
                    high = middle
            return 0.5 * (low + high)
        if t >= end:
            return -1.0
        before = t
        t = min(t + max(value * safe, SHORT_STEP), end)
    return -1.0


@jit
def hits(values, safe, starts, directions, lengths):  # type: ignore[no-untyped-def]
    """:func:`hit`, or the way to the border, of rays (N, 3) in nodes, into ``lengths`` (N,)."""
    for n in range(len(starts)):
        x, y, z = starts[n]
        dx, dy, dz = directions[n]
        end = leave(values, x, y, z, dx, dy, dz)
        length = hit(values, safe, x, y, z, dx, dy, dz, end)
        lengths[n] = end if length < 0.0 else length
