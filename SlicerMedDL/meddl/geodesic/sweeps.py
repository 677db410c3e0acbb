"""Raster sweeps: approximate distances in a fixed time, on the CPU by numba.

An iteration sweeps forwards and backwards along k, then j, then i. In a sweep each plane gets its
distances from the nine nearest voxels of the plane before, as FastGeodis does (Asad et al., JOSS
2022), whose result this is: after few iterations paths that wind are still too long.

Voxels of a plane do not depend on each other, so that their inner loop is one over contiguous
memory. Planes across i are copied, some at a time, to a buffer where they are contiguous.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.geodesic.grid import Grid
from meddl.geodesic.simd_steps import jit, relax_run, transpose_square
from meddl.geodesic.steps import SLACK

PLANES = 15  # across i that are copied at once, and one that has its distances: two squares of 8


@jit
def _along_k(  # type: ignore[no-untyped-def]
    distance, image, channels, shape, lengths, cost, lambda_, direction
):
    """One sweep along k of a padded grid of shape (K, J, I); lengths: float32 (9,) by (j, i)."""
    plane, columns = shape[1] * shape[2], shape[2]
    sources = np.empty(9, np.uint64)
    for n in range(9):
        source = -direction * plane + (n // 3 - 1) * columns + n % 3 - 1
        sources[n] = np.uint64(source)
    size = np.uint64(shape[0] * plane)
    for k in range(2, shape[0] - 1):
        start = (k if direction > 0 else shape[0] - 1 - k) * plane + columns
        relax_run(
            distance,
            image,
            channels,
            size,
            np.uint64(start),
            np.uint64(start + plane - 2 * columns),
            sources,
            lengths,
            cost,
            lambda_,
        )


@jit
def _along_j(  # type: ignore[no-untyped-def]
    distance, image, channels, shape, lengths, cost, lambda_, direction
):
    """One sweep along j; lengths by (k, i)."""
    plane, columns = shape[1] * shape[2], shape[2]
    sources = np.empty(9, np.uint64)
    for n in range(9):
        source = (n // 3 - 1) * plane - direction * columns + n % 3 - 1
        sources[n] = np.uint64(source)
    size = np.uint64(shape[0] * plane)
    for step in range(2, shape[1] - 1):
        j = step if direction > 0 else shape[1] - 1 - step
        for k in range(1, shape[0] - 1):
            start = k * plane + j * columns + 1
            relax_run(
                distance,
                image,
                channels,
                size,
                np.uint64(start),
                np.uint64(start + columns - 2),
                sources,
                lengths,
                cost,
                lambda_,
            )


@jit
def _transpose(  # type: ignore[no-untyped-def]
    volume, base, shape, first, last, buffer, buffer_base, back
):
    """Columns first..last - 1 of a padded volume to planes (K, J) of a buffer, or back."""
    planes, rows, columns = shape
    whole = rows >= 8 and last - first >= 8  # else one by one
    step = 8 if whole else 1
    for k in range(planes):
        for row in range(0, rows, step):
            j = min(row, rows - step)  # the last squares overlap those before
            for column in range(first, last, step):
                i = min(column, last - step)
                here = np.uint64(base + (k * rows + j) * columns + i)
                there = np.uint64(buffer_base + ((i - first) * planes + k) * rows + j)
                if not whole:
                    if back:
                        volume[here] = buffer[there]
                    else:
                        buffer[there] = volume[here]
                elif back:
                    plane = np.uint64(planes * rows)
                    transpose_square(buffer, there, plane, volume, here, np.uint64(columns))
                else:
                    plane = np.uint64(planes * rows)
                    transpose_square(volume, here, np.uint64(columns), buffer, there, plane)


@jit
def _along_i(  # type: ignore[no-untyped-def]
    distance, image, channels, shape, lengths, cost, lambda_, direction, buffers
):
    """One sweep along i; lengths by (k, j); buffers: distance and image of PLANES + 1 planes."""
    planes, rows, columns = shape
    plane = planes * rows
    near, values = buffers
    size = (PLANES + 1) * plane
    sources = np.empty(9, np.uint64)
    for n in range(9):
        source = -direction * plane + (n // 3 - 1) * rows + n % 3 - 1
        sources[n] = np.uint64(source)
    done = 1 if direction > 0 else columns - 2  # this column has its distances
    while (done < columns - 2) if direction > 0 else (done > 1):
        if direction > 0:
            first, last = done, min(done + PLANES + 1, columns - 1)
        else:
            first, last = max(done - PLANES, 1), done + 1
        _transpose(distance, 0, shape, first, last, near, 0, False)
        for channel in range(channels):
            base = np.int64(channel) * planes * rows * columns
            _transpose(image, base, shape, first, last, values, np.int64(channel) * size, False)
        for step in range(1, last - first):
            number = step if direction > 0 else last - first - 1 - step
            start = number * plane + rows
            relax_run(
                near,
                values,
                channels,
                np.uint64(size),
                np.uint64(start),
                np.uint64(start + plane - 2 * rows),
                sources,
                lengths,
                cost,
                lambda_,
            )
        _transpose(distance, 0, shape, first, last, near, 0, True)
        done = last - 1 if direction > 0 else first


def sweep(
    grid: Grid,
    distance: NDArray[np.float32],
    iterations: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Sweep a padded distance map (N + SLACK,) so many times along all axes, in place.

    Raises:
        Cancelled: by the token, between sweeps; the distances are then upper bounds.
    """
    lengths = grid.lengths.reshape(10, 4)[:9, :3].reshape(3, 3, 3).copy()
    along = [
        np.ascontiguousarray(part).reshape(-1)
        for part in (lengths[0], lengths[:, 0], lengths[:, :, 0])
    ]
    channels = len(grid.image)
    plane = (PLANES + 1) * grid.padded_shape[0] * grid.padded_shape[1]
    buffers = tuple(np.zeros(count * plane + SLACK, np.float32) for count in (1, channels))
    common = np.uint64(channels), grid.padded_shape
    total = 6 * iterations
    for number in range(total):
        if cancel is not None:
            cancel.check()
        axis, direction = number // 2 % 3, 1 - 2 * (number % 2)
        settings = along[axis], grid.cost.code, np.float32(grid.cost.lambda_), direction
        if axis == 0:
            _along_k(distance, grid.padded, *common, *settings)
        elif axis == 1:
            _along_j(distance, grid.padded, *common, *settings)
        else:
            _along_i(distance, grid.padded, *common, *settings, buffers)
        progress((number + 1) / total, "sweeping")
