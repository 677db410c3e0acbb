"""Seeded simplex noise in three dimensions, and its fractal sum.

Perlin, "Improving noise", ACM TOG 21:681 (2002), for the twelve gradients; Gustavson, "Simplex
noise demystified" (2005), for the lattice. The radius of a corner's influence is the one without
jumps (r^2 = 0.5). Gradients come from a hash of the lattice point and the seed: the noise has no
period, and any seed is a noise of its own. The third dimension is mostly time.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "reassoc"})
_SKEW, _UNSKEW = 1 / 3, 1 / 6
# The largest value of 2 10^7 random points is then 0.988.
_SCALE = 76.0
_TURN = 0x9E3779B9  # between the seeds of two octaves


# Midpoints of a cube's edges.
_GRADIENTS = np.array(
    [
        (1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0),
        (1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1),
        (0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1),
    ],
    np.float32,
)  # fmt: skip


@_jit
def _corner(i, j, k, x, y, z, seed):  # type: ignore[no-untyped-def]
    """What one lattice point adds at the offset (x, y, z) from it; without branches, which a
    processor would guess wrongly from cell to cell."""
    # Numba widens products of uint32 to 64 bits; they are cut again before they are mixed.
    h = np.uint32(i * 0x8DA6B343) ^ np.uint32(j * 0xD8163841) ^ np.uint32(k * 0xCB1AB31F)
    h = np.uint32(h + seed)
    h = np.uint32((h ^ (h >> 16)) * np.uint32(0x7FEB352D))  # lowbias32 (Wellons)
    h = np.uint32((h ^ (h >> 15)) * np.uint32(0x846CA68B))
    edge = (np.uint64(h ^ (h >> 16)) * np.uint64(12)) >> np.uint64(32)
    slope = _GRADIENTS[edge, 0] * x + _GRADIENTS[edge, 1] * y + _GRADIENTS[edge, 2] * z
    near = max(np.float32(0.5) - x * x - y * y - z * z, np.float32(0))
    near *= near
    return near * near * slope


@_jit
def simplex(x, y, z, seed):  # type: ignore[no-untyped-def]
    """Noise of one point, about -1 to 1; compiled code calls it."""
    skew = (x + y + z) * _SKEW
    i, j, k = np.floor(x + skew), np.floor(y + skew), np.floor(z + skew)
    back = (i + j + k) * _UNSKEW
    u, v, w = np.float32(x - i + back), np.float32(y - j + back), np.float32(z - k + back)
    xy, xz, yz = u >= v, u >= w, v >= w
    # The simplex's corners in order: step along the largest coordinate first, the smallest last.
    i1, j1, k1 = xy & xz, (not xy) & yz, (not xz) & (not yz)
    i2, j2, k2 = xy | xz, (not xy) | yz, (not xz) | (not yz)
    i, j, k = np.int64(i), np.int64(j), np.int64(k)
    s = np.uint32(seed)
    c = np.float32(_UNSKEW)
    total = _corner(i, j, k, u, v, w, s)
    total += _corner(i + i1, j + j1, k + k1, u - i1 + c, v - j1 + c, w - k1 + c, s)
    total += _corner(i + i2, j + j2, k + k2, u - i2 + 2 * c, v - j2 + 2 * c, w - k2 + 2 * c, s)
    total += _corner(i + 1, j + 1, k + 1, u - 1 + 3 * c, v - 1 + 3 * c, w - 1 + 3 * c, s)
    return np.float32(_SCALE) * total


@_jit
def fractal(x, y, z, seed, octaves, lacunarity, gain):  # type: ignore[no-untyped-def]
    """Sum of octaves of one point, over the sum of their amplitudes; compiled code calls it."""
    total, amplitude, whole = np.float32(0), np.float32(1), np.float32(0)
    for n in range(octaves):
        total += amplitude * simplex(x, y, z, np.uint32(seed + n * _TURN))
        whole += amplitude
        amplitude *= np.float32(gain)
        x, y, z = x * lacunarity, y * lacunarity, z * lacunarity
    return total / whole


@_jit
def _fractal_points(x, y, z, seed, octaves, lacunarity, gain, out):  # type: ignore[no-untyped-def]
    for n in range(out.size):
        out[n] = fractal(x[n], y[n], z[n], seed, octaves, lacunarity, gain)


def fractal_noise(
    x: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    seed: int,
    octaves: int = 1,
    lacunarity: float = 2.0,
    hurst: float = 1.0,
) -> NDArray[np.float32]:
    """Fractional Brownian motion by simplex noise: octave n has the frequency ``lacunarity**n`` and
    the amplitude ``lacunarity**(-n hurst)``; over the sum of the amplitudes.

    Args:
        x, y, z: coordinates that broadcast to one shape; a unit is a cell of the first octave.
        seed: 0 to 2**32 - 1.
        octaves: 1 gives plain noise.
        hurst: the exponent H. The power of a line through the noise falls like f^-(2 H + 1).

    Returns:
        float32 of the broadcast shape, -1 to 1, zero mean.

    Source:
        Musgrave, in Ebert et al., Texturing and Modeling (1994), chapter 16.
    """
    shape = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z))
    u, v, w = (np.broadcast_to(np.asarray(a, np.float64), shape).ravel() for a in (x, y, z))
    out = np.empty(u.size, np.float32)
    _fractal_points(u, v, w, seed, octaves, float(lacunarity), float(lacunarity) ** -hurst, out)
    return out.reshape(shape)
