"""Values, materials, spectra, attenuation and noise against published figures and theory."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from meddl.core import Image, InputError
from meddl.core.geometry import compose
from meddl.deepdrr import (
    CArm,
    correct_values,
    density,
    display_picture,
    inspect_values,
    load_spectrum,
    mass_attenuation,
    material_densities,
    render,
)
from meddl.deepdrr.attenuation import spectral_moments
from meddl.deepdrr.detector import detected_energy
from meddl.deepdrr.hounsfield import parse_hu_below

from .published import nist_water

SMALL = CArm(detector_size=(5, 5), pixel_spacing=0.1)


def slab(hu: float, thickness_mm: float) -> Image:
    """A wide uniform slab across the central ray."""
    return Image(np.full((50, 10, 50), hu, np.float32), compose((10, thickness_mm / 10, 10)))


@pytest.mark.parametrize(
    ("name", "published_mean"), [("60kV", 37.5), ("90kV", 49.2), ("120kV", 58.2)]
)
def test_spectra_are_near_the_published_means(name, published_mean):
    spectrum = load_spectrum(name)
    assert spectrum.fractions.sum() == pytest.approx(1)
    assert spectrum.mean_energy == pytest.approx(published_mean, rel=0.015)
    assert spectrum.energies.max() <= float(name[:-2])


def test_density_curve():
    np.testing.assert_allclose(
        density(np.array([-1000, -3024, 0, -500])), [0, 0, 1, 0.5], atol=1e-6
    )
    assert density(np.array(1000)) == pytest.approx(1.017 + 0.592)
    assert (np.diff(density(np.arange(-1000, 3000))) > 0).all()


def test_threshold_materials_share_the_density():
    ct = Image(np.array([-1000, -800, -799, 0, 350, 351, 2000], np.int16).reshape(1, 1, 7))
    materials = material_densities(ct)[0, 0]
    owner = ["air", "air", "soft tissue", "soft tissue", "soft tissue", "bone", "bone"]
    for row, hu, name in zip(materials, ct.array.ravel(), owner, strict=True):
        expected = np.zeros(3)
        expected[["air", "soft tissue", "bone"].index(name)] = density(hu)
        np.testing.assert_allclose(row, expected)


def test_path_is_mass_per_area():
    path = render(slab(0, 100), SMALL, quantity="path").array[0]
    np.testing.assert_allclose(path[2, 2], [0, 10.0, 0], rtol=1e-5)


@pytest.mark.parametrize("hu", [0.0, 1000.0])
def test_polychromatic_attenuation_of_a_slab(hu):
    """Against Beer's law summed over the spectrum by hand."""
    spectrum = load_spectrum("90kV")
    material = "soft tissue" if hu <= 350 else "bone"
    mass = float(density(np.array(hu))) * 5.0
    transmitted = np.exp(-mass * mass_attenuation(material, spectrum.energies))
    energy = float((spectrum.fractions * spectrum.energies * transmitted).sum())
    center = {
        q: render(slab(hu, 50), SMALL, quantity=q).array[0, 2, 2]
        for q in ("energy", "intensity", "neglog")
    }
    assert center["energy"] == pytest.approx(energy, rel=1e-4)
    assert center["intensity"] == pytest.approx(energy / spectrum.mean_energy, rel=1e-4)
    assert center["neglog"] == pytest.approx(-np.log(energy / spectrum.mean_energy), rel=1e-4)


def transmission_by_nist(centimetres: float) -> float:
    """Transmitted energy of the 90 kV spectrum through water, by NIST's table alone."""
    spectrum = load_spectrum("90kV")
    energy = spectrum.fractions * spectrum.energies
    return float(energy @ np.exp(-centimetres * nist_water(spectrum.energies)) / energy.sum())


def test_a_20_cm_water_slab_transmits_as_beer_lambert_says():
    for view, oblique in (
        (SMALL, 1.0),
        (replace(SMALL, secondary_angle=30), 1 / np.cos(np.pi / 6)),
    ):
        center = render(slab(0, 200), view, materials="water").array[0, 2, 2]
        assert center == pytest.approx(transmission_by_nist(20 * oblique), rel=0.005)


def test_effective_attenuation_falls_with_thickness():
    """Beam hardening, against the same computed with NIST's table."""
    depths = np.array([1.0, 5, 10, 20, 40])
    got, expected = (
        [-np.log(value(depth)) / depth for depth in depths]
        for value in (
            lambda cm: render(slab(0, 10 * cm), SMALL, materials="water").array[0, 2, 2],
            transmission_by_nist,
        )
    )
    assert (np.diff(got) < 0).all()
    assert got[-1] < 0.9 * got[0]
    np.testing.assert_allclose(got, expected, rtol=0.002)


