"""GeodisTK's names, labels, maps that follow their seeds and files, on grids of any size, spacing,
pose and number type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.geodesic.references import exact_distance, step_cost
from library.geodesic.test_properties import grids
from meddl.core import Image, InputError, Points, write_image, write_points
from meddl.core.geometry import apply
from meddl.geodesic import (
    COSTS,
    IncrementalDistance,
    IncrementalNearest,
    StepCost,
    distance_image,
    exponential_encoding,
    nearest_seed,
    read_seeds,
)
from meddl.geodesic.geodistk import (
    geodesic2d_fast_marching,
    geodesic2d_raster_scan,
    geodesic3d_fast_marching,
    geodesic3d_raster_scan,
)
from properties import examples, images

few = examples(15, deadline=None)
numbers = st.integers(0, 2**32 - 1)
shapes = st.tuples(*[st.integers(1, 7)] * 3)
lambdas = st.floats(0.1, 1)


@few
@given(grids(), lambdas, st.integers(1, 5))
def test_geodistks_functions_give_the_cheapest_paths(grid, lambda_, iterations):
    image, seeds, spacing = grid
    if image.ndim == 2:
        spacing = (1.0, 1.0)
        found = geodesic2d_fast_marching(image, seeds)
        scanned = geodesic2d_raster_scan(image, seeds, lambda_, iterations)
    else:
        found = geodesic3d_fast_marching(image, seeds, spacing)
        scanned = geodesic3d_raster_scan(image, seeds, spacing, lambda_, iterations)
    expected = exact_distance(image, seeds, spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    expected = exact_distance(image, seeds, spacing, "geodistk", lambda_)
    np.testing.assert_allclose(scanned, expected, rtol=1e-4, atol=1e-3)


@few
@given(grids(), numbers, st.sampled_from([np.uint8, np.int16, np.float32]))
def test_every_voxel_has_the_label_of_its_nearest_seed(grid, seed, dtype):
    image, _, spacing = grid
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(image.shape) < 0.3, rng.integers(1, 256, image.shape), 0)
    labels.flat[rng.integers(labels.size)] = 7
    distance, found = nearest_seed(image, labels.astype(dtype), spacing)
    values = np.unique(labels[labels > 0])
    each = np.stack([exact_distance(image, labels == value, spacing) for value in values])
    np.testing.assert_allclose(distance, each.min(0), rtol=1e-4, atol=1e-3)
    own = each[np.searchsorted(values, found), *np.indices(found.shape)]
    assert found.dtype == np.uint8 and np.isin(found, values).all()
    np.testing.assert_allclose(own, each.min(0), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(found[labels > 0], labels[labels > 0])


@few
@given(grids(), st.sampled_from(["product", "fastgeodis"]), lambdas, st.data())
def test_a_map_that_follows_its_seeds_is_that_of_the_seeds_there_are(grid, cost, lambda_, data):
    image, _, spacing = grid
    alone = IncrementalDistance(image, spacing, cost=cost, lambda_=lambda_)
    several = IncrementalNearest(image, spacing, cost=cost, lambda_=lambda_)
    labels = np.zeros(image.shape, np.uint8)
    places = st.tuples(*[st.integers(0, n - 1) for n in image.shape])
    for label in data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=6)):
        mask = np.zeros(image.shape, bool)
        for place in data.draw(st.lists(places, min_size=1, max_size=3)):
            mask[place] = True
        labels[mask] = label
        if label:
            alone.add(mask)
            several.add(mask, label)
        else:
            alone.remove(mask)
            several.remove(mask)
    if not labels.any():
        assert np.isinf(alone.distance).all() and not several.labels.any()
        return
    expected = exact_distance(image, labels, spacing, cost, lambda_)
    np.testing.assert_allclose(alone.distance, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(several.distance, alone.distance)
    np.testing.assert_array_equal(several.labels[labels > 0], labels[labels > 0])
    assert set(np.unique(several.labels)) <= set(np.unique(labels[labels > 0]))


@few
@given(images(shapes), numbers, st.floats(0.2, 5))
def test_a_distance_image_lies_where_its_image_does_and_grows_with_it(image, seed, factor):
    seeds = np.zeros(image.array.shape, bool)
    seeds.flat[np.random.default_rng(seed).integers(seeds.size)] = True
    found = distance_image(image, seeds)
    np.testing.assert_array_equal(found.ras_from_ijk, image.ras_from_ijk)
    # A step costs its length times the difference, in whatever type the values are stored.
    larger = Image(image.array.astype(np.float64), np.diag([*[factor] * 3, 1]) @ image.ras_from_ijk)
    np.testing.assert_allclose(
        distance_image(larger, seeds).array, factor * found.array, rtol=1e-4, atol=1e-3
    )
    expected = exact_distance(image.array, seeds, image.spacing[::-1])
    np.testing.assert_allclose(found.array, expected, rtol=1e-4, atol=1e-3)


@few
@given(images(shapes), numbers, st.sampled_from([".nrrd", ".nii.gz", ".mrk.json", ".csv"]))
def test_seeds_of_files_lie_where_they_were_drawn(tmp_path_factory, image, seed, suffix):
    rng = np.random.default_rng(seed)
    seeds = rng.random(image.array.shape) < 0.2
    seeds.flat[rng.integers(seeds.size)] = True
    path = tmp_path_factory.mktemp("drawn") / f"seeds{suffix}"
    if suffix in (".nrrd", ".nii.gz"):
        write_image(path, Image(seeds, image.ras_from_ijk))
    else:
        # Anywhere within a voxel is that voxel.
        places = np.argwhere(seeds)[:, ::-1] + rng.uniform(-0.45, 0.45, (seeds.sum(), 3))
        ras = apply(image.ras_from_ijk, places)
        write_points(path, Points(("",) * len(ras), ras))
    np.testing.assert_array_equal(read_seeds(path, image), seeds)
    beyond = apply(image.ras_from_ijk, [np.array(image.size) + 0.5])
    write_points(path.with_name("beyond.csv"), Points(("x",), beyond))
    with pytest.raises(InputError, match=r"point 1 'x'.*outside of the image"):
        read_seeds(path.with_name("beyond.csv"), image)


@few
@given(shapes, numbers, st.floats(0.01, 100), st.sampled_from([np.float32, np.float64, np.int16]))
def test_an_encoding_falls_by_the_same_factor_over_the_same_distance(shape, seed, scale, dtype):
    distance = np.random.default_rng(seed).uniform(0, 5 * scale, shape).astype(dtype)
    found = exponential_encoding(distance, scale)
    assert found.dtype == np.float32 and found.shape == shape
    np.testing.assert_allclose(found, np.exp(-distance.astype(float) / scale), rtol=1e-5)
    farther = exponential_encoding(distance + dtype(3), scale)
    np.testing.assert_allclose(farther, found * np.exp(-3 / scale), rtol=1e-5, atol=1e-30)


@few
@given(st.sampled_from(COSTS), st.floats(-0.5, 1.5), st.floats(0.01, 50), numbers)
def test_a_step_costs_what_its_definition_says(name, lambda_, length, seed):
    if not 0 <= lambda_ <= 1:
        with pytest.raises(InputError, match="from 0 to 1"):
            StepCost(name, lambda_)
        return
    differences = np.random.default_rng(seed).uniform(0, 100, (3, 4, 5))
    found = StepCost(name, lambda_).step(length, differences)
    expected = step_cost(name, lambda_, length, np.moveaxis(differences, 0, -1))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
