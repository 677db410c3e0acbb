"""From radiance to the picture that an endoscope delivers: exposure, blur, noise, gamma, field."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

Picture = NDArray[np.uint8]
Light = NDArray[np.float32]
GAMMA = 2.2
SHOULDER = 0.8  # linear value from which highlights are compressed
PERCENTILE = 85  # of the lit pixels, that the gain brings to the exposure
BRIGHTEST = 20.0  # a highlight floods its neighbours, not the whole picture


@dataclass(frozen=True)
class Sensor:
    """What the camera makes of the light.

    Attributes:
        exposure: the value (0 to 1, linear) that the gain brings the brighter wall to.
        white_balance: gains of red, green, blue.
        vignetting: share of light lost at the corners.
        blur: standard deviation of the defocus, pixels.
        motion: (x, y) pixels that the picture moves while it is exposed.
        electrons: of a full pixel; fewer make more shot noise.
        read_noise: electrons, standard deviation.
        jpeg: quality of a compression of the picture, 0 for none.

    Raises:
        InputError: an exposure or a number of electrons that is not positive.
    """

    exposure: float = 0.5
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignetting: float = 0.1
    blur: float = 0.5
    motion: tuple[float, float] = (0.0, 0.0)
    electrons: float = 8000.0
    read_noise: float = 10.0
    jpeg: int = 0

    def __post_init__(self) -> None:
        for name in ("exposure", "electrons"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}, a positive number was expected")


USUAL = Sensor()
IDEAL = Sensor(vignetting=0.0, blur=0.0, electrons=np.inf, read_noise=0.0)


def random_sensor(rng: np.random.Generator, width: int) -> Sensor:
    """A sensor drawn at random for pictures ``width`` pixels wide."""
    moving = rng.random() < 0.3
    motion = rng.normal(0, 0.006 * width, 2) if moving else np.zeros(2)
    return Sensor(
        exposure=float(rng.uniform(0.3, 0.8)),
        white_balance=(1.0, float(np.exp(rng.normal(0, 0.03))), float(np.exp(rng.normal(0, 0.04)))),
        vignetting=float(rng.uniform(0.0, 0.4)),
        blur=float(rng.uniform(0.2, 0.8) * width / 320),
        motion=(float(motion[0]), float(motion[1])),
        electrons=float(np.exp(rng.uniform(np.log(1500), np.log(20000)))),
        read_noise=float(rng.uniform(2, 8)),
        jpeg=int(rng.integers(60, 96)) if rng.random() < 0.5 else 0,
    )


def expose(radiance: Light, sensor: Sensor, rng: np.random.Generator | None = None) -> Picture:
    """The picture (H, W, 3) uint8 of a linear radiance (H, W, 3).

    The gain brings a high percentile of the lit pixels to ``exposure``, as an endoscope's does.
    Without ``rng`` there is no noise.
    """
    light = np.minimum(_gained(np.asarray(radiance, dtype=np.float32), sensor.exposure), BRIGHTEST)
    if sensor.vignetting > 0:
        y, x = np.ogrid[-1 : 1 : light.shape[0] * 1j, -1 : 1 : light.shape[1] * 1j]
        light = light * (1 - sensor.vignetting * (x**2 + y**2) / 2)[..., None].astype(np.float32)
    light = _blurred(light, sensor) * np.array(sensor.white_balance, np.float32)
    if rng is not None:
        light = _noisy(light, sensor, rng)
    picture = np.asarray(np.round(255 * _developed(light)), dtype=np.uint8)
    return _compressed(picture, sensor.jpeg) if sensor.jpeg else picture


def _gained(light: Light, exposure: float) -> Light:
    brightness = light.mean(axis=-1)
    lit = brightness[brightness > 0]
    return light * np.float32(exposure / np.percentile(lit, PERCENTILE)) if lit.size else light


def _noisy(light: Light, sensor: Sensor, rng: np.random.Generator) -> Light:
    """Poisson and read noise, both as normal distributions, in shares of a full pixel."""
    if not np.isfinite(sensor.electrons):
        return light
    variance = np.maximum(light, 0) / sensor.electrons + (sensor.read_noise / sensor.electrons) ** 2
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    return np.asarray(light + np.sqrt(variance) * grain, np.float32)


def _developed(light: Light) -> Light:
    """0 to 1: a soft shoulder above ``SHOULDER``, then gamma."""
    light = np.maximum(light, 0)
    rest = np.float32(1 - SHOULDER)
    soft = 1 - rest * np.exp((SHOULDER - light) / rest)
    return np.asarray(np.where(light > SHOULDER, soft, light) ** (1 / GAMMA), np.float32)


def _blurred(light: Light, sensor: Sensor) -> Light:
    from scipy import ndimage

    if sensor.blur > 0:
        light = ndimage.gaussian_filter(light, (sensor.blur, sensor.blur, 0), mode="nearest")
    length = float(np.hypot(*sensor.motion))
    if length > 0.5:
        steps = np.linspace(-0.5, 0.5, int(np.ceil(length)) + 2)
        x, y = sensor.motion
        shifted = [ndimage.shift(light, (s * y, s * x, 0), order=1, mode="nearest") for s in steps]
        light = np.mean(shifted, axis=0, dtype=np.float32)
    return np.asarray(light, np.float32)


def _compressed(picture: Picture, quality: int) -> Picture:
    from PIL import Image as pillow

    file = io.BytesIO()
    pillow.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(pillow.open(file))
