"""FSIM and FSIMc: how alike two pictures are where they have features.

Zhang, Zhang, Mou and Zhang, "FSIM: a feature similarity index for image quality assessment", IEEE
TIP 20(8), 2011. A feature is where the phases of the picture's frequencies agree (phase
congruency, Kovesi, Videre 1(3), 1999); there the gradients, and for FSIMc the chroma, are compared.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

Array = NDArray[Any]

# RGB to luminance Y and chroma I, Q, as in section IV-A.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
# T1 to T4 and lambda of equations (4), (5) and (10), for values 0..255.
_PHASE, _GRADIENT, _CHROMA, _LAMBDA = 0.85, 160.0, 200.0, 0.03

# The filters of section II: 4 scales, 4 orientations, wavelengths from 6 pixels on, each twice the
# one before; ratio of the radial spread to the centre frequency; angular interval to its spread.
SCALES, ORIENTATIONS = 4, 4
_WAVELENGTH, _FACTOR, _RADIAL, _ANGULAR = 6.0, 2.0, 0.55, 1.2
# Energy below the mean of what noise brings plus twice its deviation counts as noise; the estimate
# is too large by 1.7 for sums over scales (as in the authors' program).
_DEVIATIONS, _OVERESTIMATE = 2.0, 1.7
# The sides at which the four filters still mean something: half the longest wavelength.
SMALLEST = 24


class _Filters(NamedTuple):
    """Transfer functions (ORIENTATIONS, SCALES, H, W) and, per orientation, the noise threshold
    for a median energy of 1 at the finest scale."""

    transfer: Array
    noise: Array


def fsim(image: Array, reference: Array) -> float:
    """FSIM of two grey pictures (H, W), values 0..255; 1 for equal ones.

    Pictures whose shorter side is over 384 pixels are shrunk by its multiple of 256 (rounded) with
    block means; what does not fill a block at the lower and right edge is left out.

    Raises:
        InputError: shapes differ, or a side under 24 pixels.
    """
    image, reference = (np.asarray(picture)[..., None] for picture in (image, reference))
    return _similarity(image, reference)


def fsimc(image: Array, reference: Array) -> float:
    """FSIMc of two pictures (H, W, 3) RGB, values 0..255; 1 for equal ones. See :func:`fsim`."""
    image, reference = np.asarray(image), np.asarray(reference)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"the picture is {image.shape}, (H, W, 3) RGB was expected")
    return _similarity(image, reference)


def phase_congruency(luminance: Array) -> Array:
    """Phase congruency (H, W) float32, 0..1, of a picture (H, W) with values 0..255.

    Energy over amplitude, both summed over scales and orientations (equation 2 with the noise
    threshold that the authors' program subtracts); periodic at the edges.
    """
    from scipy import fft

    luminance = np.asarray(luminance, dtype=np.float32)
    filters = _filters(*luminance.shape)
    spectrum = fft.fft2(luminance)
    energy, amplitude = np.zeros_like(luminance), np.zeros_like(luminance)
    for transfer, noise in zip(filters.transfer, filters.noise, strict=True):
        responses = fft.ifft2(spectrum * transfer)  # real part even, imaginary part odd
        magnitudes = np.abs(responses)
        threshold = noise * math.sqrt(float(np.median(magnitudes[0] ** 2)))
        total = responses.sum(axis=0)
        direction = total / (np.abs(total) + np.finfo(np.float32).eps)
        # Components along the mean phase and across it.
        turned = responses * direction.conj()
        gained = turned.real.sum(axis=0) - np.abs(turned.imag).sum(axis=0)
        energy += np.maximum(gained - threshold, 0)
        amplitude += magnitudes.sum(axis=0)
    result: Array = energy / (amplitude + np.finfo(np.float32).eps)
    return result


def _similarity(image: Array, reference: Array) -> float:
    if image.shape != reference.shape or min(image.shape[:2], default=0) < SMALLEST:
        raise InputError(
            f"the pictures are {image.shape} and {reference.shape}, equal ones of at least "
            f"{SMALLEST} x {SMALLEST} pixels are needed for FSIM"
        )
    one, other = (_shrunk(picture) for picture in (image, reference))
    if one.shape[2] == 3:
        one, other = (picture @ YIQ.T.astype(np.float32) for picture in (one, other))
    first, second = (phase_congruency(picture[..., 0]) for picture in (one, other))
    slopes, others = (_gradient(picture[..., 0]) for picture in (one, other))
    alike = _ratio(first, second, _PHASE) * _ratio(slopes, others, _GRADIENT)
    if one.shape[2] == 3:
        i, q = (_ratio(one[..., n], other[..., n], _CHROMA) for n in (1, 2))
        # The real part of a negative number's power, as in the authors' program.
        alike = alike * ((i * q).astype(np.complex64) ** _LAMBDA).real
    weight = np.maximum(first, second)
    total = float(weight.sum(dtype=np.float64))
    if total == 0:  # no features in either picture: they agree in having none
        return 1.0
    return float((alike * weight).sum(dtype=np.float64)) / total


def _shrunk(picture: Array) -> Array:
    factor = max(1, round(min(picture.shape[:2]) / 256))
    height, width = (side // factor for side in picture.shape[:2])
    picture = picture[: height * factor, : width * factor].astype(np.float32)
    blocks = picture.reshape(height, factor, width, factor, -1)
    return blocks.mean(axis=(1, 3)) if factor > 1 else picture


def _ratio(a: Array, b: Array, constant: float) -> Array:
    result: Array = (2 * a * b + np.float32(constant)) / (a * a + b * b + np.float32(constant))
    return result


def _gradient(luminance: Array) -> Array:
    """Magnitude of the Scharr gradient, zeros beyond the picture (table I)."""
    from scipy import ndimage

    smooth, step = np.array([3, 10, 3], np.float32) / 16, np.array([1, 0, -1], np.float32)
    parts = []
    for axis in (0, 1):
        across = ndimage.correlate1d(luminance, smooth, 1 - axis, mode="constant")
        parts.append(ndimage.correlate1d(across, step, axis, mode="constant"))
    return np.hypot(*parts)


@lru_cache(maxsize=4)  # 4 MB for 256 x 256
def _filters(height: int, width: int) -> _Filters:
    """Log-Gabor filters, the zero frequency first."""
    y, x = np.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    # Falls to 0 before the corners of the frequency plane.
    lowpass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    radial = []
    for scale in range(SCALES):
        centre = 1 / (_WAVELENGTH * _FACTOR**scale)
        gain = np.exp(-(np.log(radius / centre) ** 2) / (2 * math.log(_RADIAL) ** 2)) * lowpass
        gain[0, 0] = 0
        radial.append(gain)
    transfer = np.empty((ORIENTATIONS, SCALES, height, width), np.float32)
    noise = np.empty(ORIENTATIONS, np.float32)
    spread = math.pi / ORIENTATIONS / _ANGULAR
    for number in range(ORIENTATIONS):
        turn = angle - number * math.pi / ORIENTATIONS
        apart = np.arctan2(np.sin(turn), np.cos(turn))
        own = np.stack(radial) * np.exp(-(apart**2) / (2 * spread**2))
        transfer[number] = own
        noise[number] = _noise_threshold(own)
    return _Filters(transfer, noise)


def _noise_threshold(transfer: Array) -> float:
    """What noise brings to the energy of an orientation when the median squared response at the
    finest scale is 1: the mean plus :data:`_DEVIATIONS` of a Rayleigh distribution (Kovesi)."""
    height, width = transfer.shape[1:]
    kernels = np.fft.ifft2(transfer).real * math.sqrt(height * width)
    both = float((kernels.sum(axis=0) ** 2).sum())  # squares and, twice, the products of pairs
    power = 1 / math.log(2) / float((transfer[0] ** 2).sum())
    rayleigh = math.sqrt(power * both)
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    return rayleigh * (mean + _DEVIATIONS * deviation) / _OVERESTIMATE


def _frequencies(count: int) -> Array:
    """Cycles per pixel, the zero frequency first; odd counts span -1/2..1/2 (Kovesi's grid)."""
    if count % 2:
        grid = np.arange(-(count - 1) / 2, (count + 1) / 2) / (count - 1)
    else:
        grid = np.arange(-count / 2, count / 2) / count
    return np.fft.ifftshift(grid)
