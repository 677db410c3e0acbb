"""Maps that follow the seeds are those computed anew, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, InputError
from meddl.geodesic import (
    IncrementalDistance,
    IncrementalNearest,
    geodesic_distance,
    incremental,
    nearest_seed,
)

SHAPE, SPACING = (14, 17, 19), (2.0, 0.7, 1.1)
COSTS = [("product", 1.0), ("geodistk", 0.7), ("fastgeodis", 1.0), ("fastgeodis", 0.4)]


def make_image(kind: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    if kind == "integers":  # plateaus, and many paths of equal length
        return rng.integers(0, 4, SHAPE).astype(np.int16)
    return rng.normal(0, 20, (*SHAPE, 2) if kind == "channels" else SHAPE)


def stroke(rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    k, j, i = (int(rng.integers(0, n)) for n in SHAPE)
    mask[k, j : j + int(rng.integers(1, 6)), i : i + 2] = True
    return mask


@pytest.mark.parametrize(("cost", "lambda_"), COSTS)
@pytest.mark.parametrize("kind", ["smooth", "integers", "channels"])
@pytest.mark.parametrize("cap", [None, 60.0])
def test_any_sequence_is_that_computed_anew(cost, lambda_, kind, cap):
    rng = np.random.default_rng(11)
    settings = {"cost": cost, "lambda_": lambda_, "cap": cap}
    image = make_image(kind)
    following = IncrementalNearest(image, SPACING, **settings)
    alone = IncrementalDistance(image, SPACING, **settings)
    labels = np.zeros(SHAPE, np.uint8)
    strokes = [stroke(rng) for _ in range(6)]
    for step in range(14):
        mask = strokes[rng.integers(0, len(strokes))]
        if step > 2 and rng.random() < 0.5:
            if rng.random() < 0.5:
                mask = mask & (rng.random(SHAPE) < 0.5)
            following.remove(mask)
            alone.remove(mask)
            labels[mask] = 0
        else:
            label = int(rng.integers(1, 4))
            following.add(mask, label)
            alone.add(mask)
            labels[mask] = label
        if not labels.any():
            assert np.isinf(following.distance).all() and not following.labels.any()
            continue
        distance, label_map = nearest_seed(image, labels, SPACING, **settings)
        limit = np.inf if cap is None else cap
        assert np.array_equal(np.minimum(following.distance, limit), distance)
        assert np.array_equal(np.minimum(alone.distance, limit), distance)
        assert np.array_equal(following.labels, label_map)
        assert np.array_equal(following.labels[labels > 0], labels[labels > 0])


def test_adding_visits_only_what_falls():
    image = np.random.default_rng(0).normal(0, 20, SHAPE)
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[2, 2, 2] = second[12, 15, 17] = True
    following = IncrementalDistance(image, SPACING)
    everywhere = following.add(first)
    before = following.distance.copy()
    visited = following.add(second)
    fallen = int((following.distance < before).sum())
    assert everywhere >= np.prod(SHAPE)
    assert 0 < fallen < 0.7 * np.prod(SHAPE) and fallen <= visited < 2 * fallen
    assert following.add(second) == 0
    following.remove(second)
    assert np.array_equal(following.distance, before)


def test_a_cancelled_change_leaves_the_seeds_as_they_were(monkeypatch):
    image = np.random.default_rng(0).normal(0, 20, SHAPE)
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[2, 2, 2] = second[7, 8, 9] = True
    following = IncrementalNearest(image, SPACING)
    following.add(first, 1)
    before = following.distance.copy(), following.labels
    cancel = CancelToken()
    cancel.cancel()
    for change in (
        lambda: following.add(second, 2, cancel=cancel),
        lambda: following.remove(first, cancel=cancel),
    ):
        with pytest.raises(Cancelled):
            change()
        assert np.array_equal(following.distance, before[0])
        assert np.array_equal(following.labels, before[1])
    following.add(second, 2)
    labels = first + 2 * second
    expected = nearest_seed(image, labels, SPACING)
    assert np.array_equal(following.distance, expected[0])
    assert np.array_equal(following.labels, expected[1])


def test_more_calls_than_numbers_are_no_matter(monkeypatch):
    monkeypatch.setattr(incremental, "CALLS", 300)
    image = np.random.default_rng(0).integers(0, 9, (6, 20, 20))
    following = IncrementalNearest(image, (1, 1, 1))
    labels = np.zeros(image.shape, np.uint8)
    rng = np.random.default_rng(1)
    for n in range(400):
        mask = np.zeros(image.shape, bool)
        mask[tuple(rng.integers(0, s) for s in image.shape)] = True
        following.add(mask, n % 3 + 1)
        labels[mask] = n % 3 + 1
    assert np.array_equal(following.labels, nearest_seed(image, labels, (1, 1, 1))[1])


def test_pictures_have_two_axes():
    image = np.random.default_rng(0).normal(0, 20, (30, 40, 3))
    mask = np.zeros((30, 40), bool)
    mask[3, 4] = True
    following = IncrementalDistance(image, (1.0, 2.0))
    following.add(mask)
    assert np.array_equal(following.distance, geodesic_distance(image, mask, (1.0, 2.0)))
    with pytest.raises(ValueError, match="read-only"):
        following.distance[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.add(np.ones((3, 4, 5)), 1), r"\(3, 4, 5\)"),
        (lambda m: m.add(np.ones(SHAPE[1:]), 1), "3 axes were expected"),
        (lambda m: m.add(np.ones(SHAPE), 256), "label 256"),
        (lambda m: m.add(np.ones(SHAPE), 0), "label 0"),
    ],
)
def test_bad_changes_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        change(IncrementalNearest(np.zeros(SHAPE), SPACING))


def test_lambda_0_is_refused():
    with pytest.raises(InputError, match="lambda is 0"):
        IncrementalDistance(np.zeros(SHAPE), SPACING, cost="fastgeodis", lambda_=0)
