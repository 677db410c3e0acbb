"""What the network leaves of dense smoke, found by the dark channel prior in the network's picture.

Through dense smoke the network sees little and removes too little of it. The dark channel prior
sees what is left, but takes pale tissue for smoke where there is none: so it counts only as far as
the network itself has found dense smoke.
"""

from __future__ import annotations

import numpy as np

from meddl.desmoke.classical import DarkChannelEstimator
from meddl.desmoke.dark_channel import Array, Mask
from meddl.desmoke.scattering import Veil, mean_opacity, recover

# Mean opacity that the network finds, below which nothing is added, and from which on all. Lower
# ones cost pictures under medium smoke as much as they gave dense ones: chosen on clips 2, 6, 8
# and 10, see Docs/validation.md.
DENSE = (0.45, 0.6)
RISE = 0.04  # of the weight per frame: a second to the whole, and nothing sets in visibly


class DenseSmoke:
    """Completes the veils of a video's frames."""

    def __init__(self) -> None:
        self._estimator = DarkChannelEstimator()
        self._weight: float | None = None  # of the frame before

    def __call__(self, picture: Array, veil: Veil, mask: Mask | None = None) -> Veil:
        """The whole smoke of the next frame.

        Args:
            picture: (h, w, 3) float32 RGB 0..1.
            veil: what the network has found in it, on the same grid.
            mask: (h, w), True in the field of view.
        """
        level = mean_opacity(veil.transmission, mask)
        weight = float(np.clip((level - DENSE[0]) / (DENSE[1] - DENSE[0]), 0, 1))
        if self._weight is not None:
            weight = min(weight, self._weight + RISE)
        self._weight = weight
        if weight == 0:
            self._estimator.reset()
            return veil
        left = self._estimator(recover(picture, veil), mask)
        return joined(veil, Veil(1 - np.float32(weight) * (1 - left.transmission), left.airlight))

    def reset(self) -> None:
        """Forget the frames before."""
        self._estimator.reset()
        self._weight = None


def joined(first: Veil, second: Veil) -> Veil:
    """The veil of smoke ``first`` before smoke ``second``, with the residual of ``first``.

    I = J2 t1 t2 + A2 t1 (1 - t2) + A1 (1 - t1), so that t = t1 t2 and A is the mean of A1 and A2,
    weighted by 1 - t1 and t1 (1 - t2).
    """
    t1, t2 = first.transmission, second.transmission
    share = (t1 * (1 - t2) / np.maximum(1 - t1 * t2, np.float32(1e-6)))[..., None]
    airlight = first.airlight + share * (second.airlight - first.airlight)
    return Veil(t1 * t2, airlight, first.residual)
