"""The picture grid of a training run, and the changes of pictures by augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.endodepth.augmentation import augment
from meddl.endodepth.training_pictures import flow_colours, jet, picture_grid


def test_jet_goes_from_dark_blue_over_green_to_dark_red():
    found = jet(np.array([[0.0, 0.25, 0.5, 0.75, 1.0]]))[0]
    expected = [(0, 0, 0.5), (0, 0.5, 1), (0.5, 1, 0.5), (1, 0.5, 0), (0.5, 0, 0)]
    assert np.allclose(found, expected)


@pytest.mark.parametrize(
    ("flow", "colour"),
    [
        ((2, 0), (1, 0, 0)),
        ((-1, 0), (0, 0.5, 0.5)),
        ((0, 0), (0, 0, 0)),
        ((9 * np.cos(2 * np.pi / 3), 9 * np.sin(2 * np.pi / 3)), (0, 1, 0)),
    ],
)
def test_flow_has_the_hue_of_its_direction_and_the_value_of_its_length(flow, colour):
    found = flow_colours(np.array(flow, float).reshape(2, 1, 1), largest=2.0)[0, 0]
    assert np.allclose(found, colour, atol=0.02)


def test_the_grid_has_four_columns_and_nothing_outside_the_mask():
    generator = np.random.default_rng(0)
    colour = generator.uniform(-1, 1, (2, 3, 8, 10))
    depth = generator.uniform(1, 2, (2, 1, 8, 10))
    dense = generator.normal(size=(2, 2, 8, 10))
    sparse = np.zeros_like(dense)
    sparse[:, :, 4, 4] = 1
    mask = np.zeros((2, 1, 8, 10))
    mask[..., 2:6, 3:7] = 1
    grid = picture_grid(colour, depth, sparse, dense, mask)
    assert grid.shape == (16, 40, 3) and 0 <= grid.min() <= grid.max() <= 1
    frame, _, dots, _ = np.split(grid[:8], 4, axis=1)
    assert np.allclose(frame[3, 4], (colour[0, :, 3, 4] + 1) / 2, atol=1e-6)
    assert np.count_nonzero(dots.any(-1)) == 9
    assert not grid[:2, :20].any()


def test_augmentation_moves_nothing():
    spot = np.zeros((41, 41, 3), np.uint8)
    spot[18:23, 18:23] = 180
    changed = [augment(spot, 1.0, np.random.default_rng(seed)) for seed in range(60)]
    rows, columns = np.indices((41, 41))
    for picture in changed:
        light = picture.mean(-1) - np.median(picture)
        light[light < 40] = 0  # noise and the blocks of JPEG
        assert (rows * light).sum() / light.sum() == pytest.approx(20, abs=0.3)
        assert (columns * light).sum() / light.sum() == pytest.approx(20, abs=0.3)
    different = [not np.array_equal(picture, spot) for picture in changed]
    assert np.mean(different) > 0.8
    assert np.array_equal(augment(spot, 0.0, np.random.default_rng(0)), spot)
