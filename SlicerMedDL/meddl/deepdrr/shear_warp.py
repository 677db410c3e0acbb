"""Fast line integrals on the CPU: the layers of a volume are added on a virtual detector.

The virtual detector is aligned with the volume and somewhat finer than its voxels. On it every
layer of voxels appears enlarged along its rows and its columns, each by a factor of its own, so
that Joseph's bilinear sampling (IEEE TMI 1:192, 1982) comes apart: one interpolation along the
columns of voxels, shared by all rays of a detector column, and one blend of two contiguous lines. A
homography and a Catmull-Rom kernel carry the sum to the real detector. This is the shear-warp
factorisation (Lacroute and Levoy, SIGGRAPH 1994) of a perspective projection; rays from one source
are the same whichever plane they are drawn on, so it serves every pose.

What a virtual pixel and a layer blur is a matter of voxels, and so is the time: a view that meets
few voxels is sampled more densely (:func:`choose_sampling`), by several planes a layer,
interpolated between the layers, on a finer virtual detector.

Runs of empty voxels are skipped per material, so that several materials, each in its own voxels,
cost about half as much again as one. Against the exact integrals of
:mod:`meddl.deepdrr.projector` the relative L2 error on CTs is 2e-4 to 3e-3
(``Docs/validation.md``). The volume ends at the outer faces of its voxels; in the outermost half
voxel the edge value holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import available_cores
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr import projector
from meddl.deepdrr.layers import DensityGrid
from meddl.deepdrr.projector import run_blocks
from meddl.deepdrr.shear_warp_kernels import (
    find_reach,
    group_samples,
    mark_extents,
    place_samples,
    trace,
    warp,
)
from meddl.deepdrr.simd_lanes import LANES

Array = NDArray[np.float64]

# Virtual pixels per voxel in the middle of the volume, and sampling planes per layer, by the number
# of voxels in view that are not empty. In the worst pose the bundled CT (1.4 million voxels) is
# 0.55, 0.38 and 0.13 % off by PLAIN, MIDDLE and DENSE sampling, its bone 9, 5 and 3 %; a pelvis of
# bone alone (0.5 million) 3, 0.8 and 0.4 %. MIDDLE takes about 6 times as long as PLAIN and DENSE
# 28 times: up to these numbers hardly longer than a view of 256^3 voxels does by PLAIN.
PLAIN, MIDDLE, DENSE = (1.5, 1), (2.5, 2), (4.0, 4)
SAMPLINGS = ((1_500_000, DENSE), (4_000_000, MIDDLE), (np.inf, PLAIN))
# Where a face of the grid is seen along itself, the picture has a step, which the virtual detector
# blurs over two pixels: on the bundled CT up to 1.4e-2 by PLAIN, 6e-3 by DENSE sampling. A step
# that the perspective spreads over fewer virtual pixels than EDGE gets FINER times as many; below 6
# a pelvis of bone alone, 3 mm, was up to 1.2e-2 off.
EDGE, FINER = 6.0, 4.0
# Slope of a ray against the layers' normal beyond which few voxels have twice the planes: two
# voxels aside a layer, it would pass by bones that are a shell of one voxel.
OBLIQUE = 2.0
# Slopes of a ray against the layers' normal, in voxels, beyond which one plane and four planes a
# layer undersample it.
STEEP, STEEPEST = 3.0, 6.0
STEEP_PLANES = 4
LINES_PER_BLOCK = 128  # fewer trace more rows at the borders of blocks twice; more leave the cache
ROWS_PER_BLOCK = 32
NO_LABEL = np.zeros((0, 0, 0), np.uint8)


class Columns(NamedTuple):
    """The voxels with one axis contiguous.

    Attributes:
        density: (A, B, C) float32, C-contiguous.
        label: (A, B, C) uint8, or of size 0 if there is one material.
        extents: (A, B, M, 2) uint16, first and end voxel that is not 0 of each material; those of
            all materials together in the place of ``whole``; C, 0 if there is none.
        whole: the material that fills most; it is found as all less the others.
        axes: the ijk axis (0, 1, 2) of A, B and C.
        filled: how many voxels are not 0.
    """

    density: NDArray[np.float32]
    label: NDArray[np.uint8]
    extents: NDArray[np.uint16]
    whole: int
    axes: tuple[int, int, int]
    filled: int


@dataclass(eq=False)
class PreparedVolume:
    """A volume with what projecting it from any side needs.

    Columns along k are those of the grid itself; a copy with others is made when a view looks along
    k, and kept while the following views do.
    """

    grid: DensityGrid
    _columns: dict[int, Columns] = field(default_factory=dict)

    def columns(self, axis: int) -> Columns:
        """The voxels with the ijk axis ``axis`` contiguous."""
        if axis not in self._columns:
            self._columns = {n: kept for n, kept in self._columns.items() if n == 2}
            self._columns[axis] = _arrange(self.grid, axis)
        return self._columns[axis]

    @cached_property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper ijk corner of what is not empty."""
        columns = self.columns(2)
        extents = columns.extents[:, :, columns.whole]
        occupied = extents[..., 1] > 0
        low, high = np.zeros(3), np.zeros(3)
        if occupied.any():
            for axis in (0, 1):
                indices = np.flatnonzero(occupied.any(axis=axis))
                low[axis], high[axis] = indices[0] - 1.0, indices[-1] + 1.0
            low[2], high[2] = extents[..., 0].min() - 1.0, extents[..., 1].max()
            low = np.maximum(low, -0.5)
            high = np.minimum(high, np.array(self.grid.density.shape[::-1]) - 0.5)
        return low, high


