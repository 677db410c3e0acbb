"""The registry of methods."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DependencyError, InputError
from meddl.core.metrics import dice
from meddl.deepigeos import METHODS, make_method

from .simple_methods import Nearest, stubborn

IMAGE = np.zeros((3, 4, 5, 1), np.float32)


def test_a_callable_registers_under_a_name(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", stubborn(0.25))
    method = make_method("mine", IMAGE, (1, 1, 1))
    assert (method(np.zeros((3, 4, 5), np.uint8)) == np.float32(0.25)).all()
    assert isinstance(make_method(Nearest, IMAGE, (1, 1, 1)), Nearest)


def test_an_unknown_name_and_a_wrong_image_are_refused():
    with pytest.raises(InputError, match=r"'magic'.*auto, network, geodesic"):
        make_method("magic", IMAGE, (1, 1, 1))
    with pytest.raises(InputError, match="float32"):
        make_method("geodesic", IMAGE[..., 0], (1, 1, 1))


def halves(contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """An image of two even halves, and a seed of each kind far from the border between them."""
    image = np.zeros((6, 8, 20, 1), np.float32)
    image[:, :, 12:] = contrast
    seeds = np.zeros(image.shape[:3], np.uint8)
    seeds[3, 4, 2], seeds[3, 4, 18] = 2, 1
    return image, seeds


def test_geodesic_parts_two_even_halves_at_their_border():
    image, seeds = halves(100)
    probability = make_method("geodesic", image, (1, 2, 1))(seeds)
    assert (probability[:, :, :12] == 1).all() and (probability[:, :, 12:] == 0).all()


def test_geodesic_without_background_takes_the_faces():
    image, seeds = halves(100)
    image[..., 12:, 0] = 0
    image[2:5, 2:6, 1:5] = 50
    seeds[seeds == 1] = 0
    probability = make_method("geodesic", image, (1, 1, 1))(seeds)
    assert np.array_equal(probability > 0.5, image[..., 0] == 50)


@pytest.mark.parametrize("name", ["geodesic", "crf", "randomwalker"])
def test_a_noisy_ball_is_found_from_two_strokes(name):
    if name == "randomwalker":
        pytest.importorskip("skimage")
    rng = np.random.default_rng(3)
    radius = np.linalg.norm((np.indices((20, 40, 40)).T - (10, 20, 20)) * (2, 1, 1), axis=-1).T
    truth = radius < 12
    image = (100 * truth + rng.normal(0, 10, truth.shape)).astype(np.float32)[..., None]
    seeds = np.zeros(truth.shape, np.uint8)
    seeds[10, 14:26, 20], seeds[10, 2, 5:35], seeds[10, 38, 5:35] = 2, 1, 1
    method = make_method(name, image, (2, 1, 1))
    probability = method(seeds)
    assert probability.dtype == np.float32 and probability.shape == truth.shape
    assert probability.min() >= 0 and probability.max() <= 1
    assert dice(probability > 0.5, truth) > 0.95
    more = seeds.copy()
    more[3, 18:22, 20] = 1
    method(more)
    assert np.array_equal(method(seeds), probability)  # earlier calls leave no trace
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        method(more, cancel=token)
    assert np.array_equal(method(seeds), probability)


def test_random_walks_name_their_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(DependencyError, match="scikit-image"):
        make_method("randomwalker", IMAGE, (1, 1, 1))


def test_weights_go_with_networks_only():
    with pytest.raises(InputError, match=r"'crf' takes no weights"):
        make_method("crf", IMAGE, (1, 1, 1), weights="mine")
