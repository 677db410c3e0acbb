"""The registry of methods."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import InputError
from meddl.deepigeos import METHODS, make_method

from .simple_methods import Nearest, stubborn

IMAGE = np.zeros((3, 4, 5, 1), np.float32)


def test_a_callable_registers_under_a_name(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", stubborn(0.25))
    method = make_method("mine", IMAGE, (1, 1, 1))
    assert (method(np.zeros((3, 4, 5), np.uint8)) == np.float32(0.25)).all()
    assert isinstance(make_method(Nearest, IMAGE, (1, 1, 1)), Nearest)


def test_an_unknown_name_and_a_wrong_image_are_refused():
    with pytest.raises(InputError, match=r"'magic'.*auto, geodesic"):
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
