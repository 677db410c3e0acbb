"""The photon transport against Klein-Nishina, numerical integration and published results."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import xraydb

from meddl.core import InputError
from meddl.deepdrr import CArm, Spectrum, mass_attenuation
from meddl.deepdrr import cross_sections as cs
from meddl.deepdrr.compositions import Material, material_table
from meddl.deepdrr.detector import DetectorParameters, per_photon
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.scatter import Scatter, View, scatter

MATERIALS = ("air", "soft tissue", "bone", "water")
MONO = Spectrum(np.array([60.0]), np.array([1.0]))
EVERYWHERE = np.ones(2)  # S(x) of free electrons


def draws(function, *arguments, count=40_000):
    """Many draws of one of the transport's angle samplers."""
    import numba

    from meddl.deepdrr.photon_sampling import seed_history

    @numba.njit
    def many(energy, values, per_transfer, count):
        state = np.zeros(1, np.uint64)
        seed_history(np.uint64(7), np.uint64(0), state)
        result = np.empty(count)
        for n in range(count):
            drawn = function(energy, values, per_transfer, state)
            result[n] = drawn[1] if rows else drawn
        return result

    rows = function.__name__ == "draw_compton"
    return many(*arguments, count)


def box(shape, spacing, density=1.0, material="water"):
    """Densities, materials and ijk_from_world of a box about the origin."""
    k, j, i = shape
    ijk_from_world = np.diag([*(1 / np.array(spacing, float)), 1.0])
    ijk_from_world[:3, 3] = (np.array([i, j, k]) - 1) / 2
    return np.full((*shape, 1), density, np.float32), (material,), ijk_from_world


def test_cross_sections_add_up_to_the_attenuation_of_the_renderer():
    tables = cs.interactions(MATERIALS)
    for name, total in zip(MATERIALS, tables.total, strict=True):
        np.testing.assert_allclose(total, mass_attenuation(name, cs.ENERGIES), rtol=1e-12)


@pytest.mark.parametrize(
    ("element", "hubbell"),  # S(x) at x = 0.1, 0.5, 1, 2 /Angstrom, Hubbell et al. 1975
    [
        ("H", (0.343, 0.995, 1.0, 1.0)),
        ("C", (1.039, 4.478, 5.348, 5.931)),
        ("O", (0.977, 5.828, 6.902, 7.765)),
        ("P", (2.206, 8.419, 11.888, 13.790)),
    ],
)
def test_incoherent_scattering_function_is_near_the_published_table(element, hubbell):
    found = cs.incoherent_scattering_function(element, np.array([0.1, 0.5, 1.0, 2.0]))
    np.testing.assert_allclose(found, hubbell, atol=0.025 * xraydb.atomic_number(element))


def test_incoherent_cross_section_follows_from_the_scattering_function():
    for element in ("C", "O", "Ca"):
        barns = (
            cs.ELECTRON_RADIUS_SQUARED
            / 2
            * cs._klein_nishina_integral(
                np.array([10.0, 30.0, 100.0]),
                cs.incoherent_scattering_function(element, cs.TRANSFERS),
            )
        )
        grams = xraydb.atomic_mass(element) / cs.AVOGADRO_PER_BARN
        elam = grams * xraydb.mu_elam(element, [1e4, 3e4, 1e5], kind="incoh")
        np.testing.assert_allclose(barns, elam, rtol=0.015)


@pytest.mark.parametrize("energy", [20.0, 60.0, 120.0])
def test_compton_angles_and_energies_follow_klein_and_nishina(energy):
    from meddl.deepdrr.photon_sampling import draw_compton

    cosines = draws(draw_compton, energy, EVERYWHERE, 1.0)
    edges = np.linspace(-1, 1, 21)
    fine = np.linspace(-1, 1, 20_001)
    density = cs.klein_nishina(energy, fine)
    expected = np.diff(np.interp(edges, fine, np.cumsum(density) / density.sum()))
    counts = np.histogram(cosines, edges)[0]
    chi2 = ((counts - expected * cosines.size) ** 2 / (expected * cosines.size)).sum()
    assert chi2 < 45  # 20 bins; beyond 45 one time in a thousand
    kept = 1 / (1 + energy / cs.ELECTRON_REST_ENERGY * (1 - fine))
    mean = (kept * density).sum() / density.sum()  # mean energy transfer is 1 - mean
    found = 1 / (1 + energy / cs.ELECTRON_REST_ENERGY * (1 - cosines))
    assert abs(found.mean() - mean) < 4 * found.std() / np.sqrt(found.size)


