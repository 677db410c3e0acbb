"""Exact line integrals through a trilinear volume, on the CPU by numba.

Between two neighbouring voxel-centre planes the trilinear interpolant along a ray is a cubic, so
that the two-point Gauss-Legendre rule integrates it exactly. The ray walks from plane to plane
(Amanatides & Woo 1987, on the grid of voxel centres); per segment the eight corner weights are
summed over both Gauss points once; each corner's share goes to the material of its voxel.

The volume ends at the outer faces of its voxels; in the outermost half voxel the edge value holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import available_cores
from meddl.core.progress import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    from meddl.deepdrr.layers import DensityGrid

GAUSS = 0.5 / math.sqrt(3.0)  # offset of the two Gauss points from the middle, per length
ROWS_PER_BLOCK = 8  # cancel is answered within the time of one block per core


_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


@_jit
def clip_ray(source, direction, low, high):  # type: ignore[no-untyped-def]  # numba infers them
    """From where to where source + t direction, t >= 0, lies in the box; an empty range outside."""
    t0, t1 = 0.0, np.inf
    for axis in range(3):
        d = direction[axis]
        if abs(d) < 1e-14:
            if source[axis] < low[axis] or source[axis] > high[axis]:
                t1 = -1.0
        else:
            a = (low[axis] - source[axis]) / d
            b = (high[axis] - source[axis]) / d
            t0 = max(t0, min(a, b))
            t1 = min(t1, max(a, b))
    return t0, t1


@_jit
def integrate_ray(density, label, source, direction, t0, t1, total):  # type: ignore[no-untyped-def]
    """Add to total (M,) the integral from t0 to t1 along source + t direction, all in ijk.

    density: (K, J, I); label: the same, which of the M each voxel counts to.
    """
    last = np.array([density.shape[2] - 1, density.shape[1] - 1, density.shape[0] - 1])
    position = np.empty(3)
    crossing = np.empty(3)
    stride = np.empty(3)
    near = np.empty(3, np.int64)
    far = np.empty(3, np.int64)
    upper = np.empty((2, 3))
    for axis in range(3):
        d = direction[axis]
        start = source[axis] + t0 * d
        if abs(d) < 1e-14:
            crossing[axis] = np.inf
            stride[axis] = np.inf
        else:
            plane = math.floor(start) + 1.0 if d > 0 else math.ceil(start) - 1.0
            crossing[axis] = (plane - source[axis]) / d
            stride[axis] = 1.0 / abs(d)
    t = t0
    while t < t1:
        end = min(min(crossing[0], crossing[1]), min(crossing[2], t1))
        step = end - t
        if step > 0.0:
            middle = 0.5 * (t + end)
            for axis in range(3):
                position[axis] = source[axis] + middle * direction[axis]
                cell = math.floor(position[axis])
                near[axis] = min(max(int(cell), 0), last[axis])
                far[axis] = min(max(int(cell) + 1, 0), last[axis])
                offset = GAUSS * step * direction[axis]
                upper[0, axis] = position[axis] - cell - offset
                upper[1, axis] = position[axis] - cell + offset
            half = 0.5 * step
            for corner in range(8):
                weight = 0.0
                for point in range(2):
                    w = upper[point, 0] if corner & 1 else 1.0 - upper[point, 0]
                    w *= upper[point, 1] if corner & 2 else 1.0 - upper[point, 1]
                    w *= upper[point, 2] if corner & 4 else 1.0 - upper[point, 2]
                    weight += w
                weight *= half
                i = far[0] if corner & 1 else near[0]
                j = far[1] if corner & 2 else near[1]
                k = far[2] if corner & 4 else near[2]
                total[label[k, j, i]] += weight * density[k, j, i]
        for axis in range(3):
            if crossing[axis] <= end:
                crossing[axis] += stride[axis]
        t = end


@_jit
def _project_rows(  # type: ignore[no-untyped-def]
    density, label, source, first, per_column, per_row, scale, low, high, row_start, out
):
    """Integrate rows row_start.. of the picture into out (rows, W, M).

    source, first, per_column, per_row are (3,) in ijk: the ray of pixel (u, v) is
    source + t (first + u per_column + v per_row). scale is the 3x3 that turns ijk directions to mm.
    low, high: (3,) the box to integrate over, ijk.
    """
    direction = np.empty(3)
    total = np.empty(out.shape[2])
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for axis in range(3):
                direction[axis] = (
                    first[axis] + column * per_column[axis] + (row_start + row) * per_row[axis]
                )
            t0, t1 = clip_ray(source, direction, low, high)
            if t1 <= t0:
                continue
            length = 0.0
            for axis in range(3):
                mm = 0.0
                for other in range(3):
                    mm += scale[axis, other] * direction[other]
                length += mm * mm
            length = math.sqrt(length)
            total[:] = 0.0
            integrate_ray(density, label, source, direction, t0, t1, total)
            for component in range(total.size):
                out[row, column, component] = total[component] * length


def occupied_box(volume: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ijk corner of the part of the volume that is not zero.

    Args:
        volume: (K, J, I).

    Returns:
        (3,), (3,): one voxel beyond the outermost non-zero voxel (there the interpolant reaches
        zero), or the outer face of the volume. Equal corners if all is zero.
    """
    occupied = volume != 0
    low, high = np.zeros(3), np.zeros(3)
    for axis, others in enumerate(((0, 1), (0, 2), (1, 2))):
        indices = np.flatnonzero(occupied.any(axis=others))
        if indices.size:
            count = volume.shape[2 - axis]
            low[axis] = max(indices[0] - 1.0, -0.5)
            high[axis] = min(indices[-1] + 1.0, count - 0.5)
    return low, high


