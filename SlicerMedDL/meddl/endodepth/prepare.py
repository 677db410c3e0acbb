"""A sequence as the networks see it: smaller, cropped to the field of view, of normalised scale.

The steps of Liu et al., IEEE TMI 2019 (arXiv 1902.07766), section III: mask and crop, scale,
visibility over neighbouring views, and the filter of points that instruments or fluid contaminate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.pinhole import cropped, resized
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.endodepth.sequence import EndoscopicSequence, points_in_mask

Floats = NDArray[np.float64]

EROSION = 5  # pixels of the smaller mask: the rim of the field is dark and blurred
HISTOGRAM_BINS = 1000
# A point is dropped if it is contaminated in this part of its views or more.
CONTAMINATED = 0.5
# Bilateral filter before brightness is read: diameter in pixels, grey levels, pixels.
_BILATERAL = (7, 25.0, 25.0)


@dataclass(frozen=True, eq=False)
class PreparedSequence:
    """Frames and structure at the size of the network; made by :func:`prepare`.

    Attributes:
        sequence: where it comes from.
        shape: (rows, columns) of the smaller frame before the crop.
        rows, columns: the crop of the smaller frame. ``stop`` may lie beyond it: what is missing
            there is filled with zeros, outside the mask.
        intrinsics: (3, 3) of the crop, pixels; None if the sequence has none.
        mask: (h, w) bool, eroded.
        scale: what divides translations and depths of structure from motion.
        world_from_camera: (V, 4, 4) float64, translations divided by ``scale``.
        points: (K, 3) float64 kept by the filter, divided by ``scale``.
        visibility: (V, K) bool, extended over neighbouring views.
        kept: (P,) bool, which of the sequence's points these are.
    """

    sequence: EndoscopicSequence
    shape: tuple[int, int]
    rows: slice
    columns: slice
    intrinsics: Floats | None
    mask: NDArray[np.bool_]
    scale: float
    world_from_camera: Floats
    points: Floats
    visibility: NDArray[np.bool_]
    kept: NDArray[np.bool_]

    @property
    def downsampling(self) -> tuple[float, float]:
        """How many pixels of the frame one pixel covers, down and across."""
        height, width = self.sequence.size
        return height / self.shape[0], width / self.shape[1]

    def colour(self, number: int, hsv: bool = False) -> NDArray[np.float32]:
        """(h, w, 3) float32 in [-1, 1] of a frame number, 0 outside the mask.

        Args:
            number: of the frame.
            hsv: hue, saturation and value instead of red, green and blue.
        """
        picture = self.picture(number)
        if hsv:
            cv2 = require("cv2", "HSV colours")
            picture = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
        result = picture.astype(np.float32) / np.float32(127.5) - np.float32(1)
        result[~self.mask] = 0
        return result

    def picture(self, number: int) -> NDArray[np.uint8]:
        """(h, w, 3) uint8 RGB of a frame number, not masked."""
        return crop_picture(self.sequence.frame(number), self.shape, self.rows, self.columns)

    def projected(self, view: int) -> tuple[NDArray[np.int64], Floats, Floats]:
        """The points visible in a view that project into its mask.

        Args:
            view: index into ``sequence.view_numbers``.

        Returns:
            Indices (n,) into ``points``, pixel positions (n, 2) as (x, y), and depths (n,) > 0.
        """
        index = np.flatnonzero(self.visibility[view])
        inside, pixels, depth = points_in_mask(
            self.points[index], self.world_from_camera[view], self.require_intrinsics(), self.mask
        )
        return index[inside], pixels, depth

    def sparse_depth(self, view: int) -> NDArray[np.float32]:
        """(h, w) float32 depths of the points visible in a view, 0 where unknown.

        Where several points share a pixel the nearest counts.
        """
        _, pixels, depth = self.projected(view)
        result = np.full(self.mask.shape, np.inf, dtype=np.float32)
        column, row = pixels.astype(np.int64).T
        np.minimum.at(result, (row, column), depth.astype(np.float32))
        result[np.isinf(result)] = 0
        return result

    def require_intrinsics(self) -> Floats:
        """The (3, 3) intrinsics of the crop; an InputError if the sequence has none."""
        if self.intrinsics is None:
            self.sequence.require_intrinsics()
            raise AssertionError
        return self.intrinsics


def prepare(
    sequence: EndoscopicSequence,
    downsampling: float = 4.0,
    multiple: int = 64,
    inlier_percentage: float = 0.99,
    visibility_overlap: int = 30,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PreparedSequence:
    """Bring a sequence to the size and scale of the network and drop contaminated points.

    Args:
        sequence: before structure from motion only mask, crop and intrinsics are prepared.
        downsampling: pixels of the frame per pixel of the result, at least 1.
        multiple: height and width become multiples of it.
        inlier_percentage: part (0..1] of a frame's points that the histogram takes for clean; 1
            keeps all points and reads no frame.
        visibility_overlap: a point seen in a view counts as visible in so many views before and
            after it.

    Raises:
        InputError: values out of range, or nothing left of the mask.
        FileError: a frame that is damaged.
        Cancelled: by the token, between frames.
    """
    if not (1 <= downsampling < np.inf and multiple >= 1 and visibility_overlap >= 0):
        raise InputError(
            f"downsampling {downsampling}, multiple {multiple}, visibility_overlap "
            f"{visibility_overlap}: at least 1, 1 and 0 were expected"
        )
    if not 0 < inlier_percentage <= 1:
        raise InputError(f"the inlier percentage is {inlier_percentage}, above 0 to 1 was expected")
    height, width = sequence.size
    shape = (max(round(height / downsampling), 1), max(round(width / downsampling), 1))
    small = smaller_mask(sequence.mask, shape)
    rows, columns = crop_around(small, multiple)
    mask = crop_picture(small.astype(np.uint8), shape, rows, columns) > 0
    intrinsics = None
    if sequence.intrinsics is not None:
        factor = (shape[1] / width, shape[0] / height)
        intrinsics = cropped(resized(sequence.intrinsics, factor), rows.start, columns.start)
    scale = global_scale(sequence.world_from_camera, sequence.points)
    poses = sequence.world_from_camera.copy()
    poses[:, :3, 3] /= scale
    whole = PreparedSequence(
        sequence=sequence,
        shape=shape,
        rows=rows,
        columns=columns,
        intrinsics=intrinsics,
        mask=mask,
        scale=scale,
        world_from_camera=poses,
        points=sequence.points / scale,
        visibility=extend_visibility(sequence.visibility, visibility_overlap),
        kept=np.ones(len(sequence.points), dtype=np.bool_),
    )
    if inlier_percentage == 1 or not len(sequence.points):
        return whole
    return _without(whole, contaminated_points(whole, inlier_percentage, progress, cancel))


def _without(whole: PreparedSequence, dropped: NDArray[np.bool_]) -> PreparedSequence:
    kept = ~dropped
    return replace(
        whole, points=whole.points[kept], visibility=whole.visibility[:, kept], kept=kept
    )


def smaller_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask at another size (h, w), eroded by 5 x 5 pixels there.

    A pixel is inside if at least half of its area is. The border of the picture erodes nothing.

    Raises:
        InputError: nothing is left.
    """
    from scipy.ndimage import binary_erosion

    cv2 = require("cv2", "preparing a sequence")
    area = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    square = np.ones((EROSION, EROSION))
    result = np.asarray(binary_erosion(area >= 0.5, square, border_value=True), dtype=np.bool_)
    if not result.any():
        raise InputError(
            f"nothing is left of the mask at {shape[1]}x{shape[0]} pixels; use less downsampling "
            "or a larger field of view"
        )
    return result


