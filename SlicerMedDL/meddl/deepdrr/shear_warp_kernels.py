"""Compiled parts of :mod:`meddl.deepdrr.shear_warp`.

Indices are unsigned where numba would otherwise test them for wrapping around, which keeps loops
from being vectorised.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.deepdrr.simd_lanes import LANES, blend_lanes, catmull_rom

CHUNK = 16  # voxels of a column that share one word of the occupancy
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}  # all but the assumption of no infinities
_jit = numba.njit(nogil=True, cache=True, fastmath=FAST)
ONE = np.uint32(1)


@_jit
def mark_occupied(density, label, occupied):  # type: ignore[no-untyped-def]  # numba infers them
    """Set bit m % 32 of each chunk (A, B, chunks) where a voxel of material m is not zero.

    density: (A, B, K); label: the same, or empty for material 0 alone.
    """
    labelled = label.size > 0
    for a in range(density.shape[0]):
        for b in range(density.shape[1]):
            for chunk in range(occupied.shape[2]):
                start, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, density.shape[2])
                values = density[a, b, start:stop]
                bits = np.uint32(0)
                if labelled:
                    which = label[a, b, start:stop]
                    for k in range(values.size):
                        bits |= np.uint32(values[k] != 0) << np.uint32(which[k] & np.uint8(31))
                else:
                    for k in range(values.size):
                        bits |= np.uint32(values[k] != 0)
                occupied[a, b, chunk] = bits


@_jit
def place_samples(per_layer, source_depth, source, first, pitch, extent, index, low, high):  # type: ignore[no-untyped-def]
    """Where the rays of each slope are on each sampling plane, as a pair of voxels and two weights.

    The ray of slope first + n pitch starts at ``source`` of a row or column of ``extent`` voxels. A
    plane stands for its slab: a ray is sampled in the middle of its way through that, and counts in
    part where it enters or leaves through a face on the way; beside the volume both weights are 0.
    index, low, high: (planes, n); per_layer planes a layer, see :func:`plane_depth`.
    """
    half = 0.5 if per_layer == 1 else 1.0 / per_layer
    for plane in range(index.shape[0]):
        depth = plane_depth(plane, per_layer) - source_depth
        for n in range(index.shape[1]):
            slope = first + n * pitch
            enter = source + slope * (depth - half)
            leave = source + slope * (depth + half)
            begin = max(min(enter, leave), -0.5)
            end = min(max(enter, leave), extent - 0.5)
            share = 0.0
            if end > begin:
                share = (end - begin) / abs(leave - enter)
            elif enter == leave and begin == end:
                share = 1.0
            middle = min(max(0.5 * (begin + end), 0.0), extent - 1.0)
            below = min(int(middle), extent - 2)
            part = middle - below
            index[plane, n] = below
            low[plane, n] = share * (1.0 - part)
            high[plane, n] = share * part


@_jit
def plane_depth(plane, per_layer):  # type: ignore[no-untyped-def]
    """Where a sampling plane lies, in layers.

    One plane a layer: Joseph's method. More, an even number: they divide the way to either
    neighbouring layer, so that every plane lies in two layers' reach and is met twice.
    """
    layer, number = divmod(plane, per_layer)
    if per_layer == 1:
        return float(layer)
    return layer - 1.0 + (number + 0.5) * 2.0 / per_layer


@_jit
def plane_weight(plane, per_layer, layers):  # type: ignore[no-untyped-def]
    """What a plane contributes of its layer: the length of its slab, in layers, times the linear
    interpolation between layers. The outermost half layers hold their layer's value."""
    if per_layer == 1:
        return 1.0
    layer = plane // per_layer
    beyond = plane_depth(plane, per_layer) - layer
    if (layer == 0 and beyond < 0) or (layer == layers - 1 and beyond > 0):
        return 2.0 / per_layer if abs(beyond) < 0.5 else 0.0
    return (1.0 - abs(beyond)) * 2.0 / per_layer


@_jit
def _seen(low, high):  # type: ignore[no-untyped-def]
    """First and end index of what has a weight; the rays that meet a layer are neighbours."""
    begin, end = 0, low.size
    while begin < end and low[begin] == 0 and high[begin] == 0:
        begin += 1
    while end > begin and low[end - 1] == 0 and high[end - 1] == 0:
        end -= 1
    return begin, end


@_jit
def _of_material(density, label, material, out):  # type: ignore[no-untyped-def]
    for k in range(out.size):
        out[k] = density[k] if label[k] == material else np.float32(0)


