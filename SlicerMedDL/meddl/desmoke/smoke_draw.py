"""The numbers of a random smoke: how thick, how patchy, where it drifts, what lights it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Mean opacity, the mean of 1 - t.
DENSITIES = {"light": (0.1, 0.3), "medium": (0.3, 0.5), "heavy": (0.5, 0.8)}
KINDS = ("veil", "cloud", "plume", "published")
DRAWN = {"veil": 0.3, "cloud": 0.35, "plume": 0.2, "published": 0.15}
LAYERS = 3
PUFFS = 14  # of a plume, in the air at a time
# The opacity stays this far inside its class: the coarse grid, on which it is set, is not the
# picture (at most 0.011 off in 300 random clips of 96x128).
_MARGIN = 0.02
# How much of the smoke a plume is: when all is full of smoke, it adds little.
_PLUME_SHARES = {"light": (0.3, 0.85), "medium": (0.2, 0.6), "heavy": (0.1, 0.4)}
_MOST_PUBLISHED = 0.6  # mean opacity; its fade leaves 2 / pi
_EVERYWHERE = 1000.0  # picture lengths: published smoke is of one colour

Numbers = list[float]


@dataclass(frozen=True)
class Plume:
    """Puffs from an instrument's tip. Lengths are in picture lengths, the longer side.

    Attributes:
        tip: x, y.
        velocity: x, y at the tip, per second.
        nozzle: radius of a puff when it leaves the tip.
        diffusion: its radius squared grows by twice this per second.
        scale, contrast: of the noise in it, as of the layers.
        layer: in which it rises.
        mass: of a puff: 2 pi mass is its sum over the picture.
    """

    tip: Numbers
    velocity: Numbers
    nozzle: float
    diffusion: float
    scale: float
    contrast: float
    layer: int
    mass: float


@dataclass(frozen=True)
class DrawnSmoke:
    """The numbers of one clip. Lists have an entry per layer, from near to far.

    Attributes:
        seed: of the noise.
        opacity: mean over the picture and over time.
        swell: by how much it rises and falls at most.
        swell_rate: how often, 1/s.
        scale: cycles of the noise per picture length.
        contrast: the density is exp(contrast noise).
        drift: x, y, picture lengths per second.
        change: how often the pattern renews itself, 1/s.
        swirl: by how many picture lengths large eddies bend it.
        amount: weight of the layer.
        beam: x and y of the lamp's axis (0..1 of width and height), and where its light is halved
            (picture lengths).
        strength: how strongly the lamp lights the layer.
        lamp, tissue: RGB of the light in near smoke on the axis, and of that from around.
        plume: or None.
    """

    seed: int
    opacity: float
    swell: float
    swell_rate: float
    scale: Numbers
    contrast: Numbers
    drift: list[Numbers]
    change: float
    swirl: float
    amount: Numbers
    beam: Numbers
    strength: Numbers
    lamp: Numbers
    tissue: Numbers
    plume: Plume | None


def draw_smoke(
    rng: np.random.Generator, kind: str, density: str, height: float, width: float
) -> DrawnSmoke:
    """Draw the numbers of one clip; ``height`` and ``width`` in picture lengths."""
    low, high = DENSITIES[density]
    low, high = low + _MARGIN, high - _MARGIN
    if kind == "published":
        high = min(high, _MOST_PUBLISHED)
    opacity = rng.uniform(low, high)
    contrast = {"veil": (0.3, 1.5), "cloud": (1.5, 4.0)}.get(kind, (0.5, 2.0))
    course = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.6, 0.6, LAYERS)
    amount = rng.uniform(0.1, 1.0, LAYERS)
    lamp, tissue = _draw_light(rng)
    beam = rng.uniform((0, 0, 0.4), (1, 1, 1.5)).tolist()
    if kind == "published":
        beam[2] = _EVERYWHERE
    return DrawnSmoke(
        seed=int(rng.integers(2**31)),
        opacity=float(opacity),
        swell=min(opacity - low, high - opacity) * rng.random(),
        swell_rate=rng.uniform(0.1, 0.5),
        scale=(rng.uniform(0.7, 1.4) * np.array([0.8, 1.4, 2.0])).tolist(),
        # Thick smoke is mixed: what is left of its patches shows less.
        contrast=((1.1 - opacity) * rng.uniform(*contrast, LAYERS)).tolist(),
        drift=(rng.uniform(0, 0.25) * np.stack([np.cos(course), np.sin(course)], 1)).tolist(),
        change=rng.uniform(0.05, 0.4),
        swirl=rng.uniform(0.0, 0.15),
        amount=amount.tolist(),
        beam=beam,
        strength=(rng.uniform(0.6, 1.0) ** np.arange(LAYERS)).tolist(),
        lamp=lamp,
        tissue=tissue,
        plume=_draw_plume(rng, density, height, width, amount.sum()) if kind == "plume" else None,
    )


def _draw_plume(
    rng: np.random.Generator, density: str, height: float, width: float, amount: float
) -> Plume:
    """A plume beside smoke of that ``amount``."""
    share = rng.uniform(*_PLUME_SHARES[density])
    return Plume(
        tip=[rng.uniform(0.15, 0.85) * width, rng.uniform(0.3, 0.95) * height],
        velocity=[rng.uniform(-0.12, 0.12), -rng.uniform(0.08, 0.4)],
        nozzle=rng.uniform(0.02, 0.06),
        diffusion=rng.uniform(0.002, 0.015),
        scale=rng.uniform(2.0, 4.0),
        contrast=rng.uniform(1.0, 3.0),
        layer=int(rng.integers(LAYERS - 1)),
        mass=float(share / (1 - share) * amount / (2 * np.pi * PUFFS)),
    )


def _draw_light(rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """RGB of the lamp's light in near smoke on its axis, and of the light from the tissue around.

    Dense smoke in four hysterectomies is brown-grey (0.58, 0.44, 0.40), pink-white (0.80, 0.65,
    0.63) and blue-white (0.83, 0.82, 0.84; 1, 0.98, 1 beside the lens): little or much of the
    lamp's light, more or less of the tissue's.
    """
    power = rng.uniform(0.05, 0.8)
    lamp = power * np.array([1.0, *rng.uniform((0.96, 0.96), (1.0, 1.06))])
    green = rng.uniform(0.6, 0.85)
    around = rng.uniform(0.3, 0.65) * (1 - 0.5 * power)  # exposure goes with the lamp
    tissue = around * np.array([1.0, green, green * rng.uniform(0.85, 1.0)])
    return lamp.tolist(), tissue.tolist()
