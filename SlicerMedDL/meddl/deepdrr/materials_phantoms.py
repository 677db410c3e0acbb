"""Phantoms with a known material in every voxel, from maps of tissues.

An *anatomy* is a map of tissues (indices into :data:`TISSUES`) on a grid along R, A and S: drawn at
random (:mod:`meddl.deepdrr.materials_torso`) or made from a label map. :func:`paint` gives it
Hounsfield units at random, contrast agent included; :func:`scan` averages, blurs and adds noise as
a scanner does, and keeps the share of each class of :data:`CLASSES` in each voxel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from meddl.core.image import Image

CLASSES = ("other", "bone", "contrast")
CONTRAST_ABOVE = 150.0  # HU; the limit between blood and blood with iodine of a vessel's label


class Tissue(NamedTuple):
    """How a tissue looks.

    Attributes:
        name: what it is.
        hu: range of its mean, drawn anew for each phantom.
        texture: range of the standard deviation of its inner pattern, HU.
        contrast: range of its mean with contrast agent; None: takes none up.
        bone: whether its class is bone (calcifications and metal too, as by the thresholds).
        words: label names that mean it.
    """

    name: str
    hu: tuple[float, float]
    texture: tuple[float, float] = (0.0, 10.0)
    contrast: tuple[float, float] | None = None
    bone: bool = False
    words: str = ""


# Ranges from the CTs' textbook values (Hofer, CT Teaching Manual): enhanced vessels reach 600 HU,
# urine and oral agent more; spongiosa goes from fatty marrow to 350 HU.
TISSUES = (
    Tissue("air", (-1000, -990), (0, 0)),
    Tissue("fat", (-120, -80), (0, 15)),
    Tissue("muscle", (30, 80), (0, 20), words="muscle|autochthon|glute|iliopsoas"),
    Tissue("liver", (20, 70), (0, 10), (80, 140), words="liver"),
    Tissue("organ", (10, 60), (0, 15), (50, 145), words="spleen|pancreas|adrenal|thyroid|prostate"),
    Tissue("lung", (-900, -650), (10, 80), words="lung"),
    Tissue("artery", (25, 70), (0, 20), (150, 650), words="aorta|arter|trunk|carotid|lumen"),
    Tissue("vein", (25, 70), (0, 20), (80, 450), words="vein|vena|venous"),
    Tissue("heart", (25, 70), (0, 30), (80, 600), words="heart|atri|myocard|ventric"),
    Tissue("kidney", (20, 45), (5, 40), (120, 350), words="kidney"),
    Tissue("urine", (-5, 25), (0, 40), (150, 1800), words="bladder|ureter|pelvis of"),
    Tissue("bowel", (-30, 60), (0, 60), (150, 800), words="bowel|colon|duoden"),
    Tissue("stomach", (-20, 70), (0, 50), (150, 700), words="stomach|esophag|oesophag"),
    Tissue("gas", (-1000, -850), (0, 20), words="trachea|bronch"),
    Tissue("cord", (0, 45), (0, 10), words="cord"),
    Tissue("disc", (50, 110), (0, 15), words="disc|disk"),
    Tissue("cartilage", (60, 150), (5, 25), words="cartilage"),
    Tissue("cortex of the spine", (350, 1100), (20, 150), bone=True),
    Tissue("core of the spine", (50, 320), (20, 90), bone=True, words="vertebra|sacrum|spine"),
    Tissue("cortex of long bones", (700, 1700), (20, 150), bone=True),
    Tissue("core of long bones", (-90, 250), (20, 80), bone=True, words="femur|humer|tibia|radius"),
    Tissue("cortex of flat bones", (400, 1400), (20, 150), bone=True),
    Tissue(
        *("core of flat bones", (20, 350), (20, 90)),
        bone=True,
        words="hip|skull|scapula|sternum|clavic|bone|mandib|maxill|pelvi|patella|tarsal",
    ),
    Tissue("cortex of ribs", (350, 1100), (20, 120), bone=True),
    Tissue("core of ribs", (20, 300), (20, 80), bone=True, words="rib"),
    Tissue("calcification", (400, 1400), (50, 200), bone=True),
    Tissue("metal", (2200, 3071), (0, 50), bone=True, words="implant|screw|nail|wire|metal"),
    Tissue("table", (-150, 250), (0, 10), words="table"),
    Tissue("foam", (-950, -700), (0, 10)),
    Tissue("dense blob", (25, 70), (0, 30), (150, 1200)),
)
INDEX = {tissue.name: number for number, tissue in enumerate(TISSUES)}
IS_BONE = np.array([tissue.bone for tissue in TISSUES])
TAKES_CONTRAST = np.array([tissue.contrast is not None for tissue in TISSUES])
FIELD = 192  # voxels a side of the stored noise that textures are cut from


@dataclass(frozen=True, eq=False)
class Painted:
    """A phantom before the scanner.

    Attributes:
        hu: (K, J, I) float32.
        classes: (K, J, I) uint8, index into :data:`CLASSES`.
    """

    hu: NDArray[np.float32]
    classes: NDArray[np.uint8]


def paint(tissues: NDArray[np.uint8], generator: np.random.Generator) -> Painted:
    """Hounsfield units and classes of a map of tissues, voxels of about 1 mm.

    Of every tissue that takes contrast agent up, a random share does; in one phantom of five
    none. Patterns within a tissue are smooth noise of two scales, 1.5 and 8 voxels.
    """
    low, high = np.array([tissue.hu for tissue in TISSUES]).T
    mean = generator.uniform(low, high)
    texture = np.array([generator.uniform(*tissue.texture) for tissue in TISSUES])
    if generator.random() < 0.8:
        share = generator.uniform(0.3, 1.0)
        for number, tissue in enumerate(TISSUES):
            if tissue.contrast is not None and generator.random() < share:
                mean[number] = generator.uniform(*tissue.contrast)
                texture[number] += generator.uniform(0, 0.12) * mean[number]
    classes = np.where(IS_BONE, 1, 0).astype(np.uint8)
    classes[TAKES_CONTRAST & (mean > CONTRAST_ABOVE)] = 2
    pattern = generator.uniform(0.2, 0.8) * _noise(tissues.shape, generator, coarse=False)
    pattern = pattern + _noise(tissues.shape, generator, coarse=True)
    hu = mean.astype(np.float32)[tissues]
    hu += texture.astype(np.float32)[tissues] * pattern
    return Painted(np.maximum(hu, np.float32(-1024)), classes[tissues])


def scan(
    painted: Painted,
    factors: tuple[int, int, int],
    blur: tuple[float, float, float],
    noise: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a scanner makes of a phantom: voxels that average, blur, correlated noise.

    Args:
        factors: voxels along k, j, i that become one; they divide the shape.
        blur: standard deviation along k, j, i in voxels of the result.
        noise: standard deviation in HU.

    Returns:
        (K', J', I') HU and (3, K', J', I') share of each class (not blurred), float32.
    """
    from scipy.ndimage import gaussian_filter

    hu = gaussian_filter(_block_mean(painted.hu, factors), blur, mode="nearest", truncate=3.0)
    shares = [_block_mean(painted.classes == n, factors) for n in range(len(CLASSES))]
    grain = generator.standard_normal(hu.shape, np.float32)
    grain = gaussian_filter(grain, generator.uniform(0, 1.0, 3), mode="wrap", truncate=3.0)
    hu += grain * np.float32(noise / grain.std())
    return hu, np.stack(shares)


