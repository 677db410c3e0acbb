"""Scatter in a radiograph: kernel model and network against Monte Carlo, units, noise, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meddl.core import Cancelled, CancelToken, DependencyError, FileError, Image, InputError
from meddl.deepdrr import CArm, RenderParameters, Spectrum, load_spectrum, render
from meddl.deepdrr.attenuation import spectral_moments
from meddl.deepdrr.materials import THRESHOLD_MATERIALS, material_densities
from meddl.deepdrr.montecarlo import simulate
from meddl.deepdrr.scatter import (
    View,
    coarse_camera,
    features,
    resample,
    scatter,
    smooth,
)
from meddl.deepdrr.scatter_examples import random_examples, relative_error
from meddl.deepdrr.scatter_kernel import slabs
from meddl.deepdrr.scatter_network import correct
from meddl.deepdrr.scatter_phantoms import random_torso
from meddl.deepdrr.scatter_table import spectral_kernels

UNSEEN = 90_001  # no fitted torso has this seed


@pytest.fixture(scope="module")
def torso() -> Image:
    return random_torso(np.random.default_rng(UNSEEN))


def view_of(ct: Image, carm: CArm, spectrum: str = "90kV") -> View:
    return View(
        material_densities(ct),
        THRESHOLD_MATERIALS,
        ct.ijk_from_ras,
        carm.camera(ct.center),
        carm.source_detector,
        load_spectrum(spectrum),
    )


@pytest.fixture(scope="module")
def truth(torso):
    """A view of the torso, and its smoothed Monte Carlo."""
    view = view_of(torso, CArm(primary_angle=30, detector_size=(30, 24), pixel_spacing=11))
    found = simulate(
        *(view.densities, view.materials, view.ijk_from_world, view.camera, view.distance),
        *(view.spectrum, 100_000),
    )
    return view, *smooth(found.scatter, found.standard_error)


def test_fast_models_are_near_monte_carlo(truth):
    view, expected, error = truth
    inputs, kernel = features(view)
    assert relative_error(kernel, expected) < 0.15
    assert relative_error(correct(inputs, kernel), expected) < 0.15
    network = scatter(view, "network").signal
    assert network.mean() == pytest.approx(expected.mean(), rel=0.1)
    assert np.sqrt((error**2).mean()) < 0.1 * expected.mean()


def test_scatter_does_not_depend_on_the_pixels(torso):
    coarse = view_of(torso, CArm(detector_size=(48, 48), pixel_spacing=6))
    fine = view_of(torso, CArm(detector_size=(240, 240), pixel_spacing=1.2))
    small, large = (scatter(view, "kernel").signal for view in (coarse, fine))
    blocks = large.reshape(48, 5, 48, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(blocks, small, rtol=0.01)


@pytest.mark.parametrize("method", ["kernel", "network"])
def test_few_large_pixels_see_the_mean_of_many_small_ones(torso, method):
    fine = scatter(view_of(torso, CArm(detector_size=(48, 48), pixel_spacing=6)), method).signal
    for count in (1, 2, 3, 16):
        carm = CArm(detector_size=(count, count), pixel_spacing=288 / count)
        found = scatter(view_of(torso, carm), method).signal
        expected = fine.reshape(count, 48 // count, count, 48 // count).mean(axis=(1, 3))
        np.testing.assert_allclose(found, expected, rtol=0.05)


def test_slabs_of_a_box_are_its_thickness_and_its_middle():
    density = np.full((10, 10, 10, 1), 1.2, np.float32)
    ijk_from_world = np.diag([0.05, 0.1, 0.05, 1.0])  # 200 x 100 x 200 mm
    ijk_from_world[:3, 3] = 4.5
    carm = CArm(
        isocenter=(0, 0, 0),
        source_detector=1000,
        source_isocenter=700,
        detector_size=(3, 3),
        pixel_spacing=20,
    )
    geometry = (ijk_from_world, carm.camera(), 1000.0, load_spectrum("60kV"))
    found = slabs(density, ("water",), *geometry)
    assert found.thickness[1, 1] == pytest.approx(12.0, rel=1e-4)
    assert found.mass[1, 1] == pytest.approx(12.0, rel=1e-6)
    assert found.middle[1, 1] == pytest.approx(300.0, abs=0.1)
    assert found.spread[1, 1] == pytest.approx(100 / np.sqrt(12), rel=2e-3)
    assert found.thickness[1, 0] == pytest.approx(12.0 * np.hypot(1, 0.02), rel=1e-4)
    bone = slabs(density, ("bone",), *geometry)
    spectra = load_spectrum("60kV")
    through = [
        spectral_moments(np.full((1, 1, 1), mass, np.float32), (name,), spectra)[1, 0, 0]
        for mass, name in ((12.0, "bone"), (bone.thickness[1, 1], "water"))
    ]
    assert through[1] == pytest.approx(through[0], rel=1e-3)
    assert bone.mass[1, 1] == pytest.approx(12.0, rel=1e-6) and bone.thickness[1, 1] > 20


def test_behind_a_wide_slab_multiple_scatter_is_the_kernel_alone():
    """Nothing shortens or lengthens the way out: the sum of the kernels over the detector."""
    density = np.ones((1, 1, 1, 1), np.float32)
    ijk_from_world = np.diag([1e-3, 0.005, 1e-3, 1.0])  # 1000 x 200 x 1000 mm
    carm = CArm(
        isocenter=(0, 0, 0),
        source_detector=3000,
        source_isocenter=2700,
        detector_size=(24, 24),
        pixel_spacing=12,
    )
    tube = load_spectrum("90kV")
    view = View(density, ("water",), ijk_from_world, carm.camera(), 3000.0, tube)
    inputs, kernel = features(view)
    multiple = (1 - inputs[6]) * kernel
    flat = spectral_kernels(tube)[40, 10]  # 20 g/cm2, 200 mm behind it; every 5 mm
    places = (np.arange(48) - 23.5) * 6.0
    radius = np.hypot(places[:, None], places)
    sums = np.interp(radius, 5.0 * np.arange(len(flat)), flat).sum() * 6.0**2
    assert multiple[11:13, 11:13].mean() == pytest.approx(sums, rel=0.03)


def test_scatter_of_a_thick_low_energy_lateral_view(torso):
    """47 g/cm2 at 60 kV beside open field; the Monte Carlo's own error is taken out in squares."""
    carm = CArm(
        primary_angle=90,
        source_detector=1200,
        source_isocenter=900,
        detector_size=(24, 24),
        pixel_spacing=16,
    )
    view = view_of(torso, carm, "60kV")
    found = simulate(
        *(view.densities, view.materials, view.ijk_from_world, view.camera, view.distance),
        *(view.spectrum, 150_000),
    )
    expected, error = smooth(found.scatter, found.standard_error)
    inputs, kernel = features(view)
    noise = (error**2).mean() / expected.mean() ** 2
    assert 30 * inputs[0].max() > 44 and noise < 0.2**2
    network = correct(inputs, kernel)
    assert relative_error(network, expected) ** 2 - noise < 0.15**2
    assert relative_error(kernel, expected) ** 2 - noise < 0.15**2
    for model in (kernel, network):
        assert model.mean() == pytest.approx(expected.mean(), rel=0.1)