def _arrange(grid: DensityGrid, axis: int) -> Columns:
    order = {0: (2, 1, 0), 1: (2, 0, 1), 2: (1, 0, 2)}[axis]
    turned = [2 - n for n in order]
    density = np.ascontiguousarray(grid.density.transpose(turned))
    label = NO_LABEL if grid.label is None else np.ascontiguousarray(grid.label.transpose(turned))
    extents = np.empty((*density.shape[:2], len(grid.components), 2), np.uint16)

    filled: list[int] = []  # of each block

    def mark(start: int) -> None:
        part = slice(start, start + ROWS_PER_BLOCK)
        filled.append(mark_extents(density[part], label[part], extents[part]))

    run_blocks(mark, range(0, len(density), ROWS_PER_BLOCK), no_progress, None)
    lengths = np.maximum(extents[..., 1].astype(np.int32) - extents[..., 0], 0)
    whole = int(lengths.sum(axis=(0, 1)).argmax())
    extents[:, :, whole, 0] = extents[..., 0].min(axis=2)
    extents[:, :, whole, 1] = extents[..., 1].max(axis=2)
    return Columns(density, label, extents, whole, order, sum(filled))


def choose_axes(rays: Array) -> tuple[int, int, int] | None:
    """Layers, rows and columns as ijk axes for a camera, or None if no choice suits all its rays.

    Args:
        rays: (4, 3) directions of the corner rays in ijk.
    """
    slopes = np.full(3, np.inf)  # the steepest of the rays against each axis as that of the layers
    for axis in range(3):
        along = rays[:, axis]
        if (along > 0).all() or (along < 0).all():
            slopes[axis] = np.abs(rays / along[:, None]).max()
    layers = int(np.argmin(slopes))
    if slopes[layers] > STEEPEST:
        return None
    rest = [axis for axis in range(3) if axis != layers]
    columns = max(rest)  # k, the grid's own, unless the view looks along it
    (rows,) = (axis for axis in rest if axis != columns)
    return layers, rows, columns