def test_rayleigh_angles_follow_the_form_factor():
    from meddl.deepdrr.photon_sampling import draw_rayleigh

    tables, energy = cs.interactions(("water",)), 40.0
    cosines = draws(draw_rayleigh, energy, tables.form_integral[0], 1 / cs.TRANSFER_STEP)
    fine = np.linspace(0, np.pi, 40_001)
    x = energy * np.sin(fine / 2) / cs.KEV_ANGSTROM
    density = np.interp(x, cs.TRANSFERS, tables.form_factor[0])
    density *= (1 + np.cos(fine) ** 2) * np.sin(fine)
    edges = np.deg2rad([0, 2, 4, 6, 8, 11, 15, 20, 30, 45, 180])
    expected = np.diff(np.interp(edges, fine, np.cumsum(density) / density.sum()))
    counts = np.histogram(np.arccos(cosines), edges)[0]
    chi2 = ((counts - expected * cosines.size) ** 2 / (expected * cosines.size)).sum()
    assert chi2 < 30


def test_first_order_compton_agrees_with_numerical_integration():
    """A water cube of 40 mm: source, every sub-voxel, detector, attenuation on both ways."""
    densities, names, ijk_from_world = box((1, 1, 1), (40, 40, 40))
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=1000,
        source_isocenter=700,
        detector_size=(4, 4),
        pixel_spacing=60,
    )
    camera = view.camera()
    found = simulate(
        *(densities, names, ijk_from_world, camera, 1000, MONO, 200_000),
        grid=(4, 4),
        field=(1.0, 2.0, 1.0, 2.0),  # just covers the cube
    )
    total, tables = mass_attenuation("water", MONO.energies)[0], cs.interactions(("water",))
    incoherent = np.interp(60, cs.ENERGIES, tables.incoherent[0])
    norm = np.interp(60, cs.ENERGIES, tables.incoherent_norm[0])
    steps = (np.arange(20) + 0.5) / 20 * 40 - 20
    points = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    toward = points - camera.source
    distance = np.linalg.norm(toward, axis=1)
    toward /= distance[:, None]
    axis = camera.world_from_camera[:3, 2]

    def inside(start, direction):  # mm of water from a point inside the cube along a direction
        with np.errstate(divide="ignore"):
            return np.max([(20 - start) / direction, (-20 - start) / direction], 0).min(axis=1)

    # One photon per pixel, on the detector's plane; fluence at the points, per mm2.
    pixel = 60.0**2
    depth = distance * (toward @ axis)
    flux = (1000 / depth) ** 2 / pixel / (toward @ axis)
    flux *= np.exp(-0.1 * total * inside(points, -toward))
    expected = np.zeros((4, 4))
    for row in range(4):
        for column in range(4):
            fine = (np.arange(3) + 0.5) / 3 - 0.5
            for v in row + fine:
                for u in column + fine:
                    goal = camera.unproject([u, v], 1000.0) - points
                    reach = np.linalg.norm(goal, axis=1)
                    goal /= reach[:, None]
                    cosines = (goal * toward).sum(axis=1)
                    kept = 60 / (1 + 60 / cs.ELECTRON_REST_ENERGY * (1 - cosines))
                    x = 60 * np.sqrt((1 - cosines) / 2) / cs.KEV_ANGSTROM
                    s = np.interp(x, cs.TRANSFERS, tables.scattering_function[0])
                    share = cs.klein_nishina(60.0, cosines) * s / norm
                    back = np.interp(kept, cs.ENERGIES, tables.total[0])
                    solid = pixel * (goal @ axis) / reach**2
                    way = np.exp(-0.1 * back * inside(points, goal))
                    energy = flux * share * kept * solid * way
                    expected[row, column] += energy.sum() * incoherent * 0.1 * 2.0**3 / 9
    error = found.standard_error  # at least that of the Compton part
    assert np.all(np.abs(found.compton_once - expected) < 4 * error)
    assert found.compton_once.sum() == pytest.approx(expected.sum(), rel=0.01)


