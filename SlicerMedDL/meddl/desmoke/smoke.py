"""Surgical smoke: transmission and airlight of clips, drawn at random, by what smoke does to light.

Layers of smoke lie between camera and tissue. Their density is log-normal noise that drifts, swirls
and renews itself, or a plume of puffs that rise from an instrument's tip, slow down and spread; a
layer counts up to the depth of the tissue. The lamp sits beside the lens: near smoke is bright and
white, far smoke dim and tinted by the tissue around. From that follow t = exp(-beta integral of the
density) and the airlight A of I = J t + A (1 - t) (:mod:`meddl.desmoke.scattering`).

A clip is a function of its seed and of time: frame n is what the smoke is at n / rate, however many
frames are asked for, and at any rate. Its pattern does not depend on the number of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import InputError
from meddl.desmoke.fractal_smoke import (
    offset_of,
    published_fade,
    published_noise,
    published_opacity,
)
from meddl.desmoke.noise import fractal_noise

Array = NDArray[np.float32]

# Mean opacity, the mean of 1 - t.
DENSITIES = {"light": (0.1, 0.3), "medium": (0.3, 0.5), "heavy": (0.5, 0.8)}
KINDS = ("veil", "cloud", "plume", "published")
_DRAWN = {"veil": 0.3, "cloud": 0.35, "plume": 0.2, "published": 0.15}
# The opacity stays this far inside its class: the coarse grid, on which it is set, is not the
# picture (measured: at most 0.006 off with a depth map of 256x256).
_MARGIN = 0.02
# Nodes of the coarse grid: one per this many pixels, and so many on the longer side.
_SPACING, _FEWEST, _MOST = 4, 16, 128
_LAYERS = np.array([(0.0, 0.45), (0.35, 0.8), (0.7, 1.2)], np.float32)  # in median depths
_DEPTHS = (0.3, 3.0)  # the same; nearer or farther counts as this
_BRIGHTNESS_SIZE = 64  # pixels of the longer side, where brightness is looked at
_OCTAVES = (2, 3, 4)  # near smoke is out of focus
# How much of the smoke a plume is: when all is full of smoke, it adds little.
_PLUME_SHARES = {"light": (0.5, 0.95), "medium": (0.3, 0.8), "heavy": (0.1, 0.5)}
_MOST_PUBLISHED = 0.6  # mean opacity; its fade leaves 2 / pi
_LIFE = 4.0  # s, of a puff
_PUFFS = 14  # alive at a time


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


@dataclass(frozen=True, eq=False)
class SmokeSource:
    """The smoke of one clip as a function of time; :func:`smoke_source` draws it.

    Attributes:
        shape: (H, W) of the pictures.
        kind: one of :data:`KINDS`.
        density: one of :data:`DENSITIES`.
        parameters: everything that was drawn, as plain numbers.
    """

    shape: tuple[int, int]
    kind: str
    density: str
    parameters: dict[str, Any]
    _depth: Array

    def opacity(self, time: float) -> float:
        """The mean opacity at ``time`` s: it swells and falls inside the class."""
        p = self.parameters
        swell = float(fractal_noise(time * p["swell_rate"], 0.5, 0.5, p["seed"], octaves=2))
        return p["opacity"] + p["swell"] * swell

    def __call__(self, time: float) -> tuple[Array, Array]:
        """Transmission (H, W) and airlight (H, W, 3) at ``time`` s."""
        from meddl.desmoke.smoke_kernels import render

        p = self.parameters
        extinction = self._published(time) if self.kind == "published" else self._layers(time)
        transmission = np.empty(self.shape, np.float32)
        airlight = np.empty((*self.shape, 3), np.float32)
        height, width = self.shape
        x, y, radius, rim = p["beam"]
        beam = np.array([x * width, y * height, radius * max(self.shape), rim], np.float32)
        light = np.array(p["light"], np.float32)
        render(transmission, airlight, extinction, self._depth, _LAYERS, light, beam)
        return transmission, airlight

    def with_depth(self, depth: ArrayLike) -> SmokeSource:
        """The same smoke before tissue at other depths, (H, W)."""
        if self.kind == "published":  # it lies over the picture, not in the scene
            return self
        return replace(self, _depth=_relative_depth(depth, self.shape))

    def _layers(self, time: float) -> Array:
        """(3, h, w) extinction over the thickness of each layer, for the opacity of the moment."""
        from meddl.desmoke import smoke_kernels as kernels

        p = self.parameters
        seed, phase = p["seed"], time * p["change"]
        place, weights, (rows, columns) = _grid(self.shape)
        kernels.add_swirls(place, phase, seed + 100, p["swirl"])
        density = np.empty((len(_LAYERS), *place.shape[:2]), np.float32)
        for k, layer in enumerate(density):
            kernels.cloud_density(
                layer, place, np.array(p["drift"][k]) * time, phase, seed + k,
                p["scale"][k], p["contrast"][k], _OCTAVES[k],
            )  # fmt: skip
            layer *= p["amount"][k]
        if "tip" in p:
            plume = np.empty_like(density[0])
            kernels.cloud_density(
                plume, place, np.array(p["velocity"]) * time, 2 * phase, seed + 7,
                p["plume_scale"], p["plume_contrast"], _OCTAVES[-1],
            )  # fmt: skip
            kernels.add_puffs(plume, place, self._puffs(time))
            density[p["plume_layer"]] += plume
        depth = np.ascontiguousarray(self._depth[np.ix_(rows, columns)])
        tau = kernels.optical_depth(density, depth, _LAYERS)
        density *= np.float32(kernels.extinction(tau, weights, self.opacity(time)))
        return density

    def _published(self, time: float) -> Array:
        """The published opacity as extinction of the first layer: 1 - exp(-tau)."""
        p = self.parameters
        place, weights, _ = _grid(self.shape)
        height, width = (n / max(self.shape) for n in self.shape)
        y, x = place[:, 0, 1] / height, place[0, :, 0] / width
        noise = published_noise(y, x, time * p["change"], p["seed"])
        fade = published_fade(y)
        offset = offset_of(noise, fade, self.opacity(time), weights)
        density = np.zeros((len(_LAYERS), *noise.shape), np.float32)
        density[0] = -np.log1p(-np.minimum(published_opacity(noise, fade, offset), 0.9999))
        return density

    def _puffs(self, time: float) -> NDArray[np.float64]:
        """(N, 4) position, radius and mass of the puffs that are in the air."""
        p = self.parameters
        newest = int(np.floor(time * _PUFFS / _LIFE))
        born = np.arange(newest - _PUFFS, newest + 1) * (_LIFE / _PUFFS)
        age = np.clip(time - born, 0, _LIFE)
        # Air slows a puff down: it goes v s (1 - exp(-age / s)) far.
        way = 1.2 * (1 - np.exp(-age / 1.2))[:, None] * np.array(p["velocity"])
        wander = np.stack(
            [fractal_noise(born * 0.9, axis, 0.3, p["seed"] + 11, 2) for axis in (0.0, 9.0)], axis=1
        )
        place = np.array(p["tip"]) + way + 0.12 * wander * (age / _LIFE)[:, None]
        radius = np.sqrt(p["nozzle"] ** 2 + 2 * p["diffusion"] * age)
        pulse = np.exp(1.5 * fractal_noise(born * 0.7, 3.0, 0.7, p["seed"] + 13, 2))
        grown = np.minimum(age / 0.3, 1) * np.minimum((_LIFE - age) / 1.5, 1)
        mass = p["plume_mass"] * pulse * grown
        return np.column_stack([place, radius, mass])


def _grid(
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], Array, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """The coarse grid, whose corners are the corner pixels.

    Returns:
        (h, w, 2) x and y of the nodes in picture lengths; (h, w) the share of the picture that each
        stands for; their rows and columns.
    """
    longest = max(shape)
    nodes = min(max(longest // _SPACING, _FEWEST), _MOST)
    ticks, shares = [], []
    for n in shape:
        few = min(max(round(nodes * n / longest), 2), n)
        ticks.append(np.linspace(0, n - 1, few))
        share = np.full(few, (n - 1) / max(few - 1, 1))
        share[[0, -1]] = (share[[0, -1]] + 1) / 2 if few > 1 else 1
        shares.append(share / n)
    y, x = ((tick + 0.5) / longest for tick in ticks)
    place = np.stack(np.broadcast_arrays(x, y[:, None]), axis=-1)
    rows, columns = (np.round(tick).astype(int) for tick in ticks)
    weights = (shares[0][:, None] * shares[1]).astype(np.float32)
    return np.ascontiguousarray(place), weights, (rows, columns)


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
        kind = str(rng.choice(list(_DRAWN), p=list(_DRAWN.values())))
    longest = max(height, width)
    parameters = _draw(rng, kind, density, height / longest, width / longest)
    far = np.full((height, width), _DEPTHS[1] if kind == "published" else 1, np.float32)
    source = SmokeSource((height, width), kind, density, parameters, far)
    return source if depth is None else source.with_depth(depth)


def smoke_clip(
    shape: Sequence[int],
    frames: int,
    rng: np.random.Generator,
    density: str = "random",
    depth: ArrayLike | None = None,
    rate: float = 25.0,
    kind: str = "random",
) -> Smoke:
    """The smoke of ``frames`` pictures at ``rate`` per second; see :func:`smoke_source`.

    The mean opacity of every frame lies in the class: light 0.1-0.3, medium 0.3-0.5, heavy 0.5-0.8.

    Raises:
        InputError: see there; also no frames, or a rate that is not above 0.
    """
    if frames < 1 or not 0 < rate < np.inf:
        raise InputError(f"{frames} frames at {rate} per second; at least 1 above 0 was expected")
    source = smoke_source(shape, rng, density, depth, kind)
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
    return np.clip(np.asarray(full), *_DEPTHS)


def _relative_depth(depth: ArrayLike, shape: tuple[int, int]) -> Array:
    """The depth over its median, within bounds."""
    array = np.asarray(depth, np.float32)
    if array.shape != shape:
        raise InputError(f"the depth is {array.shape}, the pictures are {shape}")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise InputError("the depth has values that are not above 0 and finite")
    return np.ascontiguousarray(np.clip(array / np.median(array), *_DEPTHS))


def _draw(
    rng: np.random.Generator, kind: str, density: str, height: float, width: float
) -> dict[str, Any]:
    """The numbers of one clip; ``height`` and ``width`` in picture lengths."""

    def uniform(low: float, high: float, count: int | None = None) -> Any:
        return np.asarray(rng.uniform(low, high, count)).round(5).tolist()

    low, high = DENSITIES[density]
    low, high = low + _MARGIN, high - _MARGIN
    if kind == "published":
        high = min(high, _MOST_PUBLISHED)
    opacity = uniform(low, high)
    layers = len(_LAYERS)
    contrast = {"veil": (0.3, 1.5), "cloud": (2.0, 5.0)}.get(kind, (0.5, 2.0))
    speed = uniform(0.0, 0.25)
    course = uniform(0, 2 * np.pi) + np.array(uniform(-0.6, 0.6, layers))
    p: dict[str, Any] = {
        "seed": int(rng.integers(2**31)),
        "opacity": opacity,
        "swell": round(min(opacity - low, high - opacity) * uniform(0, 1), 5),
        "swell_rate": uniform(0.1, 0.5),
        "scale": (uniform(0.7, 1.4) * np.array([0.8, 1.4, 2.0])).round(5).tolist(),
        "contrast": uniform(*contrast, layers),
        "drift": (speed * np.stack([np.cos(course), np.sin(course)], 1)).round(5).tolist(),
        "change": uniform(0.05, 0.4),
        "swirl": uniform(0.0, 0.25),
        "amount": uniform(0.1, 1.0, layers),
        "beam": [uniform(0.0, 1.0), uniform(0.0, 1.0), uniform(0.4, 1.2), uniform(0.5, 0.9)],
        "light": _draw_light(rng),
    }
    if kind == "plume":
        p["tip"] = [uniform(0.15, 0.85) * width, uniform(0.3, 0.95) * height]
        p["velocity"] = [uniform(-0.12, 0.12), -uniform(0.08, 0.4)]
        p["nozzle"] = uniform(0.02, 0.05)
        p["diffusion"] = uniform(0.001, 0.008)
        p["plume_scale"], p["plume_contrast"] = uniform(2.0, 4.0), uniform(1.0, 4.0)
        p["plume_layer"] = int(rng.integers(layers - 1))
        share = uniform(*_PLUME_SHARES[density])
        # A puff of mass m and radius s weighs 2 pi m over the picture.
        mass = share / (1 - share) * sum(p["amount"]) / (2 * np.pi * _PUFFS)
        p["plume_mass"] = round(mass, 7)
    return p


def _draw_light(rng: np.random.Generator) -> list[list[float]]:
    """RGB of the light that each layer sends back on the lamp's axis, from near to far.

    Dense smoke in four hysterectomies is brown-grey (0.58, 0.44, 0.40), pink-white (0.80, 0.65,
    0.63) and blue-white (0.83, 0.82, 0.84): green lies at 0.7 to 1 of red, blue at 0.87 to 1.04 of
    green.
    """
    power = rng.uniform(0.6, 1.1)
    fall = rng.uniform(0.8, 1.0)  # from layer to layer
    tint = rng.uniform(0, 1)  # 0: white as the lamp, 1: as the tissue around
    colours = []
    for k in range(len(_LAYERS)):
        far = rng.uniform(0.0, 0.12) * k
        green = (1 - 0.3 * tint) * (1 - far)
        blue = green * (1.03 - 0.14 * tint) * (1 - far / 2)
        colours.append((power * fall**k * np.array([1.0, green, blue])).round(5).tolist())
    return colours
