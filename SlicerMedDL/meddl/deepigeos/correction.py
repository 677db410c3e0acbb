"""The input of R-Net: image, previous probabilities, and how far the seeds of each class are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from meddl.core.progress import CancelToken
from meddl.deepigeos.interactions import random_seeds, scribbles

IGNORED = 255  # the class number of voxels that do not count


@dataclass(frozen=True)
class SeedEncoding:
    """How geodesic distances become channels; see :func:`meddl.geodesic.geodesic_distance`.

    Attributes:
        cost, lambda_: of a step.
        scale: distance at which a channel has fallen from 1 to 0.37.
    """

    cost: str = "product"
    lambda_: float = 1.0
    scale: float = 5.0


def seed_channels(
    image: NDArray[np.float32],
    seeds: NDArray[np.integer],
    spacing: Sequence[float],
    classes: int,
    encoding: SeedEncoding,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """exp(-geodesic distance / scale) to the seeds of every class.

    The published network takes the distances themselves. Their range depends on the image, and
    without seeds there are none; the exponential is 0 there and 1 at a seed.

    Args:
        image: (C, K, J, I) normalised.
        seeds: (K, J, I) 0: none, 1 + class.
        spacing: (3,) mm along k, j, i.

    Returns:
        (classes, K, J, I) in 0..1; all 0 for a class without seeds.
    """
    from meddl.geodesic import exponential_encoding, geodesic_distance

    channels = np.zeros((classes, *seeds.shape), np.float32)
    values = np.moveaxis(image, 0, -1)
    for number in range(classes):
        marked = seeds == number + 1
        if marked.any():
            distance = geodesic_distance(
                values, marked, spacing, cost=encoding.cost, lambda_=encoding.lambda_, cancel=cancel
            )
            channels[number] = exponential_encoding(distance, encoding.scale)
    return channels


def correction_input(
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    seeds: NDArray[np.integer],
    spacing: Sequence[float],
    encoding: SeedEncoding,
    cancel: CancelToken | None = None,
) -> NDArray[np.float32]:
    """What R-Net sees.

    Args:
        image: (C, K, J, I) normalised.
        probability: (classes, K, J, I) before the correction.
        seeds: (K, J, I) 0: none, 1 + class.
        spacing: (3,) mm along k, j, i.

    Returns:
        (C + classes - 1 + classes, K, J, I) float32.
    """
    channels = seed_channels(image, seeds, spacing, len(probability), encoding, cancel)
    return np.concatenate([image, probability[1:], channels]).astype(np.float32, copy=False)


def simulated_seeds(
    segmentation: NDArray[np.integer],
    labels: NDArray[np.integer],
    spacing: Sequence[float],
    rule: str,
    strokes: int,
    generator: np.random.Generator,
) -> NDArray[np.uint8]:
    """Seeds that a user would give where a segmentation is wrong.

    Args:
        segmentation: (K, J, I) class numbers.
        labels: (K, J, I) true class numbers; others than those of classes do not count.
        spacing: (3,) mm along k, j, i.
        rule: ``"published"``: random voxels in every error of every class; ``"scribbles"``: one to
            ``strokes`` strokes, each in the largest error that is left; ``"both"``: either.
        generator: decides what is random.

    Returns:
        (K, J, I) 0: none, 1 + true class.
    """
    segmentation = np.where(labels == IGNORED, labels, segmentation)
    if rule == "both":
        rule = ("published", "scribbles")[int(generator.integers(2))]
    marked = np.zeros(labels.shape, bool)
    if rule == "published":
        for number in _objects(segmentation, labels):
            for seeds in random_seeds(segmentation == number, labels == number, generator):
                marked |= seeds
    else:
        for _ in range(int(generator.integers(1, strokes, endpoint=True))):
            stroke = _next_stroke(segmentation, labels, spacing, generator)
            if not stroke.any():
                break
            marked |= stroke
            errors, _ = ndimage.label(segmentation != labels)
            corrected = np.isin(errors, np.unique(errors[stroke & (errors > 0)]))
            segmentation = np.where(corrected, labels, segmentation)
    return np.where(marked & (labels != IGNORED), labels + 1, 0).astype(np.uint8)


def _objects(*maps: NDArray[np.integer]) -> list[int]:
    """The classes besides the background that occur in a map."""
    numbers = {int(number) for values in maps for number in np.unique(values)}
    return sorted(numbers - {0, IGNORED})


def _next_stroke(
    segmentation: NDArray[np.integer],
    labels: NDArray[np.integer],
    spacing: Sequence[float],
    generator: np.random.Generator,
) -> NDArray[np.bool_]:
    """Where the user draws next: at the class with the most wrong voxels."""
    stroke = np.zeros(labels.shape, bool)
    errors = {
        number: int(np.count_nonzero((segmentation == number) != (labels == number)))
        for number in _objects(segmentation, labels)
    }
    if not any(errors.values()):
        return stroke
    number = max(errors, key=lambda n: errors[n])
    flat = len(labels) == 1  # a picture has one plane to draw in
    chosen = (0,) if flat else ()
    parts = scribbles(
        segmentation[chosen] == number,
        labels[chosen] == number,
        spacing[1:] if flat else spacing,
        generator,
    )
    stroke[chosen] = parts[0] | parts[1]
    return stroke
