"""The dark channel prior as published, in straight numpy: what one writes from the two papers.

He, Sun and Tang, "Single image haze removal using dark channel prior", IEEE TPAMI 33:2341, 2011;
He, Sun and Tang, "Guided image filtering", IEEE TPAMI 35:1397, 2013.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter, uniform_filter

Array = NDArray[Any]

PATCH = 15  # pixels
OMEGA = 0.95  # of the haze that is removed
LEAST = 0.1  # transmission
BRIGHTEST = 0.001  # of the dark channel's pixels, among which the airlight is sought
RADIUS, EPS = 60, 1e-4  # of the guided filter


def dark_channel(picture: Array) -> Array:
    """(H, W, 3) 0..1 -> (H, W), equation (5)."""
    return minimum_filter(picture.min(axis=-1), PATCH, mode="nearest")


def airlight(picture: Array, dark: Array) -> Array:
    """(3,): the brightest input pixel among the 0.1 % haziest ones, section 4.3."""
    count = max(int(dark.size * BRIGHTEST), 1)
    haziest = np.argsort(dark.ravel())[-count:]
    pixels = picture.reshape(-1, 3)[haziest]
    return np.asarray(pixels[pixels.sum(axis=-1).argmax()])


def guided_filter(guide: Array, values: Array) -> Array:
    """Algorithm 1 with a grey guide."""

    def mean(x: Array) -> Array:
        return np.asarray(uniform_filter(x, 2 * RADIUS + 1, mode="nearest"))

    mean_guide, mean_values = mean(guide), mean(values)
    variance = mean(guide * guide) - mean_guide**2
    slope = (mean(guide * values) - mean_guide * mean_values) / (variance + EPS)
    return mean(slope) * guide + mean(mean_values - slope * mean_guide)


def dehaze(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB -> the same without haze."""
    picture = frame / 255.0
    light = airlight(picture, dark_channel(picture))
    rough = 1 - OMEGA * dark_channel(picture / np.maximum(light, 1e-3))
    transmission = guided_filter(picture @ (0.299, 0.587, 0.114), rough)
    clear = (picture - light) / np.maximum(transmission, LEAST)[..., None] + light
    return np.rint(255 * np.clip(clear, 0, 1)).astype(np.uint8)
