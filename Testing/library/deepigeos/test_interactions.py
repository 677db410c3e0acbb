"""The simulated user."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from meddl.core.errors import InputError
from meddl.deepigeos.interactions import random_seeds, scribbles


def ball(shape: tuple[int, ...], centre: tuple[int, ...], radius: float) -> np.ndarray:
    grid = np.indices(shape) - np.reshape(centre, (-1, *(1,) * len(shape)))
    return (grid**2).sum(0) <= radius**2


def test_the_published_rule_draws_ceil_n_over_100_seeds_per_component() -> None:
    truth = np.zeros((12, 40, 40), bool)
    truth[2, 2:12, 2:23] = True  # 210 voxels: 3 seeds
    truth[6, 2, 2:31] = True  # 29 voxels: none
    segmentation = np.zeros_like(truth)
    segmentation[9, 5:8, 5:15] = True  # 30 voxels too much: 1 background seed
    foreground, background = random_seeds(segmentation, truth, np.random.default_rng(1))
    assert foreground.sum() == 3 and foreground[2, 2:12, 2:23].sum() == 3
    assert background.sum() == 1 and background[9, 5:8, 5:15].sum() == 1


def test_the_first_strokes_lie_in_the_target_and_around_it_in_one_slice() -> None:
    truth = ball((40, 40, 40), (20, 20, 20), 9)
    foreground, background = scribbles(
        np.zeros_like(truth), truth, (1, 1, 1), np.random.default_rng(0)
    )
    assert foreground.any() and not (foreground & ~truth).any()
    assert background.any() and not (background & truth).any()
    strokes = np.argwhere(foreground | background)
    assert np.ptp(strokes, axis=0).min() == 0  # one slice
    radius = np.linalg.norm(np.argwhere(background) - 20, axis=1)
    assert radius.min() > 9 + 3 and radius.max() < 9 + 7


def test_a_stroke_follows_the_middle_axis() -> None:
    """Of an annulus sector the middle axis is the arc of the mean radius."""
    rows, columns = np.indices((80, 80)) - 40
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    truth = (radius > 20) & (radius < 32) & (np.abs(angle) < 2)
    foreground, _ = scribbles(np.zeros_like(truth), truth, (1, 1), np.random.default_rng(0))
    assert np.abs(radius[foreground] - 26).max() < 1.6
    assert np.ptp(angle[foreground]) > 2.0  # of 4, less the ends and up to a third
    assert ndimage.label(foreground, np.ones((3, 3)))[1] == 1


def test_the_larger_error_is_corrected_with_its_own_label() -> None:
    truth = ball((30, 30, 30), (15, 15, 15), 8)
    segmentation = truth.copy()
    segmentation[10:20, 10:20, 20:28] = True  # more wrong than the missed ball has voxels
    segmentation &= ~ball(truth.shape, (15, 15, 10), 2)
    foreground, background = scribbles(segmentation, truth, (1, 1, 1), np.random.default_rng(2))
    assert not foreground.any() and background.any()
    assert not (background & truth).any() and (background & segmentation).sum() == background.sum()


def test_thick_slices_are_drawn_on_in_plane() -> None:
    truth = ball((20, 40, 40), (10, 20, 20), 8)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        strokes = scribbles(np.zeros_like(truth), truth, (5, 1, 1), rng)
        assert np.ptp(np.argwhere(strokes[0] | strokes[1])[:, 0]) == 0


def test_nothing_wrong_and_same_seed_same_strokes() -> None:
    truth = ball((20, 20, 20), (10, 10, 10), 5)
    for strokes in (
        scribbles(truth, truth, (1, 1, 1), np.random.default_rng(0)),
        random_seeds(truth, truth, np.random.default_rng(0)),
    ):
        assert not strokes[0].any() and not strokes[1].any()
    empty = np.zeros_like(truth)
    first, second = (
        scribbles(empty, truth, (1, 1, 1), np.random.default_rng(7))[0] for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_bad_masks_are_refused() -> None:
    mask, rng = np.ones((3, 3, 3), bool), np.random.default_rng(0)
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        random_seeds(mask[0], mask, rng)
    with pytest.raises(InputError, match="3 positive numbers"):
        scribbles(mask, mask, (1, 1), rng)
    with pytest.raises(InputError, match="3 positive numbers"):
        scribbles(mask, mask, (1, 1, float("nan")), rng)
