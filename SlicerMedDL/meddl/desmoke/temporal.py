"""Maps of the frames of a video without flicker: means over time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.desmoke.dark_channel import brightest_channel

Array = NDArray[np.float32]

REST = 0.15  # weight of the new frame where nothing moves: a mean over about 12 frames
MOVED = 0.15  # mean change of a place, 0..1, from which on only the new frame counts
CUT = 0.2  # mean change of the whole picture that is another scene
WINDOW = 1 / 16  # of the longer side: over so much change is averaged
_NOISE = 5  # pixels of the mean that keeps noise from being taken for change


class Steady:
    """The exponential mean of a map of each frame, place by place.

    Where the picture stands still the mean is long, and noise and passing highlights do not make
    the result flicker; where it moves the new frame counts at once, so that nothing trails.

    Attributes:
        cut: whether the last frame was another scene (as the first is), at which the mean began.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew with the next frame."""
        self.cut = True
        self._picture: Array | None = None
        self._mean: Array | None = None

    def see(self, picture: Array) -> Array:
        """Weights (h, w) float32 of the frame ``picture`` (h, w, 3) float32 against those before;
        1 after a cut."""
        smooth = np.asarray(cv2.blur(picture, (_NOISE, _NOISE)), np.float32)
        smooth = smooth.reshape(picture.shape)
        before, self._picture = self._picture, smooth
        self.cut = before is None or before.shape != picture.shape
        if before is None or self.cut:
            return np.ones(picture.shape[:2], np.float32)
        side = 2 * int(max(picture.shape[:2]) * WINDOW / 2) + 1
        change = cv2.blur(brightest_channel(np.abs(smooth - before)), (side, side))
        self.cut = float(change.mean()) > CUT
        if self.cut:
            return np.ones_like(change)
        return np.asarray(np.clip(REST + (1 - REST) / MOVED * change, 0, 1), np.float32)

    def mean(self, values: Array, weight: Array) -> Array:
        """The mean of ``values`` (h, w) with what :meth:`see` has given."""
        if self._mean is not None and not self.cut:
            values = self._mean + weight * (values - self._mean)
        self._mean = values
        return values
