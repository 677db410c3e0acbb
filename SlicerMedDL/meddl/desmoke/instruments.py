"""Where an instrument ends in a clear frame: there smoke is made.

Instruments are less red than the tissue around them, they enter from the rim of the picture, and
reach farther into it than they are wide there, which pale tissue at the rim seldom does. That is
good enough for a place from which synthetic smoke rises; it is no segmentation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels of the longer side, where instruments are looked for
# Redness, (R - G) / max(R, G, B), up to which a pixel is an instrument's: this part of its
# picture's median. Tissue tints the light, so that a shaft has 0.1 in one clip and 0.3 in another.
GREY = 0.6
SMALLEST = 0.01  # part of the picture


def instrument_tip(
    frame: NDArray[np.uint8], field: NDArray[np.bool_] | None = None
) -> tuple[float, float] | None:
    """The tip of the largest instrument: its point farthest from the rim where it enters.

    Args:
        frame: (H, W, 3) uint8 RGB, clear.
        field: (H, W), True in the field of view, whose rim instruments cross; None: everywhere.

    Returns:
        x, y in pixels; None where no instrument is seen.
    """
    from PIL import Image as pillow
    from scipy.ndimage import binary_erosion, binary_opening, label

    height, width = frame.shape[:2]
    factor = min(SIDE / max(height, width), 1)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))

    def small(array: NDArray[np.uint8]) -> NDArray[np.float32]:
        shrunk = pillow.fromarray(array).resize(size, pillow.Resampling.BOX)
        return np.asarray(shrunk, np.float32) / np.float32(255)

    rgb = small(frame)
    redness = (rgb[..., 0] - rgb[..., 1]) / np.maximum(rgb.max(-1), 0.02)
    inside = np.ones(redness.shape, np.bool_)
    if field is not None:
        inside = small(field.astype(np.uint8) * 255) > 0.5
    if not inside.any():
        return None
    grey = inside & (redness < GREY * np.median(redness[inside]))
    parts, count = label(binary_opening(grey, np.ones((3, 3))))
    rim = inside & ~binary_erosion(inside)  # what lies beyond the picture is outside, too
    largest, tip = SMALLEST * inside.sum(), None
    for number in range(1, count + 1):
        part = parts == number
        entry, points = np.argwhere(part & rim), np.argwhere(part)
        if len(points) < largest or not len(entry):
            continue
        reach = np.linalg.norm(points - entry.mean(0), axis=1)
        if reach.max() > len(entry):
            largest, tip = len(points), points[reach.argmax()]
    if tip is None:
        return None
    y, x = (tip + 0.5) / redness.shape * (height, width)
    return float(x), float(y)