def line_integrals(
    grid: DensityGrid,
    source: NDArray[np.float64],
    world_per_pixel: NDArray[np.float64],
    size: tuple[int, int],
    box: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """Integrate each material of a volume from the source along the ray of each pixel.

    Args:
        grid: the volume.
        source: (3,) world mm.
        world_per_pixel: (3, 3); the ray of pixel (u, v) points along world_per_pixel @ (u, v, 1).
        size: (W, H).
        box: what :func:`occupied_box` returned, or a larger one, to save computing it for every
            view.

    Returns:
        (H, W, M) float32, density x mm.

    Raises:
        Cancelled: between blocks of rows.
    """
    width, height = size
    low, high = occupied_box(grid.density) if box is None else box
    linear = grid.ijk_from_ras[:3, :3]
    origin = linear @ source + grid.ijk_from_ras[:3, 3]
    per_column, per_row, first = np.ascontiguousarray((linear @ world_per_pixel).T)
    scale = np.linalg.inv(linear)
    out = np.zeros((height, width, len(grid.components)), np.float32)

    def block(start: int) -> None:
        _project_rows(
            grid.density, grid.labels, origin, first, per_column, per_row, scale, low, high,
            start, out[start : start + ROWS_PER_BLOCK],
        )  # fmt: skip

    run_blocks(block, range(0, height, ROWS_PER_BLOCK), progress, cancel)
    return out


def run_blocks(
    work: Callable[[int], None], starts: range, progress: Progress, cancel: CancelToken | None
) -> None:
    """Run ``work(start)`` over ``starts`` on all cores; nothing is queued after a cancel.

    Threads, not numba's parallel loops: kernels release the GIL, cancel and progress come for free,
    and no threading layer has to be found on the user's machine.
    """
    workers = min(available_cores(), len(starts)) or 1
    if workers == 1:
        for number, first in enumerate(starts):
            work(first)
            progress((number + 1) / len(starts), "projecting")
            if cancel is not None:
                cancel.check()
        return
    todo = iter(starts)
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(work, start) for start in islice(todo, workers)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                done += 1
                progress(done / len(starts), "projecting")
            if cancel is not None:
                cancel.check()
            for _ in finished:
                start = next(todo, None)
                if start is not None:
                    running.add(pool.submit(work, start))
