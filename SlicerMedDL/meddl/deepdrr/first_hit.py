"""Where a ray first reaches a value in a trilinear volume, on the CPU by numba.

Between two neighbouring voxel-centre planes the trilinear interpolant along a ray is a cubic (as in
:mod:`meddl.deepdrr.projector`). Its first root is bracketed between its extrema and then bisected,
so that no thin structure is stepped over. Cells whose eight corners are all lower are skipped.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.geometry import Matrix
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.projector import ROWS_PER_BLOCK, clip_ray, occupied_box, run_blocks

BISECTIONS = 40  # of one cell: far below float32

_jit = numba.njit(nogil=True, cache=True)


@_jit
def _first_root(f0, f1, f2, f3):  # type: ignore[no-untyped-def]  # numba infers the types
    """First s in [0, 1] where the cubic through f(0), f(1/3), f(2/3), f(1) is >= 0, or 2."""
    if f0 >= 0.0:
        return 0.0
    a = 4.5 * (f3 - 3 * f2 + 3 * f1 - f0)
    b = 4.5 * (-f3 + 4 * f2 - 5 * f1 + 2 * f0)
    c = 0.5 * (2 * f3 - 9 * f2 + 18 * f1 - 11 * f0)
    ends = np.array([1.0, 1.0, 1.0])
    if abs(a) > 1e-12 * (abs(b) + abs(c)):
        under = b * b - 3 * a * c
        if under > 0.0:
            one, two = (-b - math.sqrt(under)) / (3 * a), (-b + math.sqrt(under)) / (3 * a)
            ends[0], ends[1] = min(one, two), max(one, two)
    elif b != 0.0:
        ends[0] = -c / (2 * b)
    low = 0.0
    for end in ends:
        if not low < end <= 1.0:
            continue
        if ((a * end + b) * end + c) * end + f0 >= 0.0:
            high = end
            for _ in range(BISECTIONS):
                middle = 0.5 * (low + high)
                if ((a * middle + b) * middle + c) * middle + f0 >= 0.0:
                    high = middle
                else:
                    low = middle
            return high
        low = end
    return 2.0


@_jit
def _reach(volume, source, direction, t0, t1, level):  # type: ignore[no-untyped-def]
    """The first t in [t0, t1] where the volume (K, J, I) is at least level; -1 if none."""
    last = np.array([volume.shape[2] - 1, volume.shape[1] - 1, volume.shape[0] - 1])
    near, far = np.empty(3, np.int64), np.empty(3, np.int64)
    crossing, stride = np.empty(3), np.empty(3)
    corners, values, cell = np.empty(8), np.empty(4), np.empty(3)
    for axis in range(3):
        d = direction[axis]
        if abs(d) < 1e-14:
            crossing[axis] = stride[axis] = np.inf
        else:
            start = source[axis] + t0 * d
            plane = math.floor(start) + 1.0 if d > 0 else math.ceil(start) - 1.0
            crossing[axis] = (plane - source[axis]) / d
            stride[axis] = 1.0 / abs(d)
    t = t0
    while t < t1:
        end = min(min(crossing[0], crossing[1]), min(crossing[2], t1))
        if end > t:
            for axis in range(3):
                cell[axis] = math.floor(source[axis] + 0.5 * (t + end) * direction[axis])
                near[axis] = min(max(int(cell[axis]), 0), last[axis])
                far[axis] = min(max(int(cell[axis]) + 1, 0), last[axis])
            highest = -np.inf
            for corner in range(8):
                i = far[0] if corner & 1 else near[0]
                j = far[1] if corner & 2 else near[1]
                k = far[2] if corner & 4 else near[2]
                corners[corner] = volume[k, j, i]
                highest = max(highest, corners[corner])
            if highest >= level:
                for sample in range(4):
                    along = t + (end - t) * sample / 3.0
                    value = 0.0
                    for corner in range(8):
                        weight = 1.0
                        for axis in range(3):
                            upper = source[axis] + along * direction[axis] - cell[axis]
                            weight *= upper if corner & (1 << axis) else 1.0 - upper
                        value += weight * corners[corner]
                    values[sample] = value - level
                root = _first_root(values[0], values[1], values[2], values[3])
                if root <= 1.0:
                    return t + root * (end - t)
        for axis in range(3):
            if crossing[axis] <= end:
                crossing[axis] += stride[axis]
        t = end
    return -1.0


@_jit
def _reach_rows(volume, ijk, rays, low, high, level, row_start, out):  # type: ignore[no-untyped-def]
    """Distances (rows, W) in mm; ijk: :meth:`Camera.ray_table`, rays: the inverse of K."""
    direction = np.empty(3)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            mm = 0.0
            for axis in range(3):
                v = row_start + row
                direction[axis] = ijk[axis, 1] * column + ijk[axis, 2] * v + ijk[axis, 3]
                mm += (rays[axis, 0] * column + rays[axis, 1] * v + rays[axis, 2]) ** 2
            t0, t1 = clip_ray(ijk[:, 0], direction, low, high)
            if t1 > t0:
                t = _reach(volume, ijk[:, 0], direction, t0, t1, level)
                if t >= 0.0:
                    out[row, column] = t * math.sqrt(mm)


def first_hit(
    volume: NDArray[np.float32],
    ijk_from_world: Matrix,
    camera: Camera,
    level: float,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """Distance from the source to the first point where a volume reaches a level, per pixel.

    Args:
        volume: (K, J, I) float32, C-contiguous.
        ijk_from_world: 4x4.
        camera: the view.
        level: in the volume's unit.

    Returns:
        (H, W) float32 mm along the ray, NaN where it never does; 0 where the source lies inside.

    Raises:
        Cancelled: between blocks of rows.
    """
    low, high = occupied_box(volume >= level)
    width, height = camera.size
    rays = np.linalg.inv(camera.K)
    ijk = camera.ray_table(ijk_from_world)
    out = np.full((height, width), np.nan, np.float32)

    def block(first: int) -> None:
        rows = out[first : first + ROWS_PER_BLOCK]
        _reach_rows(volume, ijk, rays, low, high, level, first, rows)

    run_blocks(block, range(0, height, ROWS_PER_BLOCK), progress, cancel)
    return out
