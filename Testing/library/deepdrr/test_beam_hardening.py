"""Hardening against the whole spectrum's Beer-Lambert law, and registration that knows the tube."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from library.deepdrr.test_registration import error, moved, rods  # noqa: E402
from meddl.core import FileError  # noqa: E402
from meddl.deepdrr import CArm, register, render  # noqa: E402
from meddl.deepdrr.beam_hardening import hardening_beam, reference_energy  # noqa: E402
from meddl.deepdrr.compositions import mass_attenuation  # noqa: E402
from meddl.deepdrr.spectrum import SPECTRA, Spectrum, load_spectrum  # noqa: E402


@pytest.mark.parametrize("name", SPECTRA)
def test_water_hardens_as_with_every_energy(name):
    spectrum = load_spectrum(name)
    beam = hardening_beam(spectrum)
    depth = np.linspace(0, 30, 61)  # g/cm2
    left = np.exp(-np.outer(depth, mass_attenuation("water", spectrum.energies)))
    energy = left @ (spectrum.fractions * spectrum.energies)
    integral = depth * mass_attenuation("water", np.array([beam.energy]))[0]
    found = beam.negative_log(torch.from_numpy(integral)).numpy()
    np.testing.assert_allclose(found, -np.log(energy / energy[0]), atol=0.006)
    assert (np.diff(found, 2) < 0).all() and beam.shares.sum() == pytest.approx(1)


def test_one_energy_does_not_harden():
    beam = hardening_beam(Spectrum(np.array([60.0]), np.array([1.0])))
    integral = torch.linspace(0, 9, 10)
    assert beam.energy == 60
    torch.testing.assert_close(beam.negative_log(integral), integral)


def test_hardening_is_differentiable_as_said():
    beam = hardening_beam(load_spectrum("120kV"))
    integral = torch.linspace(0, 9, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(beam.negative_log, integral)


def test_the_reference_lies_above_the_tubes_mean():
    found = [reference_energy(load_spectrum(name)) for name in SPECTRA]
    np.testing.assert_allclose(found, [44, 59, 71], atol=0.6)


def test_a_registration_that_knows_the_tube_is_closer(tmp_path):
    ct = rods()
    carm = CArm(0, 10, detector_size=(48, 40), pixel_spacing=6.5)
    camera = carm.camera(ct.center)
    start = moved(camera, np.array([3.0, -4, 2, 4, -3, 5]), ct.center)
    options = {"candidates": 30, "starts": 4, "seed": 1, "device": "cpu"}
    for name in ("60kV", "120kV"):
        picture = render(ct, carm, quantity="neglog", spectrum=name)
        usual, known = (register(ct, picture, start, spectrum=s, **options) for s in ("90kV", name))
        assert known.score > 0.998 > usual.score
        assert error(known.camera, camera, ct) < 0.5
        assert known.to_dict()["parameters"]["spectrum"] == name
    with pytest.raises(FileError, match=r"absent\.csv"):
        register(ct, picture, start, spectrum=str(tmp_path / "absent.csv"))
