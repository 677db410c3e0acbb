"""Materials, spectra and readings of the beam, views and presets, drawn; by other formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.deepdrr.test_properties import boxes, chords, views
from library.deepdrr.test_properties_bodies import pixels_of
from meddl.core import GeometryError, InputError
from meddl.deepdrr import (
    CArm,
    Material,
    Spectrum,
    SpectrumParameters,
    ViewRanges,
    find_material,
    half_value_layer,
    load_preset,
    load_spectrum,
    mass_attenuation,
    preset_names,
    render,
    render_views,
    sample_views,
    tube_spectrum,
    view_grid,
)
from properties import examples

xraydb = pytest.importorskip("xraydb")

few = examples(15, deadline=None)
seeds = st.integers(0, 2**32 - 1)
ELEMENTS = ["H", "C", "N", "O", "Al", "Ca", "Ti", "Fe", "Cu", "I", "W", "Au"]
formulas = st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 9), min_size=1, max_size=4)
energies = st.lists(st.floats(5, 150), min_size=1, max_size=6)


@few
@given(formulas, st.floats(0.01, 25), energies, st.integers(2, 4))
def test_a_formula_attenuates_as_its_elements_do(atoms, density, keV, times):
    text = "".join(f"{element}{count}" for element, count in atoms.items())
    name = f"thing={text}:{density!r}"
    material = find_material(name)
    assert isinstance(material, Material) and material.name == name and material.kind == "solid"
    assert material.density == density
    assert sum(share for _, share in material.fractions) == pytest.approx(1)
    # xraydb's own mixture rule: 1/cm of the whole.
    expected = xraydb.material_mu(text, 1000 * np.array(keV), density) / density
    found = mass_attenuation(name, np.array(keV))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    parts = sum(mass_attenuation(name, np.array(keV), kind) for kind in ("photo", "coh", "incoh"))
    np.testing.assert_allclose(parts, found, rtol=1e-6)
    again = "".join(f"{element}{times * count}" for element, count in atoms.items())
    np.testing.assert_allclose(mass_attenuation(f"x={again}:1", np.array(keV)), found, rtol=1e-9)


@few
@given(
    st.floats(allow_nan=True).filter(lambda d: not 0 < d <= 25),
    st.floats(allow_nan=True).filter(lambda a: not -1e-9 <= a <= 500.001),
)
def test_materials_that_cannot_be_are_refused(density, amount):
    with pytest.raises(InputError, match="a density up to 25 g/cm3"):
        find_material(f"x=NaCl:{density!r}")
    with pytest.raises(InputError, match="0 to 500 mg iodine per ml"):
        find_material(f"blood+iodine:{amount!r}")


@few
@given(st.sampled_from(["blood", "water", "soft tissue"]), st.floats(0, 500), energies)
def test_iodine_takes_its_own_volume_of_what_it_is_in(base, amount, keV):
    mixed, own, iodine = (find_material(n) for n in (f"{base}+iodine:{amount!r}", base, "iodine"))
    left = 1 - amount / 1000 / iodine.density
    assert mixed.density == pytest.approx(own.density * left + amount / 1000)
    per_cm = [m.density * mass_attenuation(m.name, np.array(keV)) for m in (mixed, own, iodine)]
    expected = left * per_cm[1] + (1 - left) * per_cm[2]
    np.testing.assert_allclose(per_cm[0], expected, rtol=1e-6)


tubes = st.builds(
    SpectrumParameters,
    spectrum=st.sampled_from(["60kV", "90kV", "120kV"]),
    filtration=st.none() | st.floats(0, 10).map(lambda mm: f"Al:{mm!r}"),
)


@few
@given(tubes, st.floats(0, 8), st.floats(0, 1), st.sampled_from(["Al", "Cu"]))
def test_layers_in_the_beam_add_up_and_harden_it(tube, thickness, share, material):
    own = [tube.filtration] if tube.filtration else []
    one, two = share * thickness, (1 - share) * thickness
    split, whole = (
        tube_spectrum(replace(tube, filtration=",".join(own + layers)))
        for layers in (
            [f"{material}:{one!r}", f"{material}:{two!r}"],
            [f"{material}:{thickness!r}"],
        )
    )
    np.testing.assert_allclose(split.fractions, whole.fractions, rtol=1e-6)
    np.testing.assert_allclose(split.output, whole.output, rtol=1e-6)
    before = tube_spectrum(tube)
    assert whole.fractions.sum() == pytest.approx(1) and before.output >= whole.output
    assert whole.mean_energy >= before.mean_energy - 1e-4
    shipped = load_spectrum(tube.spectrum)
    assert before.energies.max() <= shipped.energies.max() == int(tube.spectrum[:-2]) - 0.5


@few
@given(tubes, st.sampled_from(["Al", "Cu", "water"]), st.floats(0.2, 0.9), st.floats(0.2, 0.9))
def test_what_is_left_behind_two_layers_is_the_product(tube, material, first, second):
    spectrum = tube_spectrum(tube)
    whole = half_value_layer(spectrum, material, first * second)
    near = half_value_layer(spectrum, material, first)
    density = find_material(material).density
    passed = np.exp(-0.1 * near * density * mass_attenuation(material, spectrum.energies))
    behind = Spectrum(spectrum.energies, spectrum.fractions * passed)  # any scale will do
    assert near + half_value_layer(behind, material, second) == pytest.approx(whole, rel=1e-6)


@examples(10, deadline=None)
@given(boxes(), st.lists(views, min_size=1, max_size=3), st.integers(0, 999))
def test_views_together_are_the_views_one_by_one(ct, arms, seed):
    ct = ct.with_array(np.full(ct.array.shape, 40, np.int16))
    together = list(render_views(ct, arms, quantity="path", backend="exact"))
    noisy = list(render_views(ct, arms, noise=True, photons=1000.0, seed=seed, backend="exact"))
    assert len(together) == len(noisy) == len(arms)
    for arm, picture, reading in zip(arms, together, noisy, strict=True):
        alone = render(ct, arm, quantity="path", backend="exact")
        np.testing.assert_array_equal(picture.array, alone.array)
        camera = arm.camera(ct.center)
        length = chords(ct, camera.source, camera.rays(pixels_of(camera)))
        # Soft tissue of 40 HU on the default curve: 1.04 g/cm3.
        np.testing.assert_allclose(picture.array.sum(-1)[0], 0.104 * length, rtol=1e-3, atol=1e-2)
        assert reading.array.shape == alone.array.shape[:-1] and (reading.array >= 0).all()
    first = render(ct, arms[0], noise=True, photons=1000.0, seed=seed, backend="exact")
    np.testing.assert_array_equal(noisy[0].array, first.array)


spans = st.tuples(st.floats(-170, 170), st.floats(-170, 170), st.integers(1, 7))


@few
@given(spans, spans, views)
def test_a_grid_has_even_steps_and_both_ends(primary, secondary, base):
    found = view_grid(primary, secondary, base)
    assert len(found) == primary[2] * secondary[2]
    table = np.array([(v.primary_angle, v.secondary_angle) for v in found])
    table = table.reshape(secondary[2], primary[2], 2)
    for steps, (low, high, count) in ((table[0, :, 0], primary), (table[:, 0, 1], secondary)):
        assert steps[0] == pytest.approx(low)
        if count > 1:
            np.testing.assert_allclose(np.diff(steps), (high - low) / (count - 1), atol=1e-9)
            assert steps[-1] == pytest.approx(high)
    kept = {(v.pixel_spacing, v.detector_size, v.rotation) for v in found}
    assert kept == {(base.pixel_spacing, base.detector_size, base.rotation)}
    with pytest.raises(InputError, match="at least 1 was expected"):
        view_grid((*primary[:2], 0))


@few
@given(st.integers(-5, 350), st.integers(2, 12))
def test_a_full_turn_leaves_out_its_last_angle(first, count):
    angles = [v.primary_angle for v in view_grid((first - 355.0, first + 5.0, count))]
    np.testing.assert_allclose(np.diff(angles), 360 / count)
    assert len(angles) == count


ranges = st.tuples(st.floats(-80, 80), st.floats(-80, 80))


@few
@given(ranges, ranges, st.floats(0, 50), st.booleans(), st.integers(0, 9), seeds)
def test_random_views_lie_within_their_ranges(primary, secondary, jitter, even, count, seed):
    if primary[0] > primary[1] or secondary[0] > secondary[1]:
        with pytest.raises(InputError, match="the ends are swapped"):
            ViewRanges(primary, secondary)
        primary, secondary = tuple(sorted(primary)), tuple(sorted(secondary))
    spans = ViewRanges(
        primary, secondary, isocenter_jitter=(jitter, 0, 2 * jitter), even_directions=even
    )
    base, centre = CArm(pixel_spacing=0.3), (5.0, -7.0, 11.0)
    few_, more = (
        sample_views(n, np.random.default_rng(seed), spans, base, centre)
        for n in (count, count + 3)
    )
    assert few_ == more[:count] and len(more) == count + 3
    for view in more:
        assert primary[0] - 1e-9 <= view.primary_angle <= primary[1] + 1e-9
        assert secondary[0] - 1e-9 <= view.secondary_angle <= secondary[1] + 1e-9
        shift = np.abs(np.subtract(view.isocenter, centre))
        assert (shift <= np.array([jitter, 0, 2 * jitter]) + 1e-9).all()
        assert view.pixel_spacing == 0.3


@few
@given(
    st.sampled_from(preset_names()),
    st.floats(-360, 360),
    st.floats(-360, 360),
    st.integers(1, 4000),
)
def test_a_preset_reaches_what_its_limits_say(name, primary, secondary, columns):
    preset = load_preset(name)
    rows = preset.carm.detector_size[1]
    carm = replace(
        preset.carm,
        primary_angle=primary,
        secondary_angle=secondary,
        detector_size=(columns, rows),
    )
    reachable = columns * carm.pixel_spacing <= preset.field[0] + 1e-6
    for field in ("primary_angle", "secondary_angle"):
        low, high = preset.limits[field]
        # Whole turns do not count.
        turned = low + (getattr(carm, field) - low) % 360
        reachable &= turned <= high
    if reachable:
        assert preset.check(carm) is carm
    else:
        with pytest.raises(GeometryError, match=f"preset {name}"):
            preset.check(carm)
