"""Which frames of a video to keep, and whether anything moves in it."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.optional import require

Frame = NDArray[np.uint8]

SMALL = 32  # pixels: the width at which change is judged, so that noise averages out
# Mean absolute change in grey levels at that width. Noise of 5 levels changes a still picture of
# 256 pixels by 0.5, of 1920 by 0.06; five laparoscopic clips change by 20 and more.
STILL, DUPLICATE = 1.0, 0.2
WINDOW = 15  # frames whose median sharpness is the measure of a blurred one


class FrameSelection:
    """Asked for one frame after the other.

    Args:
        inside: (H, W) bool, the field of view.
        skip_duplicates: leave out frames that repeat the one kept before.
        min_sharpness: leave out frames less sharp than this part of the median of the last 15.

    Attributes:
        duplicates, blurred: how many frames were left out for it.
        motion: the largest change against the first frame, in grey levels, without that of the
            brightness as a whole.
    """

    def __init__(
        self, inside: NDArray[np.bool_], skip_duplicates: bool = False, min_sharpness: float = 0.0
    ) -> None:
        self._cv2 = require("cv2", "looking at frames")
        height, width = inside.shape
        factor = min(SMALL / width, 1.0)
        self._size = (max(round(width * factor), 1), max(round(height * factor), 1))
        self._inside = self._smaller(inside.astype(np.float32)) > 0.99
        if not self._inside.any():
            self._inside = np.ones_like(self._inside)
        self._field = inside
        self._skip_duplicates, self._min_sharpness = skip_duplicates, min_sharpness
        self._first: NDArray[np.float32] | None = None
        self._last: NDArray[np.float32] | None = None
        self._sharpness: deque[float] = deque(maxlen=WINDOW)
        self.duplicates = self.blurred = 0
        self.motion = 0.0

    def _smaller(self, picture: NDArray[Any]) -> NDArray[np.float32]:
        small = self._cv2.resize(picture, self._size, interpolation=self._cv2.INTER_AREA)
        return np.asarray(small, dtype=np.float32)

    def wants(self, picture: Frame) -> bool:
        """Whether the frame (H, W, 3) is to be kept."""
        grey = self._cv2.cvtColor(picture, self._cv2.COLOR_RGB2GRAY)
        small = self._smaller(grey.astype(np.float32))[self._inside]
        if self._skip_duplicates and self._repeats(small):
            self.duplicates += 1
            return False
        if self._min_sharpness and self._is_blurred(grey):
            self.blurred += 1
            return False
        self._first = small if self._first is None else self._first
        change = small - self._first
        # Brightness as a whole is the light's, not a motion.
        self.motion = max(self.motion, float(np.abs(change - change.mean()).mean()))
        self._last = small
        return True

    def _repeats(self, small: NDArray[np.float32]) -> bool:
        return self._last is not None and float(np.abs(small - self._last).mean()) < DUPLICATE

    def _is_blurred(self, grey: Frame) -> bool:
        """By the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) in the field."""
        laplacian = self._cv2.Laplacian(grey, self._cv2.CV_32F)
        sharpness = float(laplacian[self._field].var())
        known = np.median(self._sharpness) if self._sharpness else 0.0
        self._sharpness.append(sharpness)
        return bool(sharpness < self._min_sharpness * known)
