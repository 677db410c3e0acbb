"""The colours of a texture, taken from the frames that see each place best.

Two bands are blended apart (Burt and Adelson, ACM Transactions on Graphics 1983; Brown and Lowe,
IJCV 2007, section 7). What changes slowly over a frame, and with it the light and the gain, is
averaged over all frames, as the colours of vertices are; the rest comes nearly alone from the
frames with the most pixels on the place. Detail then stays sharp where depths or poses are a pixel
off, and no seam shows where one best frame follows another.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.optional import require
from meddl.core.pinhole import Floats
from meddl.core.textured_mesh import Texture
from meddl.endodepth.highlights import specular_highlights
from meddl.endodepth.surface import Faces
from meddl.endodepth.surface_colour import ShownFrame, between, mix, seen_at
from meddl.endodepth.texture_atlas import coordinates, make_atlas, places
from meddl.endodepth.tsdf import JUMP, Float32, in_slabs

_BLUR = 0.03  # of the longer side of the map: deviation of the Gaussian that parts the bands
_FADE = 0.08  # of the shorter side: over so much a frame comes in from its borders
_DISTRUST = np.float32(1e-4)  # weight of what a frame shows badly, where no other one shows it
_SHARPNESS = 4  # power of the pixels per area that weighs the fine band
_BYTES = 56  # a pixel: its face, place and two sums of colours, and working space
_jit = numba.njit(nogil=True, cache=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})


class TexturePainter:
    """The texture of a mesh; give it frame by frame, then ask :meth:`texture`.

    Args:
        vertices, faces: the mesh (N, 3), (M, 3), world units.
        size: width and height of the texture, pixels.
        tolerance: how far, in world units, a point may lie from what a frame's depth shows.
        reference: a usual depth, which only keeps the weights near 1.

    Raises:
        InputError: a texture that is too small for the mesh.
        DeviceError: a texture that is too large for the free memory.
    """

    def __init__(
        self, vertices: Floats, faces: Faces, size: int, tolerance: float, reference: float
    ) -> None:
        require_memory(_BYTES * size**2, f"a texture of {size} x {size} pixels")
        self._faces, self._tolerance, self._reference = faces, tolerance, reference
        self._atlas = make_atlas(vertices, faces, size)
        self._index, self._points = places(self._atlas, vertices, faces)
        self._coarse = np.zeros((len(self._points), 4), np.float32)
        self._fine = np.zeros((len(self._points), 4), np.float32)

    def add(self, shown: ShownFrame) -> None:
        """Add what one frame shows.

        Raises:
            DependencyError: OpenCV is not installed.
        """
        smooth, trust = coarse_band(shown.frame, shown.maps[..., 0], shown.offset, shown.scale)

        def slab(span: tuple[int, int]) -> None:
            part = slice(*span)
            _add(
                self._coarse[part], self._fine[part], self._points[part], shown.map_from_world,
                shown.maps, shown.frame, smooth, trust, shown.offset, shown.scale,
                float(self._tolerance), float(self._reference),
            )  # fmt: skip

        in_slabs(slab, len(self._points))

    def texture(self, colours: NDArray[np.uint8]) -> Texture:
        """The texture; what no frame has seen gets the colours (N, 3) uint8 of the vertices."""
        size = len(self._atlas.owner)
        seen = (self._coarse[:, 3] > 0) & (self._fine[:, 3] > 0)
        texels = np.empty(self._points.shape, np.uint8)
        both = sum(sums[seen, :3] / sums[seen, 3:] for sums in (self._coarse, self._fine))
        texels[seen] = np.clip(np.round(both), 0, 255)
        owner = self._atlas.owner.ravel()[self._index[~seen]]
        texels[~seen] = colours[self._faces[owner]].mean(axis=1)
        picture = np.empty((size, size, 3), np.uint8)
        picture[:] = texels.mean(axis=0)  # seen from afar, nothing shines through the gutters
        picture.reshape(-1, 3)[self._index] = texels
        return Texture(picture, *coordinates(self._atlas, self._faces))


def coarse_band(
    frame: NDArray[np.uint8], inverse_depth: Float32, offset: Floats, scale: float
) -> tuple[Float32, Float32]:
    """What changes slowly over a frame, and how far its pixels are to be trusted.

    Args:
        frame: (H, W, 3) uint8 RGB, the full frame.
        inverse_depth: (h, w), 0 where unknown.
        offset, scale: position in the frame = ((x, y) in the map + offset) scale.

    Returns:
        (h, w, 3) colours 0..255, smoothed over what is known and no highlight, and (h, w) trust: 1
        in the middle of it, falling to nearly 0 at highlights, at the border of the field of view
        and where one surface hides another.

    Raises:
        DependencyError: OpenCV is not installed.
    """
    cv2 = require("cv2", "a texture")
    height, width = inverse_depth.shape
    part = _part(frame, offset, scale, (height, width))
    mirrored = specular_highlights(part).astype(np.float32)
    colour, mirrored = (
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        for picture in (part, mirrored)
    )
    square = np.ones((3, 3), np.uint8)
    q = np.pad(inverse_depth, 1)  # beyond the map nothing is known
    whole = cv2.dilate(q, square) <= (1 + JUMP) * cv2.erode(q, square)
    good = whole & (q > 0) & (np.pad(mirrored, 1) == 0)
    reach = _FADE * min(height, width)
    distance = cv2.distanceTransform(good.astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    trust = np.maximum(np.minimum(distance / reach, 1) ** 2, _DISTRUST).astype(np.float32)
    used = ((inverse_depth > 0) & (mirrored == 0)).astype(np.float32)
    deviation = _BLUR * max(height, width)
    weight = cv2.GaussianBlur(used, (0, 0), deviation)
    smooth = cv2.GaussianBlur(colour * used[..., None], (0, 0), deviation)
    smooth = np.where(
        weight[..., None] > 1e-3, smooth / np.maximum(weight, 1e-3)[..., None], colour
    )
    return smooth, trust


def _part(
    frame: NDArray[np.uint8], offset: Floats, scale: float, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The part of the frame that the map of ``size`` (h, w) shows."""
    first = np.round(offset * scale).astype(int)
    last = np.round((offset + size[::-1]) * scale).astype(int)
    return np.ascontiguousarray(frame[first[1] : last[1], first[0] : last[0]])


@_jit
def _add(  # type: ignore[no-untyped-def]
    coarse, fine, points, matrix, maps, frame, smooth, trust, offset, scale, tolerance, reference
):
    height, width, _ = maps.shape
    frame_height, frame_width, _ = frame.shape
    for n in range(len(points)):
        u, v, z, row, column = seen_at(
            points[n, 0], points[n, 1], points[n, 2], matrix, maps, tolerance
        )
        if z == 0 or maps[row, column, 2] == 0:
            continue
        trusted = trust[row, column]
        # A pixel at depth z is seen on an area of z^2 / (f^2 n r), with the ray r whose z is 1.
        weight = trusted * (maps[row, column, 1] * (reference / z) ** 2) ** _SHARPNESS
        often = trusted * maps[row, column, 2]
        r, c, a, b = between(
            (u + offset[0]) * scale, (v + offset[1]) * scale, frame_width, frame_height
        )
        rs, cs, s, t = between(u, v, width, height)
        for channel in range(3):
            slow = mix(smooth, rs, cs, s, t, channel)
            coarse[n, channel] += often * slow
            fine[n, channel] += weight * (mix(frame, r, c, a, b, channel) - slow)
        coarse[n, 3] += often
        fine[n, 3] += weight
