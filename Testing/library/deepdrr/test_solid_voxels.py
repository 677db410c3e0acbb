"""Bodies as shares of voxels, and the scatter that they make and stop."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DeviceError
from meddl.core.geometry import apply, compose, inverse, rotation
from meddl.deepdrr import CArm, Solid, ball, k_wire, mask_layer, render
from meddl.deepdrr.instruments import tube
from meddl.deepdrr.solid_voxels import solid_shares, with_solids

from .phantoms import oblique_geometry
from .test_layers import block
from .test_solids import box

GRID = compose((3, 2, 2.5), (-30, -30, -30))  # of 20 x 30 x 24 voxels, 60 mm a side
SHAPE = 24, 30, 20
VOXEL = 3 * 2 * 2.5


def volumes(meshes, ras_from_ijk=GRID, shape=SHAPE) -> np.ndarray:
    """(B,) mm3 of each mesh on the grid."""
    _, shares = solid_shares(meshes, inverse(ras_from_ijk), shape)
    assert (shares >= 0).all() and (shares.sum(axis=-1) < 1 + 1e-5).all()
    per_voxel = abs(np.linalg.det(ras_from_ijk[:3, :3]))
    return shares.sum(axis=(0, 1, 2), dtype=np.float64) * per_voxel


def test_a_box_fills_what_it_covers_of_each_voxel():
    """Aligned, with faces within voxels: the shares are products of lengths."""
    low, high = np.array([-11.2, -9.3, -4.4]), np.array([7.7, 3.1, 12.9])
    mesh = box(high - low, compose((1, 1, 1), (low + high) / 2))
    part, shares = solid_shares([mesh], inverse(GRID), SHAPE)
    found = np.zeros(SHAPE)
    found[part] = shares[..., 0]
    start, step = GRID[:3, 3], np.diag(GRID)[:3]
    along = []
    for axis in range(3):
        middle = start[axis] + step[axis] * np.arange(SHAPE[2 - axis])
        begin = np.maximum(middle - step[axis] / 2, low[axis])
        end = np.minimum(middle + step[axis] / 2, high[axis])
        along.append(np.maximum(end - begin, 0) / step[axis])
    expected = along[2][:, None, None] * along[1][:, None] * along[0]
    np.testing.assert_allclose(found, expected, atol=1 / 32 + 1e-6)  # lines are 1/32 voxel apart
    assert found.sum() == pytest.approx(expected.sum(), rel=0.005)


@pytest.mark.parametrize("seed", range(4))
def test_bodies_keep_their_volume_wherever_they_lie(seed, caplog):
    """Oblique grids, right and left handed: a box, a ball, a wire thinner than a voxel, a tube."""
    g = np.random.default_rng(seed)
    ras_from_ijk = oblique_geometry(seed, (3.0, 2.0, 2.5), lps=seed % 2 == 1)
    ras_from_ijk[:3, 3] -= apply(ras_from_ijk, (np.array(SHAPE[::-1]) - 1) / 2)
    pose = rotation(g.normal(size=3), g.uniform(-180, 180))
    pose[:3, 3] = g.uniform(-3, 3, 3)
    tip, end = apply(pose, np.array([[0, 0, -20.0], [0, 0, 20.0]]))
    meshes = [box((23, 9, 1.4), pose), ball(tip, 6.0), k_wire(tip, end, 1.5), tube(tip, end, 9, 6)]
    exact = [_enclosed(mesh) for mesh in meshes]
    with caplog.at_level(logging.WARNING):
        found = [volumes([mesh], ras_from_ijk)[0] for mesh in meshes]
    np.testing.assert_allclose(found, exact, rtol=0.01)
    assert not caplog.records


def _enclosed(mesh) -> float:
    """Volume by the divergence theorem."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)


def test_a_later_body_displaces_an_earlier_one_and_a_hollow_one_is_hollow():
    outer, inner = box((20, 20, 20)), box((10, 8, 6))
    np.testing.assert_allclose(volumes([outer, inner]), [8000 - 480, 480], rtol=0.015)
    np.testing.assert_allclose(volumes([inner, outer]), [0, 8000], rtol=0.015, atol=1e-6)


