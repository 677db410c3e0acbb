"""A radiograph and its derivative with respect to its rays in one pass, on the CPU by numba.

The picture is the midpoint sum of :mod:`meddl.deepdrr.projector_torch`. Along with the values f of
the samples x_n = o + t_n d the kernel adds their gradients, from which follow the derivatives with
respect to the ray's origin o and direction d; torch's chain rule does the rest, to any pose or
intrinsics. On one core this is 9 to 21 times as fast as torch's own backward pass
(``Docs/validation.md``).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from meddl.core.progress import no_progress
from meddl.deepdrr.projector import run_blocks

ROWS_PER_BLOCK = 32


@numba.njit(inline="always")
def _cell(x, last):  # type: ignore[no-untyped-def]
    """Lower and upper voxel, weight of the upper, and 1.0 where the interpolant has a slope."""
    inside = 1.0 if 0.0 <= x <= last else 0.0
    x = min(max(x, 0.0), float(last))
    near = min(np.uint64(x), np.uint64(max(last - 1, 0)))
    return near, min(near + np.uint64(1), np.uint64(last)), x - near, inside


@numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def _rows(  # type: ignore[no-untyped-def]  # numba infers the types
    volume, origin, ijk_per_pixel, mm, low, high, samples, row_start, values, jacobian
):
    """Fill rows row_start.. of values (rows, W) and jacobian (rows, W, 6): dI/do, dI/dd."""
    last = np.array([volume.shape[2] - 1, volume.shape[1] - 1, volume.shape[0] - 1])
    d = np.empty(3)
    w = np.empty(3)
    slope = np.empty(3)
    along = np.empty(3)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            enter, leave = 0.0, np.inf
            enter_axis, leave_axis = -1, -1
            for axis in range(3):
                d[axis] = (
                    column * ijk_per_pixel[axis, 0]
                    + (row_start + row) * ijk_per_pixel[axis, 1]
                    + ijk_per_pixel[axis, 2]
                )
                if abs(d[axis]) < 1e-12:
                    d[axis] = 1e-12
                a = (low[axis] - origin[axis]) / d[axis]
                b = (high[axis] - origin[axis]) / d[axis]
                if min(a, b) > enter:
                    enter, enter_axis = min(a, b), axis
                if max(a, b) < leave:
                    leave, leave_axis = max(a, b), axis
            if leave <= enter:
                continue
            step = (leave - enter) / samples
            total = si = sj = sk = ti = tj = tk = 0.0
            for n in range(samples):
                share = (n + 0.5) / samples
                t = enter + share * (leave - enter)
                i, fi, wi, ini = _cell(origin[0] + t * d[0], last[0])
                j, fj, wj, inj = _cell(origin[1] + t * d[1], last[1])
                k, fk, wk, ink = _cell(origin[2] + t * d[2], last[2])
                v000 = volume[k, j, i]
                v001 = volume[k, j, fi]
                v010 = volume[k, fj, i]
                v011 = volume[k, fj, fi]
                v100 = volume[fk, j, i]
                v101 = volume[fk, j, fi]
                v110 = volume[fk, fj, i]
                v111 = volume[fk, fj, fi]
                v00 = v000 + wi * (v001 - v000)
                v01 = v010 + wi * (v011 - v010)
                v10 = v100 + wi * (v101 - v100)
                v11 = v110 + wi * (v111 - v110)
                v0 = v00 + wj * (v01 - v00)
                v1 = v10 + wj * (v11 - v10)
                total += v0 + wk * (v1 - v0)
                di0 = v001 - v000 + wj * (v011 - v010 - v001 + v000)
                di1 = v101 - v100 + wj * (v111 - v110 - v101 + v100)
                gi = ini * (di0 + wk * (di1 - di0))
                gj = inj * (v01 - v00 + wk * (v11 - v10 - v01 + v00))
                gk = ink * (v1 - v0)
                si += gi
                sj += gj
                sk += gk
                ti += t * gi
                tj += t * gj
                tk += t * gk
            slope[:] = si, sj, sk
            along[:] = ti, tj, tk
            # Sums of gradient times direction, weighted by share and by its complement.
            radial = si * d[0] + sj * d[1] + sk * d[2]
            late = (ti * d[0] + tj * d[1] + tk * d[2] - enter * radial) / (leave - enter)
            length = 0.0
            for axis in range(3):
                component = mm[axis, 0] * d[0] + mm[axis, 1] * d[1] + mm[axis, 2] * d[2]
                length += component * component
                w[axis] = component
            scale = math.sqrt(length) * step
            values[row, column] = scale * total
            out = jacobian[row, column]
            for axis in range(3):
                out[axis] = scale * slope[axis]
                stretch = mm[0, axis] * w[0] + mm[1, axis] * w[1] + mm[2, axis] * w[2]
                out[3 + axis] = scale * (along[axis] + total * stretch / length)
            # The chord's ends move along the ray when the ray moves: t_end = (face - o) / d.
            if enter_axis >= 0:
                change = -scale * (radial - late - total / (leave - enter)) / d[enter_axis]
                out[enter_axis] += change
                out[3 + enter_axis] += change * enter
            change = -scale * (late + total / (leave - enter)) / d[leave_axis]
            out[leave_axis] += change
            out[3 + leave_axis] += change * leave


class _LineIntegrals(torch.autograd.Function):
    """(H, W) from origin (3,) and ijk_per_pixel (3, 3); the volume is a constant."""

    @staticmethod
    def forward(ctx: Any, origin: Tensor, ijk_per_pixel: Tensor, *constants: Any) -> Tensor:
        volume, mm, (low, high), samples, (width, height) = constants
        values = np.zeros((height, width))
        jacobian = np.zeros((height, width, 6))
        o, matrix = origin.detach().numpy(), ijk_per_pixel.detach().numpy()

        def block(row: int) -> None:
            rows = slice(row, row + ROWS_PER_BLOCK)
            _rows(volume, o, matrix, mm, low, high, samples, row, values[rows], jacobian[rows])

        if height <= ROWS_PER_BLOCK:  # a thread would take longer to start than to compute
            block(0)
        else:
            run_blocks(block, range(0, height, ROWS_PER_BLOCK), no_progress, None)
        ctx.jacobian = torch.from_numpy(jacobian)
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        weighted = gradients[0][..., None] * ctx.jacobian
        height, width, _ = weighted.shape
        by_column = weighted.sum(0)
        rows = torch.arange(height, dtype=weighted.dtype)
        columns = torch.arange(width, dtype=weighted.dtype)
        total = by_column.sum(0)
        per_column = columns @ by_column[:, 3:]
        per_row = rows @ weighted[..., 3:].sum(1)
        matrix = torch.stack([per_column, per_row, total[3:]], -1)
        return total[:3], matrix, None, None, None, None, None


def project_pose(
    volume: NDArray[np.float32],
    ijk_from_world: NDArray[np.float64],
    source: Tensor,
    world_per_pixel: Tensor,
    size: tuple[int, int],
    box: tuple[NDArray[np.float64], NDArray[np.float64]],
    step: float,
) -> Tensor:
    """One picture of a scalar volume, differentiable with respect to its rays.

    Args:
        volume: (K, J, I) float32, C-contiguous; a constant.
        ijk_from_world: 4x4.
        source: (3,) float64 world mm.
        world_per_pixel: (3, 3) float64, see :func:`meddl.deepdrr.projector_torch.camera_rays`.
        size: (W, H).
        box: lower and upper ijk corner of what is not zero.
        step: longest distance of samples, voxels.

    Returns:
        (H, W) float64, value x mm.
    """
    linear = torch.from_numpy(ijk_from_world[:3, :3].copy())
    origin = linear @ source + torch.from_numpy(ijk_from_world[:3, 3].copy())
    samples = max(1, math.ceil(float(np.linalg.norm(box[1] - box[0])) / step))
    mm = np.linalg.inv(ijk_from_world[:3, :3])
    picture: Tensor = _LineIntegrals.apply(
        origin, linear @ world_per_pixel, volume, mm, box, samples, size
    )
    return picture
