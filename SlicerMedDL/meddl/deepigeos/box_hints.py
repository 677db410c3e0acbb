"""What a box about a target says of its voxels: outside is background, the middle is foreground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Seeds
from meddl.deepigeos.roi import Box, padded

# Of the box's extents: the ellipsoid that is taken for foreground, and what is looked at around the
# box. Mean Dice on 100 images of the networks' generator (boxes a tenth wider than the target):
# 0.48, 0.52, 0.53, 0.53 and 0.51 with a core of 0.3 to 0.7; 0.42 to 0.50 with the box's corners as
# background; 0.53 with any room of 0.1 to 0.5.
CORE = 0.5
ROOM = 0.2
LEAST_ROOM = 2  # voxels


def with_room(box: Box, shape: Sequence[int]) -> Box:
    """The box and what is looked at around it, within an image of ``shape`` (K, J, I, …)."""
    return padded(box, np.maximum(ROOM * np.array(box.shape), LEAST_ROOM), shape)


def box_hints(box: Box, region: Box) -> Seeds:
    """Hints for :class:`meddl.deepigeos.methods.Method` from a box about the target.

    Args:
        box: within ``region``.

    Returns:
        uint8 of the region's shape: 1 outside of the box, 2 in the ellipsoid at its centre with
        :data:`CORE` of its extents (at least the middle voxel), else 0.
    """
    hints = np.full(region.shape, BACKGROUND, np.uint8)
    inner = hints[box.inside(region)]
    inner[:] = 0
    distance = np.zeros(())
    for axis in np.ogrid[tuple(slice(0, n) for n in box.shape)]:
        size = axis.size
        # The middle voxel, or both, count on axes of few voxels.
        distance = distance + ((axis - (size - 1) / 2) / max(CORE * size / 2, 0.9)) ** 2
    inner[distance <= 1] = FOREGROUND
    return hints