@_jit
def _relative(index, extent, base, places):  # type: ignore[no-untyped-def]
    """Split indices into one base per :data:`LANES` of them and what is left; whether that fits
    :func:`meddl.deepdrr.simd_lanes.blend_lanes`, that is, whether the rays lie dense enough."""
    if extent < LANES:
        return False
    for block in range(base.size):
        start = block * LANES
        lowest, highest = index[start], index[start]
        for n in range(start + 1, start + LANES):
            lowest, highest = min(lowest, index[n]), max(highest, index[n])
        lowest = min(lowest, np.uint32(extent - LANES))
        if highest - lowest > LANES - 2:
            return False
        base[block] = lowest
        for n in range(start, start + LANES):
            places[n] = index[n] - lowest
    return True


@_jit
def _resample(a, b, index, low, high, out_a, out_b):  # type: ignore[no-untyped-def]
    """Two columns of voxels at the same places; sparse ones, for which lanes are too narrow."""
    for n in range(index.size):
        at = index[n]
        out_a[n] = low[n] * a[at] + high[n] * a[at + ONE]
        out_b[n] = low[n] * b[at] + high[n] * b[at + ONE]


@_jit
def _add_blend(weight_a, a, weight_b, b, out):  # type: ignore[no-untyped-def]
    for n in range(out.size):
        out[n] += weight_a * a[n] + weight_b * b[n]


@_jit
def _clear_beside(line, begin, end, new_begin, new_end):  # type: ignore[no-untyped-def]
    """Zero what was filled from begin to end and is not about to be filled again."""
    if new_end <= new_begin:
        line[begin:end] = 0
    else:
        line[begin : max(begin, min(end, new_begin))] = 0
        line[min(end, max(begin, new_end)) : end] = 0


