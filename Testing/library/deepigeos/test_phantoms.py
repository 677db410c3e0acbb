"""Random label maps and images."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.deepigeos.phantom_images import LARGEST_SHARE, choose_target, paint
from meddl.deepigeos.phantom_shapes import random_labels, smooth_noise

SHAPE = (20, 24, 28)


def test_noise_has_mean_0_and_deviation_1_and_its_size() -> None:
    """Neighbours 1/4 of the size apart correlate strongly, twice the size apart hardly."""
    products = {2: [], 16: []}
    for seed in range(20):
        noise = smooth_noise((64, 16, 16), 8.0, np.random.default_rng(seed))
        assert abs(noise.mean()) < 1e-5 and abs(noise.std() - 1) < 1e-3
        for shift, found in products.items():
            found.append(float((noise[shift:] * noise[:-shift]).mean()))
    assert np.mean(products[2]) > 0.8
    assert abs(np.mean(products[16])) < 0.3


@pytest.mark.parametrize("seed", range(6))
def test_labels_have_no_gaps_and_repeat_with_their_seed(seed: int) -> None:
    anatomy = np.zeros((60, 60, 60), np.int16)
    anatomy[10:50, 10:50, 20:30] = 7
    maps = [random_labels(SHAPE, np.random.default_rng(seed), [anatomy]) for _ in range(2)]
    np.testing.assert_array_equal(*maps)
    assert maps[0].shape == SHAPE
    np.testing.assert_array_equal(np.unique(maps[0]), np.arange(maps[0].max() + 1))


def test_targets_have_voxels_of_few_labels_and_a_size() -> None:
    sizes = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = random_labels((32, 32, 32), rng)
        target = choose_target(labels, rng)
        assert 1 <= len(np.unique(labels[target])) <= 2
        sizes.append(target.mean())
    assert np.mean(np.array(sizes) <= LARGEST_SHARE) > 0.8
    assert min(sizes) < 0.02 and max(sizes) > 0.1


def test_images_are_finite_and_differ_between_labels() -> None:
    differences = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels = random_labels(SHAPE, rng)
        target = choose_target(labels, rng)
        image = paint(labels, target, rng)
        assert image.dtype == np.float32 and np.isfinite(image).all()
        differences.append(abs(image[target].mean() - image[~target].mean()) / image.std())
    assert np.median(differences) > 0.2
