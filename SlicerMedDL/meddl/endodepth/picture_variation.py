"""Random appearance for rendered pictures: what cameras, lights and tissues add to the geometry.

Brightness stays a monotonous function of the light that a surface sends back, apart from noise and
a smooth unevenness: under a headlight it says how far a surface is, and the network shall learn so.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PARTS = (0.35, 1.0)  # of the picture's sides that a view shows
# The flattest of so many parts is taken. Where structure from motion knows the depth of real nasal
# endoscopy its logarithm has a standard deviation of 0.17, in whole rendered pictures 0.63, while
# brightness varies as much in both: by shade and tissue in the one, by distance in the other.
CHOICES = 3
GAMMAS = (0.7, 3.0)  # exponents on the rendered picture, which has a camera's gamma already


def random_view(
    colour: Picture, depth: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Picture, NDArray[np.float32]]:
    """A part of the picture, enlarged to the whole size, at times mirrored; the depths with it.

    Args:
        colour: (H, W, 3).
        depth: (H, W), 0 where unknown.
    """
    height, width = depth.shape
    parts = [_random_part(depth, rng) for _ in range(CHOICES)]
    inside = min(parts, key=lambda part: _contrast(depth[part]))
    size = width, height
    view = np.asarray(cv2.resize(colour[inside], size, interpolation=cv2.INTER_LINEAR), np.uint8)
    # Depths of two surfaces have no mean, so they are not interpolated.
    far = np.asarray(cv2.resize(depth[inside], size, interpolation=cv2.INTER_NEAREST), np.float32)
    for axis in (0, 1):
        if rng.random() < 0.5:
            view, far = np.flip(view, axis), np.flip(far, axis)
    return np.ascontiguousarray(view), np.ascontiguousarray(far)


def _random_part(depth: NDArray[np.float32], rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a part of the picture, of the picture's proportions."""
    share = rng.uniform(*PARTS)
    spans = []
    for size in depth.shape:
        length = round(share * size)
        start = int(rng.integers(size - length + 1))
        spans.append(slice(start, start + length))
    return spans[0], spans[1]


def _contrast(depth: NDArray[np.float32]) -> float:
    """Standard deviation of the logarithm of a depth map; infinite without depth."""
    known = depth[::8, ::8]
    known = known[known > 0]
    return float(np.log(known).std()) if known.size else math.inf


def random_field(shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """A field of view (H, W): round, cut off at top and bottom, eight-cornered, or everything."""
    height, width = shape
    y, x = np.ogrid[0.5:height, 0.5:width]
    kind = rng.random()
    if kind < 0.25:
        return np.ones(shape, bool)
    centre = np.array([height, width]) * rng.uniform(0.45, 0.55, 2)
    dy, dx = np.abs(y - centre[0]), np.abs(x - centre[1])
    if kind < 0.4:
        half = np.array([height, width]) * rng.uniform(0.4, 0.5, 2)
        corner = rng.uniform(0.2, 0.6) * half.min()
        return (dy < half[0]) & (dx < half[1]) & (dy + dx < half.sum() - corner)
    radius = rng.uniform(0.36, 0.62) * width
    flat = rng.uniform(0.38, 0.55) * height
    return (np.hypot(dy, dx) < radius) & (dy < flat)


def random_hollows(
    colour: Picture, depth: NDArray[np.float32], rng: np.random.Generator
) -> Picture:
    """Hollows darker than their distance makes them, at times: (H, W, 3) to the same.

    The rendered light casts no shadows, and the walls of a real hollow keep more of it. A network
    that has not seen this takes every dark gap for a deep one.

    Args:
        colour: the picture.
        depth: (H, W), 0 where unknown.
    """
    if rng.random() < 0.3:
        return colour
    height, width = depth.shape
    size = width // 4, height // 4
    small = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    log_depth = np.log(np.where(small > 0, small, max(float(small.max()), 1.0)))
    around = cv2.GaussianBlur(log_depth, (0, 0), rng.uniform(0.03, 0.12) * size[0])
    below = np.clip(log_depth - around, 0, None)
    dark = np.exp(-rng.uniform(0, 2) * below).astype(np.float32)
    factor = cv2.resize(dark, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(colour * factor[..., np.newaxis], dtype=np.uint8)


def _colour_matrix(rng: np.random.Generator) -> NDArray[np.float32]:
    """Turns hues, changes saturation and white balance; grey of full white balance stays grey."""
    angle, saturation = rng.normal(0, math.radians(12)), rng.uniform(0.35, 1.4)
    # Rotation about the grey axis and scaling across it.
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    across = np.eye(3) - grey
    turn = grey + saturation * (math.cos(angle) * across + math.sin(angle) * cross)
    balance = np.exp(rng.normal(0, 0.1, 3))
    return (np.diag(balance) @ turn).astype(np.float32)


def _smooth_field(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth random field (H, W, 1) of standard deviation about one."""
    cells = int(rng.integers(3, 10))
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    field = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)[..., np.newaxis]


def _highlights(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """White reflections (H, W, 1), 0..1, with soft borders."""
    layer = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 9))):
        centre = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
        axes = (int(rng.integers(1, 9)), int(rng.integers(1, 4)))
        cv2.ellipse(layer, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 1.5))
    return np.asarray(soft, np.float32)[..., np.newaxis]


def random_look(colour: Picture, rng: np.random.Generator) -> Picture:
    """Another light, camera and tissue: (H, W, 3) to the same.

    In this order: hue, saturation, white balance; uneven light and tissue; exposure, gamma; blur;
    reflections; noise; JPEG.
    """
    picture: NDArray[Any] = cv2.transform(colour.astype(np.float32) / 255, _colour_matrix(rng))
    if rng.random() < 0.7:
        picture *= np.exp(rng.uniform(0, 0.4) * _smooth_field(colour.shape[:2], rng))
    exposure = math.exp(rng.normal(0, 0.25))
    gamma = math.exp(rng.uniform(*np.log(GAMMAS)))
    # About the level of the lit walls, which a camera's gain keeps.
    level = max(float(np.percentile(picture[::8, ::8], 85)), 0.05)
    picture = np.asarray(cv2.pow(np.maximum(picture, 0) / np.float32(level), gamma))
    picture *= np.float32(level * exposure)
    picture += np.float32(max(rng.normal(0, 0.03), 0))  # stray light
    if rng.random() < 0.3:  # a shoulder instead of plain clipping
        picture = 1 - cv2.exp(picture * np.float32(-1.5))
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.4:
        light = _highlights(colour.shape[:2], rng)
        picture = picture * (1 - light) + light
    if rng.random() < 0.6:
        noise = rng.standard_normal(colour.shape, dtype=np.float32)
        picture += np.float32(rng.uniform(0, 0.03)) * noise
    result = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        coded = cv2.imencode(".jpg", result, quality)[1]
        result = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.asarray(result, dtype=np.uint8)
