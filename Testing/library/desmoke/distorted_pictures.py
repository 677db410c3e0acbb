"""Photographs of scikit-image with distortions that any program can repeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
# Name -> rows and columns: 256 x 256; odd sides; shrunk by two.
CROPS = {
    "astronaut": (slice(0, 256), slice(100, 356)),
    "chelsea": (slice(30, 281), slice(60, 391)),
    "coffee": (slice(0, 400), slice(0, 600)),
}


def photographs() -> dict[str, Picture]:
    """Name -> (H, W, 3) uint8 RGB."""
    from skimage import data

    return {name: np.ascontiguousarray(getattr(data, name)()[at]) for name, at in CROPS.items()}


def distortions(picture: Picture) -> dict[str, Picture]:
    """Name -> ``picture`` as it looks through haze, dark, coarse, noisy and pale."""
    rows, columns, channels = np.indices(picture.shape)
    values = picture.astype(np.float64)
    pattern = (rows * 7919 + columns * 104729 + channels * 1299709 + rows * columns) % 61 - 30.0
    opacity = 0.3 + 0.5 * columns / picture.shape[1]
    found = {
        "haze": values * (1 - opacity) + 210 * opacity,
        "dark": values * 0.5,
        "coarse": np.floor(values / 64) * 64 + 32,
        "noise": values + pattern,
        "pale": (values + values.mean(axis=-1, keepdims=True)) / 2,
    }
    return {name: np.clip(np.rint(v), 0, 255).astype(np.uint8) for name, v in found.items()}
