"""What a user marks, masks of voxels or points in mm, as flat indices into an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.markups import Points

Indices = NDArray[np.int64]


def voxels(marks: Any, image: Image, what: str) -> Indices:
    """Flat indices of the voxels that are marked, ascending, each once.

    Args:
        marks: a mask of the image's (K, J, I), non-zero is marked; or :class:`Points`, or (N, 3) or
            (3,) positions in RAS mm, each the voxel that holds it; or None for nothing.
        image: the image that is segmented.
        what: how messages call the marks, for example ``"foreground"``.

    Raises:
        InputError: another shape, values that are not finite, or a point outside the image.
    """
    if marks is None:
        return np.zeros(0, np.int64)
    shape = image.array.shape[:3]
    array = np.asarray(marks.ras if isinstance(marks, Points) else marks)
    if array.dtype.kind not in "buif":
        raise InputError(f"the {what} marks hold {array.dtype}, numbers were expected")
    if array.ndim == 3:
        if array.shape != shape:
            raise InputError(
                f"the {what} mask has shape {array.shape}, the image has {shape} (k, j, i)"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"the {what} mask holds values that are not finite")
        return np.flatnonzero(array)
    points = np.atleast_2d(array)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(
            f"the {what} marks have shape {array.shape}; a mask of {shape} (k, j, i) or points "
            "(N, 3) in RAS mm were expected"
        )
    if not np.isfinite(points).all():
        raise InputError(f"a {what} point is not finite: {points.tolist()}")
    kji = np.round(apply(image.ijk_from_ras, points))[:, ::-1]
    outside = ((kji < 0) | (kji >= shape)).any(axis=1)
    if outside.any():
        raise InputError(
            f"the {what} point at RAS {points[outside][0].tolist()} mm lies outside the image"
        )
    return np.unique(np.ravel_multi_index(tuple(kji.astype(np.int64).T), shape))


def label_map(labels: Any, image: Image, what: str) -> NDArray[np.uint8]:
    """A label map of the image's (K, J, I) as uint8, copied.

    Raises:
        InputError: another shape, or values other than whole numbers from 0 to 255.
    """
    shape = image.array.shape[:3]
    array = np.asarray(labels)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.shape != shape:
        raise InputError(f"the {what} have shape {array.shape}, the image has {shape} (k, j, i)")
    if array.dtype.kind not in "buif":
        raise InputError(f"the {what} hold {array.dtype}, numbers were expected")
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.uint8)
        if not (whole == array).all():
            wrong = array[whole != array].ravel()[0]
            raise InputError(f"the {what} hold {wrong}, whole numbers from 0 to 255 were expected")
    return whole
