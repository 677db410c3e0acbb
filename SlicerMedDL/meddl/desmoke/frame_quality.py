"""How good a frame is to learn from: sharp, coloured, neither dark nor overexposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

Frame = NDArray[np.uint8]
SIZE = 256  # pixels of the longer side, at which a frame is judged, so that one threshold fits all
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class FrameQuality:
    """What frames are chosen by.

    Attributes:
        sharpness: variance of the Laplacian of the brightness 0..255 (Pech-Pacheco et al., ICPR
            2000).
        colourfulness: M of Hasler and Suesstrunk, Proc. SPIE 5007:87 (2003), section 7.
        brightness: mean, 0..255.
    """

    sharpness: float
    colourfulness: float
    brightness: float


def reduced(frame: Frame, size: int = SIZE) -> Frame:
    """A frame (H, W, 3) uint8 brought to ``size`` pixels on its longer side by area means.

    Smaller frames stay as they are.

    Raises:
        InputError: another shape or type.
    """
    from PIL import Image as pillow

    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise InputError(f"a frame is (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    height, width = frame.shape[:2]
    if max(height, width) <= size:
        return frame
    factor = size / max(height, width)
    small = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(pillow.fromarray(frame).resize(small, pillow.Resampling.BOX))


def frame_quality(frame: Frame) -> FrameQuality:
    """Judge a frame, (H, W, 3) uint8 RGB.

    Raises:
        InputError: another shape or type.
    """
    from scipy.ndimage import laplace

    rgb = reduced(frame).astype(np.float32)
    luma = rgb @ _LUMA
    return FrameQuality(
        round(float(laplace(luma, mode="mirror").var()), 3),
        round(colourfulness(rgb), 3),
        round(float(luma.mean()), 3),
    )


def colourfulness(rgb: NDArray[np.floating]) -> float:
    """M = sigma + 0.3 mu over the opponents R - G and (R + G) / 2 - B of (H, W, 3), 0..255."""
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float64), -1, 0)
    first, second = red - green, (red + green) / 2 - blue
    spread = np.hypot(first.std(), second.std())
    return float(spread + 0.3 * np.hypot(first.mean(), second.mean()))
