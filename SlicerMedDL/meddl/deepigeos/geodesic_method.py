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
        inside, outside = (
            geodesic_distance(
                self.image,
                mask,
                self.spacing,
                progress=subprogress(progress, part / 2, (part + 1) / 2),
                cancel=cancel,
            )
            for part, mask in enumerate((seeds == FOREGROUND, background_of(seeds)))
        )
        total = inside + outside
        # In an even region both distances are 0: as likely one as the other.
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
    image: Volume, spacing: Sequence[float], device: str = "auto", weights: str | None = None
) -> GeodesicMethod:
    """The maker of ``"geodesic"``; device and weights play no part."""
    return GeodesicMethod(image, spacing)
