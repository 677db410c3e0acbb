"""The conditional random field: against its formula, symmetry, and what it may not touch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken
from meddl.core.metrics import dice
from meddl.deepigeos.crf import HALF, active_voxels, edge_weights, refine


def reference(image, probability, seeds, spacing, strength, sweeps):
    """The updates of the module's docstring, voxel by voxel in plain Python, all in doubt."""
    shape = probability.shape
    offsets = [np.array(o) for o in itertools.product((-1, 0, 1), repeat=3) if any(o)]
    inverse = [1 / np.linalg.norm(o * np.array(spacing)) for o in offsets]
    free = [v for v in np.ndindex(shape) if seeds[v] == 0]

    def neighbours(v):
        for offset, near in zip(offsets, inverse, strict=True):
            n = tuple(np.array(v) + offset)
            if all(0 <= a < b for a, b in zip(n, shape, strict=True)):
                yield n, near, ((image[v] - image[n]) ** 2).sum()

    mean = np.mean([square for v in free for _, _, square in neighbours(v)])
    q = probability.astype(float)
    q[seeds == 1], q[seeds == 2] = 0, 1
    unary = np.log(probability / (1 - probability))
    for sweep in range(sweeps):
        for v in free[:: -1 if sweep % 2 else 1]:
            total = sum(
                near * np.exp(-square / (2 * mean)) * (2 * q[n] - 1)
                for n, near, square in neighbours(v)
            )
            q[v] = 1 / (1 + np.exp(-(unary[v] + strength * total / sum(inverse))))
    return q


def test_the_updates_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(5, 6, 7, 2)).astype(np.float32)
    probability = rng.uniform(0.1, 0.9, (5, 6, 7)).astype(np.float32)
    seeds = rng.choice(np.uint8([0, 0, 0, 1, 2]), (5, 6, 7))
    spacing = (3.0, 1.0, 0.8)
    expected = reference(image, probability, seeds, spacing, 3.0, 3)
    found = refine(image, probability, seeds, spacing, strength=3, sweeps=3, sure=0.02)
    assert np.abs(found - expected).max() < 0.01  # the table of exp is right within 0.8 %
    assert np.abs(expected - probability)[seeds == 0].max() > 0.1


def noisy_ball(noise=0.3):
    rng = np.random.default_rng(1)
    radius = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
    truth = radius < 12
    image = (truth + noise * rng.normal(size=truth.shape)).astype(np.float32)
    ragged = 1 / (1 + np.exp(radius - 12 + 1.5 * rng.normal(size=truth.shape)))
    return image[..., None], ragged.astype(np.float32), truth


def test_a_ragged_probability_becomes_the_ball():
    image, ragged, truth = noisy_ball()
    refined = refine(image, ragged, np.zeros(truth.shape, np.uint8), (1, 1, 1))
    assert dice(ragged > 0.5, truth) < 0.93 < 0.96 < dice(refined > 0.5, truth)


def test_foreground_and_background_are_treated_alike():
    image, ragged, truth = noisy_ball()
    seeds = np.random.default_rng(2).choice(np.uint8([0, 0, 0, 0, 1, 2]), truth.shape)
    swapped = np.uint8([0, 2, 1])[seeds]
    one = refine(image, ragged, seeds, (1, 1, 2))
    other = refine(image, 1 - ragged, swapped, (1, 1, 2))
    assert np.allclose(one, 1 - other, atol=1e-4)
    assert (one[seeds == 2] == 1).all() and (one[seeds == 1] == 0).all()


def test_only_the_band_and_the_doubtful_change():
    image, _, truth = noisy_ball()
    sure = np.where(truth, 0.999, 0.001).astype(np.float32)
    sure[2, 2, 2:5] = 0.3  # in doubt, far from the boundary
    refined = refine(image, sure, np.zeros(truth.shape, np.uint8), (1, 1, 1), band=2, sure=0.02)
    radius = np.linalg.norm(np.indices(truth.shape) - 19.5, axis=0)
    far = (np.abs(radius - 12) > 2 * 3**0.5 + 1) & (sure != np.float32(0.3))
    assert np.array_equal(refined[far], sure[far]) and (refined[2, 2, 2:5] < 0.2).all()
    assert (refined != sure)[~far].mean() > 0.7


def test_an_even_image_and_nothing_in_doubt():
    sure = np.ones((4, 5, 6), np.float32)
    even = np.zeros((4, 5, 6, 1), np.float32)
    assert np.array_equal(refine(even, sure, np.zeros(sure.shape, np.uint8), (1, 1, 1)), sure)
    half = np.full((4, 5, 6), 0.5, np.float32)
    assert refine(even, half, np.zeros(sure.shape, np.uint8), (1, 1, 1)) == pytest.approx(half)


def test_weights_are_symmetric():
    image, ragged, truth = noisy_ball()
    voxels = active_voxels(ragged, np.zeros(truth.shape, np.uint8), 3, np.float32(0.02))
    weights = edge_weights(
        image, voxels, np.array(HALF), np.ones(13, np.float32), np.float32(1), np.float32(1)
    )
    where = {int(v): n for n, v in enumerate(voxels)}
    _, rows, columns = truth.shape
    checked = 0
    for n, v in enumerate(voxels[:500]):
        for m, (k, j, i) in enumerate(HALF):
            other = where.get(int(v) + (k * rows + j) * columns + i)
            if other is not None and weights[n, m] > 0:
                assert weights[n, m] == weights[other, m + 13]
                checked += 1
    assert checked > 3000


def test_it_can_be_cancelled():
    image, ragged, truth = noisy_ball()
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        refine(image, ragged, np.zeros(truth.shape, np.uint8), (1, 1, 1), cancel=token)
