"""Segmentation by random walks (Grady, IEEE TPAMI 28(11), 2006), computed by scikit-image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepigeos.geodesic_method import background_of
from meddl.deepigeos.methods import BACKGROUND, FOREGROUND, Seeds, Volume

BETA = 130.0  # scikit-image's default: contrast at which a walker turns back


class RandomWalker:
    """The probability that a walker who avoids contrast meets a foreground seed first."""

    needs_seeds = True
    uses_previous = False

    def __init__(self, image: Volume, spacing: Sequence[float]) -> None:
        self.image, self.spacing = image, spacing
        self._walk = require("skimage.segmentation", "method randomwalker").random_walker

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
        labels = np.where(background_of(seeds), BACKGROUND, seeds).astype(np.int32)
        if (labels != 0).all() or not np.ptp(self.image):
            return np.asarray(labels == FOREGROUND, np.float32)
        progress(0.0, "random walks")
        both = self._walk(
            self.image,
            labels,
            beta=BETA,
            mode="cg_j",
            tol=1e-4,
            prob_tol=np.inf,  # what little the solver leaves beyond 0..1 is clipped below
            return_full_prob=True,
            channel_axis=3,
            spacing=np.asarray(self.spacing) / min(self.spacing),
        )
        return np.clip(both[1], 0, 1).astype(np.float32)


def make_random_walker_method(
    image: Volume, spacing: Sequence[float], device: str = "auto"
) -> RandomWalker:
    """The maker of ``"randomwalker"``; the device plays no part."""
    return RandomWalker(image, spacing)
