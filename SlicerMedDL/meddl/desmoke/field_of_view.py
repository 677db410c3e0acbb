"""The field of view of a live video: all but the black surround, found while the frames come."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.desmoke.dark_channel import brightest_channel

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Brightest colour of the surround, 0..1: compression leaves up to 8 of 255.
BLACK = 0.05
SMALLEST = 0.01  # part of the picture; smaller black parts are shadows


class FieldOfView:
    """What was never bright, touches the picture's rim and is large enough is no field of view.

    Nothing is known of frames to come: a shadow at the rim counts as surround until light has once
    been there. The surround never grows.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._brightest: Array | None = None

    def __call__(self, picture: Array) -> Mask | None:
        """The field (h, w), True inside, after one more frame (h, w, 3) float32 RGB 0..1; None if
        it is the whole picture, or if all has been black so far."""
        bright = brightest_channel(picture)
        if self._brightest is not None and self._brightest.shape == bright.shape:
            bright = np.maximum(bright, self._brightest)
        self._brightest = bright
        black = bright < BLACK
        if black.all() or black.mean() < SMALLEST:
            return None
        surround = _at_the_rim(black)
        return ~surround if surround.any() else None


def _at_the_rim(black: Mask) -> Mask:
    """The parts of ``black`` that are large enough and touch the rim."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(black.astype(np.uint8))
    large = stats[:, cv2.CC_STAT_AREA] >= SMALLEST * black.size
    touching = np.zeros(count, np.bool_)
    for rim in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[rim] = True
    chosen = large & touching
    chosen[0] = False
    return chosen[labels]
