"""The synthetic smoke of the published desmoking networks: fractal noise as the opacity of white.

Salazar-Colores et al., IEEE Access 8:208898 (2020), made it with the program python-clouds; its
numbers are those of the reproduction DL4H-Desmoking-Laparoscopy-Surgery-Images: 512 x 512 RGBA
pictures of six octaves of simplex noise. The opacity is the sum of the octaves plus an offset,
clipped to 0..1; a cosine fades it out towards two opposite edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.desmoke.noise import fractal_noise

Array = NDArray[np.float32]

SIZE = 512  # pixels
ZOOM = 0.001  # cells of the first octave per unit; a pixel is 2 units
UNITS = 2 * SIZE
OCTAVES, LACUNARITY, HURST = 6, 1.838, 0.836
OFFSET = 0.4
_SUM = sum(LACUNARITY ** (-HURST * n) for n in range(OCTAVES))  # of the octaves' amplitudes


def published_noise(y: ArrayLike, x: ArrayLike, phase: float, seed: int) -> Array:
    """The sum of the octaves, (h, w) float32, at rows ``y`` and columns ``x``, 0..1 of the picture.

    ``phase`` is the third dimension of the noise: along it the smoke changes. The published smoke
    stands still.
    """
    rows, columns = (np.asarray(a, np.float64) * (UNITS * ZOOM) for a in (y, x))
    noise = fractal_noise(columns, rows[:, None], phase, seed, OCTAVES, LACUNARITY, HURST)
    return noise * np.float32(_SUM)


def published_fade(y: ArrayLike) -> Array:
    """(h, 1) float32: 1 in the middle row, 0 at the first and last edge."""
    distance = np.abs(2 * np.asarray(y, np.float64) - 1)
    return np.cos(distance * (np.pi / 2))[:, None].astype(np.float32)


def published_opacity(noise: Array, fade: Array, offset: float = OFFSET) -> Array:
    """(h, w) float32, 0..1."""
    return np.clip(noise + np.float32(offset), 0, 1) * fade


def offset_of(noise: Array, fade: Array, mean: float, weights: Array) -> float:
    """The offset that gives a mean opacity, below that of the fade, 2 / pi, under ``weights``."""
    low, high = -_SUM, 1 + _SUM
    for _ in range(30):
        middle = (low + high) / 2
        if float((published_opacity(noise, fade, middle) * weights).sum()) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2
