"""Detectors: efficiency, grid, bins, noise against Poisson's law, blur, display."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import Image, InputError
from meddl.core.geometry import compose
from meddl.deepdrr import (
    CArm,
    DetectorParameters,
    DisplayParameters,
    RenderParameters,
    display_picture,
    load_spectrum,
    mass_attenuation,
    render,
    render_views,
)
from meddl.deepdrr.attenuation import transmitted
from meddl.deepdrr.detector import (
    bin_names,
    blurred,
    detected_energy,
    efficiency,
    open_reading,
    read_out,
    response,
)

SPECTRUM = load_spectrum("90kV")
SIDE = 300  # pixels; 90,000 samples of the noise


def uniform(parameters: DetectorParameters, mass: float) -> tuple[np.ndarray, np.ndarray]:
    """Sums (R, H, W) behind ``mass`` g/cm2 of water, and (R,) without."""
    weights = response(parameters, SPECTRUM)
    paths = np.full((1, 1, 1), mass, np.float32)
    sums = transmitted(paths, ["water"], SPECTRUM.energies, weights)
    return np.broadcast_to(sums, (len(weights), SIDE, SIDE)), weights.sum(axis=1)


def noisy(mass: float, photons: float = 2000.0, seed: int = 0, **options) -> np.ndarray:
    parameters = DetectorParameters(noise=True, **options)
    sums, _ = uniform(parameters, mass)
    generator = np.random.default_rng(seed)
    return read_out(sums, parameters, photons, generator, pixel_spacing=0.2)


@pytest.mark.parametrize("mass", [0.0, 10.0, 60.0])
def test_counts_have_poissons_mean_and_variance(mass):
    photons = 2000.0
    (counts,) = photons * noisy(mass, photons, detector="counting")
    survival = SPECTRUM.fractions @ np.exp(-mass * mass_attenuation("water", SPECTRUM.energies))
    expected = photons * survival
    samples = SIDE * SIDE
    assert counts.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / samples))
    # The variance of a sample variance is (mu4 - var^2) / n, and mu4 = 3 var^2 + var for Poisson.
    spread = np.sqrt((2 * expected**2 + expected) / samples)
    assert counts.var() == pytest.approx(expected, abs=5 * spread)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)


@pytest.mark.parametrize(("mass", "photons"), [(0.0, 2000.0), (20.0, 2000.0), (20.0, 30.0)])
def test_energy_has_the_mean_and_variance_of_a_compound_poisson_variable(mass, photons):
    (energy,) = noisy(mass, photons)
    through = SPECTRUM.fractions * np.exp(-mass * mass_attenuation("water", SPECTRUM.energies))
    mean, second = through @ SPECTRUM.energies, through @ SPECTRUM.energies**2
    samples = SIDE * SIDE
    assert energy.mean() == pytest.approx(mean, abs=5 * np.sqrt(second / photons / samples))
    assert energy.var() == pytest.approx(second / photons, rel=0.04)
    assert energy.min() >= 0


def test_zero_counts_read_zero():
    nothing = np.zeros((3, 4, 4))
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(detected_energy(nothing, 1e5, generator), 0)
    rare = np.array([1e-4, 5e-3, 0.26])[:, None, None] * np.ones((3, SIDE, SIDE))
    energy = detected_energy(rare, 100.0, generator)  # one photon in a hundred pixels
    assert (energy == 0).mean() == pytest.approx(np.exp(-0.01), abs=2e-3)
    assert energy.mean() == pytest.approx(5e-3, rel=0.1)
    parameters = DetectorParameters(detector="bins:20,50", noise=True)
    shape = (2, 5, 5)
    reading = read_out(np.zeros(shape), parameters, 100.0, generator)
    np.testing.assert_array_equal(reading, 0)


def test_next_to_nothing_behind_metal_reads_zero_without_overflow():
    rest = np.array([0.0, 1e-44, 1e-42])[:, None, None]
    with np.errstate(all="raise"):
        assert detected_energy(rest, 1e6, np.random.default_rng(0)) == 0


def test_one_energy_reads_whole_photons():
    line = np.array([0.5, 0.5 * 60, 0.5 * 60**2])[:, None, None] * np.ones((3, 50, 50))
    energy = detected_energy(line, 100.0, np.random.default_rng(0))
    np.testing.assert_allclose(energy * 100 / 60, np.rint(energy * 100 / 60), atol=1e-9)


def test_bins_share_the_counted_photons():
    parts = response(DetectorParameters(detector="bins:20,50,80"), SPECTRUM)
    inside = SPECTRUM.fractions[SPECTRUM.energies >= 20].sum()
    assert parts.sum() == pytest.approx(inside)
    bright = SPECTRUM.energies[parts[1] > 0]
    assert (bright.min(), bright.max()) == (50.5, 79.5)
    assert bin_names("bins:20,50,80") == ["20-50 keV", "50-80 keV", "80+ keV"]
    counts = 2000 * noisy(5.0, detector="bins:20,50,80")
    assert counts.shape == (3, SIDE, SIDE)
    together = np.corrcoef(counts.reshape(3, -1))
    np.testing.assert_allclose(together, np.eye(3), atol=0.02)  # independent Poisson variables


def test_csi_absorbs_by_its_thickness():
    energies = np.array([30.0, 40.0, 60.0])
    mass = 0.06 * 4.51  # 600 um
    parts = mass_attenuation("CsI", energies, "photo") + mass_attenuation("CsI", energies, "incoh")
    np.testing.assert_allclose(efficiency(energies, 600), 1 - np.exp(-mass * parts))
    # NIST: mu/rho of CsI at 40 and 60 keV is 22.97 and 7.921 cm2/g, 2 to 5 % of it coherent.
    np.testing.assert_allclose(parts[1:], [22.97, 7.921], rtol=0.06)
    assert (parts[1:] < [22.97, 7.921]).all()
    np.testing.assert_array_equal(efficiency(energies, 0), 1)
    thin, thick = (
        response(DetectorParameters(detector="counting", csi=um), SPECTRUM).sum()
        for um in (150.0, 600.0)
    )
    assert thin < thick < 1


def test_the_grid_takes_its_shares_and_air_still_reads_one():
    parameters = DetectorParameters(grid_primary=0.7, grid_scatter=0.1)
    sums, opened = uniform(parameters, 5.0)
    plain = sums[1, 0, 0]
    generator = np.random.default_rng(0)
    scatter = np.broadcast_to(0.02 * opened[:, None, None], sums.shape)
    reading = read_out(sums, parameters, 1.0, generator, scatter=scatter)[0, 0, 0]
    assert reading == pytest.approx(0.7 * plain + 0.1 * 0.02 * opened[1])
    assert open_reading(opened, parameters) == pytest.approx([0.7 * opened[1]])
    air = Image(np.full((4, 4, 4), -1000, np.int16), compose((9, 9, 9)))
    view = CArm(detector_size=(4, 4))
    for options in ({"grid_primary": 0.5, "csi": 400.0}, {"detector": "counting"}):
        assert render(air, view, **options).array == pytest.approx(1.0)


def test_electronic_noise_adds_its_variance():
    (energy,) = noisy(300.0, electronic_noise=50.0)  # hardly a photon comes through 3 m of water
    assert 2000 * energy.std() == pytest.approx(50.0, rel=0.02)
    assert energy.mean() == pytest.approx(0, abs=5 * 50.0 / 2000 / SIDE)


def test_blur_keeps_the_sum_and_halves_the_named_frequency():
    n, spacing, frequency = 64, 0.25, 1.0  # 1 lp/mm: 4 pixels per period
    point = np.zeros((n, n))
    point[5, 60] = 1.0
    assert blurred(point, frequency, spacing).sum() == pytest.approx(1.0)
    x = (np.arange(n) + 0.5) * spacing
    wave = np.broadcast_to(np.cos(2 * np.pi * frequency * x), (n, n))
    np.testing.assert_allclose(blurred(wave, frequency, spacing), 0.5 * wave, atol=1e-12)
    np.testing.assert_allclose(blurred(wave.T, 2 * frequency, spacing), 0.8 * wave.T, atol=1e-12)


def test_no_reading_is_negative_beside_a_shutter():
    view = CArm(detector_size=(32, 24), pixel_spacing=0.5)
    air = Image(np.full((4, 4, 4), -1000.0))
    found = render(air, view, mtf50=1.5, collimation=(16, 12)).array
    assert found.min() == 0 and found.max() < 1.05  # the edge swings above as well


def test_blurred_noise_has_the_power_spectrum_of_the_mtf_squared():
    (sharp,) = noisy(10.0, detector="counting")
    (soft,) = noisy(10.0, detector="counting", mtf50=1.0)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE, 0.2), np.fft.fftfreq(SIDE, 0.2)))
    assert soft.mean() == pytest.approx(sharp.mean(), rel=1e-9)
    assert soft.var() / sharp.var() == pytest.approx(((1 + f**2) ** -2).mean(), rel=0.03)
    power = [np.abs(np.fft.fft2(a - a.mean())) ** 2 for a in (sharp, soft)]
    for low, high in ((0.2, 0.5), (0.9, 1.1), (2.0, 2.4)):
        ring = (f > low) & (f < high)
        ratio = power[1][ring].sum() / power[0][ring].sum()
        assert ratio == pytest.approx(((1 + f[ring] ** 2) ** -2).mean(), rel=0.05)


def test_counts_and_bins_come_out_of_the_renderer():
    ct = Image(np.zeros((10, 10, 10), np.int16), compose((10, 10, 10)))
    view = CArm(detector_size=(5, 5), pixel_spacing=0.1)
    options = {"detector": "bins:20,50", "photons": 1000.0, "materials": "water"}
    counts = render(ct, view, quantity="counts", **options)
    assert counts.metadata["pages"] == ["20-50 keV", "50+ keV"]
    assert counts.metadata["unit"] == "photons"
    through = SPECTRUM.fractions * np.exp(-10 * mass_attenuation("water", SPECTRUM.energies))
    expected = [
        1000 * through[(SPECTRUM.energies >= low) & (SPECTRUM.energies < high)].sum()
        for low, high in ((20, 50), (50, 999))
    ]
    np.testing.assert_allclose(counts.array[0, 2, 2], expected, rtol=1e-4)
    intensity = render(ct, view, **options).array[0, 2, 2]
    assert intensity[0] < intensity[1] < 1
    whole = render(ct, view, quantity="counts", detector="counting", mas=0.5, materials="water")
    open_count = 0.5 * SPECTRUM.output * 1e6 * (0.1 / 1020) ** 2
    assert whole.array[0, 2, 2] == pytest.approx(open_count * through.sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detector": "film"}, "--detector is 'film'"),
        ({"detector": "bins:"}, "--detector"),
        ({"detector": "bins:50,20"}, "--detector"),
        ({"detector": "bins:nan"}, "--detector"),
        ({"mas": 1, "air_kerma": 1}, "--mas and --air-kerma"),
        ({"csi": -1}, "--csi"),
        ({"grid_primary": 0}, "--grid-primary"),
        ({"mtf50": 0}, "--mtf50"),
        ({"collimation": (0, 4)}, "--collimation"),
        ({"quantity": "energy", "detector": "counting"}, "--quantity energy"),
        ({"quantity": "counts"}, "--quantity counts"),
    ],
)
def test_bad_detectors_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        RenderParameters(**options)


def test_a_bin_without_photons_has_no_intensity():
    ct = Image(np.full((4, 4, 4), -1000, np.int16), compose((10, 10, 10)))
    view = CArm(detector_size=(2, 2))
    for quantity in ("intensity", "neglog"):
        with pytest.raises(InputError, match=r"ends at 60 keV, falls into 80\+ keV"):
            render(ct, view, spectrum="60kV", detector="bins:20,50,80", quantity=quantity)
    counts = render(ct, view, spectrum="60kV", detector="bins:20,50,80", quantity="counts").array
    assert (counts[..., 2] == 0).all() and (counts[..., :2] > 0).all()


def test_what_needs_millimetres_refuses_a_bare_camera():
    ct = Image(np.zeros((4, 4, 4), np.int16))
    camera = CArm(detector_size=(4, 4)).camera()
    for options in ({"mtf50": 1.0}, {"air_kerma": 1.0}):
        with pytest.raises(InputError, match="C-arm"):
            render_views(ct, [camera], **options)  # before the first picture is asked for


def test_a_camera_with_the_distance_of_its_detector_reads_as_the_c_arm():
    ct = Image(np.full((6, 7, 8), 40, np.int16), compose((20, 20, 20)))
    carm = CArm(detector_size=(12, 10), pixel_spacing=15)
    for options in ({"mtf50": 0.03}, {"air_kerma": 2.0, "noise": True}):
        found = render(ct, carm.camera(ct.center), **options, detector_distance=1020).array
        np.testing.assert_allclose(found, render(ct, carm, **options).array, rtol=1e-6)


def test_clahe_raises_local_contrast_and_leaves_the_values_alone():
    pytest.importorskip("cv2")
    y, x = np.mgrid[:128, :128]
    faint = 4 + x / 64 + 0.05 * ((x // 4 + y // 4) % 2)
    radiograph = Image(faint[None].astype(np.float32), metadata={"quantity": "neglog"})
    plain, equalised = (display_picture(radiograph, clahe=on) for on in (False, True))
    step = [np.abs(np.diff(p.astype(float), axis=0)).mean() for p in (plain, equalised)]
    assert step[1] > 1.5 * step[0]
    np.testing.assert_array_equal(radiograph.array[0], faint.astype(np.float32))
    with pytest.raises(InputError, match="window"):
        DisplayParameters(window=(3, 3))
