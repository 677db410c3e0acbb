"""The classical estimator: the dark channel prior, fitted to laparoscopy, steady over time."""

from __future__ import annotations

import cv2
import numpy as np

from meddl.desmoke.dark_channel import (
    KEPT,
    Array,
    Mask,
    dark_channel,
    estimate_airlight,
    grey_of,
    transmission_of,
)
from meddl.desmoke.guided_filter import guided_filter
from meddl.desmoke.scattering import Veil
from meddl.desmoke.temporal import REST, Steady

SIDE = 256  # pixels of the longer side: smoke is smooth
# Of the longer side. White tissue, fat and instruments fill the dark channel of 15 pixels without
# smoke; in a square of a third of the picture some shadow nearly always lies.
PATCH = 0.36
RADIUS, EPS = 0.2, 0.1  # of the guided filter: of the longer side; highlights are smoothed away
SUBSAMPLING = 4  # of the guided filter: a quarter of the time, the same within 0.01
RIM = 0.04  # of the longer side: near the field's rim light falls off, and smoke would seem thin
# A wide dark channel up to the first is tissue's own, from the second on all of it is smoke; so
# clear frames stay as they are. Chosen on clips 2, 6, 8 and 10, see Docs/desmoke-video.md.
CLEAR, HAZE = 0.06, 0.15


class DarkChannelEstimator:
    """See :class:`meddl.desmoke.scattering.Estimator`; needs no weights.

    Args:
        side: longer side of the grid, pixels.
        patch: side of the dark channel's square, of the longer side.
        kept: part of the veil that is kept, 0..1.
    """

    def __init__(self, side: int = SIDE, patch: float = PATCH, kept: float = KEPT) -> None:
        self.side, self.patch, self.kept = side, patch, kept
        self._steady = Steady()
        self._airlight: Array | None = None

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The picture's proportions, the longer side at most ``side`` pixels."""
        factor = min(self.side / max(height, width), 1.0)
        return max(round(height * factor), 1), max(round(width * factor), 1)

    def __call__(self, picture: Array, mask: Mask | None = None) -> Veil:
        """The veil of the next frame, (h, w, 3) float32 RGB 0..1; no smoke outside ``mask``."""
        longer = max(picture.shape[:2])
        patch = 2 * int(longer * self.patch / 2) + 1
        weight = self._steady.see(picture)
        looked_at = None if mask is None else _inner(mask, int(longer * RIM))
        # A median over a tenth of the picture needs no more than every other row and column.
        every_other = None if looked_at is None else looked_at[::2, ::2]
        seen = estimate_airlight(picture[::2, ::2], max(patch // 2, 1), every_other)
        before = seen if self._airlight is None or self._steady.cut else self._airlight
        airlight: Array = before + REST * (seen - before)
        self._airlight = airlight
        dark = dark_channel(np.divide(picture, airlight, dtype=np.float32), patch, looked_at)
        dark = np.clip(dark, 0, 1) * np.clip((dark - CLEAR) / (HAZE - CLEAR), 0, 1)
        dark = self._steady.mean(dark, weight)
        inside = None if mask is None else mask.astype(np.float32)
        radius = max(int(longer * RADIUS), 1)
        refined = guided_filter(grey_of(picture), dark, radius, EPS, inside, SUBSAMPLING)
        t = transmission_of(np.clip(refined, 0, 1), self.kept)
        t = t if mask is None else np.where(mask, t, np.float32(1))
        return Veil(t, np.broadcast_to(airlight, picture.shape))

    def reset(self) -> None:
        """Forget the frames before."""
        self._steady.reset()
        self._airlight = None


def _inner(mask: Mask, margin: int) -> Mask:
    """``mask`` without its rim; the whole of it if nothing else would be left."""
    side = 2 * margin + 1
    eroded = cv2.erode(
        mask.astype(np.uint8),
        np.ones((side, side), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=1,
    )
    return np.asarray(eroded > 0) if eroded.any() else mask