@pytest.fixture(scope="module")
def water_slab():
    """20 cm of water of 60 cm x 60 cm, a 30 cm field, an air gap of 10 cm."""
    densities, names, ijk_from_world = box((20, 5, 20), (30, 40, 30))
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=1000,
        source_isocenter=800,
        detector_size=(30, 30),
        pixel_spacing=10,
    )
    return densities, names, ijk_from_world, view.camera(), 1000.0, MONO


def test_energy_is_conserved_and_both_estimators_agree(water_slab):
    found = simulate(*water_slab, 400_000, grid=(3, 3), with_dose=True)
    sum_ = found.absorbed + found.unscattered + found.escaped
    assert sum_ == pytest.approx(found.emitted, rel=1e-9)
    assert found.dose.sum() == pytest.approx(found.absorbed, rel=1e-9)
    assert found.emitted == pytest.approx(60.0 * found.histories)
    miss = np.hypot(found.standard_error, found.analogue_error)
    assert np.abs((found.scatter - found.analogue) / miss).max() < 4
    assert (found.standard_error < found.analogue_error).all()
    assert found.scatter.mean() == pytest.approx(found.analogue.mean(), rel=0.03)
    thickness = np.array([20.0 / 0.98])  # mean obliquity of the field
    through = np.exp(-mass_attenuation("water", MONO.energies) * thickness)
    assert found.unscattered / found.emitted == pytest.approx(through[0], rel=0.1)


def test_standard_errors_are_the_spread_of_repeated_runs(water_slab):
    runs = [simulate(*water_slab, 6400, grid=(2, 2), seed=seed) for seed in range(24)]
    spread = np.std([run.scatter for run in runs], axis=0, ddof=1)
    stated = np.mean([run.standard_error for run in runs], axis=0)
    assert np.mean(stated) == pytest.approx(np.mean(spread), rel=0.25)


def test_result_does_not_depend_on_the_number_of_threads(water_slab, monkeypatch):
    first = simulate(*water_slab, 6400, seed=5)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    again = simulate(*water_slab, 6400, seed=5)
    np.testing.assert_array_equal(first.scatter, again.scatter)
    other = simulate(*water_slab, 6400, seed=6)
    assert np.abs(first.scatter - other.scatter).max() > 0


def test_absorbed_energy_of_the_report_of_task_group_195(monkeypatch):
    """AAPM Report 195 (Sechopoulos et al. 2015), case 2: radiography, 56.4 keV, 0 degrees.

    A tissue box of 39 x 20 x 39 cm, 155 cm of air before it, a field of 39 cm at 180 cm: 33171 eV
    absorbed per photon, the mean of four codes. Photons are even over the field here, over the
    sphere there; that changes the total by less than 0.1 %.
    """
    tissue = {"H": 0.105, "C": 0.256, "N": 0.027, "O": 0.602, "Na": 0.001}
    tissue |= {"P": 0.002, "S": 0.003, "Cl": 0.002, "K": 0.002}
    name = "tissue of TG-195"
    monkeypatch.setitem(material_table(), name, Material(name, 1.03, tuple(tissue.items())))
    densities = np.zeros((1, 36, 1, 2), np.float32)
    densities[..., 1] = 0.001205
    densities[:, 31:35] = 1.03, 0
    ijk_from_world = np.diag([1 / 390, 1 / 50, 1 / 390, 1.0])
    ijk_from_world[1, 3] = 1650 / 50 - 0.5  # the source lies on the first face
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=1800,
        source_isocenter=1650,
        detector_size=(39, 39),
        pixel_spacing=10,
    )
    spectrum = Spectrum(np.array([56.4]), np.array([1.0]))
    names = ("tissue of TG-195", "air")
    found = simulate(
        densities, names, ijk_from_world, view.camera(), 1800, spectrum, 200_000, with_dose=True
    )
    absorbed = 1000 * found.dose[:, 31:35].sum() / found.histories
    assert absorbed == pytest.approx(33171.4, rel=0.01)