def project(
    volume: PreparedVolume,
    source: Array,
    world_per_pixel: Array,
    size: tuple[int, int],
    sampling: tuple[float, int] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """Integrate each material of a volume from the source along the ray of each pixel.

    Other arguments as :func:`meddl.deepdrr.projector.line_integrals`, which takes over where the
    source lies within the volume or rays are steep.

    Args:
        sampling: virtual pixels per voxel and planes per layer; by default those of
            :func:`choose_sampling`.

    Returns:
        (H, W, M) float32, density x mm.

    Raises:
        Cancelled: between blocks of lines or rows.
    """
    grid = volume.grid
    linear = grid.ijk_from_ras[:3, :3]
    origin = linear @ source + grid.ijk_from_ras[:3, 3]
    ijk_per_pixel = linear @ world_per_pixel
    corners = np.array([(u, v, 1.0) for u in (0, size[0] - 1) for v in (0, size[1] - 1)])
    rays = corners @ ijk_per_pixel.T
    low, high = volume.box
    if (high <= low).any():
        return np.zeros((size[1], size[0], len(grid.components)), np.float32)
    axes = choose_axes(rays)
    if (
        axes is None
        or min(grid.density.shape) < 2
        or not _outside(rays, origin, axes[0], low, high)
    ):
        return projector.line_integrals(
            grid, source, world_per_pixel, size, (low, high), progress, cancel
        )
    layers = grid.density.shape[2 - axes[0]]
    if sampling is None:
        columns = volume.columns(axes[2])
        finer, per_layer = choose_sampling(columns, rays, origin, axes, low, high)
    else:
        finer, per_layer = np.full(2, sampling[0]), sampling[1]
    if np.abs(rays / rays[:, axes[:1]]).max() > STEEP:
        per_layer = max(per_layer, STEEP_PLANES)
    # Slopes per virtual pixel, along rows and columns.
    pitch = 1.0 / (finer * abs((layers - 1) / 2 - origin[axes[0]]))
    first, shape = _virtual_detector(rays, origin, axes, low, high, pitch)
    planes = layers * per_layer
    virtual, touched = _trace(
        volume, axes, origin, first, pitch, shape, planes, subprogress(progress, 0, 0.8), cancel
    )
    homography = ijk_per_pixel[list(axes)].copy()
    homography[1:] = (homography[1:] - first[:, None] * homography[0]) / pitch[:, None]
    out = np.empty((size[1], size[0], len(grid.components)), np.float32)
    per_pixel = np.ascontiguousarray(world_per_pixel)
    whole = volume.columns(axes[2]).whole
    reach = np.empty_like(touched)
    find_reach(touched, virtual.shape[2], reach)

    def draw(row: int) -> None:
        warp(virtual, reach, whole, homography, per_pixel, row, out[row : row + ROWS_PER_BLOCK])

    run_blocks(draw, range(0, size[1], ROWS_PER_BLOCK), subprogress(progress, 0.8, 1), cancel)
    return out


def choose_sampling(
    columns: Columns,
    rays: Array,
    origin: Array,
    axes: tuple[int, int, int],
    low: Array,
    high: Array,
) -> tuple[Array, int]:
    """Virtual pixels per voxel, along rows and columns (2,), and planes per layer that keep a view
    within 0.5 % of the exact one.

    Args:
        columns: along the last of the axes.
        rays: (4, 3) directions of the corner rays in ijk.
        origin: (3,) the source in ijk.
        axes: of :func:`choose_axes`.
        low, high: (3,) ijk corners of what is not empty; the source lies before them.
    """
    layers, counts = axes[0], dict(zip(columns.axes, columns.density.shape, strict=True))
    voxel = 1.0 / abs((counts[layers] - 1) / 2 - origin[layers])  # its slope, in the middle
    begin, end, depths = _common_slopes(rays, origin, axes, low, high)
    across = list(axes[1:])
    box = (high - low)[across]
    seen = np.minimum(np.maximum(end - begin, 0.0) / voxel, box)  # beside the layers, in voxels
    voxels = columns.filled * (seen / box).prod()
    per_voxel, per_layer = next(sampling for most, sampling in SAMPLINGS if voxels <= most)
    finer = np.full(2, per_voxel)
    if per_layer > 1 and np.abs(rays / rays[:, [layers]]).max() > OBLIQUE:
        per_layer *= 2
    for number, axis in enumerate(across):
        for face in {low[axis], high[axis]} & {-0.5, counts[axis] - 0.5}:
            near, far = np.sort((face - origin[axis]) / depths)
            in_view = near <= end[number] and far >= begin[number]
            if in_view and (far - near) * finer[number] < EDGE * voxel:
                finer[number] *= FINER
                break
    return finer, per_layer


def _outside(rays: Array, origin: Array, layers: int, low: Array, high: Array) -> bool:
    """Whether the source lies clearly before the box along the layers."""
    depths = np.array([low[layers], high[layers]]) - origin[layers]
    return bool((depths * np.sign(rays[0, layers])).min() >= 1.0)


def _virtual_detector(
    rays: Array, origin: Array, axes: tuple[int, int, int], low: Array, high: Array, pitch: Array
) -> tuple[Array, tuple[int, int]]:
    """First slopes (2,) along rows and columns, and (lines, width), of the virtual detector.

    It covers what the real detector and the occupied box have in common.
    """
    begin, end, _ = _common_slopes(rays, origin, axes, low, high)
    begin, end = begin - 2 * pitch, end + 2 * pitch
    lines, width = (max(int(n), 4) for n in np.ceil((end - begin) / pitch) + 1)
    return begin, (lines, -(-width // LANES) * LANES)


def _common_slopes(
    rays: Array, origin: Array, axes: tuple[int, int, int], low: Array, high: Array
) -> tuple[Array, Array, Array]:
    """First and last slope (2,) along rows and columns that the detector and the occupied box have
    in common, and the depths (2,) of the box, layers from the source."""
    layers, across = axes[0], list(axes[1:])
    slopes = rays[:, across] / rays[:, [layers]]
    depths = np.array([low[layers], high[layers]]) - origin[layers]
    box = np.array([(face[across] - origin[across]) / d for d in depths for face in (low, high)])
    begin = np.maximum(slopes.min(axis=0), box.min(axis=0))
    end = np.minimum(slopes.max(axis=0), box.max(axis=0))
    return begin, end, depths


def _trace(
    volume: PreparedVolume,
    axes: tuple[int, int, int],
    origin: Array,
    first: Array,
    pitch: Array,
    shape: tuple[int, int],
    planes: int,
    progress: Progress,
    cancel: CancelToken | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(lines, M, width) float32: the sums over the layers on the virtual detector, ``whole`` being
    all materials together; (lines, M, 2): the first and end column that got something."""
    columns = volume.columns(axes[2])
    sizes = volume.grid.density.shape
    per_layer = planes // sizes[2 - axes[0]]

    def samples(number: int) -> tuple[NDArray[np.uint32], NDArray[np.float32], NDArray[np.float32]]:
        """Of :func:`place_samples`, for the virtual detector's lines (0) or columns (1)."""
        axis, table = axes[1 + number], (planes, shape[number])
        index = np.empty(table, np.uint32)
        low, high = np.empty(table, np.float32), np.empty(table, np.float32)
        place_samples(
            *(per_layer, origin[axes[0]], origin[axis], first[number], pitch[number]),
            *(sizes[2 - axis], index, low, high),
        )
        return index, low, high

    on_rows, on_columns = samples(0), samples(1)
    lines, width = shape
    groups = (
        np.empty((planes, width // LANES), np.uint32),
        np.empty((planes, width), np.uint32),
        np.empty(planes, np.bool_),
    )
    group_samples(on_columns[0], sizes[2 - axes[2]], *groups)
    virtual = np.zeros((lines, len(volume.grid.components), width), np.float32)
    touched = np.empty((*virtual.shape[:2], 2), np.int64)
    touched[...] = (width, 0)
    per_block = min(LINES_PER_BLOCK, max(8, -(-lines // (2 * available_cores()))))

    def block(start: int) -> None:
        trace(
            columns.density, columns.label, columns.extents, columns.whole,
            columns.axes[0] == axes[0],
            per_layer, origin[axes[0]], origin[axes[2]], first[1], pitch[1], *on_rows, *on_columns,
            *groups, start, virtual[start : start + per_block],
            touched[start : start + per_block],
        )  # fmt: skip

    run_blocks(block, range(0, lines, per_block), progress, cancel)
    return virtual, touched
