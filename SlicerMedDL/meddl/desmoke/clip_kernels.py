"""Clear clips and their smoky ones, pixel by pixel, in one thread.

Loader processes are forked, and OpenCV's threads do not survive that: a warp by OpenCV hung there
when the process before had used it.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def smoke_over(frames, gain, transmission, airlight, smoky, clear):  # type: ignore[no-untyped-def]
    """Brighten a clip and blend it with smoke; both are rounded to 256 levels, as a camera's are.

    Args:
        frames: (T, h, w, 3) uint8.
        gain: float32, factor of the brightness.
        transmission: (T, h, w) float32.
        airlight: (T, 3, h, w) float32.
        smoky, clear: (T, 3, h, w) float32, filled with colours 0..1.
    """
    top, half = np.float32(255), np.float32(0.5)
    times, height, width, _ = frames.shape
    for k in range(times):
        for y in range(height):
            for c in range(3):
                for x in range(width):
                    level = np.floor(min(gain * np.float32(frames[k, y, x, c]), top) + half)
                    clear[k, c, y, x] = level / top
                    t = transmission[k, y, x]
                    seen = level * t + top * airlight[k, c, y, x] * (np.float32(1) - t)
                    smoky[k, c, y, x] = np.floor(seen + half) / top


@numba.njit(nogil=True, cache=True)
def warp(frame, ways, clip):  # type: ignore[no-untyped-def]
    """Fill a clip with what a moving camera sees of a frame: bilinear, mirrored at the border.

    Args:
        frame: (h, w, 3) uint8.
        ways: (T, 2, 3) float64, from pixels of the clip (x, y, 1) to pixels (x, y) of the frame.
        clip: (T, h, w, 3) uint8.
    """
    height, width, _ = frame.shape
    for k in range(len(ways)):
        for y in range(height):
            for x in range(width):
                u = ways[k, 0, 0] * x + ways[k, 0, 1] * y + ways[k, 0, 2]
                v = ways[k, 1, 0] * x + ways[k, 1, 1] * y + ways[k, 1, 2]
                left, top = int(np.floor(u)), int(np.floor(v))
                s, t = np.float32(u - left), np.float32(v - top)
                x0, x1 = _mirrored(left, width), _mirrored(left + 1, width)
                y0, y1 = _mirrored(top, height), _mirrored(top + 1, height)
                for c in range(3):
                    above = frame[y0, x0, c] + s * (np.float32(frame[y0, x1, c]) - frame[y0, x0, c])
                    below = frame[y1, x0, c] + s * (np.float32(frame[y1, x1, c]) - frame[y1, x0, c])
                    clip[k, y, x, c] = np.uint8(above + t * (below - above) + np.float32(0.5))


@numba.njit(nogil=True, cache=True)
def _mirrored(index, size):  # type: ignore[no-untyped-def]
    """The pixel that an index beyond the border shows; the border pixel occurs twice."""
    if 0 <= index < size:
        return index
    index %= 2 * size
    return index if index < size else 2 * size - 1 - index
