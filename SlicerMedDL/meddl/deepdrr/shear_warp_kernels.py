"""Compiled parts of :mod:`meddl.deepdrr.shear_warp`.

Indices are unsigned where numba would otherwise test them for wrapping around, which keeps loops
from being vectorised.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.deepdrr.simd_lanes import (
    CACHE_LINE,
    LANES,
    add_lanes,
    blend_lanes,
    catmull_rom,
    prefetch,
)

FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}  # all but the assumption of no infinities
# numpy's error model: the test for a division by zero keeps a loop from being vectorised.
_jit = numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
NARROW = 1e-6  # voxels that a ray along the layers' normal is taken to move within one


@_jit
def mark_extents(density, label, extents):  # type: ignore[no-untyped-def]  # numba infers them
    """First and end voxel that is not zero of each material in each column; K, 0 if there is none.

    density: (A, B, K); label: the same, or empty for material 0 alone; extents: (A, B, M, 2).
    Returns how many voxels are not zero.
    """
    height, labelled, filled = density.shape[2], label.size > 0, 0
    for a in range(density.shape[0]):
        for b in range(density.shape[1]):
            extents[a, b, :, 0], extents[a, b, :, 1] = height, 0
            for k in range(height):
                if density[a, b, k] != 0:
                    extent = extents[a, b, label[a, b, k] if labelled else np.uint8(0)]
                    extent[0], extent[1] = min(extent[0], k), k + 1
                    filled += 1
    return filled


@_jit
def place_samples(per_layer, source_depth, source, first, pitch, extent, index, low, high):  # type: ignore[no-untyped-def]
    """Where the rays of each slope are on each sampling plane, as a pair of voxels and two weights.

    The ray of slope first + n pitch starts at ``source`` of a row or column of ``extent`` voxels. A
    plane stands for its slab: a ray is sampled in the middle of its way through that, and counts in
    part where it enters or leaves through a face on the way; beside the volume both weights are 0.
    index, low, high: (planes, n); per_layer planes a layer, see :func:`plane_depth`.
    """
    half = 0.5 if per_layer == 1 else 1.0 / per_layer
    last = np.int32(extent - 2)
    for plane in range(index.shape[0]):
        depth = plane_depth(plane, per_layer) - source_depth
        for n in range(index.shape[1]):  # without branches, so that it is vectorised
            slope = first + n * pitch
            centre, reach = source + slope * depth, max(abs(slope) * half, NARROW)
            begin, end = max(centre - reach, -0.5), min(centre + reach, extent - 0.5)
            share = max(end - begin, 0.0) / (2.0 * reach)
            middle = min(max(0.5 * (begin + end), 0.0), extent - 1.0)
            below = min(np.int32(middle), last)
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
def _seen(low, high, plane, begin, end):  # type: ignore[no-untyped-def]
    """First and end index, of those from begin to end, of what has a weight; the rays that meet a
    plane are neighbours."""
    while begin < end and low[plane, begin] == 0 and high[plane, begin] == 0:
        begin += 1
    while end > begin and low[plane, end - 1] == 0 and high[plane, end - 1] == 0:
        end -= 1
    return begin, end


@_jit
def group_samples(index, extent, base, places, dense):  # type: ignore[no-untyped-def]
    """Split indices (planes, X) into one base (planes, X / LANES) per group of neighbours and what
    is left, places (planes, X); dense (planes,): whether that fits
    :func:`meddl.deepdrr.simd_lanes.blend_lanes`, that is, whether the rays lie dense enough."""
    for plane in range(index.shape[0]):
        dense[plane] = extent >= LANES
        for group in range(base.shape[1]):
            start = group * LANES
            lowest, highest = index[plane, start], index[plane, start]
            for n in range(start + 1, start + LANES):
                lowest, highest = min(lowest, index[plane, n]), max(highest, index[plane, n])
            lowest = min(lowest, np.uint32(max(extent - LANES, 0)))
            base[plane, group] = lowest
            dense[plane] &= highest - lowest <= LANES - 2
            for n in range(start, start + LANES):
                places[plane, n] = index[plane, n] - lowest


@_jit
def trace(  # type: ignore[no-untyped-def]
    density, label, extents, whole, layers_first,
    per_layer, source_depth, source_column, first, pitch,
    row_index, row_low, row_high,
    column_index, column_low, column_high, base, places, dense,
    start, out, touched,
):  # fmt: skip
    """Sum the layers along the rays of some lines of the virtual detector.

    density: (A, B, K) float32, A the layers and B the rows if ``layers_first``, otherwise the other
    way round; label: (A, B, K) uint8 or empty; extents: of :func:`mark_extents`, but all materials'
    together in the place of the material ``whole``, where they are summed, too.
    source_depth, source_column: the source along layers and columns. first, pitch: the slopes of
    the detector's columns. row_*: (planes, lines), column_*: (planes, X), of
    :func:`place_samples`; base, places, dense: of :func:`group_samples` for the columns. Adds lines
    start.. to out (lines, M, X), X a multiple of :data:`LANES`, and widens touched (lines, M, 2),
    the first and end column that got something. All contiguous.

    Each layer is resampled twice: every column of voxels at the detector's columns, two at a time
    and just before the first line that needs them, then for each line two neighbouring results are
    blended, over contiguous memory. Four of the results are kept, so that they stay in the nearest
    cache. Inner loops make no views of arrays: numba counts their references (measured: a third of
    the time of sparse materials).
    """
    layers, rows = density.shape[:2] if layers_first else density.shape[1::-1]
    per_row, per_slice = (1, density.shape[1]) if layers_first else (density.shape[1], 1)
    height = density.shape[2]
    lines, materials, width = out.shape
    resampled = np.empty(materials * 4 * width, np.float32)
    spans = np.empty((rows + 5, materials, 2), np.int64)
    voxels, labels, sums = density.reshape(-1), label.reshape(-1), out.reshape(-1)
    lower, upper, spots = column_low.reshape(-1), column_high.reshape(-1), places.reshape(-1)
    for plane in range(layers * per_layer):
        layer, weight = plane // per_layer, np.float32(plane_weight(plane, per_layer, layers))
        first_line, end_line = _seen(row_low, row_high, plane, start, start + lines)
        left, right = _seen(column_low, column_high, plane, 0, width)
        if end_line <= first_line or right <= left or weight == 0:
            continue
        depth = plane_depth(plane, per_layer) - source_depth
        per_voxel, at_zero = 1.0 / (depth * pitch), (-source_column / depth - first) / pitch
        lowest, highest = row_index[plane, first_line], row_index[plane, end_line - 1]
        downwards = lowest > highest
        lowest, highest = np.int64(min(lowest, highest)), np.int64(max(lowest, highest))
        _find_spans(
            extents, layers_first, layer, lowest - 2, highest + 4, height,
            per_voxel, at_zero, left, right, spans,
        )  # fmt: skip
        table, pair = plane * width, np.int64(0)
        for number in range(end_line - first_line):
            line = end_line - 1 - number if downwards else first_line + number
            row = np.int64(row_index[plane, line])
            if spans[row + 2, whole, 1] == 0:
                continue
            pair = max(pair, row // 2)
            while 2 * pair <= row + 1:
                a, b = 2 * pair, min(2 * pair + 1, rows - 1)
                start_a = (layer * per_slice + a * per_row) * height
                start_b = (layer * per_slice + b * per_row) * height
                ask = a + 4 <= highest + 1  # for the next pair but one
                ahead = start_a + 4 * per_row * height
                beside = ahead + (min(a + 5, rows - 1) - a - 4) * per_row * height
                for material in range(materials):
                    begin, end = spans[a + 6, material, 0], spans[a + 6, material, 1]
                    if ask and end > 0:
                        one, other = base[plane, begin // LANES], base[plane, end // LANES - 1]
                        one, other = min(one, other), max(one, other) + LANES
                        if material == whole:
                            for k in range(one, other, CACHE_LINE):
                                prefetch(voxels, ahead + k)  # type: ignore[call-arg]
                                prefetch(voxels, beside + k)
                        else:
                            for k in range(one, other, 4 * CACHE_LINE):  # bytes
                                prefetch(labels, ahead + k)  # type: ignore[call-arg]
                                prefetch(labels, beside + k)
                    # The rows beside count too: lines between two pairs need both.
                    begin = min(spans[a + 1, material, 0], spans[a + 3, material, 0])
                    end = max(spans[a + 1, material, 1], spans[a + 3, material, 1])
                    out_a = (material * 4 + (a & 2)) * width
                    out_b = out_a + width
                    if not dense[plane]:
                        _blend_apart(
                            voxels, labels, material, material == whole, start_a, start_b,
                            column_index, column_low, column_high, plane, begin, end,
                            resampled, out_a, out_b,
                        )  # fmt: skip
                    elif material == whole:
                        for n in range(begin, end, LANES):
                            k = base[plane, n // LANES]
                            blend_lanes(  # type: ignore[call-arg]  # numba passes the typing context
                                voxels, None, material, start_a + k, start_b + k, spots,
                                lower, upper, table + n, resampled, out_a + n, out_b + n,
                            )  # fmt: skip
                    else:
                        for n in range(begin, end, LANES):
                            k = base[plane, n // LANES]
                            blend_lanes(  # type: ignore[call-arg]
                                voxels, labels, material, start_a + k, start_b + k, spots,
                                lower, upper, table + n, resampled, out_a + n, out_b + n,
                            )  # fmt: skip
                pair += 1
            low, high = weight * row_low[plane, line], weight * row_high[plane, line]
            for material in range(materials):
                from_a = (material * 4 + (row & 3)) * width
                from_b = (material * 4 + (row + 1 & 3)) * width
                to = ((line - start) * materials + material) * width
                begin, end = spans[row + 2, material, 0], spans[row + 2, material, 1]
                if end == 0:
                    continue
                at = line - start
                touched[at, material, 0] = min(touched[at, material, 0], begin)
                touched[at, material, 1] = max(touched[at, material, 1], end)
                for n in range(begin, end, LANES):
                    add_lanes(  # type: ignore[call-arg]
                        resampled, from_a + n, low, from_b + n, high, sums, to + n
                    )


@_jit
def _blend_apart(  # type: ignore[no-untyped-def]
    values, labels, material, whole, start_a, start_b, index, low, high, plane, begin, end,
    out, out_a, out_b,
):  # fmt: skip
    """As :func:`meddl.deepdrr.simd_lanes.blend_lanes`, for rays too far apart for that."""
    for n in range(begin, end):
        for start, to in ((start_a, out_a), (start_b, out_b)):
            k = np.int64(start) + index[plane, n]
            below, above = values[k], values[k + 1]
            if not whole:
                below *= labels[k] == material
                above *= labels[k + 1] == material
            out[to + n] = low[plane, n] * below + high[plane, n] * above


@_jit
def _find_spans(  # type: ignore[no-untyped-def]
    extents, layers_first, layer, first_row, end_row, height, per_voxel, at_zero, left, right, spans
):
    """Detector columns whose rays can meet a row of a layer or the next one.

    extents: of :func:`mark_extents`. spans: (rows, M, 2), first and end column, in whole lanes, by
    row, from -2 on; an end of 0 where no ray meets them.
    """
    rows = extents.shape[1] if layers_first else extents.shape[0]
    for material in range(extents.shape[2]):
        next_begin, next_end = right + LANES, 0
        for number in range(end_row - first_row):
            row = end_row - 1 - number
            a, b = (layer, row) if layers_first else (row, layer)
            begin, end = right + LANES, 0
            if 0 <= row < rows:
                lowest, highest = extents[a, b, material, 0], extents[a, b, material, 1]
                if highest > lowest:
                    begin, end = _reached(lowest, highest, height, per_voxel, at_zero, left, right)
            spans[row + 2, material, 0] = min(begin, next_begin)
            spans[row + 2, material, 1] = max(end, next_end)
            next_begin, next_end = begin, end


@_jit
def _reached(lowest, highest, height, per_voxel, at_zero, left, right):  # type: ignore[no-untyped-def]
    """First and end detector column whose ray can meet the voxels from lowest to highest, in whole
    lanes; a ray meets voxel k at the detector column at_zero + per_voxel k."""
    # The interpolant reaches zero one voxel beyond; on the outermost voxel it ends at the face.
    begin, end = float(left), float(right)
    below, above = at_zero + per_voxel * (lowest - 1.0), at_zero + per_voxel * highest
    if lowest > 0:
        if per_voxel > 0:
            begin = max(begin, below)
        else:
            end = min(end, below + 1.0)
    if highest < height:
        if per_voxel > 0:
            end = min(end, above + 1.0)
        else:
            begin = max(begin, above)
    return int(begin) & -LANES, math.ceil(end) + LANES - 1 & -LANES


@_jit
def find_reach(touched, width, reach):  # type: ignore[no-untyped-def]
    """First and end column where a material's 4 x 4 samples may differ from 0.

    touched: (Y, M, 2), of :func:`trace`. reach: the same, by the second of the four lines and
    columns; an end of 0 if there is none.
    """
    lines, materials = touched.shape[:2]
    for line in range(lines):
        inside = 1 <= line < lines - 2
        for material in range(materials):
            begin, end = width, 0
            for near in range(line - 1, line + 3 if inside else line - 1):
                begin = min(begin, touched[near, material, 0])
                end = max(end, touched[near, material, 1])
            reach[line, material, 0] = max(begin - 2, 1)
            reach[line, material, 1] = min(end + 1, width - 2) if end > begin else 0


@_jit
def warp(virtual, reach, whole, homography, mm_per_pixel, row_start, out):  # type: ignore[no-untyped-def]
    """Sample the virtual detector (Y, M, X) at real pixels (rows, W, M), times the ray's length
    per layer; the material ``whole`` less the others.

    reach: of :func:`find_reach`. homography: 3x3, (u, v, 1) to (layer direction, virtual line y,
    virtual column x), the last two still to be divided by the first. mm_per_pixel: 3x3, (u, v, 1)
    to the ray in mm.
    """
    lines, materials, width = virtual.shape
    pixels = out.shape[1]
    ys, xs = np.empty((2, pixels), np.int32)
    starts = np.empty(pixels, np.int64)
    parts_y, parts_x, lengths = np.empty((3, pixels), np.float32)
    values = np.empty((materials, pixels), np.float32)
    for row in range(out.shape[0]):
        v = float(row_start + row)
        for u in range(pixels):  # a loop of its own, so that roots and divisions are vectorised
            square = 0.0
            for axis in range(3):
                mm = mm_per_pixel[axis, 0] * u + mm_per_pixel[axis, 1] * v + mm_per_pixel[axis, 2]
                square += mm * mm
            along = homography[0, 0] * u + homography[0, 1] * v + homography[0, 2]
            y = (homography[1, 0] * u + homography[1, 1] * v + homography[1, 2]) / along
            x = (homography[2, 0] * u + homography[2, 1] * v + homography[2, 2]) / along
            y, x = min(max(y, 0.0), lines - 1.0), min(max(x, 0.0), width - 1.0)
            ys[u], xs[u] = np.int32(y), np.int32(x)
            starts[u] = (np.int64(ys[u]) - 1) * materials * width + xs[u] - 1
            parts_y[u], parts_x[u] = y - ys[u], x - xs[u]
            lengths[u] = math.sqrt(square) / abs(along)
        for material in range(materials):
            begin, end = 0, pixels
            while begin < end and not _within(reach, material, ys[begin], xs[begin]):
                begin += 1
            while end > begin and not _within(reach, material, ys[end - 1], xs[end - 1]):
                end -= 1
            values[material, :begin] = 0.0
            values[material, end:] = 0.0
            _interpolate(
                virtual, starts, material * width, materials * width, parts_y, parts_x, begin, end,
                values[material],
            )  # fmt: skip
        for material in range(materials):
            if material != whole:
                for u in range(pixels):
                    values[whole, u] -= values[material, u]
        for material in range(materials):
            for u in range(pixels):
                out[row, u, material] = lengths[u] * values[material, u]


@_jit
def _within(reach, material, y, x):  # type: ignore[no-untyped-def]
    y = np.uint32(y)
    return reach[y, material, 0] <= x < reach[y, material, 1]


@_jit
def _interpolate(picture, starts, offset, stride, parts_y, parts_x, begin, end, out):  # type: ignore[no-untyped-def]
    """See :func:`meddl.deepdrr.simd_lanes.catmull_rom`, of the pixels from begin to end."""
    flat = picture.reshape(-1)
    for n in range(begin, end, 2):
        a, b = np.uint64(n), np.uint64(min(n + 1, end - 1))
        catmull_rom(  # type: ignore[call-arg]
            flat, offset + starts[a], offset + starts[b], stride, parts_y, parts_x, a, b, out
        )