def test_kernels_are_positive_and_vanish_without_an_object():
    kernels = spectral_kernels(load_spectrum("60kV"))
    assert (kernels[0] == 0).all() and (kernels[1:] > 0).all()
    air = Image(np.full((8, 8, 8), -1000, np.float32), np.diag([30, 30, 30, 1.0]))
    assert scatter(view_of(air, CArm(detector_size=(8, 8), pixel_spacing=30))).signal.max() == 0


def test_coarse_camera_covers_the_same_detector():
    camera = CArm(secondary_angle=20, detector_size=(100, 60)).camera()
    coarse = coarse_camera(camera, (6, 10))
    points = np.random.default_rng(0).normal(0, 60, (20, 3))
    fine, _ = camera.project(points)
    found, _ = coarse.project(points)
    np.testing.assert_allclose(found, (fine + 0.5) / 10 - 0.5, atol=1e-9)
    np.testing.assert_allclose(resample(np.full((6, 10), 2.5), (100, 60)), 2.5, rtol=1e-6)


def test_smoothed_error_is_that_of_smoothed_noise():
    noise = np.random.default_rng(0).normal(0, 2.0, (400, 24, 24))
    pictures = [smooth(picture, np.full((24, 24), 2.0)) for picture in noise]
    spread = np.std([picture for picture, _ in pictures], axis=0)[5:-5, 5:-5].mean()
    assert pictures[0][1][5:-5, 5:-5].mean() == pytest.approx(spread, rel=0.02)


