"""Frames brought to another size: cut to an aspect, reduced by area means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def middle(
    shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first, end) of the rows and columns of the largest part in the middle of that aspect."""
    height, width = shape
    wide = min(width, max(1, round(height * size[1] / size[0])))
    tall = min(height, max(1, round(width * size[0] / size[1])))
    top, left = (height - tall) // 2, (width - wide) // 2
    return (top, top + tall), (left, left + wide)


def resize_frame(frame: Frame, size: tuple[int, int]) -> Frame:
    """(H, W, 3) uint8 on a grid of ``size`` (rows, columns): area means, or bilinear if larger."""
    from PIL import Image as pillow

    if frame.shape[:2] == size:
        return frame
    smaller = size[0] <= frame.shape[0] and size[1] <= frame.shape[1]
    method = pillow.Resampling.BOX if smaller else pillow.Resampling.BILINEAR
    return np.asarray(pillow.fromarray(frame).resize(size[::-1], method))


def fit_frame(frame: Frame, size: tuple[int, int]) -> Frame:
    """(H, W, 3) uint8, cut in the middle to the aspect of ``size`` and brought to it."""
    rows, columns = (slice(*bounds) for bounds in middle(frame.shape[:2], size))
    return resize_frame(frame[rows, columns], size)
