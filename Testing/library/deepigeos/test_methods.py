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


@pytest.mark.parametrize("name", ["geodesic", "crf", "randomwalker", "network"])
def test_where_nothing_is_known_to_lie_outside_everything_is_inside(name):
    for package in {"randomwalker": ("skimage", "pyamg"), "network": ("torch",)}.get(name, ()):
        pytest.importorskip(package)
    seeds = np.full((6, 6, 6), 2, np.uint8)
    seeds[2:4, 2:4, 2:4] = 0  # every face is marked as foreground
    image = np.random.default_rng(0).normal(size=(*seeds.shape, 1)).astype(np.float32)
    assert (make_method(name, image, (1, 1, 1))(seeds) > 0.5).all()


@pytest.mark.parametrize("name", ["geodesic", "crf", "randomwalker"])
def test_a_noisy_ball_is_found_from_two_strokes(name):
    if name == "randomwalker":
        pytest.importorskip("skimage")
        pytest.importorskip("pyamg")
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


@pytest.mark.parametrize(
    ("module", "package"), [("skimage.segmentation", "scikit-image"), ("pyamg", "pyamg")]
)
def test_random_walks_name_their_packages(module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyError, match=package):
        make_method("randomwalker", IMAGE, (1, 1, 1))


def test_the_network_names_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match="method network needs the package torch"):
        make_method("network", IMAGE, (1, 1, 1))


def test_random_walks_are_the_solution_of_their_linear_system():
    """A path of voxels: the probability falls along it as the resistances of its edges add up."""
    pytest.importorskip("skimage")
    pytest.importorskip("pyamg")
    values = np.array([0, 1, 1, 4, 4, 5, 9, 9], np.float32)
    seeds = np.zeros((1, 1, 8), np.uint8)
    seeds[0, 0, 0], seeds[0, 0, 7] = 2, 1
    found = make_method("randomwalker", values.reshape(1, 1, 8, 1), (1, 1, 1))(seeds)[0, 0]
    # scikit-image's weights: beta over ten standard deviations of the image, and 1e-6 more.
    weights = np.exp(-(np.diff(values) ** 2) * 130 / (10 * values.std())) + 1e-6
    along = np.concatenate([[0], np.cumsum(1 / weights)])
    np.testing.assert_allclose(found, 1 - along / along[-1], atol=1e-3)


def test_random_walks_in_a_large_region_take_a_coarser_grid(monkeypatch):
    pytest.importorskip("skimage")
    pytest.importorskip("pyamg")
    radius = np.linalg.norm(np.indices((24, 32, 40)).T - (12, 16, 20), axis=-1).T
    truth = radius < 10
    image = 100 * truth.astype(np.float32)[..., None]
    seeds = np.zeros(truth.shape, np.uint8)
    seeds[12, 16, 14:27], seeds[0] = 2, 1
    fine = make_method("randomwalker", image, (1, 1, 1))
    monkeypatch.setattr("meddl.deepigeos.random_walker.MOST_VOXELS", 4000)
    coarse = make_method("randomwalker", image, (1, 1, 1))
    assert fine.factors == (1, 1, 1) and coarse.factors == (2, 2, 2)
    assert coarse(seeds).shape == truth.shape
    assert dice(fine(seeds) > 0.5, truth) > 0.99 and dice(coarse(seeds) > 0.5, truth) > 0.93


def test_random_walks_go_to_the_faces_where_cells_hide_the_background(monkeypatch):
    pytest.importorskip("skimage")
    pytest.importorskip("pyamg")
    monkeypatch.setattr("meddl.deepigeos.random_walker.MOST_VOXELS", 4000)
    image = np.zeros((24, 32, 40, 1), np.float32)
    image[8:16, 10:22, 12:28] = 100
    seeds = np.zeros(image.shape[:3], np.uint8)
    seeds[12, 16, 14:26] = 2
    seeds[13, 17, 14] = 1  # in a cell of the stroke
    found = make_method("randomwalker", image, (1, 1, 1))(seeds) > 0.5
    assert dice(found, image[..., 0] > 50) > 0.9


def test_weights_go_with_networks_only():
    with pytest.raises(InputError, match=r"'crf' takes no weights"):
        make_method("crf", IMAGE, (1, 1, 1), weights="mine")
