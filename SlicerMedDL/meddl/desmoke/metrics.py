"""How good a desmoked picture is: beside a clear reference, and without one.

Pictures are (H, W, 3) uint8 RGB; figures are floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core import metrics as core
from meddl.core.errors import InputError
from meddl.desmoke.fsim import SMALLEST, fsimc

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Rec. 601, as everywhere in video.
LUMA = (0.299, 0.587, 0.114)
FULL_REFERENCE = ("psnr", "ssim", "uqi", "fsimc")
# PSNR of equal pictures is infinite, which has no mean and no JSON: a report says this instead,
# more than a difference of one grey level in one value of a 1080p frame (116 dB).
EQUAL_PSNR = 120.0

# Of the smoke density; Testing/peers/desmoke_density.py fits them.
_DENSITY_SIDE, _DENSITY_WINDOW = 128, 25  # pixels: of the shorter side looked at, of its windows
_NO_SMOKE, _ALL_SMOKE = 0.290, 0.948  # dark channel over brightness: no smoke, nothing else
_WINDOW = 8  # of UQI, pixels
_FAINT = (0.01 * 255) ** 2 / 2  # C3 of the structure


def check_frame(frame: Any, name: str = "the frame") -> Frame:
    """``frame`` if it is (H, W, 3) uint8 with pixels.

    Raises:
        InputError: it is not.
    """
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise InputError(
            f"{name} is {frame.shape} {frame.dtype}, (H, W, 3) uint8 was expected: stack grey "
            "three times, drop alpha, divide 16 bits by 257"
        )
    return frame


def psnr(image: Frame, reference: Frame) -> float:
    """Peak signal-to-noise ratio in dB over all values, at most :data:`EQUAL_PSNR`."""
    _check_pair(image, reference)
    return min(core.psnr(image, reference, 255), EQUAL_PSNR)


def ssim(image: Frame, reference: Frame) -> float:
    """Structural similarity, -1..1, mean of R, G and B: :func:`meddl.core.metrics.ssim`."""
    _check_pair(image, reference)
    return core.ssim(image, reference, 255)


def uqi(image: Frame, reference: Frame) -> float:
    """Universal quality index, -1..1, mean of R, G and B.

    Wang and Bovik, IEEE Signal Processing Letters 9(3), 2002: equation (2) in every window of 8 x 8
    pixels inside the picture, and the mean of them. Where both windows are flat only their means
    are compared; where both are black they agree. Sums are whole numbers, so that flat is exact.

    Raises:
        InputError: shapes differ, or a side under 8 pixels.
    """
    _check_pair(image, reference)
    if min(image.shape[:2]) < _WINDOW:
        raise InputError(f"the pictures are {image.shape}, UQI needs 8 x 8 pixels at least")
    channels = (np.moveaxis(picture, -1, 0).astype(np.int64) for picture in (image, reference))
    return float(np.mean([_uqi_of_channel(x, y) for x, y in zip(*channels, strict=True)]))


def _uqi_of_channel(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    count = _WINDOW**2
    sum_x, sum_y = _window_sums(x), _window_sums(y)
    product, squares = sum_x * sum_y, sum_x**2 + sum_y**2
    covariance = count * _window_sums(x * y) - product
    variances = count * _window_sums(x * x + y * y) - squares
    ones = np.ones(product.shape)
    means = np.divide(2 * product, squares, out=ones.copy(), where=squares > 0)
    alike = np.divide(2 * covariance, variances, out=ones, where=variances > 0)
    return float((means * alike).mean())


def _window_sums(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the 8 x 8 windows, (H, W) -> (H - 7, W - 7)."""
    total = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    n = _WINDOW
    return total[n:, n:] - total[:-n, n:] - total[n:, :-n] + total[:-n, :-n]


def full_reference(image: Frame, reference: Frame) -> dict[str, float]:
    """The figures of :data:`FULL_REFERENCE`.

    Raises:
        InputError: no frames of one size of at least 24 x 24 pixels.
        DependencyError: torch or torchmetrics is not installed.
    """
    _check_pair(image, reference)
    if min(image.shape[:2]) < SMALLEST:
        height, width = image.shape[:2]
        raise InputError(
            f"the frames are {width}x{height}, at least {SMALLEST}x{SMALLEST} pixels can be judged"
        )
    return {
        "psnr": psnr(image, reference),
        "ssim": ssim(image, reference),
        "uqi": uqi(image, reference),
        "fsimc": fsimc(image, reference),
    }


def luminance(frame: Frame) -> NDArray[np.float32]:
    """(H, W) float32, 0..1, of Rec. 601."""
    weights = np.array(LUMA, np.float32) / 255
    return np.dot(frame.astype(np.float32), weights)


def contrast(frame: Frame, mask: Mask | None = None) -> float:
    """RMS contrast: the standard deviation of the luminance (0..1) inside ``mask``.

    Peli, JOSA A 7(10), 1990, equation (3).
    """
    grey = luminance(check_frame(frame))
    values: NDArray[Any] = grey if mask is None else grey[mask]
    return float(values.std(dtype=np.float64)) if values.size else 0.0


def clipped(frame: Frame, mask: Mask | None = None) -> float:
    """Share of the values inside ``mask`` that are 0 or 255: detail burnt out or gone black."""
    ends = (check_frame(frame) == 0) | (frame == 255)
    values = ends if mask is None else ends[mask]
    return float(values.mean(dtype=np.float64)) if values.size else 0.0


