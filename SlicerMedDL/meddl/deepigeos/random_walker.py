"""Segmentation by random walks (Grady, IEEE TPAMI 28(11), 2006), by scikit-image and pyamg."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepigeos.geodesic_method import background_of
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Seeds, Volume
from meddl.deepigeos.zoom import enlarge, reduce_image, reduce_seeds, reduction

BETA = 130.0  # scikit-image's default: contrast at which a walker turns back
# A larger region is walked on a coarser grid: 64^3 voxels of a CT take 4 s.
MOST_VOXELS = 64**3


class RandomWalker:
    """The probability that a walker who avoids contrast meets a foreground seed first.

    Attributes:
        factors: voxels along k, j, i of a cell of the grid that is walked on.
    """

    needs_seeds = True
    uses_previous = False

    def __init__(self, image: Volume, spacing: Sequence[float]) -> None:
        require("pyamg", "method randomwalker")  # scikit-image takes a slow solver without it
        self._walk = require("skimage.segmentation", "method randomwalker").random_walker
        self.factors = reduction(image.shape[:3], spacing, MOST_VOXELS)
        self._image = reduce_image(image, self.factors)
        cell = np.array(spacing) * self.factors
        self._spacing = cell / cell.min()

    def __call__(
        self,
        seeds: Seeds,
        previous: Volume | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Volume:
        """The probability of foreground; see :class:`meddl.deepigeos.methods.Method`.

        The solver cannot be interrupted; the token is checked before it starts.
        """
        if cancel is not None:
            cancel.check()
        # In this order: a cell that holds seeds of both kinds is foreground.
        labels = reduce_seeds(seeds, self.factors)
        labels = np.where(background_of(labels), BACKGROUND, labels).astype(np.int32)
        progress(0.0, "random walks")
        return enlarge(self._probability(labels), self.factors, seeds.shape)

    def _probability(self, labels: NDArray[np.integer]) -> Volume:
        if not (labels == BACKGROUND).any():
            return np.ones(labels.shape, np.float32)
        if (labels != 0).all() or not np.ptp(self._image):
            return np.asarray(labels == FOREGROUND, np.float32)
        both = self._walk(
            self._image,
            labels,
            beta=BETA,
            # Jacobi's preconditioner ended 7 % of the voxels away, in five times the time.
            mode="cg_mg",
            tol=1e-3,
            prob_tol=np.inf,  # what little the solver leaves beyond 0..1 is clipped below
            return_full_prob=True,
            channel_axis=3,
            spacing=self._spacing,
        )
        return np.clip(both[1], 0, 1).astype(np.float32)


def make_random_walker_method(
    image: Volume, spacing: Sequence[float], device: str = "auto"
) -> RandomWalker:
    """The maker of ``"randomwalker"``; the device plays no part."""
    return RandomWalker(image, spacing)
