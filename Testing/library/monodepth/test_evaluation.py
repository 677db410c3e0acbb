"""The figures of single-image depth: crop, baseline, scaling."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import InputError
from meddl.monodepth.evaluation import (
    compare,
    eigen_crop,
    enlarged,
    evaluate_pairs,
    mean_depth_map,
)


class TwoPairs:
    names = ("a", "b")

    def __init__(self):
        rng = np.random.default_rng(1)
        self.depths = rng.uniform(1, 8, (2, 48, 64)).astype(np.float32)
        self.depths[:, :5, :7] = 0

    def __getitem__(self, index):
        colour = np.full((48, 64, 3), index, np.uint8)
        return colour, self.depths[index]


def test_the_crop_is_the_published_one():
    assert eigen_crop((480, 640)) == (slice(45, 471), slice(41, 601))
    assert eigen_crop((240, 320)) == (slice(22, 236), slice(20, 300))


def test_only_the_crop_counts():
    truth = np.full((480, 640), 2.0)
    prediction = np.full((480, 640), 7.0)
    prediction[45:471, 41:601] = 2.0
    assert compare(prediction, truth)["rmse"] == 0
    assert compare(prediction, truth, crop=False)["rmse"] > 1


def test_report_of_known_predictions():
    pairs = TwoPairs()
    twice = evaluate_pairs(lambda colour: 2 * pairs.depths[colour[0, 0, 0]] + 1e-9, pairs, 3.0)
    metric = twice["mean"]["metric"]["network"]
    inside = [d[eigen_crop(d.shape)] for d in pairs.depths]
    inside = [d[d > 0].astype(np.float64) for d in inside]
    by_hand = [np.mean(np.abs(np.minimum(2 * d, 10) - d) / d) for d in inside]
    assert metric["abs_rel"] == pytest.approx(np.mean(by_hand), rel=1e-5)
    scaled = twice["mean"]["median_scaled"]["network"]
    assert scaled["abs_rel"] == pytest.approx(0, abs=1e-6) and scaled["delta1"] == 1
    baseline = twice["mean"]["metric"]["mean_depth"]
    by_hand = [np.sqrt(np.mean((3 - d) ** 2)) for d in inside]
    assert baseline["rmse"] == pytest.approx(np.mean(by_hand), rel=1e-5)
    assert [row["name"] for row in twice["pairs"]] == ["a", "b"]


def test_mean_depth_map_is_the_mean_of_what_is_known():
    depths = np.zeros((3, 4, 8), np.float32)
    depths[0, :2], depths[1, :2], depths[2, 2:, :4] = 2, 4, 7
    found = np.array(mean_depth_map(depths, (2, 2)))
    everything = (2 * 16 + 4 * 16 + 7 * 8) / 40
    np.testing.assert_allclose(found, [[3, 3], [7, everything]], atol=1e-3)
    np.testing.assert_allclose(enlarged(found, (4, 4))[0], 3, rtol=1e-6)
    np.testing.assert_allclose(enlarged(2.5, (3, 5)), 2.5)


def test_a_pair_without_depth_inside_the_crop_is_named_as_such():
    with pytest.raises(InputError, match="no pixel has a true depth"):
        compare(np.ones((48, 64)), np.zeros((48, 64)))