def smoke_density(frame: Frame, mask: Mask | None = None) -> float:
    """Estimate of the mean smoke opacity inside ``mask``, 0..1, from one frame alone.

    Smoke lifts the darkest colour of the darkest spot around (the dark channel of He, Sun and Tang,
    IEEE TPAMI 33:2341, 2011), here of a window of a fifth of the shorter side, which nearly always
    holds blood, a gap or an instrument's shaft. Its mean, over the mean brightness, grows linearly
    with the opacity: 0.290 counts as no smoke, 0.948 as nothing but smoke. Good for before and
    after of one scene; between scenes it is off by 0.1 on average, pale ones read too high.
    """
    return float(np.clip((dark_share(frame, mask) - _NO_SMOKE) / (_ALL_SMOKE - _NO_SMOKE), 0, 1))


def dark_share(frame: Frame, mask: Mask | None = None) -> float:
    """Mean dark channel over mean brightness inside ``mask``, 0..1; 0 of a black picture."""
    from PIL import Image as pillow
    from scipy import ndimage

    frame = check_frame(frame)
    height, width = frame.shape[:2]
    factor = min(_DENSITY_SIDE / min(height, width), 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    outside = np.zeros((height, width), np.uint8) if mask is None else np.where(mask, 0, 255)
    small, out = (
        np.asarray(pillow.fromarray(picture).resize(size, pillow.Resampling.BOX))
        for picture in (frame, outside.astype(np.uint8))
    )
    inside = out == 0
    brightness = float(small[inside].mean(dtype=np.float64)) if inside.any() else 0.0
    if brightness == 0:
        return 0.0
    dark = np.where(inside, small.min(axis=-1), 255)
    window = max(round(_DENSITY_WINDOW * min(size) / _DENSITY_SIDE), 1)
    darkest = ndimage.minimum_filter(dark, window, mode="nearest")[inside]
    return float(darkest.mean(dtype=np.float64)) / brightness


def change(image: Frame, before: Frame, mask: Mask | None = None) -> float:
    """Mean absolute difference, as a part of the range 0..255, inside ``mask``.

    For the output on smoke-free frames: 0 where a filter leaves them alone.
    """
    _check_pair(image, before)
    whole = np.abs(image.astype(np.int16) - before)
    difference = whole if mask is None else whole[mask]
    return float(difference.mean(dtype=np.float64)) / 255 if difference.size else 0.0


def gradient_correlation(image: Frame, reference: Frame, mask: Mask | None = None) -> float:
    """Pearson's correlation of the gradient vectors of the luminance inside ``mask``, -1..1.

    1 where edges lie in the same places with the same signs, whatever their strength (the figure
    of merit of Penney et al., IEEE TMI 17(4), 1998: the mean of the correlations of both
    components). 0 where one of the pictures is flat.
    """
    _check_pair(image, reference)
    inside = np.ones(image.shape[:2], bool) if mask is None else mask
    pairs = zip(_gradients(image), _gradients(reference), strict=True)
    return float(np.mean([_correlation(a[inside], b[inside]) for a, b in pairs]))


def structure(image: Frame, reference: Frame, mask: Mask | None = None) -> float:
    """Mean local correlation of the luminance inside ``mask``, -1..1: what SSIM calls structure.

    1 where every neighbourhood (Gaussian, sigma 1.5, 11 x 11) of ``image`` is that of ``reference``
    but for brightness and contrast; what was invented or lost lowers it, wherever it is and however
    faint. Wang et al., IEEE TIP 13(4), 2004, equation (10), with half of (0.01 * 255)^2 as C3, so
    that structure counts from two grey levels on.

    Raises:
        InputError: shapes differ, or a side under 11 pixels.
    """
    from scipy import ndimage

    _check_pair(image, reference)
    if min(image.shape[:2]) < 11:
        raise InputError(f"the pictures are {image.shape}, structure needs 11 x 11 pixels at least")
    x, y = (255 * luminance(frame).astype(np.float64) for frame in (image, reference))
    windows = np.stack([x, y, x * x, y * y, x * y])
    for axis in (1, 2):
        windows = ndimage.gaussian_filter1d(windows, 1.5, axis, radius=5)
    mean_x, mean_y, square_x, square_y, product = windows[:, 5:-5, 5:-5]
    variances = np.maximum(square_x - mean_x**2, 0) * np.maximum(square_y - mean_y**2, 0)
    alike = (product - mean_x * mean_y + _FAINT) / (np.sqrt(variances) + _FAINT)
    inside = np.ones(alike.shape, bool) if mask is None else mask[5:-5, 5:-5]
    return float(alike[inside].mean()) if inside.any() else 1.0


def _gradients(frame: Frame) -> list[NDArray[np.float32]]:
    from scipy import ndimage

    grey = luminance(frame)
    return [
        ndimage.gaussian_filter1d(ndimage.gaussian_filter1d(grey, 1, 1 - axis), 1, axis, 1)
        for axis in (0, 1)
    ]


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    a, b = (x - x.mean(dtype=np.float64) for x in (a, b))
    size = float(np.sqrt((a @ a) * (b @ b))) if a.size else 0.0
    return float(a @ b) / size if size > 0 else 0.0


def _check_pair(image: Frame, reference: Frame) -> None:
    image, reference = check_frame(image, "the picture"), check_frame(reference, "the reference")
    if image.shape != reference.shape:
        raise InputError(
            f"the picture is {image.shape[1]}x{image.shape[0]}, its reference "
            f"{reference.shape[1]}x{reference.shape[0]}; bring them to one size"
        )