@pytest.mark.parametrize("tilt", [0.0, 1e-16, 1e-12, -1e-12, 1e-9])
def test_photons_almost_along_an_axis_cross_every_block(tilt):
    """A beam in the faces between blocks, so nearly parallel that a step hardly moves it across."""
    densities, names, _ = box((16, 16, 16), (5, 5, 5), density=0.001)
    ijk_from_world = np.diag([0.2, 0.2, 0.2, 1.0])
    ijk_from_world[:3, 3] = 7.5  # the origin lies on the faces of the blocks
    ijk_from_world[0, 1] = tilt
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=1000,
        source_isocenter=500,
        detector_size=(3, 3),
        pixel_spacing=10,
    )
    beam = (1.0, 1.0, 1.0, 1.0)
    found = simulate(densities, names, ijk_from_world, view.camera(), 1000, MONO, 6400, field=beam)
    depth = mass_attenuation("water", MONO.energies)[0] * 0.001 * 8
    assert found.unscattered / found.emitted == pytest.approx(np.exp(-depth), abs=0.002)


def test_bad_requests_are_refused(water_slab):
    with pytest.raises(InputError, match="at least 64"):
        simulate(*water_slab, 10)
    *geometry, _ = water_slab
    with pytest.raises(InputError, match="250 keV"):
        simulate(*geometry, Spectrum(np.array([250.0]), np.array([1.0])), 6400)


def test_scattered_photons_are_counted_at_the_energies_that_compton_leaves_them():
    """60 keV in so little water that nearly all scatter once: by an angle t Compton leaves
    E = 60 / (1 + 60 / 511 (1 - cos t)), and Rayleigh 60 keV."""
    geometry = box((1, 1, 1), (2, 2, 2))
    view = CArm(
        isocenter=(0, 0, 0),
        source_detector=800,
        source_isocenter=700,
        detector_size=(40, 40),
        pixel_spacing=5,
    )
    options = {"grid": (5, 5), "field": (18.0, 22.0, 18.0, 22.0), "with_spectrum": True}
    found = simulate(*geometry, view.camera(), 800, MONO, 100_000, **options)
    photons = found.spectrum.sum(axis=(1, 2))
    energies = np.arange(photons.size) + 0.5
    kept = 1 / (1 + 60 / cs.ELECTRON_REST_ENERGY * (1 - np.cos(np.arctan(1.5))))  # the corner
    assert photons[61:].sum() == 0
    assert photons[energies < 60 * kept - 1].sum() < 0.05 * photons.sum()  # twice and more
    rayleigh = found.rayleigh_once.sum()
    assert rayleigh > 0.02 * found.scatter.sum()
    assert photons[60] * 60.5 == pytest.approx(rayleigh, rel=0.05)
    np.testing.assert_allclose(np.tensordot(energies, found.spectrum, 1), found.scatter, rtol=1e-9)
    assert simulate(*geometry, view.camera(), 800, MONO, 6400).spectrum is None


def test_a_detector_with_bins_gets_scatter_at_its_own_energies():
    """A beam of 60 keV: all it emits falls into the upper bin, a part of the scatter does not."""
    densities, names, ijk_from_world = box((10, 10, 10), (20, 20, 20))
    view = CArm(isocenter=(0, 0, 0), detector_size=(16, 16), pixel_spacing=20)
    seen = View(densities, names, ijk_from_world, view.camera(), view.source_detector, MONO)
    found = scatter(seen, "montecarlo", photons=20_000)

    def sums(scattered: Scatter, **options: Any) -> np.ndarray:
        weights = partial(per_photon, DetectorParameters(**options))
        return scattered.detected(weights, MONO)

    low, high = sums(found, detector="bins:20,58").mean(axis=(1, 2))
    (photons,) = sums(found, detector="counting").mean(axis=(1, 2))
    assert 0.3 * photons < low < photons and low + high == pytest.approx(photons, rel=1e-3)
    moments = sums(found, detector="energy").mean(axis=(1, 2))
    np.testing.assert_allclose(moments[:2], [photons, found.signal.mean()], rtol=2e-3)
    assert 40 < moments[1] / moments[0] < 59
    # Without a spectrum it is the emitted one.
    plain = sums(replace(found, spectrum=None), detector="bins:20,58").mean(axis=(1, 2))
    np.testing.assert_allclose(plain, [0, found.signal.mean() / 60], rtol=1e-6)
