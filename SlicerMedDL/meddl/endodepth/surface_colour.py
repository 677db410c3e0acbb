"""The colours of surface points, averaged over the frames that see them."""

from __future__ import annotations

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

    def add(
        self,
        frame: NDArray[np.uint8],
        maps: Float32,
        intrinsics: ArrayLike,
        world_from_camera: ArrayLike,
        offset: Floats,
        scale: float,
    ) -> None:
        """Add what one frame shows.

        Args:
            frame: (H, W, 3) uint8 RGB, the full frame.
            maps: (h, w, 3) of :func:`meddl.endodepth.tsdf.view_maps`.
            intrinsics: (3, 3) in pixels of the maps.
            world_from_camera: (4, 4).
            offset, scale: position in the frame = ((x, y) in the map + offset) scale.
        """
        camera_from_world = inverse(affine(world_from_camera, "pose"))
        homogeneous = intrinsics_matrix(intrinsics) @ camera_from_world[:3]
        _add(
            self._sums, self.points, homogeneous, maps, frame,
            np.asarray(offset, dtype=np.float64), float(scale), float(self._tolerance),
        )  # fmt: skip

    def mean(self) -> NDArray[np.uint8]:
        """(N, 3) uint8; grey (128) where no frame saw the point."""
        total = self._sums[:, 3:]
        grey = np.full_like(self._sums[:, :3], 128)
        mean = np.divide(self._sums[:, :3], total, out=grey, where=total > 0)
        return np.clip(np.round(mean), 0, 255).astype(np.uint8)

    @property
    def seen(self) -> Floats:
        """(N,) sums of the weights."""
        return self._sums[:, 3].astype(np.float64)


@_jit
def _add(sums, points, matrix, maps, frame, offset, scale, tolerance):  # type: ignore[no-untyped-def]
    height, width, _ = maps.shape
    frame_height, frame_width, _ = frame.shape
    for n in range(len(points)):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
        if z <= 0:
            continue
        u = (matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]) / z
        v = (matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]) / z
        if u < 0 or v < 0 or u > width or v > height:
            continue
        q, row, column = sample_inverse_depth(maps, np.float32(u), np.float32(v))
        if q == 0 or abs(1 / q - z) * maps[row, column, 1] > tolerance:
            continue
        weight = maps[row, column, 2]
        x = min(max((u + offset[0]) * scale - 0.5, 0.0), frame_width - 1.0)
        y = min(max((v + offset[1]) * scale - 0.5, 0.0), frame_height - 1.0)
        c, r = min(int(x), frame_width - 2), min(int(y), frame_height - 2)
        a, b = x - c, y - r
        darkest = min(frame[r, c, 0], frame[r, c, 1], frame[r, c, 2])
        if darkest >= HIGHLIGHT:
            weight *= np.float32(_HIGHLIGHT_WEIGHT)
        for channel in range(3):
            upper = (1 - a) * frame[r, c, channel] + a * frame[r, c + 1, channel]
            lower = (1 - a) * frame[r + 1, c, channel] + a * frame[r + 1, c + 1, channel]
            sums[n, channel] += weight * ((1 - b) * upper + b * lower)
        sums[n, 3] += weight
