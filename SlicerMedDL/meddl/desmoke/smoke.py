"""Surgical smoke: transmission and airlight of clips, drawn at random, by what smoke does to light.

Layers of smoke lie between camera and tissue. Their density is log-normal noise that drifts, swirls
and renews itself, or a plume of puffs that rise from an instrument's tip, slow down and spread; a
layer counts up to the depth of the tissue. The lamp sits beside the lens: it lights near smoke more
than far smoke and most on its axis; the tissue around adds reddish light from everywhere. From that
follow t = exp(-beta integral of the density) and the airlight A of I = J t + A (1 - t)
(:mod:`meddl.desmoke.scattering`).

A clip is a function of its seed and of time: frame n is what the smoke is at n / rate, however many
frames are asked for, and at any rate. Its pattern does not depend on the number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.desmoke.fractal_smoke import published_fade, published_noise, published_opacity
from meddl.desmoke.smoke_draw import DENSITIES, DRAWN, KINDS, draw_smoke
from meddl.desmoke.smoke_model import DEPTHS, SmokeSource

Array = NDArray[np.float32]

_BRIGHTNESS_SIZE = 32  # pixels of the longer side, where brightness is looked at


@dataclass(frozen=True)
class Smoke:
    """The smoke of a clip.

    Attributes:
        transmission: (T, H, W) float32, 0..1.
        airlight: (T, H, W, 3) float32, RGB 0..1.
        kind: one of :data:`KINDS`.
    """

    transmission: Array
    airlight: Array
    kind: str


def smoke_source(
    shape: Sequence[int],
    rng: np.random.Generator,
    density: str = "random",
    depth: ArrayLike | None = None,
    kind: str = "random",
) -> SmokeSource:
    """Draw the smoke of a clip.

    Args:
        shape: (H, W) of the pictures.
        rng: all that is random; one seed gives one smoke.
        density: a key of :data:`DENSITIES`, or ``"random"``: each with the same chance.
        depth: (H, W), any unit, larger is farther; None for a plane. See
            :func:`depth_from_brightness`.
        kind: one of :data:`KINDS`: ``veil`` (nearly even), ``cloud`` (patchy), ``plume`` (from an
            instrument's tip), ``published`` (:func:`published_smoke`, one colour); or ``"random"``.

    Raises:
        InputError: no such density or kind, no pixels, or a depth of another shape, not finite or
            not above 0.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"the shape is {tuple(shape)}, (H, W) of at least 1 x 1 was expected")
    for name, value, known in (("density", density, DENSITIES), ("kind", kind, KINDS)):
        if value != "random" and value not in known:
            raise InputError(f"{name} is {value!r}, expected one of: {', '.join(known)}, random")
    height, width = (int(n) for n in shape)
    if density == "random":
        density = str(rng.choice(list(DENSITIES)))
    if kind == "random":
        kind = str(rng.choice(list(DRAWN), p=list(DRAWN.values())))
    longest = max(height, width)
    drawn = draw_smoke(rng, kind, density, height / longest, width / longest)
    far = np.full((height, width), DEPTHS[1] if kind == "published" else 1, np.float32)
    source = SmokeSource((height, width), kind, density, drawn, far)
    return source if depth is None else source.with_depth(depth)


def smoke_clip(
    shape: Sequence[int],
    frames: int,
    rng: np.random.Generator,
    density: str = "random",
    depth: ArrayLike | None = None,
    rate: float = 25.0,
    kind: str = "random",
    tip: tuple[float, float] | None = None,
) -> Smoke:
    """The smoke of ``frames`` pictures at ``rate`` per second; see :func:`smoke_source`.

    Puffs leave from ``tip``, x and y in pixels, or from a random place.

    The mean opacity of every frame lies in the class: light 0.1-0.3, medium 0.3-0.5, heavy 0.5-0.8.

    Raises:
        InputError: see there; also no frames, or a rate that is not above 0.
    """
    if frames < 1 or not 0 < rate < np.inf:
        raise InputError(f"{frames} frames at {rate} per second; at least 1 above 0 was expected")
    source = smoke_source(shape, rng, density, depth, kind).rising_from(tip)
    transmission = np.empty((frames, *source.shape), np.float32)
    airlight = np.empty((frames, *source.shape, 3), np.float32)
    for n in range(frames):
        transmission[n], airlight[n] = source(n / rate)
    return Smoke(transmission, airlight, source.kind)


def published_smoke(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """One random opacity (alpha), (H, W) float32 0..1; the published size is 512 x 512."""
    y, x = ((np.arange(n) + 0.5) / n for n in shape)
    noise = published_noise(y, x, 0.0, int(rng.integers(2**31)))
    return published_opacity(noise, published_fade(y))


def depth_from_brightness(picture: ArrayLike) -> Array:
    """How far the tissue of a clear endoscopic picture is, from how brightly its lamp lights it.

    Light at the lens falls with the square of the distance: depth ~ brightness^-1/2. Colour of
    tissue, instruments and highlights disturb it, hence a median over 1/8 of the picture and a
    smooth result: good enough for smoke, no measurement.

    Args:
        picture: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float32, 1 in the middle of its values.

    Raises:
        InputError: another shape or type.
    """
    from PIL import Image as pillow
    from scipy.ndimage import gaussian_filter, median_filter

    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise InputError(f"a picture is (H, W, 3) uint8, got {array.shape} {array.dtype}")
    height, width = array.shape[:2]
    factor = min(_BRIGHTNESS_SIZE / max(height, width), 1)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    luma = np.asarray(pillow.fromarray(array).convert("L").resize(size, pillow.Resampling.BOX))
    window = max(_BRIGHTNESS_SIZE // 8, 1)
    smooth = median_filter(luma.astype(np.float32), window, mode="nearest")
    depth = gaussian_filter(np.maximum(smooth, 8) ** np.float32(-0.5), window / 3, mode="nearest")
    full = pillow.fromarray(depth / np.median(depth)).resize(
        (width, height), pillow.Resampling.BILINEAR
    )
    return np.clip(np.asarray(full), *DEPTHS)
