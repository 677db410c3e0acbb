"""Arguments of the distance functions, checked and brought to one form before work starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import GeometryError, InputError

MOST_VOXELS = 2**32 - 1  # indices of the padded grid are uint32


def check_seeds(seeds: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """Seeds as an array (K, J, I) of 0 and other numbers; (J, I) becomes (1, J, I).

    Raises:
        InputError: neither 2 nor 3 axes, no voxels, NaN, or another shape than ``shape``.
    """
    array = np.asarray(seeds)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(
            f"seeds of shape {array.shape}; (K, J, I), or (J, I) for a picture, was expected"
        )
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and np.isnan(array).any()):
        raise InputError(f"seeds of dtype {array.dtype} that are no numbers; use a mask of 0 and 1")
    array = array[None] if array.ndim == 2 else array
    if shape is not None and array.shape != shape:
        raise InputError(
            f"the seeds have the shape {array.shape}, the image {shape}; draw them on the image's "
            "grid or resample them"
        )
    return array


def check_image(image: ArrayLike, dimensions: int) -> NDArray[np.float32]:
    """An image as (C, K, J, I) float32.

    Args:
        image: (K, J, I) or (K, J, I, C) if ``dimensions`` is 3, (J, I) or (J, I, C) if it is 2.
        dimensions: of the grid, 2 or 3; the seeds decide.

    Raises:
        InputError: other axes, no voxels, NaN, infinity or values that float32 does not hold.
    """
    array = np.asarray(image)
    if array.ndim not in (dimensions, dimensions + 1) or array.size == 0:
        axes = "(K, J, I) or (K, J, I, C)" if dimensions == 3 else "(J, I) or (J, I, C)"
        raise InputError(
            f"the image has the shape {array.shape}, {axes} was expected for seeds with "
            f"{dimensions} axes"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"the image has the dtype {array.dtype}, real numbers were expected")
    if array.ndim == dimensions:
        array = array[..., None]
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any():
            first = tuple(int(n) for n in np.argwhere(bad)[0][:dimensions])
            raise InputError(
                f"the image has {int(bad.sum())} values that are NaN or infinite, the first at "
                f"index {first}; replace them first"
            )
    low, high = float(array.min()), float(array.max())
    # Squares of differences, and sums along paths, stay within float32.
    if high - low > 1e15 or max(abs(low), abs(high)) > 1e30:
        raise InputError(
            f"the image's values reach from {low:g} to {high:g}; rescale them below 1e15"
        )
    array = array[None] if dimensions == 2 else array
    if math.prod(n + 2 for n in array.shape[:3]) > MOST_VOXELS:
        raise InputError(f"the image has {array.shape} voxels, more than 2^32; crop it")
    return np.moveaxis(array, -1, 0).astype(np.float32, copy=False)


def check_spacing(spacing: ArrayLike, dimensions: int) -> NDArray[np.float64]:
    """(3,) spacing along k, j, i in mm; that along k of a picture is 1.

    Raises:
        GeometryError: another number of values, or one that is not positive and finite.
    """
    values = np.asarray(spacing, dtype=np.float64)
    if values.shape != (dimensions,):
        raise GeometryError(
            f"spacing {np.asarray(spacing).tolist()}, one length in mm for each of the array's "
            f"{dimensions} axes was expected"
        )
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise GeometryError(f"spacing {values.tolist()} mm, positive lengths were expected")
    return values if dimensions == 3 else np.array([1.0, *values])


def check_cap(cap: float | None) -> np.float32:
    """The cap in the distance's unit, infinity for none.

    Raises:
        InputError: it is not positive.
    """
    if cap is None:
        return np.float32(np.inf)
    if not cap > 0:
        raise InputError(f"cap {cap}, a positive distance was expected")
    return np.float32(cap)