def test_render_adds_the_scatter_signal(torso):
    carm = CArm(detector_size=(32, 32), pixel_spacing=9)
    primary = render(torso, carm, quantity="energy").array[0]
    both = render(torso, carm, quantity="energy", scatter="kernel").array[0]
    signal = scatter(view_of(torso, carm), "kernel").signal
    np.testing.assert_allclose(both - primary, signal, rtol=1e-4, atol=1e-5)
    assert render(torso, carm, quantity="neglog", scatter="kernel").array.max() < -np.log(
        primary.min() / load_spectrum("90kV").mean_energy
    )
    options = {"quantity": "energy", "scatter": "montecarlo", "scatter_photons": 20_000}
    first, again = (render(torso, carm, **options, seed=3).array[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first - primary).mean() == pytest.approx(signal.mean(), rel=0.15)
    known = scatter(view_of(torso, carm), "montecarlo", photons=20_000, seed=3)
    about = render(torso, carm, **options, seed=3).metadata
    rms = np.sqrt((known.standard_error.astype(float) ** 2).mean())
    assert about["scatter_error"] == pytest.approx(rms / known.signal.mean(), rel=1e-4)
    assert "scatter_error" not in render(torso, carm, scatter="kernel").metadata


def test_scatter_with_a_camera_needs_the_distance_of_the_detector(torso):
    carm = CArm(detector_size=(16, 16), pixel_spacing=18)
    camera = carm.camera(torso.center)
    with pytest.raises(InputError, match="--detector-distance"):
        render(torso, camera, scatter="kernel")
    given = render(torso, camera, scatter="kernel", detector_distance=1020).array
    np.testing.assert_array_equal(given, render(torso, carm, scatter="kernel").array)
    with pytest.raises(InputError, match="no meaning"):
        RenderParameters(quantity="path", scatter="kernel")
    with pytest.raises(InputError, match="kernel"):
        scatter(view_of(torso, carm), "magic")


def test_scatter_of_two_halves_of_the_field_is_that_of_the_whole(torso):
    """Photons do not know of each other; the halves' border cuts through pixels and cells."""
    whole = view_of(torso, CArm(primary_angle=20, detector_size=(40, 30), pixel_spacing=8))
    halves = [
        replace(whole, field=(*columns, -0.5, 29.5)) for columns in ((-0.5, 13.2), (13.2, 39.5))
    ]
    left, right = (scatter(half, "kernel").signal for half in halves)
    np.testing.assert_allclose(left + right, scatter(whole, "kernel").signal, rtol=1e-5)
    found = [scatter(view, "montecarlo", photons=60_000) for view in (*halves, whole)]
    difference = found[0].signal + found[1].signal - found[2].signal
    error = np.sqrt(sum(one.standard_error.astype(float) ** 2 for one in found))
    assert abs(difference.mean()) < 3 * error.mean() / 5  # 24 x 18 cells, smoothed over about 18
    assert relative_error(left, found[0].signal) < 0.2
    assert left.mean() < 0.6 * scatter(whole, "kernel").signal.mean()
    assert not scatter(replace(whole, field=(5.0, 5.0, 0.0, 9.0)), "montecarlo").signal.any()


def test_collimation_narrows_the_scatter_as_well(torso):
    carm = CArm(detector_size=(32, 32), pixel_spacing=9)
    options = {"quantity": "energy", "collimation": (12, 8)}
    primary = render(torso, carm, **options).array[0]
    narrow = replace(view_of(torso, carm), field=(9.5, 21.5, 11.5, 19.5))
    for method in ("kernel", "network"):
        both = render(torso, carm, **options, scatter=method).array[0]
        signal = scatter(narrow, method).signal
        np.testing.assert_allclose(both - primary, signal, rtol=1e-4, atol=1e-5)
        assert signal.mean() < 0.4 * scatter(view_of(torso, carm), method).signal.mean()


def test_views_outside_the_fitted_range_are_warned_about(torso, caplog):
    usual = CArm(detector_size=(32, 32), pixel_spacing=9)
    for method in ("kernel", "network"):
        scatter(view_of(torso, usual), method)
        scatter(view_of(torso, usual, "60kV"), method)
    assert not caplog.records
    stand = replace(usual, source_detector=1800, source_isocenter=1650, pixel_spacing=4)
    scatter(view_of(torso, stand), "kernel")
    assert "128 x 128 mm (150 to 430 mm" in caplog.text and "1800 mm from" in caplog.text
    caplog.clear()
    heavy = replace(view_of(torso, usual), densities=2 * material_densities(torso))
    scatter(replace(heavy, spectrum=Spectrum(np.array([140.0]), np.ones(1))), "network")
    assert "140 kV" in caplog.text and "g/cm2 (0 to 45" in caplog.text
    assert "detector" not in caplog.text


def test_examples_depend_on_their_seed_alone():
    one, two = list(random_examples([5, 6], 640)), list(random_examples([6], 640))
    np.testing.assert_array_equal(one[1].truth, two[0].truth)
    np.testing.assert_array_equal(one[1].inputs, two[0].inputs)
    assert one[0].inputs.shape == (8, 24, 24) and one[0].inputs.dtype == np.float32


def test_examples_made_by_other_processes_are_the_same():
    here, there = random_examples([5, 6], 640), random_examples([5, 6], 640, workers=1)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.truth, other.truth)
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_allclose(one.kernel, other.kernel, rtol=1e-6)


