"""The dark channel prior: in a clear picture something near every pixel is dark in some colour.

He, Sun and Tang, IEEE TPAMI 33:2341 (2011). Tissue is red, so that its green and blue are the dark
channel; smoke, which is grey, fills it. Two guides of that name are in use for networks that remove
surgical smoke (Salazar-Colores et al., IEEE Access 8:208898, 2020): ``refined``, the dark channel
after a guided filter, and ``minimum``, the minimum of the three colours of each pixel, unfiltered.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.desmoke.guided_filter import guided_filter

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

GUIDES = ("refined", "minimum")
PATCH = 15  # pixels, of pictures of 256 and more
RADIUS, EPS = 15, 1e-4  # of the guided filter
# What is kept of the veil, so that distance still shows (He et al., section 4.2).
KEPT = 0.05
LEAST = 0.2  # transmission: noise is at most five times as large; 0.1 was no better
# The airlight is the median colour where the wide dark channel is in its top part of the picture:
# a median over so much falls for no highlight, no instrument's rim and no swab.
TOP = 0.1
# Wide dark channel there from which on that colour is smoke rather than tissue, and is all smoke.
TISSUE, SMOKE = 0.2, 0.5
# Colour of smoke under a laparoscope, which tissue tints, where the picture does not show it; and
# how far the colour that it shows is drawn to grey, since tissue shines through thin smoke.
USUAL_AIRLIGHT = (0.70, 0.56, 0.53)
DRAWN_TO_GREY = 0.25
_NOTHING = np.finfo(np.float32).max  # larger than any colour


def grey_of(picture: Array) -> Array:
    """BT.601 luma (H, W) of (H, W, 3) float32 RGB."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))


def minimum_channel(picture: Array) -> Array:
    """The smallest of the three colours of each pixel: (H, W) of (H, W, 3) float32."""
    return np.minimum(np.minimum(picture[..., 0], picture[..., 1]), picture[..., 2])


def brightest_channel(picture: Array) -> Array:
    """The largest of the three colours of each pixel: (H, W) of (H, W, 3) float32."""
    # Ten times as fast as max(axis=-1).
    return np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2])


def dark_channel(picture: Array, patch: int = PATCH, mask: Mask | None = None) -> Array:
    """The smallest colour in the square of ``patch`` pixels around each pixel, (H, W) float32.

    Args:
        picture: (H, W, 3) float32 RGB 0..1; pictures divided by their airlight exceed 1.
        patch: side of the square.
        mask: (H, W), True where it may look, as in the field of view; 0 where a square has no such
            pixel.

    Raises:
        InputError: a patch below 1.
    """
    if patch < 1:
        raise InputError(f"the patch is {patch} pixels, at least 1 was expected")
    smallest = minimum_channel(np.asarray(picture, np.float32))
    if mask is not None:
        smallest = np.where(mask, smallest, _NOTHING)
    dark = np.asarray(cv2.erode(smallest, np.ones((patch, patch), np.uint8)), np.float32)
    return dark if mask is None else np.where(dark == _NOTHING, np.float32(0), dark)


def refined_dark_channel(
    picture: Array,
    patch: int = PATCH,
    radius: int = RADIUS,
    eps: float = EPS,
    mask: Mask | None = None,
) -> Array:
    """The dark channel after a guided filter with the grey picture as guide, (H, W) float32 0..1.

    ``radius`` and ``eps`` by default as in the paper of the networks; others use a radius of 60.
    """
    dark = dark_channel(picture, patch, mask)
    weight = None if mask is None else mask.astype(np.float32)
    return np.clip(guided_filter(grey_of(picture), dark, radius, eps, weight), 0, 1)


def guide_of(picture: Array, guide: str, radius: int = RADIUS, eps: float = EPS) -> Array:
    """The ``"refined"`` dark channel or the channel ``"minimum"``, (H, W) float32 0..1.

    Raises:
        InputError: another name.
    """
    if guide not in GUIDES:
        raise InputError(f"the guide is {guide!r}, expected one of: {', '.join(GUIDES)}")
    if guide == "minimum":
        return minimum_channel(picture)
    return refined_dark_channel(picture, radius=radius, eps=eps)


def estimate_airlight(picture: Array, patch: int, mask: Mask | None = None) -> Array:
    """The colour of the smoke, (3,) float32.

    He et al. take the brightest pixel of the top 0.1 % of the dark channel. Under a laparoscope
    that is a highlight, a swab or white tissue, and, where smoke is thin, never smoke: it was wrong
    by 0.14 to 0.26. Here it is the median colour of the top :data:`TOP` of a wide dark channel,
    drawn a quarter of the way to grey, as far as that channel is high enough to be smoke; else
    :data:`USUAL_AIRLIGHT`. Figures: ``Docs/desmoke-video.md``.

    Args:
        picture: (H, W, 3) float32 RGB 0..1.
        patch: side of the dark channel's square, pixels; about a third of the picture.
        mask: (H, W), True in the field of view.
    """
    usual = np.array(USUAL_AIRLIGHT, np.float32)
    dark = dark_channel(picture, patch, mask)
    inside = dark if mask is None else dark[mask]
    if not inside.size:
        return usual
    least = np.quantile(inside, 1 - TOP)
    top = dark >= least if mask is None else (dark >= least) & mask
    seen = np.median(picture[top], axis=0)
    seen = seen + np.float32(DRAWN_TO_GREY) * (seen.mean() - seen)
    trust = np.float32(np.clip((least - TISSUE) / (SMOKE - TISSUE), 0, 1))
    return np.asarray(usual + trust * (seen - usual), np.float32)


def brightest_airlight(picture: Array, patch: int = PATCH, mask: Mask | None = None) -> Array:
    """The airlight of He et al.: the brightest pixel of the top 0.1 % of the dark channel, (3,)."""
    dark = dark_channel(picture, patch, mask).ravel()
    count = max(dark.size // 1000, 1)
    top = picture.reshape(-1, 3)[np.argpartition(dark, -count)[-count:]]
    return np.asarray(top[top.sum(axis=-1).argmax()], np.float32)


def transmission_of(dark: Array, kept: float = KEPT) -> Array:
    """t = 1 - (1 - kept) dark, at least :data:`LEAST`, of the dark channel of I / A (He et al.,
    equation 12)."""
    return np.clip(1 - np.float32(1 - kept) * dark, LEAST, 1, dtype=np.float32)
