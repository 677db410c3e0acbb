"""The clear frame at full resolution, in one pass over its pixels.

The veil lies on a coarse grid. Its transmission comes as lines over the frame's grey (see
:mod:`meddl.desmoke.guided_filter`), which are enlarged and applied to the full frame.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import available_cores
from meddl.desmoke.scattering import LEAST_TRANSMISSION

Array = NDArray[np.float32]
Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)  # BT.601


def recover_frame(
    frame: Frame,
    maps: Array,
    inside: Mask,
    strength: float = 1.0,
    least_transmission: float = LEAST_TRANSMISSION,
    threads: int | None = None,
) -> Frame:
    """The clear frame, (H, W, 3) uint8.

    J = (I - A (1 - t)) / max(t, least) + residual as :func:`meddl.desmoke.scattering.recover`, with
    t = clip(a grey + b, 0, 1), and I + strength (J - I) is returned, rounded.

    Args:
        frame: (H, W, 3) uint8 RGB.
        maps: (h, w, 5) or (h, w, 8) float32 on a grid over the frame, enlarged bilinearly: a, b,
            airlight RGB 0..1, residual RGB.
        inside: (h, w); pixels of other cells are copied.
        strength: 0..1.
        threads: by default :func:`meddl.core.devices.available_cores`.
    """
    maps = np.ascontiguousarray(maps, np.float32)
    result = np.empty_like(frame)
    least = np.float32(least_transmission)

    def rows(start: int, stop: int) -> None:
        _recover(frame, maps, inside, np.float32(strength), least, result, start, stop)

    _in_slabs(rows, len(frame), threads)
    return result


def enlarged_transmission(frame: Frame, maps: Array, inside: Mask) -> Array:
    """The transmission (H, W) float32 that :func:`recover_frame` uses; 1 where it copies."""
    maps = np.ascontiguousarray(maps, np.float32)
    result = np.empty(frame.shape[:2], np.float32)
    _in_slabs(lambda a, b: _transmission(frame, maps, inside, result, a, b), len(frame), None)
    return result


def _in_slabs(rows: Callable[[int, int], None], height: int, threads: int | None) -> None:
    workers = min(threads or available_cores(), height)
    if workers == 1:
        rows(0, height)
        return
    edges = np.linspace(0, height, workers + 1).astype(int)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda span: rows(*span), pairwise(edges.tolist())))


@_jit
def _position(pixel, pixels, cells):  # type: ignore[no-untyped-def]
    """The cell left of a pixel's centre, the weight of the next one, and the cell it lies in."""
    place = (np.float32(pixel) + np.float32(0.5)) * np.float32(cells) / np.float32(pixels)
    left = min(max(place - np.float32(0.5), np.float32(0)), np.float32(cells - 1))
    first = min(int(left), max(cells - 2, 0))
    return first, left - np.float32(first), min(int(place), cells - 1)


@_jit
def _row_of_maps(maps, row, height, line):  # type: ignore[no-untyped-def]
    """Fill ``line`` (w, C) with the maps at the height of a row; returns the cells' row."""
    first, weight, cell = _position(row, height, maps.shape[0])
    second = min(first + 1, maps.shape[0] - 1)
    for x in range(maps.shape[1]):
        for c in range(maps.shape[2]):
            above = maps[first, x, c]
            line[x, c] = above + weight * (maps[second, x, c] - above)
    return cell


@_jit
def _recover(frame, maps, inside, strength, least, result, start, stop):  # type: ignore[no-untyped-def]
    height, width, _ = frame.shape
    cells, channels = maps.shape[1], maps.shape[2]
    line = np.empty((cells, channels), np.float32)
    values = np.empty(channels, np.float32)
    scale, one, zero = np.float32(1 / 255), np.float32(1), np.float32(0)
    for row in range(start, stop):
        cell_row = _row_of_maps(maps, row, height, line)
        for column in range(width):
            first, weight, cell = _position(column, width, cells)
            if not inside[cell_row, cell]:
                for c in range(3):
                    result[row, column, c] = frame[row, column, c]
                continue
            second = min(first + 1, cells - 1)
            for c in range(channels):
                values[c] = line[first, c] + weight * (line[second, c] - line[first, c])
            red, green, blue = (
                np.float32(frame[row, column, 0]) * scale,
                np.float32(frame[row, column, 1]) * scale,
                np.float32(frame[row, column, 2]) * scale,
            )
            grey = _RED * red + _GREEN * green + _BLUE * blue
            t = min(max(values[0] * grey + values[1], zero), one)
            gain = one / max(t, least)
            for c in range(3):
                seen = np.float32(frame[row, column, c]) * scale
                clear = (seen - values[2 + c] * (one - t)) * gain
                if channels == 8:
                    clear += values[5 + c]
                clear = min(max(clear, zero), one)
                mixed = seen + strength * (clear - seen)
                result[row, column, c] = np.uint8(mixed * np.float32(255) + np.float32(0.5))


@_jit
def _transmission(frame, maps, inside, result, start, stop):  # type: ignore[no-untyped-def]
    height, width, _ = frame.shape
    cells = maps.shape[1]
    line = np.empty((cells, maps.shape[2]), np.float32)
    scale, one, zero = np.float32(1 / 255), np.float32(1), np.float32(0)
    for row in range(start, stop):
        cell_row = _row_of_maps(maps, row, height, line)
        for column in range(width):
            first, weight, cell = _position(column, width, cells)
            if not inside[cell_row, cell]:
                result[row, column] = one
                continue
            second = min(first + 1, cells - 1)
            a = line[first, 0] + weight * (line[second, 0] - line[first, 0])
            b = line[first, 1] + weight * (line[second, 1] - line[first, 1])
            grey = scale * (
                _RED * frame[row, column, 0]
                + _GREEN * frame[row, column, 1]
                + _BLUE * frame[row, column, 2]
            )
            result[row, column] = min(max(a * grey + b, zero), one)
