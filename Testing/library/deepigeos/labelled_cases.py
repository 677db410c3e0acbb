"""Small data sets of labelled cases, for the tests of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as pillow

from meddl.core import Image, write_image
from meddl.core.geometry import compose

SIDE = 24


def disc(generator: np.random.Generator) -> np.ndarray:
    """A mask (SIDE, SIDE) of a disc."""
    rows, columns = np.indices((SIDE, SIDE))
    row, column = generator.uniform(8, SIDE - 8, 2)
    return (rows - row) ** 2 + (columns - column) ** 2 < generator.uniform(4, 7) ** 2


def pictures(folder: Path, count: int = 5) -> Path:
    """Grey JPEG pictures of bright discs and palette PNG labels: 1 disc, 255 its outline."""
    for name in ("JPEGImages", "SegmentationClass"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        generator = np.random.default_rng(number)
        mask = disc(generator)
        grey = 90 + 60 * mask + generator.normal(0, 12, mask.shape)
        pillow.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(
            folder / "JPEGImages" / f"p{number}.jpg", quality=95
        )
        labels = mask.astype(np.uint8)
        labels[0, :3] = 255
        picture = pillow.fromarray(labels, mode="P")
        picture.putpalette([0, 0, 0, 128, 0, 0] + [7] * 750 + [224, 224, 192][:12])
        picture.save(folder / "SegmentationClass" / f"p{number}.png")
    return folder


def volumes(folder: Path, count: int = 3, spacing: tuple[float, ...] = (1.0, 1.0, 2.0)) -> Path:
    """Cases ``c0/c0_t1.nii.gz``, ``c0_t2``, ``c0_seg`` with labels 1 and 4, some of them in LPS."""
    for number in range(count):
        generator = np.random.default_rng(number)
        case = folder / f"c{number}"
        case.mkdir(parents=True, exist_ok=True)
        labels = np.zeros((8, SIDE, SIDE), np.uint8)
        labels[2:7] = disc(generator)
        labels[3:5, :, : SIDE // 2] *= 4
        signs = (1.0, 1.0, 1.0) if number % 2 == 0 else (-1.0, -1.0, 1.0)
        affine = compose(spacing, direction=np.diag(signs))
        for name, factor in (("t1", 100), ("t2", -40)):
            values = 200 + factor * (labels > 0) + generator.normal(0, 10, labels.shape)
            write_image(case / f"c{number}_{name}.nii.gz", Image(values.astype(np.float32), affine))
        write_image(case / f"c{number}_seg.nii.gz", Image(labels, affine))
    return folder


PICTURES = """\
data:
  images: JPEGImages/{case}.jpg
  labels: SegmentationClass/{case}.png
  classes: {disc: 1}
  ignored: 255
  validation: [p0]
dimensions: 2
width: 8
normalization: window
patch_size: [24, 24, 1]
patches_per_case: 6
batch_size: 4
epochs: 2
device: cpu
"""

VOLUMES = """\
data:
  images: ["{case}/{case}_t1.nii.gz", "{case}/{case}_t2.nii.gz"]
  labels: "{case}/{case}_seg.nii.gz"
  classes: {whole: 1, core: 4}
  validation: [c0]
dimensions: 3
width: 4
patch_size: [16, 16, 8]
patches_per_case: 2
batch_size: 2
epochs: 1
device: cpu
"""


def config(folder: Path, text: str, name: str = "config.yaml") -> Path:
    """Write a configuration into ``folder``."""
    path = folder / name
    path.write_text(text)
    return path
