"""The patient without the table: the largest connected body, everything else becomes air."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meddl.core.image import Image
from meddl.deepdrr.hounsfield import AIR

BODY_ABOVE = -300.0  # HU: skin and fat are above, mattress foam and air below
COARSE = 3.0  # mm, the grid on which the body is found
OPENING = 6.0  # mm: what is thinner (the table's shell, sheets, cables) is cut off
CLOSING = 12.0  # mm: cavities that open to the air through less than this belong to the body


def remove_table(ct: Image) -> Image:
    """Set every voxel outside the patient to -1000 HU.

    Voxels above -300 HU, opened by 6 mm so that the shell of the table parts from the back, largest
    connected component, grown back within the threshold by as much, closed by 12 mm, cavities
    filled. What does not touch the trunk, such as an arm held away from it, goes too; a solid table
    thicker than 12 mm that touches the skin stays.

    Args:
        ct: scalar volume in HU; of a type that cannot hold -1000 a wider one is returned.
    """
    inside = body_mask(ct)
    values = ct.array.astype(np.result_type(ct.array.dtype, np.int16))
    values[~inside] = AIR
    return ct.with_array(values)


def body_mask(ct: Image) -> NDArray[np.bool_]:
    """(K, J, I) True inside the patient, cavities included; all True if nothing is a body."""
    from scipy import ndimage

    steps = np.maximum(1, np.rint(COARSE / ct.spacing[::-1]).astype(int))
    dense = ct.array[:: steps[0], :: steps[1], :: steps[2]] > BODY_ABOVE
    spacing = steps * ct.spacing[::-1]
    # Beyond its edges the patient goes on: without a margin the distance to them would eat slices.
    margin = [int(np.ceil(CLOSING / s)) + 1 for s in spacing]
    dense = np.pad(dense, [(m, m) for m in margin], mode="edge")
    core = _deeper_than(dense, OPENING / 2, spacing)
    labels, count = ndimage.label(core)
    if count == 0:
        return np.ones(ct.array.shape, bool)
    body = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    body = ~_deeper_than(~body, OPENING / 2 + float(spacing.max()), spacing) & dense
    body = _deeper_than(~_deeper_than(~body, CLOSING / 2, spacing), CLOSING / 2, spacing)
    # Lungs and bowel may leave the volume at its ends: cavities are closed in axial slices.
    axial = np.moveaxis(body, 2 - int(np.argmax(np.abs(ct.direction[2]))), 0)
    for section in axial:
        section |= ndimage.binary_fill_holes(section)
    nearest = [
        m + np.minimum((np.arange(n) + step // 2) // step, (n - 1) // step)
        for n, step, m in zip(ct.array.shape, steps, margin, strict=True)
    ]
    inside: NDArray[np.bool_] = body[np.ix_(*nearest)]
    skin = ~_deeper_than(~body, float(spacing.max()) * 1.01, spacing)  # lost between coarse voxels
    inside |= skin[np.ix_(*nearest)] & (ct.array > BODY_ABOVE)
    return inside


def _deeper_than(
    mask: NDArray[np.bool_], depth: float, spacing: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Where the nearest voxel outside ``mask`` is farther than ``depth`` mm: erosion by a ball."""
    from scipy import ndimage

    result: NDArray[np.bool_] = ndimage.distance_transform_edt(mask, sampling=spacing) > depth
    return result
