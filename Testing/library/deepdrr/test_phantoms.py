"""Path lengths of bodies whose chords are known, on grids that finer and finer voxels fill."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.deepdrr import render

from .phantoms import GRIDS, SHAPES, body, body_chords, body_view

POSE = (33.0, 22.0, 17.0)


@pytest.mark.parametrize("backend", ["exact", "numba"])
@pytest.mark.parametrize(
    ("shape", "grid", "bar"),
    [
        ("sphere", "straight", 0.012),
        ("ellipsoid", "oblique, anisotropic", 0.012),
        ("slab", "oblique", 0.004),
    ],
)
def test_path_lengths_converge_to_the_chords(shape, grid, bar, backend):
    """Twice the bar of 0.6 % at 256^3 for 128^3, and half the error for half the voxels: the error
    is that of the surface, about a voxel deep. All grids and 256^3 are in
    Testing/peers/drr_phantoms.py."""
    view, errors = body_view(shape, POSE, 96), []
    for size in (64, 128):
        ct = body(shape, grid, size)
        expected = body_chords(shape, view.camera(ct.center))
        found = render(ct, view, quantity="integral", backend=backend).array[0]
        errors.append(np.linalg.norm(found - expected) / np.linalg.norm(expected))
    assert errors[1] < bar
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("shape", ["sphere", "ellipsoid", "box"])
@pytest.mark.parametrize("grid", GRIDS)
def test_coverage_has_the_volume_of_the_body(shape, grid):
    kind, ras_from_unit = SHAPES[shape]
    unit = 4 / 3 * np.pi if kind == "ball" else 8.0
    ct = body(shape, grid, 48)
    found = ct.array.sum(dtype=float) * np.prod(ct.spacing)
    assert found == pytest.approx(unit * np.linalg.det(ras_from_unit[:3, :3]), rel=2e-3)
