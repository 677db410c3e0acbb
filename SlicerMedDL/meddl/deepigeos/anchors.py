"""An existing segmentation as seeds, for methods that know seeds only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, NONE, Seeds
from meddl.deepigeos.roi import box_of_positions, padded

REACH = 2.0  # of a correction, over its depth in what it corrects
LEAST_REACH_MM = 5.0


def anchored_seeds(
    seeds: Seeds, segmentation: NDArray[np.bool_], spacing: Sequence[float]
) -> Seeds:
    """Seeds that hold a segmentation in place except where the user's seeds contradict it.

    A background seed inside the segmentation frees the segmentation's voxels that are near: within
    :data:`REACH` times the largest depth at which such seeds lie below the segmentation's surface.
    A foreground seed outside frees the outside likewise. All other voxels become seeds of their own
    label.

    Args:
        seeds: (K, J, I) uint8, 0 none, 1 background, 2 foreground; they are kept.
        segmentation: (K, J, I) mask.
        spacing: (3,) mm along k, j, i.

    Returns:
        (K, J, I) uint8 seeds.
    """
    from scipy.ndimage import binary_dilation, distance_transform_edt
    from scipy.spatial import cKDTree

    steps = np.asarray(spacing, dtype=np.float64)
    result = np.where(segmentation, FOREGROUND, BACKGROUND).astype(np.uint8)
    for region, contrary in ((segmentation, BACKGROUND), (~segmentation, FOREGROUND)):
        wrong = np.argwhere(region & (seeds == contrary))
        if not len(wrong):
            continue
        beyond = np.argwhere(binary_dilation(region) & ~region)
        depth = cKDTree(beyond * steps).query(wrong * steps)[0].max() if len(beyond) else np.inf
        reach = max(REACH * float(depth), LEAST_REACH_MM)
        room = np.minimum(reach / steps, seeds.shape)
        box = padded(box_of_positions(wrong), room, seeds.shape)
        stroke = region[box.slices] & (seeds[box.slices] == contrary)
        near = distance_transform_edt(~stroke, sampling=steps) <= reach
        result[box.slices][near & region[box.slices]] = NONE
    seeded = seeds != NONE
    result[seeded] = seeds[seeded]
    return result