def label_anatomy(labels: Image, names: Mapping[int, str], spacing: float = 1.5) -> Image:
    """A map of tissues from a label map: bones get a cortex, what has no label becomes fat, muscle.

    Args:
        labels: whole numbers, any geometry.
        names: of the labels; unknown ones count as an organ.
        spacing: mm, of the result, whose axes are R, A and S.

    Returns:
        uint8 image, indices into :data:`TISSUES`; the cortex is one voxel thick.
    """
    from scipy import ndimage

    from meddl.deepdrr.materials_grid import patient_grid, sample

    ras_from_grid, shape = patient_grid(labels, spacing)
    array = sample(labels.array.astype(np.uint16), labels.ijk_from_ras @ ras_from_grid, shape, 0)
    of_label = np.zeros(65536, np.uint8)
    for value, name in names.items():
        of_label[value] = tissue_of(name)
    tissues = of_label[array]
    tissues[_border(array) & IS_BONE[tissues]] -= 1  # the cortex stands before its core
    radius = max(1, round(12 / spacing))
    inside = ndimage.distance_transform_edt(array == 0) <= radius
    inside = ndimage.distance_transform_edt(np.pad(inside, radius, mode="edge")) > radius
    inside = inside[(slice(radius, -radius),) * 3]
    for section in inside:
        section |= ndimage.binary_fill_holes(section)
    skin = ndimage.distance_transform_edt(~inside) <= radius
    generator = np.random.default_rng(int(array.sum()) % 2**32)
    streaks = _noise(array.shape, generator, coarse=True) > 0.5
    rest = np.where(streaks & inside, INDEX["muscle"], INDEX["fat"]).astype(np.uint8)
    return Image(np.where((array == 0) & (inside | skin), rest, tissues), ras_from_grid)


def tissue_of(name: str) -> int:
    """The index of the tissue that a label's name means; ``organ`` if none does."""
    words = name.replace("_", " ").lower()
    for number, tissue in enumerate(TISSUES):
        if tissue.words and re.search(rf"\b(?:{tissue.words})", words):
            return number
    return INDEX["organ"]


def _border(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels with a face neighbour of another value."""
    border = np.zeros(array.shape, bool)
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        differs = array[low] != array[high]
        border[low] |= differs
        border[high] |= differs
    return border


def _block_mean(values: NDArray[Any], factors: tuple[int, int, int]) -> NDArray[np.float32]:
    # Sums of strided views: ten times faster than a mean over the axes of blocks.
    total = np.zeros([n // f for n, f in zip(values.shape, factors, strict=True)], np.float32)
    for start in product(*map(range, factors)):
        total += values[tuple(slice(s, None, f) for s, f in zip(start, factors, strict=True))]
    return total / np.float32(np.prod(factors))


_FIELDS: dict[bool, NDArray[np.float32]] = {}


def _noise(
    shape: tuple[int, ...], generator: np.random.Generator, coarse: bool
) -> NDArray[np.float32]:
    """Smooth noise of variance 1: a random cut of a stored periodic field (0.4 s to make)."""
    from scipy.ndimage import gaussian_filter

    if coarse not in _FIELDS:
        grain = np.random.default_rng(coarse).standard_normal((FIELD,) * 3, np.float32)
        smooth = gaussian_filter(grain, 8.0 if coarse else 1.5, mode="wrap", truncate=3.0)
        _FIELDS[coarse] = smooth / smooth.std()
    if max(shape) <= FIELD:  # the usual case: a view, no copy
        part = [(n, int(generator.integers(FIELD - n + 1))) for n in shape]
        return _FIELDS[coarse][tuple(slice(start, start + n) for n, start in part)]
    starts = generator.integers(FIELD, size=3)
    places = [(s + np.arange(n)) % FIELD for s, n in zip(starts, shape, strict=True)]
    return _FIELDS[coarse][np.ix_(*places)]
