"""Coarser grids against scipy and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import zoom

from meddl.deepigeos.zoom import enlarge, reduce_image, reduce_seeds, reduction


@pytest.mark.parametrize("factors", [(2, 3, 2), (1, 2, 4), (1, 1, 1)])
def test_enlarging_equals_scipys_linear_zoom(factors):
    coarse = np.random.default_rng(0).normal(size=(7, 10, 9)).astype(np.float32)
    full = zoom(coarse, factors, order=1, grid_mode=True, mode="nearest")
    shape = tuple(n - (f > 1) for n, f in zip(full.shape, factors, strict=True))
    found = enlarge(coarse, factors, shape)
    assert found.shape == shape
    assert np.abs(found - full[tuple(slice(n) for n in shape)]).max() < 1e-6


def test_blocks_hold_their_mean_and_their_highest_seed():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(5, 7, 8, 2)).astype(np.float32)
    seeds = rng.choice(np.uint8([0, 0, 0, 0, 0, 1, 2]), (5, 7, 8))
    means, highest = reduce_image(image, (2, 3, 3)), reduce_seeds(seeds, (2, 3, 3))
    assert means.shape == (3, 3, 3, 2) and highest.shape == (3, 3, 3)
    for block in np.ndindex(3, 3, 3):
        where = tuple(slice(b * f, (b + 1) * f) for b, f in zip(block, (2, 3, 3), strict=True))
        assert means[block] == pytest.approx(image[where].mean((0, 1, 2)), abs=1e-6)
        assert highest[block] == seeds[where].max()


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((60, 60, 60), (1, 1, 1), (1, 1, 1)),
        ((128, 128, 128), (1, 1, 1), (2, 2, 2)),
        ((25, 256, 256), (6.5, 0.78, 0.78), (1, 3, 3)),
        ((1, 3000, 3000), (1, 1, 1), (1, 6, 6)),
    ],
)
def test_fine_axes_are_coarsened_first(shape, spacing, expected):
    assert reduction(shape, spacing, 300_000) == expected
