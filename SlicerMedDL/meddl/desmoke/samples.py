"""Training samples: clear frames made into short clips and put under synthetic smoke.

The camera of a clip moves a little. Smoke and movement are drawn when a sample is asked for, so a
run never sees a clip twice; in validation they follow from the sample's number.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.desmoke.training_parameters import DENSITIES, DesmokeTraining

Array = NDArray[np.float32]
Sample = dict[str, Array]

HELD_OUT = 1_000_003  # the seeds of the validation's smoke begin here
FIXED_DENSITIES = DENSITIES[:3]  # validation has each class equally often
TURN, NEARER = 0.2, 0.002  # of the camera per frame, deviations: degrees, share of the distance


class Frames(Protocol):
    """An array, or what is indexed like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]: ...


class ClipSamples:
    """Clips with and without smoke: float32 arrays, colours RGB 0..1::

        smoky (T, 3, h, w), clear (T, 3, h, w), transmission (T, 1, h, w), airlight (T, 3, h, w)

    ``samples[n]`` is for validation: a frame that stands still, without augmentation, under smoke
    that is the same whenever it is asked for. ``draw`` is for training: camera motion,
    augmentation, and a share of clips without smoke. smoky = clear t + airlight (1 - t), and
    both have the 256 levels of a camera; the target is what was blended and never recoloured.

    Args:
        frames: N times (h, w, 3) uint8 RGB, clear.
        parameters: clip length, density, augmentation.
    """

    def __init__(self, frames: Frames, parameters: DesmokeTraining) -> None:
        self.frames, self.parameters = frames, parameters

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        p = self.parameters
        frame = np.asarray(self.frames[index])
        still = np.broadcast_to(frame, (p.clip_length, *frame.shape))
        density = FIXED_DENSITIES[index % 3] if p.density == "random" else p.density
        return smoked(still, 1.0, density, p.smoke, np.random.default_rng([HELD_OUT, index]))

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """A clip of one frame under a random camera, light and smoke."""
        p = self.parameters
        frame = toned(np.asarray(self.frames[index]), p.colour, generator)
        ways = camera_ways(frame.shape[:2], p, generator)
        gain = 1 + p.brightness * generator.uniform(-1, 1)
        density = None if generator.random() < p.clear_share else p.density
        return smoked(moved(frame, ways), gain, density, p.smoke, generator)


class Repeated:
    """Every sample ``times`` in an epoch; each is drawn anew.

    Args:
        samples: with ``draw``.
        times: at least 1.
    """

    def __init__(self, samples: Any, times: int) -> None:
        self.samples, self.times = samples, times

    def __len__(self) -> int:
        return self.times * len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index % len(self.samples)]

    def draw(self, index: int, generator: np.random.Generator) -> Any:
        """The sample, drawn."""
        return self.samples.draw(index % len(self.samples), generator)


def camera_ways(
    shape: tuple[int, int], parameters: DesmokeTraining, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Where each frame of a clip looks: (T, 2, 3) affine maps from its pixels to the picture's.

    Flips, a turn, a zoom and a shift that keeps the enlarged picture full, and from frame to frame
    a drift of constant direction: shift, turn, distance.
    """
    p, (height, width) = parameters, shape
    zoom = generator.uniform(1, p.zoom)
    angle = np.radians(p.rotate) * generator.uniform(-1, 1)
    mirror = np.where(generator.random(2) < 0.5 * p.flip, -1, 1)
    room = (1 - 1 / zoom) / 2 * np.array([width, height])
    centre = np.array([width - 1, height - 1]) / 2 + room * generator.uniform(-1, 1, 2)
    moving = p.motion > 0
    shift = p.motion * width * generator.standard_normal(2)
    turn = moving * np.radians(TURN) * generator.standard_normal()
    nearer = moving * NEARER * generator.standard_normal()
    ways = np.empty((p.clip_length, 2, 3))
    for time, way in zip(np.arange(p.clip_length) - (p.clip_length - 1) / 2, ways, strict=True):
        a = angle + time * turn
        rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        way[:, :2] = rotation @ np.diag(mirror) * np.exp(-nearer * time) / zoom
        way[:, 2] = centre + time * shift - way[:, :2] @ (np.array([width - 1, height - 1]) / 2)
    return ways


def toned(
    frame: NDArray[np.uint8], strength: float, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """A clear frame (h, w, 3) in another light: each channel by a factor, all by a gamma.

    Their logarithms are uniform within ``strength``; 0 leaves the frame as it is.
    """
    if not strength:
        return frame
    factors = np.exp(strength * generator.uniform(-1, 1, 3))
    gamma = np.exp(strength * generator.uniform(-1, 1))
    levels = np.minimum(255 * (np.arange(256)[:, None] / 255) ** gamma * factors, 255)
    table = np.rint(levels).astype(np.uint8)
    return np.stack([table[frame[..., c], c] for c in range(3)], -1)


def moved(frame: NDArray[np.uint8], ways: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The clip (T, h, w, 3) that the maps of :func:`camera_ways` make of a frame (h, w, 3).

    Bilinear; beyond the border the picture is mirrored.
    """
    from meddl.desmoke.clip_kernels import warp

    clip = np.empty((len(ways), *frame.shape), np.uint8)
    warp(frame, ways, clip)
    return clip


def smoked(
    clip: NDArray[np.uint8],
    gain: float,
    density: str | None,
    kind: str,
    generator: np.random.Generator,
) -> Sample:
    """A sample of a clear clip (T, h, w, 3) that is brightened by ``gain`` and put under smoke.

    Without ``density`` there is no smoke: transmission 1, airlight 0.
    """
    from meddl.desmoke.clip_kernels import smoke_over
    from meddl.desmoke.instruments import instrument_tip
    from meddl.desmoke.smoke import depth_from_brightness, smoke_clip

    frames, height, width, _ = clip.shape
    if density is None:
        transmission = np.ones((frames, height, width), np.float32)
        airlight = np.zeros((frames, 3, height, width), np.float32)
    else:
        depth = depth_from_brightness(clip[0])
        tip = instrument_tip(clip[0])
        smoke = smoke_clip((height, width), frames, generator, density, depth, kind=kind, tip=tip)
        transmission, airlight = smoke.transmission, channels_first(smoke.airlight)
    smoky, clear = np.empty_like(airlight), np.empty_like(airlight)
    smoke_over(clip, np.float32(gain), transmission, airlight, smoky, clear)
    return {
        "smoky": smoky,
        "clear": clear,
        "transmission": transmission[:, np.newaxis],
        "airlight": airlight,
    }


def channels_first(clip: Array) -> Array:
    """(T, h, w, C) -> (T, C, h, w) float32."""
    return np.ascontiguousarray(np.moveaxis(clip, -1, 1), np.float32)