def test_what_of_a_body_lies_beside_the_grid_is_cut_or_the_grid_grows():
    mesh = box((20, 20, 20), compose((1, 1, 1), (-31.5, 0, 0)))  # half of it beside the face
    np.testing.assert_allclose(volumes([mesh]), [4000], rtol=0.015)
    assert volumes([box((5, 5, 5), compose((1, 1, 1), (200, 0, 0)))]) == 0
    water = np.ones((*SHAPE, 1), np.float32)
    solid = Solid(mesh, "iron")
    mixed, names, ijk_from_ras = with_solids(water, ("water",), inverse(GRID), [solid])
    assert names == ("water", "iron") and mixed.shape[:3] == (24, 30, 24)
    sums = mixed.sum(axis=(0, 1, 2), dtype=np.float64) * VOXEL
    np.testing.assert_allclose(sums, [60**3 - 4000, 8000 * solid.density], rtol=0.015)
    np.testing.assert_allclose(apply(ijk_from_ras, np.array([-30.0, -30, -30])), [4, 0, 0])


def test_a_body_far_away_needs_too_much_memory_and_says_so(monkeypatch):
    monkeypatch.setattr("meddl.core.devices._cpu", lambda: _Device(10**8))
    water = np.ones((*SHAPE, 1), np.float32)
    far = Solid(box((5, 5, 5), compose((1, 1, 1), (9000, 9000, 0))), "iron")
    with pytest.raises(DeviceError, match="scatter with the bodies"):
        with_solids(water, ("water",), inverse(GRID), [far])


class _Device:
    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes


def test_cancel_stops_between_layers():
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        solid_shares([box((20, 20, 20))], inverse(GRID), SHAPE, cancel)


VIEW = CArm(detector_size=(24, 24), pixel_spacing=14.0, isocenter=(0, 0, 0))
WATER = block(0, (30, 30, 30), 5)  # 150 mm


def scattered(method: str, **options) -> tuple[np.ndarray, float]:
    """Scatter in a view of the water, keV per emitted photon, and its relative standard error."""
    about = {"quantity": "energy", "scatter_photons": 400_000}
    found = render(WATER, VIEW, **about, **options, scatter=method)
    without = render(WATER, VIEW, **about, **options)
    return (found.array - without.array)[0], found.metadata.get("scatter_error", 0.0)


@pytest.mark.parametrize("method", ["montecarlo", "kernel"])
def test_a_steel_plate_stops_scatter_and_scatters_as_one_of_voxels_does(method):
    """10 mm of steel on the half of the water's far side, as a mesh and as voxels of the CT."""
    assert VIEW.camera().source[1] < 0  # the detector is anterior
    low, size = np.array([-75.0, 65, -75]), np.array([70.0, 10, 150])
    mesh = box(size, compose((1, 1, 1), low + size / 2))
    inside = np.zeros(WATER.array.shape, np.uint8)
    inside[:, -2:, :14] = 1
    plate = mask_layer(WATER.with_array(inside), "iron")
    (of_mesh, error), (of_voxels, _), (free, _) = (
        scattered(method, **options)
        for options in ({"solids": [Solid(mesh, "iron")]}, {"over": [plate]}, {})
    )
    assert of_mesh.mean() == pytest.approx(of_voxels.mean(), rel=max(0.01, 3 * error))
    difference = np.linalg.norm(of_mesh - of_voxels) / np.linalg.norm(of_voxels)
    assert difference < max(0.03, 3 * error)
    weakened = of_mesh / free
    assert weakened.min() < 0.4 and weakened.max() > 0.8  # the gap to the detector is 415 mm


def test_a_plate_before_the_water_weakens_scatter_by_what_it_stops():
    """Steel beside the CT, between it and the tube."""
    mesh = box((160, 3, 160), compose((1, 1, 1), (0, -198.5, 0)))
    behind, _ = scattered("montecarlo", solids=[Solid(mesh, "iron")])
    free, _ = scattered("montecarlo")
    assert behind.mean() < 0.3 * free.mean()
