"""Specular highlights of wet tissue: pixels that show the light instead of the surface."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require

# Grey levels: a highlight by itself, and one that only its surroundings betray.
ABSOLUTE, CANDIDATE = 240.0, 190.0
WINDOW = 1 / 15  # of the longer side: the surface's colour is a median over so much
SIDE = 480  # the surface's colour and gradients are taken at most at this size: 20 times faster
# Larger parts (of the picture) are bright tissue unless grey changes by so much per pixel at
# their rim.
LARGE, STEEP = 1e-3, 8.0


def specular_highlights(
    frame: NDArray[np.uint8],
    mask: NDArray[np.bool_] | None = None,
    absolute: float = ABSOLUTE,
    relative: float = 1.0,
    margin: int = 0,
) -> NDArray[np.bool_]:
    """Find specular highlights by their brightness and by their contrast with the surface.

    After Arnold et al., Automatic segmentation and inpainting of specular highlights for endoscopic
    imaging, EURASIP J. Image and Video Processing 2010, 814319: thresholds for grey, green and blue
    that follow the balance of the colours (module 1), and the ratio to the colour of the surface,
    a median after the highlights were filled from around, that follows the contrast (module 2).
    Large parts without a steep rim are bright tissue and are left out again.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, where to look; None everywhere.
        absolute: grey level, 0 to 255, from which on a pixel is a highlight whatever is around it.
        relative: how far the ratio to the surface may exceed (mean + deviation) / mean of a colour;
            infinity leaves module 2 out.
        margin: grow what was found by so many pixels; the rim of a highlight is washed out.

    Returns:
        (H, W) bool.

    Raises:
        InputError: another shape or data type.
    """
    frame = np.asarray(frame)
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise InputError(f"the frame is {frame.shape} {frame.dtype}, (H, W, 3) uint8 was expected")
    mask = np.ones(frame.shape[:2], dtype=np.bool_) if mask is None else np.asarray(mask, np.bool_)
    if mask.shape != frame.shape[:2]:
        raise InputError(f"the mask is {mask.shape}, the frame {frame.shape[:2]}")
    if not mask.any():
        return np.zeros_like(mask)
    cv2 = require("cv2", "finding highlights")
    # Grey as in the paper (BT.601), then green and blue; red tissue has red highlights' neighbours.
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    channels = np.stack([grey, frame[..., 1], frame[..., 2]], axis=-1)
    top = np.percentile(channels[mask], 95, axis=0)
    balance = np.minimum(top / max(float(top[0]), 1.0), 1.0)
    found = (channels > absolute * balance).any(axis=-1)
    if relative < np.inf:
        spots = (channels > min(CANDIDATE, absolute) * balance).any(axis=-1)
        surface = _surface(frame, mask & ~spots, cv2)
        inside = frame[mask].astype(np.float32)
        mean = np.maximum(inside.mean(axis=0), 1.0)
        contrast = (mean + inside.std(axis=0)) / mean
        ratio = (frame / surface / contrast).max(axis=-1)
        found |= spots & (ratio > relative)
    found = _without_bright_tissue(found & mask, grey, mask, cv2)
    if margin > 0:
        square = np.ones((2 * margin + 1,) * 2, np.uint8)
        found = cv2.dilate(found.astype(np.uint8), square) > 0
    return np.asarray(found & mask)


def _smaller(picture: NDArray[Any], cv2: Any) -> NDArray[Any]:
    factor = min(SIDE / max(picture.shape[:2]), 1.0)
    size = [max(round(n * factor), 1) for n in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _surface(frame: NDArray[np.uint8], clean: NDArray[np.bool_], cv2: Any) -> NDArray[np.float32]:
    """(H, W, 3) float32 >= 1, the colour of the surface without what is not clean."""
    weight = _smaller(clean.astype(np.float32), cv2)[..., np.newaxis]
    sums = _smaller(frame * clean[..., np.newaxis].astype(np.float32), cv2)
    window = 2 * max(round(WINDOW * max(weight.shape) / 2), 1) + 1
    total = np.maximum(cv2.blur(weight, (window, window)), 1e-3)[..., np.newaxis]
    around = cv2.blur(sums, (window, window)) / total
    filled = np.where(weight > 0.5, sums / np.maximum(weight, 0.5), around)
    median = cv2.medianBlur(filled.clip(0, 255).astype(np.uint8), window).astype(np.float32)
    whole = cv2.resize(median, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.maximum(whole, 1.0))


def _without_bright_tissue(
    found: NDArray[np.bool_], grey: NDArray[np.uint8], mask: NDArray[np.bool_], cv2: Any
) -> NDArray[np.bool_]:
    # The rim of the field of view is steep, and no rim of a highlight.
    reach = np.ones((max(max(mask.shape) // 40, 3),) * 2, np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), reach) > 0
    small = _smaller(grey, cv2).astype(np.float32)
    slope = np.hypot(*np.gradient(small))
    slope = cv2.resize(slope.astype(np.float32), found.shape[::-1], interpolation=cv2.INTER_LINEAR)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > LARGE * found.size) + 1
    for label in large:
        left, top, width, height = stats[label, :4]
        window = np.s_[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
        part = (labels[window] == label).astype(np.uint8)
        rim = (part > 0) & (cv2.erode(part, np.ones((3, 3), np.uint8), borderValue=1) == 0)
        rim &= inner[window]
        if not rim.any() or slope[window][rim].mean() < STEEP:
            found[window][part > 0] = False
    return found