def test_air_reads_the_unattenuated_beam():
    assert render(slab(-1000, 300), SMALL).array == pytest.approx(1.0)
    assert render(slab(-1000, 300), SMALL, quantity="neglog").array == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("mass", [0.0, 20.0])
def test_noise_has_the_mean_and_variance_of_a_compound_poisson_variable(mass):
    spectrum = load_spectrum("90kV")
    paths = np.zeros((300, 300, 1), np.float32) + np.float32(mass)
    moments = spectral_moments(paths, ["soft tissue"], spectrum)
    photons = 5000.0
    energy = detected_energy(moments, photons, np.random.default_rng(0))
    survival = spectrum.fractions * np.exp(
        -mass * mass_attenuation("soft tissue", spectrum.energies)
    )
    mean = (survival * spectrum.energies).sum()
    variance = (survival * spectrum.energies**2).sum() / photons
    assert energy.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / energy.size))
    assert energy.var() == pytest.approx(variance, rel=0.03)


def test_no_photon_reads_zero_and_finite():
    lead_like = slab(3000, 3000)
    for quantity, expected in (("energy", 0.0), ("neglog", -np.log(0.5 / 100))):
        picture = render(lead_like, SMALL, quantity=quantity, noise=True, photons=100)
        np.testing.assert_allclose(picture.array, expected, rtol=1e-6)


def test_same_seed_same_picture():
    first, second, third = (
        render(slab(0, 100), SMALL, noise=True, seed=seed).array for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


def test_display_window_is_fixed():
    thin, thick = (render(slab(0, mm), SMALL) for mm in (150, 250))
    assert display_picture(thin).max() < display_picture(thick).min()
    np.testing.assert_array_equal(display_picture(thin), 255 - display_picture(thin, invert=True))


def body(generator: np.random.Generator) -> np.ndarray:
    """Air around a water cylinder with a bone rod and realistic noise, HU."""
    y, x = np.mgrid[-32:32, -32:32]
    hu = np.full((8, 64, 64), -1000.0)
    hu[:, x**2 + y**2 < 24**2] = 40
    hu[:, (x - 5) ** 2 + y**2 < 6**2] = 900
    return hu + generator.normal(0, 15, hu.shape)


def test_value_check_knows_the_common_faults(caplog):
    hu = body(np.random.default_rng(0))
    assert inspect_values(Image(hu.astype(np.int16))) == []
    offset = np.maximum(hu + 1000, 0).astype(np.int16)
    assert "--hu-offset -1000" in inspect_values(Image(offset))[0]
    blanked = np.where(hu >= 200, hu, 0).astype(np.int16)
    assert "--hu-below 1:-1000" in inspect_values(Image(blanked))[0]
    eight_bit = np.clip((hu + 1000) / 8, 0, 255).astype(np.uint8)
    assert "8-bit" in inspect_values(Image(eight_bit))[0]
    assert "no CT" in inspect_values(Image(np.zeros((3, 3, 3))))[0]
    assert "rescale" in inspect_values(Image(offset, metadata={"rescale_missing": True}))[0]
    with caplog.at_level(logging.WARNING):
        render(Image(blanked), SMALL)
        assert "blanked" in caplog.text
    for faulty in (offset, blanked):
        mend = inspect_values(Image(faulty))[0].options
        mended = correct_values(
            Image(faulty), mend.get("hu_offset", 0.0), parse_hu_below(mend.get("hu_below"))
        )
        assert inspect_values(mended) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantity": "depth"}, "--quantity is 'depth'"),
        ({"photons": 0}, "--photons"),
        ({"photons": float("nan")}, "--photons"),
        ({"seed": -1}, "--seed"),
        ({"seed": 1.5}, "--seed"),
        ({"hu_below": "1"}, "--hu-below"),
        ({"quantity": "path", "noise": True}, "--noise"),
    ],
)
def test_bad_parameters_are_named(options, words):
    with pytest.raises(InputError, match=words):
        render(slab(0, 10), SMALL, **options)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 5, 5)), "2-D"),
        (np.zeros((5, 5, 5, 2)), "values per voxel"),
        (np.full((5, 5, 5), np.nan), "NaN"),
    ],
)
def test_bad_volumes_are_refused(array, words):
    with pytest.raises(InputError, match=words):
        render(Image(array), SMALL)


def test_unknown_option_is_refused():
    with pytest.raises(TypeError):
        render(slab(0, 10), SMALL, colour="red")
