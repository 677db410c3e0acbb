"""Distances against exact Dijkstra, straight lines and formulas."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.geodesic import bucket_queue, geodesic_distance, nearest_seed

from .references import exact_distance

COSTS = [("product", 1.0), ("geodistk", 1.0), ("geodistk", 0.4), ("fastgeodis", 1.0)]
COSTS += [("fastgeodis", 0.3)]


def random_case(seed: int, shape=(9, 11, 13), channels=()):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 30, (*shape, *channels)).astype(np.float32)
    seeds = np.zeros(shape, bool)
    seeds[tuple(rng.integers(0, n, 3) for n in shape)] = True
    return image, seeds, rng.uniform(0.4, 3, len(shape))


@pytest.mark.parametrize(("cost", "lambda_"), COSTS)
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("shape", [(9, 11, 13), (14, 17)])
def test_is_exact(cost, lambda_, channels, shape):
    image, seeds, spacing = random_case(len(shape), shape, channels)
    expected = exact_distance(image, seeds, spacing, cost, lambda_)
    found = geodesic_distance(image, seeds, spacing, cost=cost, lambda_=lambda_)
    assert found.dtype == np.float32 and found.shape == shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("shape", [(33, 35, 67), (290, 270)])
def test_is_exact_over_several_tiles_of_the_queue(shape):
    image, seeds, spacing = random_case(len(shape), shape)
    expected = exact_distance(image, seeds, spacing)
    found = geodesic_distance(image, seeds, spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("width", [0.0, 0.01, 10.0, 1e6])
def test_the_width_of_the_buckets_changes_no_bit(monkeypatch, width):
    image, seeds, spacing = random_case(6, (40, 35, 70))
    expected = geodesic_distance(image, seeds, spacing)
    monkeypatch.setattr(bucket_queue, "WIDTH", width)
    assert np.array_equal(geodesic_distance(image, seeds, spacing), expected)


@pytest.mark.parametrize(("cost", "lambda_"), COSTS)
def test_nearest_label_is_that_of_the_smaller_distance(cost, lambda_):
    image, seeds, spacing = random_case(3)
    other = random_case(4)[1] & ~seeds
    labels = np.where(seeds, 2, 0) + np.where(other, 7, 0)
    distance, label = nearest_seed(image, labels, spacing, cost=cost, lambda_=lambda_)
    two, seven = (exact_distance(image, s, spacing, cost, lambda_) for s in (seeds, other))
    np.testing.assert_allclose(distance, np.minimum(two, seven), rtol=1e-5, atol=1e-5)
    clear = abs(two - seven) > 1e-3
    assert label.dtype == np.uint8 and clear.mean() > 0.5
    assert np.array_equal(label[clear], np.where(two < seven, 2, 7)[clear])
