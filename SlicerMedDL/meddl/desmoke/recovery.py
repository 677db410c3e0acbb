"""The clear frame at full resolution, in one pass over its pixels.

The veil lies on a coarse grid and is enlarged bilinearly on the way. Smoke is smooth: an
enlargement guided by the frame was worse by 7 to 12 dB where smoke drifts freely, and better by up
to 2 dB where it ends at edges of depth, at 37 dB and more in either case (Docs/desmoke-video.md).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import available_cores
from meddl.desmoke.scattering import LEAST_TRANSMISSION, Veil

Array = NDArray[np.float32]
Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


def recover_frame(
    frame: Frame,
    maps: Array,
    inside: Mask,
    strength: float = 1.0,
    least_transmission: float = LEAST_TRANSMISSION,
    threads: int | None = None,
) -> Frame:
    """The clear frame, (H, W, 3) uint8.

    J = (I - A (1 - t)) / max(t, least) + residual as :func:`meddl.desmoke.scattering.recover`, and
    I + strength (J - I) is returned, rounded.

    Args:
        frame: (H, W, 3) uint8 RGB.
        maps: (h, w, 4) or (h, w, 7) float32 of :func:`veil_maps`.
        inside: (h, w); pixels of other cells are copied.
        strength: 0..1.
        threads: by default :func:`meddl.core.devices.available_cores`.
    """
    frame, maps, inside = _plain(frame, maps, inside)
    result = np.empty_like(frame)
    least = np.float32(least_transmission)

    def rows(start: int, stop: int) -> None:
        _recover(frame, maps, inside, np.float32(strength), least, result, start, stop)

    _in_slabs(rows, len(frame), threads)
    return result


def veil_maps(veil: Veil) -> Array:
    """Transmission, airlight RGB and, if there is one, residual RGB: (h, w, 4) or (h, w, 7)."""
    parts = [veil.transmission[..., None], veil.airlight]
    if veil.residual is not None:
        parts.append(veil.residual)
    return np.concatenate(parts, axis=-1, dtype=np.float32)


def _plain(frame: Frame, maps: Array, inside: Mask) -> tuple[Frame, Array, Mask]:
    # Numba compiles anew for every layout and for arrays that may not be written.
    return (
        np.require(frame, np.uint8, ("C", "W")),
        np.require(maps, np.float32, ("C", "W")),
        np.require(inside, np.bool_, ("C", "W")),
    )


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
            t = values[0]
            gain = one / max(t, least)
            for c in range(3):
                seen = np.float32(frame[row, column, c]) * scale
                clear = (seen - values[1 + c] * (one - t)) * gain
                if channels == 7:
                    clear += values[4 + c]
                clear = min(max(clear, zero), one)
                mixed = seen + strength * (clear - seen)
                result[row, column, c] = np.uint8(mixed * np.float32(255) + np.float32(0.5))
