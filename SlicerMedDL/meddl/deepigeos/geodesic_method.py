"""Segmentation by the geodesic distances to the seeds of both kinds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Seeds, Volume, with_hints
from meddl.geodesic import IncrementalDistance


class GeodesicMethod:
    """Foreground where the way to a foreground seed crosses less contrast than to a background one.

    The probability is D_b / (D_f + D_b) of the distances to the background and foreground seeds
    (cost ``product``, whatever the units of the image). Without a background seed the faces of the
    image serve as background; where they are all marked as foreground, everything is. The distances
    follow the seeds from call to call, with the bits of distances computed anew.

    Args:
        image: (K, J, I, C) float32.
        spacing: (3,) mm along k, j, i.
    """

    needs_seeds = True
    takes_hints = True
    uses_previous = False

    def __init__(self, image: Volume, spacing: Sequence[float]) -> None:
        self._distances = [FollowedDistance(image, spacing) for _ in (FOREGROUND, BACKGROUND)]

    def __call__(
        self,
        seeds: Seeds,
        previous: Volume | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
        hints: Seeds | None = None,
    ) -> Volume:
        """The probability of foreground, 0.5 where both distances are 0; see
        :class:`meddl.deepigeos.methods.Method`.
        """
        seeds = with_hints(seeds, hints)
        masks = seeds == FOREGROUND, background_of(seeds)
        if not masks[1].any():
            return np.ones(seeds.shape, np.float32)
        inside, outside = (
            distance.of(mask, subprogress(progress, part / 2, (part + 1) / 2), cancel)
            for part, (distance, mask) in enumerate(zip(self._distances, masks, strict=True))
        )
        total = inside + outside
        return np.divide(outside, total, out=np.full_like(total, 0.5), where=total > 0)


class FollowedDistance:
    """The geodesic distance to a mask that changes a little from call to call."""

    def __init__(self, image: Volume, spacing: Sequence[float]) -> None:
        self._image, self._spacing = image, spacing
        self._map: IncrementalDistance | None = None
        self._mask = np.zeros(image.shape[:3], bool)

    def of(self, mask: NDArray[np.bool_], progress: Progress, cancel: CancelToken | None) -> Volume:
        """(K, J, I) float32, read-only, valid until the next call; ``mask`` is not empty.

        Raises:
            Cancelled: by the token; the next call starts from what was reached.
        """
        if self._map is None:
            self._map = IncrementalDistance(self._image, self._spacing)
        gone, new = self._mask & ~mask, mask & ~self._mask
        if gone.any():
            self._map.remove(gone, progress=progress, cancel=cancel)
            self._mask &= mask
        if new.any():
            self._map.add(new, progress=progress, cancel=cancel)
            self._mask |= mask
        return self._map.distance


def background_of(seeds: Seeds) -> NDArray[np.bool_]:
    """The background seeds; where there is none, the image's faces beside the foreground seeds.

    Nothing where there is neither.
    """
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