def crop_around(mask: NDArray[np.bool_], multiple: int) -> tuple[slice, slice]:
    """Rows and columns around the mask's bounding box, padded evenly to multiples.

    The crop stays inside the picture if it fits; else it starts at 0 and ends beyond it.
    """
    slices = []
    for axis in (0, 1):
        inside = np.flatnonzero(mask.any(1 - axis))
        first, last = int(inside[0]), int(inside[-1]) + 1
        size = -(-(last - first) // multiple) * multiple
        start = min((first + last - size) // 2, mask.shape[axis] - size)
        slices.append(slice(max(start, 0), max(start, 0) + size))
    return slices[0], slices[1]


def crop_picture(
    picture: NDArray[np.uint8], shape: tuple[int, int], rows: slice, columns: slice
) -> NDArray[np.uint8]:
    """A picture (H, W[, C]) averaged down to ``shape`` and cropped, zeros beyond its border."""
    if picture.shape[:2] != shape:
        cv2 = require("cv2", "preparing a sequence")
        picture = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA)
    part = picture[rows, columns]
    missing = (rows.stop - rows.start - part.shape[0], columns.stop - columns.start - part.shape[1])
    padding = [(0, n) for n in missing] + [(0, 0)] * (part.ndim - 2)
    return np.pad(part, padding)


def global_scale(world_from_camera: Floats, points: Floats) -> float:
    """max(1, diagonal of the box around the camera path, diagonal of the box around the points)."""
    sizes = [
        float(np.linalg.norm(np.ptp(positions, axis=0)))
        for positions in (world_from_camera[:, :3, 3], points)
        if len(positions)
    ]
    return max([1.0, *sizes])


def extend_visibility(visibility: NDArray[np.bool_], overlap: int) -> NDArray[np.bool_]:
    """(V, P) with every point visible in ``overlap`` more views before and after each of its own.

    Structure from motion names the views in which it matched a point, not all that see it.
    """
    views = len(visibility)
    counts = np.concatenate([np.zeros((1, visibility.shape[1]), int), visibility.cumsum(0)])
    index = np.arange(views)
    last = np.minimum(index + overlap + 1, views)
    return np.asarray(counts[last] > counts[np.maximum(index - overlap, 0)])


def contaminated_points(
    prepared: PreparedSequence,
    inlier_percentage: float,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> NDArray[np.bool_]:
    """(K,) whether a point is contaminated in half of its views or more.

    Under a light at the camera brightness falls with the square of the depth, so that depth^2 x
    brightness is alike for all clean points of a frame. A histogram of it grows from its mode to
    both sides until it holds ``inlier_percentage`` of them; what lies outside is contaminated.
    """
    numbers = prepared.sequence.view_numbers
    bad = np.zeros(len(prepared.points))
    seen = np.zeros(len(prepared.points))
    views = range(len(numbers))
    for view in steps(views, len(numbers), "filtering points of view", progress, cancel):
        index, pixels, depth = prepared.projected(view)
        if not len(index):
            continue
        column, row = pixels.astype(np.int64).T
        value = depth**2 * brightness(prepared.picture(int(numbers[view])))[row, column]
        low, high = inlier_range(value, inlier_percentage)
        seen[index] += 1
        bad[index] += (value < low) | (value > high)
    return (seen > 0) & (bad >= CONTAMINATED * seen)


def brightness(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w) float32 in [0, 1]: HSV value of a picture (h, w, 3) smoothed by a bilateral filter."""
    cv2 = require("cv2", "preparing a sequence")
    value = cv2.bilateralFilter(picture, *_BILATERAL).max(axis=-1)
    return np.asarray(value, dtype=np.float32) / np.float32(255)


def inlier_range(values: Floats, part: float) -> tuple[float, float]:
    """The range around the mode of a histogram of ``values`` (n,) >= 0 that holds ``part`` of it.

    Its bins are thousandths of the largest value. The last is not counted, as published, so that
    the brightest points do not widen the range; unless it is the mode itself.
    """
    top = float(values.max())
    if top <= 0:
        return 0.0, 0.0
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS, range=(0.0, top))
    mode = int(counts.argmax())
    if mode < HISTOGRAM_BINS - 1:
        counts[-1] = 0
    held = np.concatenate([[0], counts.cumsum()])
    reach = np.arange(HISTOGRAM_BINS)
    low, high = np.maximum(mode - reach, 0), np.minimum(mode + reach + 1, HISTOGRAM_BINS)
    enough = int(np.argmax(held[high] - held[low] >= part * held[-1]))
    return float(edges[low[enough]]), float(edges[high[enough]])
