"""Scenes that satisfy the dark channel prior, and smoke of known opacity and colour over them."""

from __future__ import annotations

import numpy as np

from meddl.desmoke.scattering import blend

AIRLIGHT = np.array([0.75, 0.62, 0.58], np.float32)


def tissue(height=96, width=128, seed=3):
    """(H, W, 3) float32: red with texture, and 16 rows of shadows over the width."""
    rng = np.random.default_rng(seed)
    picture = np.array([0.55, 0.25, 0.2]) + 0.12 * rng.standard_normal((height, width, 1))
    period, shadow = max(width // 16, 2), max(width // 64, 1)
    rows, columns = (np.arange(side) % period < shadow for side in (height, width))
    picture[np.ix_(rows, columns)] = 0
    return np.clip(picture, 0, 1).astype(np.float32)


def smoky(clear, opacity, airlight=AIRLIGHT):
    """``clear`` under smoke of the opacity, a number or (H, W)."""
    t = np.broadcast_to(1 - np.asarray(opacity, np.float32), clear.shape[:2])
    return blend(clear, t, airlight)


def frame_of(picture):
    """(H, W, 3) uint8."""
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
