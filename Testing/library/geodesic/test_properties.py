"""Geodesic distance against Dijkstra's algorithm on grids of any size, spacing and number type."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from library.geodesic.references import exact_distance
from meddl.geodesic import geodesic_distance
from properties import examples

few = examples(20, deadline=None)
shapes = st.lists(st.integers(1, 7), min_size=2, max_size=3).map(tuple)
DTYPES = [np.uint8, np.int16, np.float32, np.float64, np.dtype(">i2")]


@st.composite
def grids(draw):
    """Image, seeds and spacing."""
    shape = draw(shapes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(DTYPES))
    image = rng.integers(0, 100, shape).astype(dtype)
    if draw(st.booleans()):  # any layout in memory
        image = np.asfortranarray(image)
    seeds = np.zeros(shape, draw(st.sampled_from([bool, np.uint8, np.float32])))
    for _ in range(draw(st.integers(1, 3))):
        seeds[tuple(rng.integers(0, shape))] = 1
    spacing = [draw(st.floats(0.1, 5)) for _ in shape]
    return image, seeds, spacing


@few
@given(grids(), st.sampled_from(["product", "fastgeodis"]), st.floats(0.1, 1))
def test_distance_is_that_of_the_cheapest_path(grid, cost, lambda_):
    image, seeds, spacing = grid
    lambda_ = 1.0 if cost == "product" else lambda_
    found = geodesic_distance(image, seeds, spacing, cost=cost, lambda_=lambda_)
    expected = exact_distance(image, seeds, spacing, cost, lambda_)
    assert found.dtype == np.float32 and found.shape == seeds.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@few
@given(grids(), st.floats(0.5, 50))
def test_a_cap_cuts_and_changes_nothing_below(grid, cap):
    image, seeds, spacing = grid
    whole = geodesic_distance(image, seeds, spacing)
    capped = geodesic_distance(image, seeds, spacing, cap=cap)
    np.testing.assert_allclose(capped, np.minimum(whole, np.float32(cap)), rtol=1e-5)


@few
@given(grids(), st.data())
def test_axes_may_be_turned_and_mirrored(grid, data):
    image, seeds, spacing = grid
    axes = data.draw(st.permutations(range(image.ndim)))
    flip = data.draw(st.integers(0, image.ndim - 1))
    turned = [np.flip(np.transpose(part, axes), flip) for part in (image, seeds)]
    found = geodesic_distance(*turned, [spacing[axis] for axis in axes])
    expected = np.flip(np.transpose(geodesic_distance(image, seeds, spacing), axes), flip)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