def test_examples_that_were_made_are_kept_when_the_work_ends_early(tmp_path, monkeypatch):
    from meddl.deepdrr import scatter_training
    from meddl.deepdrr.scatter_training import load_examples

    monkeypatch.setattr(scatter_training, "PART", 2)
    whole = load_examples(tmp_path / "whole.npz", 5, 640)
    assert not (tmp_path / "whole").exists()
    token, said = CancelToken(), []

    def third(share, message):
        said.append(message)
        if len(said) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        load_examples(tmp_path / "parts.npz", 5, 640, progress=third, cancel=token)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["000000.npz"]
    with pytest.raises(FileError, match="choose another"):
        load_examples(tmp_path / "parts.npz", 5, 641)
    (tmp_path / "parts" / ".part-000002.npz").touch()  # of a kill
    said.clear()
    parts = load_examples(
        tmp_path / "parts.npz", 5, 640, progress=lambda _, text: said.append(text)
    )
    assert said[-1].endswith("3/3") and not (tmp_path / "parts").exists()
    for name in whole:
        np.testing.assert_array_equal(parts[name], whole[name])
    with np.load(tmp_path / "parts.npz") as file:  # a part that lacks the one before it is not used
        late = {name: values[2:4] if values.ndim else values for name, values in file.items()}
    (tmp_path / "gap").mkdir()
    np.savez(tmp_path / "gap" / "000002.npz", **late)
    said.clear()
    load_examples(tmp_path / "gap.npz", 3, 640, progress=lambda _, text: said.append(text))
    assert said[-1].endswith("3/3")
    cut = (tmp_path / "parts.npz").read_bytes()[:-30]
    (tmp_path / "parts.npz").write_bytes(cut)
    with pytest.raises(FileError, match="holds no examples"):
        load_examples(tmp_path / "parts.npz", 5, 640)


def test_photons_of_a_training_are_followed_where_they_can_be(monkeypatch, caplog):
    from meddl.core import devices
    from meddl.deepdrr.cuda import driver
    from meddl.deepdrr.scatter_training import photon_device

    assert photon_device("cpu") == "cpu"
    there = [devices.Device("cuda:0", "pretended", 10**10, 10**10), *devices.list_devices()]
    monkeypatch.setattr(devices, "list_devices", lambda: there)
    monkeypatch.setattr(driver, "open_device", lambda name: None)
    assert photon_device("auto") == "cuda:0" and "on the CPU" not in caplog.text

    def refuse(name):
        raise DependencyError("no nvcc")

    monkeypatch.setattr(driver, "open_device", refuse)
    assert photon_device("cuda") == "cpu" and "no nvcc" in caplog.text


def test_a_network_can_be_trained_resumed_and_used(tmp_path, truth):
    from meddl.deepdrr.scatter_parameters import ScatterTraining
    from meddl.deepdrr.scatter_training import train_network

    small = ScatterTraining(examples=8, photons=1000, width=4, epochs=1, batch_size=2, device="cpu")
    left = tmp_path / ".part-examples.npz"  # of a run that was killed
    left.touch()
    history = train_network(tmp_path, small)
    assert not left.exists()
    assert np.isfinite(history[-1]["validation/loss"])
    weights = tmp_path / "run" / "best" / "scatter-network.safetensors"
    inputs, kernel = features(truth[0])
    assert correct(inputs, kernel, weights).shape == kernel.shape
    with pytest.raises(FileError, match="choose another"):
        train_network(tmp_path, ScatterTraining(examples=9, photons=1000))
    with np.load(tmp_path / "examples.npz") as file:
        former = {**file, "inputs": file["inputs"][:, :6]}
    np.savez(tmp_path / "examples.npz", **former)
    with pytest.raises(FileError, match="has 6 inputs of each view, 8 are expected"):
        train_network(tmp_path, small)
