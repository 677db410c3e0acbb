"""The drop-in against maps of the real GeodisTK 0.1.7, and the packages as backends."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import meddl.geodesic
import meddl.geodesic.geodistk as GeodisTK
from meddl.core import DependencyError, InputError
from meddl.geodesic import geodesic_distance

MAPS = dict(np.load(Path(__file__).with_name("geodistk_0_1_7.npz")))
SPACING = [2.0, 1.0, 0.7]


def case(axes: str, channels: str):
    name = "picture" if axes == "2" else "volume"
    image = MAPS[name + ("_channels" if channels else "")]
    return image, MAPS[f"{name}_seeds"], [] if axes == "2" else [SPACING]


@pytest.mark.parametrize("axes", ["2", "3"])
@pytest.mark.parametrize("channels", ["", "c"])
def test_fast_marching_is_geodistks_to_the_bit(axes, channels):
    image, seeds, spacing = case(axes, channels)
    found = getattr(GeodisTK, f"geodesic{axes}d_fast_marching")(image, seeds, *spacing)
    expected = MAPS[f"fm{axes}{channels}"]
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("axes", ["2", "3"])
@pytest.mark.parametrize("channels", ["", "c"])
@pytest.mark.parametrize("lamb", [0.5, 1.0])
def test_raster_scan_is_geodistks_converged_one(axes, channels, lamb):
    image, seeds, spacing = case(axes, channels)
    found = getattr(GeodisTK, f"geodesic{axes}d_raster_scan")(image, seeds, *spacing, lamb, 2)
    expected = MAPS[f"rs{axes}{channels}_{lamb}"]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * expected.max())


def test_the_package_offers_the_functions_as_well():
    image, seeds, spacing = case("3", "")
    for name, rest in (("fast_marching", ()), ("raster_scan", (0.5, 2))):
        found = getattr(meddl.geodesic, f"geodesic3d_{name}")(image, seeds, *spacing, *rest)
        expected = MAPS["rs3_0.5" if rest else "fm3"]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * expected.max())
    image, seeds, _ = case("2", "")
    assert np.array_equal(meddl.geodesic.geodesic2d_fast_marching(image, seeds), MAPS["fm2"])
    assert meddl.geodesic.geodesic2d_raster_scan(image, seeds, 1.0, 2).shape == seeds.shape


def test_raster_scan_without_weight_is_the_straight_distance():
    seeds = np.zeros((9, 9, 9), bool)
    seeds[0, 0, 0] = True
    found = GeodisTK.geodesic3d_raster_scan(np.zeros(seeds.shape), seeds, SPACING, 0.0, 2)
    corner = np.linalg.norm(8 * np.array(SPACING))
    assert found[8, 8, 8] == pytest.approx(corner, rel=1e-6)


@pytest.mark.parametrize("backend", ["geodistk", "fastgeodis"])
def test_a_missing_package_is_named(monkeypatch, backend):
    package = {"geodistk": "GeodisTK", "fastgeodis": "FastGeodis"}[backend]
    cost = {"geodistk": "product", "fastgeodis": "fastgeodis"}[backend]
    monkeypatch.setitem(sys.modules, package, None)
    image, seeds, _ = case("3", "")
    with pytest.raises(DependencyError, match=f"needs the package {package}"):
        geodesic_distance(image, seeds, SPACING, cost=cost, backend=backend)


@pytest.mark.parametrize(
    ("backend", "cost", "iterations", "message"),
    [
        ("geodistk", "fastgeodis", None, "no cost fastgeodis"),
        ("geodistk", "product", 2, "iterations 2"),
        ("fastgeodis", "product", None, "no cost product"),
    ],
)
def test_costs_that_a_package_lacks_are_refused(backend, cost, iterations, message):
    image, seeds, _ = case("3", "")
    with pytest.raises(InputError, match=message):
        geodesic_distance(image, seeds, SPACING, cost=cost, backend=backend, iterations=iterations)


def test_geodistk_gets_what_it_takes(monkeypatch):
    """The real one refuses all but float32 (D, H, W, C), uint8 and lists."""
    calls = []

    def scan(image, seeds, spacing, lamb, iterations):
        calls.append((image, seeds, spacing, lamb, iterations))
        return np.full(seeds.shape, 3.0, np.float32)

    monkeypatch.setitem(sys.modules, "GeodisTK", SimpleNamespace(geodesic3d_raster_scan=scan))
    image, seeds, _ = case("3", "c")
    found = geodesic_distance(
        *(image.astype(float), seeds > 0, SPACING),
        cost="geodistk",
        lambda_=0.5,
        backend="geodistk",
        cap=2.0,
    )
    values, chosen, *rest = calls[0]
    assert np.array_equal(values, image) and values.dtype == np.float32
    assert np.array_equal(chosen, seeds) and chosen.dtype == np.uint8
    assert rest == [SPACING, 0.5, 4] and (found == 2.0).all()
