"""Random images of label maps, as a scanner of any kind might see them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from meddl.deepigeos.phantom_shapes import Labels, smooth_noise

LEAST_SHARE, LARGEST_SHARE = 0.004, 0.4  # of the image that a target fills


def choose_target(labels: Labels, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The object to segment: a connected part of one label, at times joined with its neighbours.

    Labels come up by the cube root of their size, so that large targets do not crowd out small
    ones. The target fills LEAST_SHARE to LARGEST_SHARE of the image; where no label does, it is the
    last one tried.
    """
    sizes = np.bincount(labels.ravel()).astype(np.float64)
    weights = np.cbrt(sizes)
    for label in rng.choice(len(sizes), min(6, len(sizes)), False, weights / weights.sum()):
        mask = labels == label
        if rng.random() < 0.15:  # a target of two kinds, such as a tumour with its core
            around = ndimage.binary_dilation(mask) & ~mask
            if around.any():
                mask = mask | (labels == rng.choice(labels[around]))
        parts, count = ndimage.label(mask)
        if count > 1:
            voxels = np.bincount(parts.ravel())[1:]
            if rng.random() < 0.8 or voxels.max() < 0.7 * voxels.sum():
                mask = parts == 1 + int(voxels.argmax())
        if LEAST_SHARE <= mask.mean() <= LARGEST_SHARE:
            break
    return np.asarray(mask)


def paint(
    labels: Labels, target: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """An image of the labels: a mean, a texture and a gradient per label, bias field, blur, noise.

    In half of the images the labels that touch the target have nearly its mean, or the target is
    like one of them. The result has no fixed range.
    """
    count = int(labels.max()) + 1
    means = rng.normal(0, 1, count).astype(np.float32)
    if rng.random() < 0.3:  # few kinds of tissue, many structures
        means = rng.choice(rng.normal(0, 1, 3), count).astype(np.float32)
    kinds = np.unique(labels[target])
    if rng.random() < 0.7 and len(kinds) == 1:
        around = np.unique(labels[ndimage.binary_dilation(target, iterations=2) & ~target])
        contrast = rng.uniform(0.15, 0.7)
        for label in around:
            if rng.random() < 0.6:
                means[label] = means[kinds[0]] + contrast * rng.choice([-1, 1]) * rng.uniform(1, 2)
    image = means[labels]
    for _ in range(2):
        amount = np.abs(rng.normal(0, rng.choice([0.05, 0.15, 0.4]), count)).astype(np.float32)
        image += amount[labels] * smooth_noise(labels.shape, rng.uniform(1.5, 12), rng)
    if rng.random() < 0.5:
        image += rng.uniform(0, 0.5) * smooth_noise(labels.shape, 0.6 * max(labels.shape), rng)
    if rng.random() < 0.3:  # very bright or dark structures, such as bone, air or metal
        odd = rng.random(count) < 0.2
        image = image + (odd * rng.choice([-1, 1], count) * rng.uniform(2, 8))[labels]
    sigma = rng.uniform(0, 1.1) * np.where(rng.random(3) < 0.25, 1.5, 1)
    image = ndimage.gaussian_filter(image.astype(np.float32), sigma)
    noise = rng.standard_normal(image.shape).astype(np.float32)
    if rng.random() < 0.5:  # the noise of reconstructed images is not white
        noise = ndimage.gaussian_filter(noise, rng.uniform(0.4, 1.0))
        noise /= noise.std()
    image += np.exp(rng.uniform(np.log(0.02), np.log(0.45))) * noise
    if rng.random() < 0.4:
        low, high = np.quantile(image, [rng.uniform(0, 0.1), rng.uniform(0.9, 1)])
        image = np.clip(image, low, high)
    if rng.random() < 0.3:
        low, high = image.min(), image.max()
        image = ((image - low) / (high - low + 1e-6)) ** np.exp(rng.normal(0, 0.4))
    return np.ascontiguousarray(image, dtype=np.float32)
