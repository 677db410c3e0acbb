"""Random changes of endoscopic pictures that leave the geometry as it is.

As published (Liu et al., IEEE TMI 2019): brightness and contrast, gamma, hue or saturation and
value; one of blur, median, motion blur and JPEG; Gaussian noise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def augment(picture: Picture, strength: float, generator: np.random.Generator) -> Picture:
    """A changed copy of an RGB picture (h, w, 3) uint8; ``strength`` 0 changes nothing."""
    if strength == 0:
        return picture
    picture = _colours(picture, strength, generator)
    if generator.random() < 0.5:
        picture = _sharpness(picture, strength, generator)
    if generator.random() < 0.5:
        sigma = generator.uniform(0, 6 * strength)
        shape = picture.shape if generator.random() < 0.5 else (*picture.shape[:2], 1)
        picture = _rounded(picture + sigma * generator.standard_normal(shape, dtype=np.float32))
    return picture


def _picture(values: Any) -> Picture:
    return np.asarray(values, dtype=np.uint8)


def _rounded(values: NDArray[Any]) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _colours(picture: Picture, strength: float, generator: np.random.Generator) -> Picture:
    if generator.random() < 0.5:
        gain = 1 + generator.uniform(-0.2, 0.2) * strength
        offset = 255 * generator.uniform(-0.1, 0.1) * strength
        gamma = np.exp(generator.uniform(-0.2, 0.2) * strength)
        levels = np.clip(gain * np.arange(256) + offset, 0, 255)
        picture = _rounded(255 * (levels / 255) ** gamma)[picture]
    if generator.random() < 0.5:
        hue, saturation, value = generator.uniform(-1, 1, 3) * (10, 25, 15) * strength
        hsv: NDArray[Any] = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + hue) % 256
        hsv[..., 1:] += (saturation, value)
        picture = _picture(cv2.cvtColor(_rounded(hsv), cv2.COLOR_HSV2RGB_FULL))
    return picture


def _sharpness(picture: Picture, strength: float, generator: np.random.Generator) -> Picture:
    kind = generator.integers(4)
    if kind == 0:
        return _picture(cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.3, 0.3 + strength)))
    if kind == 1:
        return _picture(cv2.medianBlur(picture, 3))
    if kind == 2:
        length = 3 + 2 * int(generator.integers(1 + round(2 * strength)))
        line = np.zeros((length, length), np.float32)
        angle = generator.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * (length // 2)
        middle = np.array([length // 2] * 2)
        start, stop = (np.rint(middle + sign * reach).astype(int).tolist() for sign in (-1, 1))
        cv2.line(line, start, stop, 1.0)
        return _picture(cv2.filter2D(picture, -1, line / line.sum()))
    quality = round(95 - generator.uniform(0, 45) * min(strength, 1.5))
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return _picture(cv2.imdecode(coded, cv2.IMREAD_COLOR))
