"""The colours of surface points, averaged over the frames that see them."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.geometry import affine, inverse
from meddl.core.pinhole import Floats, intrinsics_matrix
from meddl.endodepth.tsdf import Float32, sample_inverse_depth

# A pixel this bright in its darkest channel is a mirror image of the lamp, not the tissue's colour.
HIGHLIGHT = 235
_HIGHLIGHT_WEIGHT = 0.02
_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


@dataclass(frozen=True, eq=False)
class ShownFrame:
    """A frame with its depth and place, from which surfaces take their colours.

    Attributes:
        frame: (H, W, 3) uint8 RGB, the full frame.
        maps: (h, w, 3) of :func:`meddl.endodepth.tsdf.view_maps`.
        map_from_world: (3, 4) to homogeneous pixels of the maps.
        offset, scale: position in the frame = ((x, y) in the map + offset) scale.
    """

    frame: NDArray[np.uint8]
    maps: Float32
    map_from_world: Floats
    offset: Floats
    scale: float


def shown_frame(
    frame: NDArray[np.uint8],
    maps: Float32,
    intrinsics: ArrayLike,
    world_from_camera: ArrayLike,
    offset: ArrayLike,
    scale: float,
) -> ShownFrame:
    """A frame taken with a camera.

    Args:
        frame, maps, offset, scale: see :class:`ShownFrame`.
        intrinsics: (3, 3) in pixels of the maps.
        world_from_camera: (4, 4).
    """
    camera_from_world = inverse(affine(world_from_camera, "pose"))
    map_from_world = intrinsics_matrix(intrinsics) @ camera_from_world[:3]
    return ShownFrame(frame, maps, map_from_world, np.asarray(offset, np.float64), float(scale))


class ColourSums:
    """Weighted sums of the colours of points; give it frame by frame, then ask :meth:`mean`.

    Args:
        points: (N, 3) world positions.
        tolerance: how far, in world units, a point may lie from what a frame's depth shows.
    """

    def __init__(self, points: ArrayLike, tolerance: float) -> None:
        self.points = np.ascontiguousarray(points, dtype=np.float64)
        self._sums = np.zeros((len(self.points), 4), np.float32)
        self._tolerance = tolerance

    def add(self, shown: ShownFrame) -> None:
        """Add what one frame shows."""
        _add(
            self._sums, self.points, shown.map_from_world, shown.maps, shown.frame,
            shown.offset, shown.scale, float(self._tolerance),
        )  # fmt: skip

    def mean(self) -> NDArray[np.uint8]:
        """(N, 3) uint8; grey (128) where no frame saw the point."""
        total = self._sums[:, 3:]
        grey = np.full_like(self._sums[:, :3], 128)
        mean = np.divide(self._sums[:, :3], total, out=grey, where=total > 0)
        return np.clip(np.round(mean), 0, 255).astype(np.uint8)


@_jit
def seen_at(px, py, pz, matrix, maps, tolerance):  # type: ignore[no-untyped-def]
    """Where a frame's map sees a point: position u, v, depth z, and the nearest pixel; z is 0 if it
    does not: outside, or further than ``tolerance`` from what the map shows."""
    height, width, _ = maps.shape
    z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
    if z <= 0:
        return 0.0, 0.0, 0.0, 0, 0
    u = (matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]) / z
    v = (matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]) / z
    if u < 0 or v < 0 or u > width or v > height:
        return 0.0, 0.0, 0.0, 0, 0
    q, row, column = sample_inverse_depth(maps, np.float32(u), np.float32(v))
    if q == 0 or abs(1 / q - z) * maps[row, column, 1] > tolerance:
        return 0.0, 0.0, 0.0, 0, 0
    return u, v, z, row, column


@_jit
def between(x, y, width, height):  # type: ignore[no-untyped-def]
    """The upper left one of the four pixels around a position, and the weights of the others."""
    x = min(max(x - 0.5, 0.0), width - 1.0)
    y = min(max(y - 0.5, 0.0), height - 1.0)
    c, r = min(int(x), width - 2), min(int(y), height - 2)
    return r, c, x - c, y - r


@_jit
def mix(picture, r, c, a, b, channel):  # type: ignore[no-untyped-def]
    """A channel of a picture between four pixels."""
    upper = (1 - a) * picture[r, c, channel] + a * picture[r, c + 1, channel]
    lower = (1 - a) * picture[r + 1, c, channel] + a * picture[r + 1, c + 1, channel]
    return (1 - b) * upper + b * lower


@_jit
def _add(sums, points, matrix, maps, frame, offset, scale, tolerance):  # type: ignore[no-untyped-def]
    frame_height, frame_width, _ = frame.shape
    for n in range(len(points)):
        u, v, z, row, column = seen_at(
            points[n, 0], points[n, 1], points[n, 2], matrix, maps, tolerance
        )
        if z == 0:
            continue
        weight = maps[row, column, 2]
        r, c, a, b = between(
            (u + offset[0]) * scale, (v + offset[1]) * scale, frame_width, frame_height
        )
        darkest = min(frame[r, c, 0], frame[r, c, 1], frame[r, c, 2])
        if darkest >= HIGHLIGHT:
            weight *= np.float32(_HIGHLIGHT_WEIGHT)
        for channel in range(3):
            sums[n, channel] += weight * mix(frame, r, c, a, b, channel)
        sums[n, 3] += weight
