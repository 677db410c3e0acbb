"""The bar on real images, and what no image may break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meddl.core import GeometryError, InputError, read_image
from meddl.geodesic import exponential_encoding, geodesic_distance, nearest_seed

from .references import exact_distance

DATA = Path(__file__).resolve().parents[2] / "data"
COSTS = [("product", 1.0), ("geodistk", 1.0), ("fastgeodis", 1.0), ("fastgeodis", 0.5)]


def part_of(name: str):
    """30 voxels a side from the middle of a bundled image, its spacing, and a seed in a corner."""
    image = read_image(DATA / name)
    part = image.array[tuple(slice(n // 2 - 15, n // 2 + 15) for n in image.array.shape)]
    seeds = np.zeros(part.shape, bool)
    seeds[2, 3, 4:7] = True
    return part, seeds, image.spacing[::-1]


@pytest.mark.parametrize("name", ["FLAIR.nii.gz", "abdomen_pelvis_ct.nii.gz"])
@pytest.mark.parametrize(("cost", "lambda_"), COSTS)
def test_distances_are_within_the_bar_everywhere(name, cost, lambda_):
    image, seeds, spacing = part_of(name)
    expected = exact_distance(image, seeds, spacing, cost, lambda_)
    found = geodesic_distance(image, seeds, spacing, cost=cost, lambda_=lambda_)
    assert (abs(found - expected) <= 0.005 * expected + 1e-4 * expected.max()).all()
    # What two sweeps give is beyond it: the bar is no matter of course.
    swept = geodesic_distance(image, seeds, spacing, cost=cost, lambda_=lambda_, iterations=2)
    assert (swept >= found).all()
    assert (swept - expected > 0.005 * expected + 1e-4 * expected.max()).mean() > 0.02


@pytest.mark.parametrize("cost", ["geodistk", "fastgeodis"])
def test_without_weight_distances_are_straight(cost):
    seeds = np.zeros((7, 9, 11), bool)
    seeds[1, 2, 3] = True
    spacing = np.array([2.0, 0.5, 1.5])
    steps = np.moveaxis(np.indices(seeds.shape), 0, -1) - [1, 2, 3]
    found = geodesic_distance(np.zeros(seeds.shape), seeds, spacing, cost=cost, lambda_=0, cap=9)
    straight = np.linalg.norm(steps * spacing, axis=-1)
    np.testing.assert_allclose(found, np.minimum(straight, 9), rtol=1e-6)
    distance, label = nearest_seed(
        np.zeros(seeds.shape), seeds * 5, spacing, cost=cost, lambda_=0, cap=9
    )
    assert np.array_equal(distance, found) and np.array_equal(label, 5 * (straight <= 9))


def test_even_images_are_nowhere_apart():
    seeds = np.zeros((4, 5, 6), bool)
    seeds[0, 0, 0] = True
    assert not geodesic_distance(np.full(seeds.shape, 7), seeds, (1, 1, 1)).any()


def test_a_single_voxel_and_seeds_everywhere():
    assert geodesic_distance([[[3.0]]], [[[1]]], (1, 1, 1)).tolist() == [[[0.0]]]
    image = np.random.default_rng(0).normal(size=(4, 5, 6))
    assert not geodesic_distance(image, np.ones(image.shape), (1, 1, 1), cap=3).any()


def test_one_voxel_far_above_the_others_does_not_spoil_the_queue():
    image = np.random.default_rng(0).normal(0, 1, (8, 9, 10))
    image[4, 4, 4] = 1e7
    seeds = np.zeros(image.shape, bool)
    seeds[4, 4, 4] = True
    expected = exact_distance(image.astype(np.float32), seeds, (1, 1, 1))
    np.testing.assert_allclose(geodesic_distance(image, seeds, (1, 1, 1)), expected, rtol=1e-6)


def test_a_cap_keeps_what_is_nearer():
    image, seeds, spacing = part_of("FLAIR.nii.gz")
    whole = geodesic_distance(image, seeds, spacing)
    cap = float(np.median(whole))
    assert np.array_equal(
        geodesic_distance(image, seeds, spacing, cap=cap), np.minimum(whole, np.float32(cap))
    )


def test_encoding_is_exponential():
    found = exponential_encoding([[0.0, 5.0], [10.0, np.inf]], 5.0)
    expected = [[1.0, np.exp(-1)], [np.exp(-2), 0]]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(InputError, match="scale 0"):
        exponential_encoding([1.0], 0)


def bad(**changes):
    image = changes.pop("image", np.zeros((3, 4, 5)))
    seeds = changes.pop("seeds", np.ones((3, 4, 5)))
    return lambda: geodesic_distance(image, seeds, changes.pop("spacing", (1, 1, 1)), **changes)


NAN = np.zeros((3, 4, 5))
NAN[1, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (bad(seeds=np.zeros((3, 4, 5))), InputError, "there is no seed"),
        (bad(seeds=np.ones((3, 4, 6))), InputError, r"\(3, 4, 6\)"),
        (bad(seeds=np.ones((1, 3, 4, 5))), InputError, r"\(1, 3, 4, 5\)"),
        (bad(seeds=NAN), InputError, "no numbers"),
        (bad(image=NAN), InputError, r"NaN or infinite, the first at index \(1, 2, 3\)"),
        (bad(image=np.zeros((3, 4))), InputError, r"\(3, 4\)"),
        (bad(image=np.zeros((3, 4, 5), complex)), InputError, "complex"),
        (bad(image=np.zeros((0, 4, 5)), seeds=np.zeros((0, 4, 5))), InputError, "0, 4, 5"),
        (bad(image=np.array([0, 1e300]).reshape(1, 1, 2), seeds=np.ones((1, 1, 2))), InputError,
         "1e[+]300"),
        (bad(spacing=(1, 1)), GeometryError, r"\[1, 1\]"),
        (bad(spacing=(1, 0, 1)), GeometryError, "positive"),
        (bad(spacing=(1, np.nan, 1)), GeometryError, "nan"),
        (bad(cost="other"), InputError, "'other'"),
        (bad(lambda_=1.5), InputError, "lambda is 1.5"),
        (bad(lambda_=np.nan), InputError, "lambda is nan"),
        (bad(cap=0), InputError, "cap 0"),
        (bad(cap=np.nan), InputError, "cap nan"),
        (bad(iterations=0), InputError, "iterations 0"),
        (bad(backend="gpu"), InputError, "'gpu'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("labels", [-1, 256, 1.5])
def test_labels_are_whole_numbers_up_to_255(labels):
    with pytest.raises(InputError, match="whole numbers from 0 to 255"):
        nearest_seed(np.zeros((3, 4, 5)), np.full((3, 4, 5), labels), (1, 1, 1))
