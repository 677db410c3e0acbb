"""Single scatter by integration, against the Monte Carlo's and against a sum written out here."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.image import Image
from meddl.deepdrr import CArm, Spectrum, load_spectrum
from meddl.deepdrr import cross_sections as cs
from meddl.deepdrr.materials import THRESHOLD_MATERIALS, material_densities
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.scatter import coarse_camera, open_share, smooth
from meddl.deepdrr.scatter_phantoms import random_torso
from meddl.deepdrr.scatter_single import single_scatter

GRID = (8, 8)


def box(spacing, size=(200, 120, 160), turned=0.0):
    """Densities and ijk_from_world of a water box (mm) about the origin, on any grid, in air."""
    angle = np.deg2rad(turned)
    world_from_ijk = np.eye(4)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    world_from_ijk[:3, :3] = np.vstack([turn, [0, 0, 1]]) @ np.diag(spacing)
    shape = 2 * np.ceil(150 / np.array(spacing)).astype(int)  # along i, j, k
    world_from_ijk[:3, 3] = -world_from_ijk[:3, :3] @ ((shape - 1) / 2)
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = ijk @ world_from_ijk[:3, :3].T + world_from_ijk[:3, 3]
    inside = (np.abs(world) <= np.array(size) / 2).all(axis=-1)
    densities = np.ascontiguousarray(inside.T[..., None], np.float32)
    return densities, np.linalg.inv(world_from_ijk)


def aside(pixels=24, spacing=16.0) -> CArm:
    """A view with the box beside the middle, so that a part of the field is open."""
    return CArm(
        isocenter=(60, 0, 0),
        source_detector=1200,
        source_isocenter=900,
        detector_size=(pixels, pixels),
        pixel_spacing=spacing,
    )


@pytest.mark.parametrize("spectrum", ["60kV", "120kV"])
def test_single_scatter_of_a_box_is_that_of_the_monte_carlo(spectrum):
    densities, ijk_from_world = box((4, 4, 4))
    camera, tube = aside().camera(), load_spectrum(spectrum)
    geometry = (densities, ("water",), ijk_from_world)
    found = single_scatter(*geometry, coarse_camera(camera, (48, 48)), 1200.0, tube, GRID)
    run = simulate(*geometry, camera, 1200.0, tube, 400_000, grid=GRID)
    once = run.compton_once + run.rayleigh_once
    assert found.mean() == pytest.approx(once.mean(), rel=0.02)
    # The error of all scatter bounds that of this part.
    assert np.sqrt(((found - once) ** 2).mean()) < 3 * np.sqrt((run.standard_error**2).mean())


def test_one_energy_and_one_cell_by_a_sum_over_the_voxels():
    """Source, voxel, detector cell: no table, no ray picture; Compton and Rayleigh."""
    densities, ijk_from_world = box((10, 10, 10), (40, 40, 40))
    carm = CArm(
        isocenter=(0, 0, 0),
        source_detector=1000,
        source_isocenter=700,
        detector_size=(24, 24),
        pixel_spacing=15,
    )
    camera, energy = carm.camera(), 50.0
    mono = Spectrum(np.array([energy]), np.ones(1))
    rays = coarse_camera(camera, (96, 96))
    found = single_scatter(densities, ("water",), ijk_from_world, rays, 1000.0, mono, (24, 24))
    tables = cs.interactions(("water",))

    def at(table, where=energy):
        return np.interp(where, cs.ENERGIES, table[0])

    steps = np.arange(-19, 20, 2.0)
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    toward = points - camera.source
    distance = np.linalg.norm(toward, axis=1)
    toward /= distance[:, None]
    axis = camera.world_from_camera[:3, 2]

    def inside(start, direction):
        with np.errstate(divide="ignore"):
            return np.max([(20 - start) / direction, (-20 - start) / direction], 0).min(axis=1)

    along = toward @ axis
    flux = (1000 / (distance * along)) ** 2 / 15.0**2 / along  # photons per mm2, one per cell
    flux *= np.exp(-0.1 * at(tables.total) * inside(points, -toward))
    half = np.linspace(0, 1, 4001)
    shape = np.interp(energy * half / cs.KEV_ANGSTROM, cs.TRANSFERS, tables.form_factor[0])
    shape *= 1 + (1 - 2 * half**2) ** 2
    sphere = np.trapezoid(8 * np.pi * half * shape, half)
    for row, column in ((11, 12), (3, 20), (17, 6)):
        goal = camera.unproject([column, row], 1000.0) - points
        reach = np.linalg.norm(goal, axis=1)
        goal /= reach[:, None]
        cosines = (goal * toward).sum(axis=1)
        kept = energy / (1 + energy / cs.ELECTRON_REST_ENERGY * (1 - cosines))
        sine = np.sqrt((1 - cosines) / 2)
        s = np.interp(energy * sine / cs.KEV_ANGSTROM, cs.TRANSFERS, tables.scattering_function[0])
        compton = cs.klein_nishina(energy, cosines) * s / at(tables.incoherent_norm)
        out = inside(points, goal)
        signal = compton * at(tables.incoherent) * kept
        signal *= np.exp(-0.1 * at(tables.total, kept) * out)
        rayleigh = np.interp(sine, half, shape) / sphere * at(tables.coherent) * energy
        signal += rayleigh * np.exp(-0.1 * at(tables.total) * out)
        solid = 15.0**2 * (goal @ axis) / reach**2
        expected = (flux * signal * solid).sum() * 0.1 * 2.0**3
        assert found[row, column] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("spacing", "turned"), [((2, 2, 2), 0), ((2, 5, 3.2), 0), ((2.5, 2.5, 2.5), 30)]
)
def test_grids_of_the_object_do_not_matter(spacing, turned):
    view = (coarse_camera(aside().camera(), (48, 48)), 1200.0, load_spectrum("90kV"), GRID)

    def of(*grid):
        densities, ijk_from_world = box(*grid)
        return single_scatter(densities, ("water",), ijk_from_world, *view)

    expected, found = of((4, 4, 4)), of(spacing, (200, 120, 160), turned)
    assert found.mean() == pytest.approx(expected.mean(), rel=0.02)
    assert np.sqrt(((found - expected) ** 2).mean()) < 0.05 * expected.mean()


def test_single_scatter_of_two_halves_of_the_field_is_that_of_the_whole():
    densities, ijk_from_world = box((5, 5, 5))
    camera = aside().camera()
    rays = coarse_camera(camera, (48, 48))
    geometry = (densities, ("water",), ijk_from_world, rays, 1200.0, load_spectrum("60kV"), GRID)
    shares = [
        open_share((*columns, -0.5, 23.5), (24, 24), (48, 48))
        for columns in ((-0.5, 9.2), (9.2, 23.5))
    ]
    left, right, whole = (single_scatter(*geometry, share) for share in (*shares, None))
    np.testing.assert_allclose(left + right, whole, rtol=1e-9)
    assert left.mean() < 0.7 * whole.mean()


def test_bone_scatters_and_attenuates_as_bone(monkeypatch):
    """A torso with its spine; the same bits on one core."""
    torso: Image = random_torso(np.random.default_rng(90_004))
    densities = material_densities(torso)
    camera = CArm(detector_size=(24, 24), pixel_spacing=14).camera(torso.center)
    geometry = (densities, THRESHOLD_MATERIALS, torso.ijk_from_ras)
    tube = load_spectrum("90kV")
    view = (coarse_camera(camera, (48, 48)), 1020.0, tube)
    found = single_scatter(*geometry, *view, (24, 24))
    run = simulate(*geometry, camera, 1020.0, tube, 150_000)
    once, _ = smooth(run.compton_once + run.rayleigh_once, run.standard_error)
    assert found.mean() == pytest.approx(once.mean(), rel=0.06)
    monkeypatch.setattr("meddl.deepdrr.projector.available_cores", lambda: 1)
    np.testing.assert_array_equal(single_scatter(*geometry, *view, (24, 24)), found)


@pytest.mark.filterwarnings("error")
def test_the_softest_photons_hardly_leave_the_box():
    densities, ijk_from_world = box((10, 10, 10))
    rays = coarse_camera(aside().camera(), (24, 24))
    view = (("water",), ijk_from_world, rays, 1200.0)
    soft, usual = (
        single_scatter(densities, *view, Spectrum(np.array([energy]), np.ones(1)), GRID)
        for energy in (5.0, 50.0)
    )
    assert np.isfinite(soft).all() and 0 <= soft.max() < 1e-3 * usual.max()


def test_no_object_and_no_field_give_nothing():
    densities, ijk_from_world = box((10, 10, 10))
    rays = coarse_camera(aside().camera(), (24, 24))
    view = (("water",), ijk_from_world, rays, 1200.0, load_spectrum("60kV"), GRID)
    assert not single_scatter(0 * densities, *view).any()
    assert not single_scatter(densities, *view, np.zeros((24, 24))).any()
