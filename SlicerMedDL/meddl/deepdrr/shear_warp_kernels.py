"""Compiled parts of :mod:`meddl.deepdrr.shear_warp`.

Indices are unsigned where numba would otherwise test them for wrapping around, which keeps loops
from being vectorised.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from meddl.deepdrr.simd_lanes import LANES, add_lanes, blend_lanes, catmull_rom

FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}  # all but the assumption of no infinities
_jit = numba.njit(nogil=True, cache=True, fastmath=FAST)
ONE = np.uint32(1)


@_jit
def mark_extents(density, label, extents):  # type: ignore[no-untyped-def]  # numba infers them
    """First and end voxel that is not zero of each material in each column; K, 0 if there is none.

    density: (A, B, K); label: the same, or empty for material 0 alone; extents: (A, B, M, 2).
    """
    height, labelled = density.shape[2], label.size > 0
    for a in range(density.shape[0]):
        for b in range(density.shape[1]):
            extents[a, b, :, 0], extents[a, b, :, 1] = height, 0
            for k in range(height):
                if density[a, b, k] != 0:
                    extent = extents[a, b, label[a, b, k] if labelled else np.uint8(0)]
                    extent[0], extent[1] = min(extent[0], k), k + 1


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
    start, out,
):  # fmt: skip
    """Sum the layers along the rays of some lines of the virtual detector.

    density: (A, B, K) float32, A the layers and B the rows if ``layers_first``, otherwise the other
    way round; label: (A, B, K) uint8 or empty; extents: of :func:`mark_extents`, but all materials'
    together in the place of the material ``whole``, which is found as all less the others.
    source_depth, source_column: the source along layers and columns. first, pitch: the slopes of
    the detector's columns. row_*: (planes, lines), column_*: (planes, X), of
    :func:`place_samples`; base, places, dense: of :func:`group_samples` for the columns. Adds lines
    start.. to out (lines, M, X), X a multiple of :data:`LANES`. All contiguous.

    Each layer is resampled twice: every column of voxels at the detector's columns, then for each
    line two neighbouring results are blended, over contiguous memory. Inner loops make no views of
    arrays: numba counts their references (measured: a third of the time of sparse materials).
    """
    layers, rows = density.shape[:2] if layers_first else density.shape[1::-1]
    height = density.shape[2]
    lines, materials, width = out.shape
    bottom, top = rows, 0
    planes = layers * per_layer
    for plane in range(planes):
        begin, end = _seen(row_low, row_high, plane, start, start + lines)
        if end > begin:
            one, other = row_index[plane, begin], row_index[plane, end - 1]
            bottom, top = min(bottom, min(one, other)), max(top, max(one, other) + 2)
    if top <= bottom:
        return
    pairs = (top - bottom) // 2 + 1
    resampled = np.empty(materials * 2 * pairs * width, np.float32)
    reach = np.zeros((materials, pairs, 2), np.int64)
    voxels, labels, sums = density.reshape(-1), label.reshape(-1), out.reshape(-1)
    lower, upper, spots = column_low.reshape(-1), column_high.reshape(-1), places.reshape(-1)
    for plane in range(planes):
        layer, weight = plane // per_layer, np.float32(plane_weight(plane, per_layer, layers))
        first_line, end_line = _seen(row_low, row_high, plane, start, start + lines)
        left, right = _seen(column_low, column_high, plane, 0, width)
        if end_line <= first_line or right <= left or weight == 0:
            continue
        depth = plane_depth(plane, per_layer) - source_depth
        per_voxel, at_zero = 1.0 / (depth * pitch), (-source_column / depth - first) / pitch
        one, other = row_index[plane, first_line], row_index[plane, end_line - 1]
        for pair in range((min(one, other) - bottom) // 2, (max(one, other) + 1 - bottom) // 2 + 1):
            row = bottom + 2 * pair
            beside = min(row + 1, rows - 1)
            before, after = max(row - 1, 0), min(row + 2, rows - 1)
            a, b = (layer, row) if layers_first else (row, layer)
            c, d = (layer, beside) if layers_first else (beside, layer)
            e, f = (layer, before) if layers_first else (before, layer)
            g, h = (layer, after) if layers_first else (after, layer)
            start_a = (a * density.shape[1] + b) * height
            start_b = (c * density.shape[1] + d) * height
            for material in range(materials):
                # The rows beside count too: lines between two pairs need both.
                lowest = min(
                    min(extents[a, b, material, 0], extents[c, d, material, 0]),
                    min(extents[e, f, material, 0], extents[g, h, material, 0]),
                )
                highest = max(
                    max(extents[a, b, material, 1], extents[c, d, material, 1]),
                    max(extents[e, f, material, 1], extents[g, h, material, 1]),
                )
                begin, end = 0, 0
                if highest > lowest:
                    begin, end = _reached(lowest, highest, height, per_voxel, at_zero, left, right)
                reach[material, pair, 0], reach[material, pair, 1] = begin, end
                out_a = (material * pairs + pair) * 2 * width
                out_b = out_a + width
                if not dense[plane]:
                    for n in range(begin, end):
                        at = column_index[plane, n]
                        for from_, to in ((start_a + at, out_a + n), (start_b + at, out_b + n)):
                            below, above = voxels[from_], voxels[from_ + 1]
                            if material != whole:
                                below *= labels[from_] == material
                                above *= labels[from_ + 1] == material
                            resampled[to] = (
                                column_low[plane, n] * below + column_high[plane, n] * above
                            )
                elif material == whole:
                    for n in range(begin, end, LANES):
                        at = base[plane, n // LANES]
                        blend_lanes(  # type: ignore[call-arg]  # numba passes the typing context
                            voxels, None, material, start_a + at, start_b + at,
                            spots, lower, upper, plane * width + n, resampled, out_a + n, out_b + n,
                        )  # fmt: skip
                else:
                    for n in range(begin, end, LANES):
                        at = base[plane, n // LANES]
                        blend_lanes(  # type: ignore[call-arg]
                            voxels, labels, material, start_a + at, start_b + at,
                            spots, lower, upper, plane * width + n, resampled, out_a + n, out_b + n,
                        )  # fmt: skip
        for line in range(first_line, end_line):
            row = row_index[plane, line] - bottom
            low, high = weight * row_low[plane, line], weight * row_high[plane, line]
            for material in range(materials):
                begin = max(reach[material, row // 2, 0], reach[material, (row + 1) // 2, 0])
                end = min(reach[material, row // 2, 1], reach[material, (row + 1) // 2, 1])
                at = (material * 2 * pairs + row) * width
                to = ((line - start) * materials + material) * width
                for n in range(begin, end, LANES):
                    add_lanes(  # type: ignore[call-arg]
                        resampled, at + n, low, at + width + n, high, sums, to + n
                    )
    for material in range(materials):
        if material != whole:
            out[:, whole] -= out[:, material]


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
