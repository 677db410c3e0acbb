"""The pinhole camera: pixels, depth maps and points of one camera frame.

``intrinsics`` is the 3x3 matrix ((fx, s, cx), (0, fy, cy), (0, 0, 1)) in pixels. The top left
corner of the picture is (0, 0) and the centre of its first pixel (0.5, 0.5), as in COLMAP: a
smaller picture then has plainly scaled intrinsics. OpenCV counts from the centre of the first
pixel; its principal point is half a pixel less on both axes.

The camera frame has x to the right, y down and z along the view; depth is z, not the length of
the ray. Poses are 4x4 matrices ``world_from_camera``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError, InputError

Floats = NDArray[np.float64]


def intrinsics_matrix(matrix: ArrayLike) -> Floats:
    """Check and copy a 3x3 matrix of intrinsics.

    Raises:
        GeometryError: wrong shape, not finite, a focal length that is not positive, or another
            form than ((fx, s, cx), (0, fy, cy), (0, 0, 1)).
    """
    try:
        result = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GeometryError(f"the intrinsics are no matrix of numbers: {error}") from error
    if result.shape != (3, 3) or not np.isfinite(result).all():
        raise GeometryError(
            f"the intrinsics are {result.tolist()}; a finite 3x3 matrix was expected"
        )
    lower = result[[1, 2, 2], [0, 0, 1]]
    if lower.any() or result[2, 2] != 1 or min(result[0, 0], result[1, 1]) <= 0:
        raise GeometryError(
            f"the intrinsics are {result.tolist()}; ((fx, s, cx), (0, fy, cy), (0, 0, 1)) with "
            "positive fx and fy was expected"
        )
    return result


def resized(intrinsics: ArrayLike, factor: float | tuple[float, float]) -> Floats:
    """The intrinsics of the picture resized by ``factor``, or by (factor x, factor y)."""
    scale = np.ones(2) * factor
    return np.diag([scale[0], scale[1], 1.0]) @ intrinsics_matrix(intrinsics)


def cropped(intrinsics: ArrayLike, row: float, column: float) -> Floats:
    """The intrinsics of the picture whose first pixel was at (row, column)."""
    result = intrinsics_matrix(intrinsics)
    result[:2, 2] -= (column, row)
    return result


def pixel_centres(height: int, width: int) -> Floats:
    """(H, W, 2) positions (x, y) of the centres of the pixels."""
    return np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)


def backproject(depth: NDArray[np.floating], intrinsics: ArrayLike) -> Floats:
    """The points (H, W, 3) of a depth map (H, W), camera frame, in the unit of the depth.

    Raises:
        InputError: the depth is no (H, W) array.
    """
    depth = np.asarray(depth, dtype=np.float64)
    if depth.ndim != 2:
        raise InputError(f"the depth map has shape {depth.shape}, (H, W) was expected")
    camera_from_pixel = np.linalg.inv(intrinsics_matrix(intrinsics))
    rays = pixel_centres(*depth.shape) @ camera_from_pixel[:, :2].T + camera_from_pixel[:, 2]
    return np.asarray(rays * depth[..., np.newaxis])


def project(points: ArrayLike, intrinsics: ArrayLike) -> tuple[Floats, Floats]:
    """Where points (..., 3) of the camera frame appear.

    Returns:
        Pixel positions (..., 2) as (x, y), NaN where the depth is not positive, and depths (...).
    """
    points = np.asarray(points, dtype=np.float64)
    depth = points[..., 2]
    matrix = intrinsics_matrix(intrinsics)
    homogeneous = points @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = homogeneous[..., :2] / np.where(depth > 0, depth, np.nan)[..., np.newaxis]
    return pixels, depth
