"""The field of view of an endoscope, found in frames: round, rectangular, or all of the picture.

What lies outside is dark in every frame. Text in the dark border is an island and falls away with
the smaller parts; text over the tissue stands still where all else moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.pictures import read_picture

Mask = NDArray[np.bool_]

WIDTH = 480  # of the picture that is looked at; the rim is found to about half of its pixels
SAMPLES = 24  # frames that suffice, spread over the sequence
# Of the picture's brightest over time (percentile 90, which one flash does not move): a border is
# at most so bright, and the field brighter than it by a step. Compression leaves 0 to 8 in borders;
# what the lens throws beside the field is up to a tenth of the field.
_BLACK, _STEP, _GLOW = 30.0, 12.0, 0.1
_SMALLEST = 0.05  # part of the picture
# Fields are nearly convex and symmetric to a vertical or horizontal axis; dark tissue at the
# picture's edge leaves neither.
_SOLID, _SYMMETRIC = 0.93, 0.95
_WINDOW = 15  # pixels of the median that smooths the mean over time


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """What :func:`find_field` found.

    Attributes:
        mask: (H, W) bool, inside and not under an overlay.
        shape: ``"round"``, ``"rectangular"``, ``"other"`` or ``"whole picture"``.
        overlays: (H, W) bool, text and signs over the field, left out of the mask.
    """

    mask: Mask
    shape: str
    overlays: Mask


def find_field(frames: Sequence[NDArray[np.uint8]]) -> FieldOfView:
    """Find the field of view in frames of one video.

    Args:
        frames: (H, W, 3) uint8, all of one size; about 24 spread over the video. Overlays on the
            field need at least 5 in which the picture moves.

    Raises:
        InputError: no frame, sizes that differ, frames that are all black, or no field.
    """
    frames = list(frames)
    if not frames or any(f.shape != frames[0].shape for f in frames):
        raise InputError(f"{len(frames)} frames of sizes {sorted({f.shape[:2] for f in frames})}")
    cv2 = require("cv2", "finding the field of view")
    height, width = frames[0].shape[:2]
    factor = min(WIDTH / width, 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    small = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA).max(-1) for f in frames])
    bright = cv2.medianBlur(np.percentile(small, 90, axis=0).astype(np.uint8), 3)
    black = min(float(np.percentile(bright, 2)), _BLACK)
    if bright.max() <= black + _STEP:
        raise InputError(
            f"the {len(frames)} frames looked at are all black (brightest value {bright.max()}); "
            "choose another range of frames"
        )
    glow = _GLOW * float(np.median(bright[bright > black + _STEP]))
    field = _main_part(bright > black + max(_STEP, glow), cv2)
    if field.mean() < _SMALLEST:
        raise InputError(
            f"no field of view was found: the largest bright part covers {field.mean():.1%} of the "
            "picture; draw a mask (white inside, black outside) and give it with --mask"
        )
    if not _is_field(field, cv2):
        field = np.ones_like(field)
    overlays = field & _overlays(small, field, cv2)

    def enlarged(part: Mask) -> Mask:
        whole = cv2.resize(part.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole >= 0.5)

    return FieldOfView(enlarged(field & ~overlays), _shape(field, cv2), enlarged(overlays))


def read_mask(path: str | Path, size: tuple[int, int]) -> Mask:
    """Read a mask picture (H, W): bright inside, dark outside.

    Raises:
        FileError: missing or damaged.
        InputError: another size than the frames', or nothing inside.
    """
    array = read_picture(path).array[0]
    grey = array if array.ndim == 2 else array[..., :3].max(axis=-1)
    if grey.shape != size:
        raise InputError(
            f"the mask {path} is {grey.shape[1]}x{grey.shape[0]}, the frames are "
            f"{size[1]}x{size[0]}"
        )
    inside: Mask = grey > grey.max() / 2
    if not inside.any():
        raise InputError(f"the mask {path} is black everywhere; the field of view is drawn white")
    return inside


def _disc(radius: float, cv2: Any) -> NDArray[np.uint8]:
    size = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


def _main_part(bright: Mask, cv2: Any) -> Mask:
    """The largest part without holes, notches and whiskers; its convex hull if much is missing."""
    disc = _disc(0.015 * max(bright.shape), cv2)
    padded = np.pad(bright.astype(np.uint8), disc.shape[0], mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros_like(bright)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    part = cv2.morphologyEx((labels == largest).astype(np.uint8), cv2.MORPH_CLOSE, disc)
    margin = disc.shape[0]
    part = part[margin:-margin, margin:-margin]
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(part)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    hull = np.zeros_like(part)
    if outlines:
        cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(outlines)), 1)
    solid = filled.sum() >= _SOLID * hull.sum()
    return np.asarray((filled if solid else hull) > 0)


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def _bounded(field: Mask) -> Mask:
    rows, columns = (np.flatnonzero(field.any(axis)) for axis in (1, 0))
    return field[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _is_field(field: Mask, cv2: Any) -> bool:
    box = _bounded(field)
    return max(_overlap(box, box[::-1]), _overlap(box, box[:, ::-1])) >= _SYMMETRIC


def _shape(field: Mask, cv2: Any) -> str:
    if field.mean() > 0.99:
        return "whole picture"
    box = _bounded(field)
    if box.mean() > 0.97:
        return "rectangular"
    points = np.argwhere(box)[:, ::-1].astype(np.float32)
    centre, radius = cv2.minEnclosingCircle(cv2.convexHull(points))
    rows, columns = np.indices(box.shape)
    circle = np.hypot(columns - centre[0], rows - centre[1]) <= radius
    return "round" if _overlap(box, circle) > 0.95 else "other"


def _overlays(small: NDArray[np.uint8], field: Mask, cv2: Any) -> Mask:
    """Signs that stand still over a picture that moves, as blocks.

    The mean over time of moving tissue is smooth, so that what keeps sharp edges in it stands
    still.
    """
    nothing = np.zeros_like(field)
    spread = small.astype(np.float32).std(axis=0)
    moving = float(np.median(spread[field]))
    if len(small) < 5 or moving < 8:
        return nothing
    mean = small.mean(axis=0, dtype=np.float32)
    smooth = cv2.medianBlur(mean.astype(np.uint8), _WINDOW).astype(np.float32)
    # Where the window looks over the rim, the rim itself is the edge that stands still.
    inner = cv2.erode(field.astype(np.uint8), np.ones((_WINDOW, _WINDOW), np.uint8)) > 0
    still = (np.abs(mean - smooth) > 30) & (spread < 0.35 * moving) & inner
    reach = _disc(0.012 * max(field.shape), cv2)
    blocks = cv2.dilate(still.astype(np.uint8), reach)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(blocks)
    result = nothing.copy()
    for label in range(1, count):
        left, top, width, height = stats[label, :4]
        if still[labels == label].sum() >= 12:
            result[top : top + height, left : left + width] = True
    return result if result[field].mean() < 0.25 else nothing
