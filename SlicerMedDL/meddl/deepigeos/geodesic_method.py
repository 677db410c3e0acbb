"""Segmentation by the geodesic distances to the seeds of both kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Seeds, Volume
from meddl.geodesic import geodesic_distance


class GeodesicMethod:
    """Foreground where the way to a foreground seed crosses less contrast than to a background one.

    The probability is D_b / (D_f + D_b) of the distances to the background and foreground seeds
    (cost ``product``, whatever the units of the image). Without a background seed the faces of the
    image serve as background.
    """

    needs_seeds = True
    uses_previous = False

    def __init__(self, image: Volume, spacing: Sequence[float]) -> None:
        self.image, self.spacing = image, spacing

    def __call__(
        self,
        seeds: Seeds,
        previous: Volume | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Volume:
        """The probability of foreground; see :class:`meddl.deepigeos.methods.Method`."""
        return geodesic_probability(self.image, seeds, self.spacing, progress, cancel)


def geodesic_probability(
    image: Volume,
    seeds: Seeds,
    spacing: Sequence[float],
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Volume:
    """D_b / (D_f + D_b) of the geodesic distances to the seeds; see :class:`GeodesicMethod`.

    Args:
        image: (K, J, I, C) float32.
        seeds: (K, J, I) uint8, 0 none, 1 background, 2 foreground (at least one).
        spacing: (3,) mm along k, j, i.

    Returns:
        (K, J, I) float32, 0..1; 0.5 where both distances are 0.

    Raises:
        Cancelled: by the token.
    """
    inside, outside = (
        geodesic_distance(
            image,
            mask,
            spacing,
            progress=subprogress(progress, part / 2, (part + 1) / 2),
            cancel=cancel,
        )
        for part, mask in enumerate((seeds == FOREGROUND, background_of(seeds)))
    )
    total = inside + outside
    return np.divide(outside, total, out=np.full_like(total, 0.5), where=total > 0)


def background_of(seeds: Seeds) -> NDArray[np.bool_]:
    """The background seeds; where there is none, the image's faces beside the foreground seeds."""
    mask = np.asarray(seeds == BACKGROUND)
    if not mask.any():
        for axis in [axis for axis in range(3) if seeds.shape[axis] > 2]:
            np.moveaxis(mask, axis, 0)[[0, -1]] = True
        mask &= seeds != FOREGROUND
    return mask


def make_geodesic_method(
    image: Volume, spacing: Sequence[float], device: str = "auto"
) -> GeodesicMethod:
    """The maker of ``"geodesic"``; the device plays no part."""
    return GeodesicMethod(image, spacing)