@_jit
def trace(  # type: ignore[no-untyped-def]
    density, label, occupied, layers_first,
    per_layer, source_depth, source_column, first, pitch,
    row_index, row_low, row_high, column_index, column_low, column_high,
    start, out,
):  # fmt: skip
    """Sum the layers along the rays of some lines of the virtual detector.

    density: (A, B, K) float32, A the layers and B the rows if ``layers_first``, otherwise the other
    way round; label: (A, B, K) uint8 or empty; occupied: of :func:`mark_occupied`.
    source_depth, source_column: the source along layers and columns. first, pitch: the slopes of
    the detector's columns. row_*: (planes, lines), column_*: (planes, X), of
    :func:`place_samples`. Adds lines start.. to out (lines, M, X), X contiguous and a multiple of
    :data:`LANES`.

    Each layer is resampled twice: every column of voxels at the detector's columns, then for each
    line two neighbouring results are blended, over contiguous memory.
    """
    if layers_first:
        layers, rows, height = density.shape
    else:
        rows, layers, height = density.shape
    lines, materials, width = out.shape
    labelled = label.size > 0
    bottom, top = rows, 0
    planes = layers * per_layer
    for plane in range(planes):
        begin, end = _seen(
            row_low[plane, start : start + lines], row_high[plane, start : start + lines]
        )
        if end > begin:
            one, other = row_index[plane, start + begin], row_index[plane, start + end - 1]
            bottom, top = min(bottom, min(one, other)), max(top, max(one, other) + 2)
    if top <= bottom:
        return
    resampled = np.zeros((materials, top - bottom + 1, width), np.float32)
    filled = np.zeros((materials, top - bottom + 1, 2), np.int64)  # first and end of what is not 0
    column_a, column_b = np.zeros(height, np.float32), np.zeros(height, np.float32)
    base, places = np.empty(width // LANES, np.uint32), np.empty(width, np.uint32)
    for plane in range(planes):
        layer, weight = plane // per_layer, np.float32(plane_weight(plane, per_layer, layers))
        low, high = row_low[plane, start : start + lines], row_high[plane, start : start + lines]
        index = row_index[plane, start : start + lines]
        first_line, end_line = _seen(low, high)
        left, right = _seen(column_low[plane], column_high[plane])
        if end_line <= first_line or right <= left or weight == 0:
            continue
        left, right = left // LANES * LANES, -(-right // LANES) * LANES
        dense = _relative(column_index[plane], height, base, places)
        depth = plane_depth(plane, per_layer) - source_depth
        one, other = index[first_line], index[end_line - 1]
        for row in range(min(one, other), max(one, other) + 2, 2):
            beside = min(row + 1, rows - 1)
            a, b = (layer, row) if layers_first else (row, layer)
            c, d = (layer, beside) if layers_first else (beside, layer)
            bits_a, bits_b = occupied[a, b], occupied[c, d]
            present = np.uint32(0)
            for chunk in range(bits_a.size):
                present |= bits_a[chunk] | bits_b[chunk]
            for material in range(materials):
                bit = ONE << np.uint32(material & 31)
                begin, end = left, left
                if present & bit:
                    begin, end = _reached(
                        bits_a, bits_b, bit, height, source_column, depth, first, pitch, left, right
                    )
                for n in range(2):
                    line = resampled[material, row - bottom + n]
                    extent = filled[material, row - bottom + n]
                    _clear_beside(line, extent[0], extent[1], begin, end)
                    extent[0], extent[1] = begin, end
                if end <= begin:
                    continue
                values_a, values_b = density[a, b], density[c, d]
                if labelled and (present != bit or materials > 32):  # else it is alone there
                    one, other = column_index[plane, begin], column_index[plane, end - 1]
                    k0 = max(min(one, other) - LANES, 0)
                    k1 = min(max(one, other) + LANES, height)
                    _of_material(values_a[k0:k1], label[a, b, k0:k1], material, column_a[k0:k1])
                    _of_material(values_b[k0:k1], label[c, d, k0:k1], material, column_b[k0:k1])
                    values_a, values_b = column_a, column_b
                out_a = resampled[material, row - bottom]
                out_b = resampled[material, row - bottom + 1]
                if dense:
                    for block in range(begin // LANES, end // LANES):
                        blend_lanes(  # type: ignore[call-arg]  # numba passes the typing context
                            values_a, values_b, base[block], places,
                            column_low[plane], column_high[plane], block * LANES, out_a, out_b,
                        )  # fmt: skip
                else:
                    _resample(
                        values_a, values_b, column_index[plane, begin:end],
                        column_low[plane, begin:end], column_high[plane, begin:end],
                        out_a[begin:end], out_b[begin:end],
                    )  # fmt: skip
        for line in range(first_line, end_line):
            row = index[line] - bottom
            for material in range(materials):
                extent, next_extent = filled[material, row], filled[material, row + 1]
                begin, end = extent
                if end <= begin:
                    begin, end = next_extent
                elif next_extent[1] > next_extent[0]:
                    begin, end = min(begin, next_extent[0]), max(end, next_extent[1])
                if end > begin:
                    _add_blend(
                        weight * low[line], resampled[material, row, begin:end],
                        weight * high[line], resampled[material, row + 1, begin:end],
                        out[line, material, begin:end],
                    )  # fmt: skip


@_jit
def _reached(bits_a, bits_b, bit, height, source, depth, first, pitch, left, right):  # type: ignore[no-untyped-def]
    """First and end detector column whose ray can meet the occupied part of two columns, in whole
    lanes."""
    low, high = 0, bits_a.size
    while not (bits_a[low] | bits_b[low]) & bit:
        low += 1
    while not (bits_a[high - 1] | bits_b[high - 1]) & bit:
        high -= 1
    # The interpolant reaches zero one voxel beyond; on the outermost voxel it ends at the face.
    begin, end = float(left), float(right)
    below = ((low * CHUNK - 1.0 - source) / depth - first) / pitch
    above = ((high * CHUNK - source) / depth - first) / pitch
    rising = depth * pitch > 0
    if low > 0:
        if rising:
            begin = max(begin, below)
        else:
            end = min(end, below + 1.0)
    if high * CHUNK < height:
        if rising:
            end = min(end, above + 1.0)
        else:
            begin = max(begin, above)
    return int(begin) // LANES * LANES, -(-math.ceil(end) // LANES) * LANES


@_jit
def warp(virtual, homography, mm_per_pixel, row_start, out):  # type: ignore[no-untyped-def]
    """Sample the virtual detector (Y, M, X) at real pixels (rows, W, M), times the ray's length
    per layer.

    homography: 3x3, (u, v, 1) to (layer direction, virtual line y, virtual column x), the last two
    still to be divided by the first. mm_per_pixel: 3x3, (u, v, 1) to the ray in mm.
    """
    lines, materials, width = virtual.shape
    for row in range(out.shape[0]):
        v = float(row_start + row)
        for u in range(out.shape[1]):
            along = homography[0, 0] * u + homography[0, 1] * v + homography[0, 2]
            y = (homography[1, 0] * u + homography[1, 1] * v + homography[1, 2]) / along
            x = (homography[2, 0] * u + homography[2, 1] * v + homography[2, 2]) / along
            if not (1.0 <= y < lines - 2 and 1.0 <= x < width - 2):
                out[row, u] = 0.0  # beyond the occupied box
                continue
            square = 0.0
            for axis in range(3):
                mm = mm_per_pixel[axis, 0] * u + mm_per_pixel[axis, 1] * v + mm_per_pixel[axis, 2]
                square += mm * mm
            length = math.sqrt(square) / abs(along)
            i, j = int(y), int(x)
            start = ((i - 1) * materials) * width + j - 1
            for material in range(materials):
                out[row, u, material] = length * catmull_rom(  # type: ignore[call-arg]
                    virtual, start + material * width, materials * width, y - i, x - j
                )
