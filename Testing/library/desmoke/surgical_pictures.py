"""Made-up surgical pictures and videos for tests: tissue with texture, shadow and colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.video import write_frames
from meddl.desmoke.noise import fractal_noise

Frame = np.ndarray


def tissue(seed: int = 0, shape: tuple[int, int] = (96, 128), shift: float = 0.0) -> Frame:
    """(H, W, 3) uint8 of reddish texture with dark gaps; ``shift`` moves it, in pixels."""
    rows, columns = np.arange(shape[0])[:, None] / 24, (np.arange(shape[1]) + shift) / 24
    light = fractal_noise(columns, rows, 0.5, seed, octaves=5, hurst=0.4)
    fine = fractal_noise(columns * 6, rows * 6, 3.5, seed, octaves=2)
    value = np.clip(0.45 + 1.1 * light + 0.25 * fine, 0.01, 1)[..., None]
    return (value * np.array([235, 110, 95])).astype(np.uint8)


def fogged(frame: Frame, opacity: float = 0.7) -> Frame:
    """The frame under an even grey veil."""
    return (frame * (1 - opacity) + 190 * opacity).astype(np.uint8)


def save(path: Path, frame: Frame) -> Path:
    write_picture(path, Image(frame[None], RAS_FROM_PICTURE))
    return path


def film(path: Path, frames: list[Frame], rate: float = 10.0) -> Path:
    write_frames(path, frames, rate)
    return path
