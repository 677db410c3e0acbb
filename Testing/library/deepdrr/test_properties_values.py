"""What voxel values mean: densities, corrections, materials, labels, pictures for looking."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meddl import deepdrr
from meddl.core import Image, InputError, write_image
from meddl.deepdrr import (
    DisplayParameters,
    Labels,
    MaterialParameters,
    correct_values,
    decompose,
    density,
    display_picture,
    find_material,
    inspect_values,
    label_materials,
    material_densities,
    material_of,
    read_labels,
    remove_table,
)
from meddl.deepdrr.hounsfield import density_curves, parse_hu_below
from properties import affines, examples, images

few = examples(20, deadline=None)
seeds = st.integers(0, 2**32 - 1)
SIGNED = ("i2", ">i2", "i4", "f4", ">f4", "f8")
cts = images(st.tuples(*[st.integers(1, 7)] * 3), SIGNED, -1200, 2800)
volumes = images(st.tuples(*[st.integers(2, 7)] * 3), SIGNED, -1200, 2800)
RULES = json.loads((Path(deepdrr.__file__).parent / "data/label_materials.json").read_text())
WORDS = [word for rule in RULES for word in rule["words"]]


@few
@given(cts, st.sampled_from(list(density_curves())))
def test_density_is_the_curve_through_its_knots(ct, curve):
    knots, values = (np.array(part, float) for part in density_curves()[curve])
    hu = ct.array.astype(np.float64)
    slope = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    beyond = np.maximum(hu - knots[-1], 0) * slope
    found = density(ct.array, curve)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.interp(hu, knots, values) + beyond, atol=2e-5)


@few
@given(
    images(st.tuples(*[st.integers(1, 7)] * 3)),
    st.just(0.0) | st.floats(-2000, 2000),
    st.none() | st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000)),
)
def test_values_are_corrected_one_by_one(image, offset, below):
    before = image.array.copy()
    found = correct_values(image, offset, below)
    np.testing.assert_array_equal(image.array, before)
    np.testing.assert_array_equal(found.ras_from_ijk, image.ras_from_ijk)
    if offset == 0 and below is None:
        assert found is image
        return
    for old, new in zip(before.ravel().tolist(), found.array.ravel().tolist(), strict=True):
        value = np.float32(np.float32(old) + np.float32(offset))
        expected = below[1] if below is not None and value < below[0] else value
        assert new == pytest.approx(expected, abs=1e-3)


@few
@given(
    st.sampled_from(["kept", "offset", "blanked", "grey", "flat"]),
    st.floats(0.05, 0.6),
    st.sampled_from([np.int16, np.int32, np.float32, np.float64]),
    seeds,
)
def test_a_finding_names_the_option_that_mends_it(kind, air, dtype, seed):
    rng = np.random.default_rng(seed)
    shape = (12, 13, 14)
    hu = np.where(
        rng.random(shape) < 0.15, rng.uniform(150, 1500, shape), rng.normal(40, 20, shape)
    )
    hu = np.where(rng.random(shape) < air, rng.normal(-990, 15, shape), hu)
    values = {
        "kept": hu,
        "offset": hu + 1000,
        "blanked": np.where(hu > 120, hu, 0),
        "grey": rng.integers(0, 256, shape),
        "flat": np.full(shape, hu.flat[0]),
    }[kind].astype(dtype)
    ct = Image(values)
    findings = inspect_values(ct)
    assert bool(findings) == (kind != "kept")
    if kind in ("offset", "blanked"):
        [finding] = findings
        options = dict(finding.options)
        below = parse_hu_below(options.pop("hu_below", None))
        assert inspect_values(correct_values(ct, options.pop("hu_offset", 0.0), below)) == []
        assert options == {}


@few
@given(cts, st.booleans())
def test_every_voxel_is_of_one_material_by_its_value(ct, water):
    volume = decompose(ct, MaterialParameters(materials="water" if water else "threshold"))
    if water:
        np.testing.assert_allclose(
            volume.density, np.maximum(1 + ct.array.astype(float) / 1000, 0), atol=1e-5
        )
        assert volume.names == ("water",) and not volume.label.any()
        return
    stacked = material_densities(ct)
    assert stacked.shape == (*ct.array.shape, 3)
    for value, index, parts in zip(
        ct.array.ravel(), volume.label.ravel(), stacked.reshape(-1, 3), strict=True
    ):
        expected = 0 if value <= -800 else 1 if value <= 350 else 2
        assert index == expected
        assert parts[expected] == pytest.approx(float(density(np.array(value))), abs=1e-6)
        assert np.count_nonzero(parts) <= 1
    np.testing.assert_array_equal(volume.stacked(), stacked)


@few
@given(volumes, seeds, st.sampled_from([np.uint8, np.int32, np.float32]), st.integers(0, 2))
def test_labels_decide_wherever_their_voxels_lie(ct, seed, dtype, axis):
    """The same labels on a mirrored grid are resampled, and say the same."""
    materials = {1: "skeleton", 2: "titanium", 3: "fat", 7: "threshold"}
    rng = np.random.default_rng(seed)
    array = rng.choice([0, 1, 2, 3, 5, 7], ct.array.shape).astype(dtype)
    mirror = np.eye(4)
    mirror[2 - axis, 2 - axis], mirror[2 - axis, 3] = -1, ct.array.shape[axis] - 1
    grids = [
        Image(array, ct.ras_from_ijk),
        Image(np.flip(array, axis), ct.ras_from_ijk @ mirror),
    ]
    one, other = (decompose(ct, labels=Labels(grid, materials)) for grid in grids)
    np.testing.assert_array_equal(one.density, other.density)
    for volume in (one, other):
        names = np.array(volume.names)[volume.label]
        for hu, label, name, weight in zip(
            ct.array.ravel(), array.ravel(), names.ravel(), volume.density.ravel(), strict=True
        ):
            if label == 1:
                expected = "trabecular bone" if hu <= 600 else "bone"
            elif label in (2, 3):
                expected = materials[int(label)]
            else:
                expected = "air" if hu <= -800 else "soft tissue" if hu <= 350 else "bone"
            assert name == expected
            solid = find_material(name).kind == "solid"
            own = find_material(name).density if solid else float(density(np.array(hu)))
            assert weight == pytest.approx(own, rel=1e-5, abs=1e-5)


@few
@given(seeds, st.sampled_from(["negative", "fraction", "large", "material"]))
def test_labels_that_are_none_are_refused(seed, kind):
    array = np.random.default_rng(seed).integers(0, 9, (2, 3, 4)).astype(np.float64)
    array.flat[0] = {"negative": -1, "fraction": 0.5, "large": 65536}.get(kind, 0)
    words = "unobtainium" if kind == "material" else "whole numbers from 0 to 65535"
    with pytest.raises(InputError, match=words):
        Labels(Image(array), {1: "unobtainium" if kind == "material" else "fat"})


def first_rule(text: str) -> str | None:
    """The material of the first rule with a word among the words of a text, by hand."""
    tokens = re.split(r"[\s_]+", text.lower())
    for rule in RULES:
        for word in rule["words"]:
            parts = word.split()
            for start in range(len(tokens) - len(parts) + 1):
                *heads, last = tokens[start : start + len(parts)]
                if heads == parts[:-1] and last in [
                    parts[-1] + end for end in ("", "s", "e", "es")
                ]:
                    return rule["material"]
    return None


@few
@given(
    st.lists(st.sampled_from([*WORDS, "left", "upper", "zzz", "42"]), min_size=1, max_size=4),
    st.sampled_from([" ", "_"]),
    st.sampled_from([str.lower, str.upper, str.title]),
)
def test_the_first_rule_with_a_word_of_the_name_wins(words, between, case):
    # A hyphen parts words, so that a k-wire is a wire, too; both are of titanium.
    name = case(between.join(words).replace("-", " "))
    assert material_of(name) == first_rule(name)
    terminology = f"x~y~SCT^1^{name}~z"
    assert material_of("gold", terminology) == (first_rule(name) or "gold")
    found = label_materials({3: (name, ""), 9: ("zzz", "")})
    assert found == {3: first_rule(name) or "threshold", 9: "threshold"}


@few
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
    affines(),
    st.sampled_from([".nrrd", ".nii.gz"]),
)
def test_labels_of_a_file_are_those_of_its_table(tmp_path_factory, names, affine, suffix):
    folder = tmp_path_factory.mktemp("drawn")
    array = np.arange(24).reshape(2, 3, 4).astype(np.uint8)
    write_image(folder / f"labels{suffix}", Image(array, affine))
    table = {str(number + 1): name for number, name in enumerate(names)}
    table["20"] = {"name": "spleen", "material": "nitinol=NiTi:6.45"}
    (folder / "labels.json").write_text(json.dumps(table))
    found = read_labels(folder / f"labels{suffix}")
    expected = {n + 1: first_rule(name) or "threshold" for n, name in enumerate(names)}
    assert dict(found.materials) == {**expected, 20: "nitinol=NiTi:6.45"}
    np.testing.assert_array_equal(found.image.array, array)
    np.testing.assert_allclose(found.image.ras_from_ijk, affine, atol=2e-3)


@few
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from(["intensity", "neglog", "energy", "integral"]),
    st.none() | st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    st.booleans(),
    seeds,
)
def test_a_picture_is_its_window(size, quantity, window, invert, seed):
    values = np.random.default_rng(seed).uniform(0, 9, (1, *size)).astype(np.float32)
    radiograph = Image(values, metadata={"quantity": quantity})
    if window is not None and window[0] >= window[1]:
        with pytest.raises(InputError, match="must be the larger one"):
            DisplayParameters(window)
        return
    shown = values[0].astype(float)
    if quantity == "intensity":
        shown = -np.log(np.maximum(shown, 1e-12))
    fixed = {"neglog": (2, 8), "intensity": (2, 8), "energy": (0, 60)}
    low, high = window or fixed.get(quantity) or (shown.min(), max(shown.max(), shown.min() + 1e-9))
    found = display_picture(radiograph, window, invert)
    assert found.shape == size and found.dtype == np.uint8
    if high - low < 1e-6:
        return
    grey = 255 * np.clip((shown - low) / (high - low), 0, 1)
    np.testing.assert_allclose(found, 255 - grey if invert else grey, atol=0.51)


@examples(8, deadline=None)
@given(
    st.tuples(*[st.floats(2, 4)] * 3),
    affines(),
    st.sampled_from(["i2", "f4", ">i2", "f8", "u2", "u1"]),
)
def test_the_table_becomes_air_and_a_body_of_any_pose_stays(spacing, pose, dtype):
    """A ball of tissue above a plate, on a grid of any spacing and pose."""
    affine = pose.copy()
    affine[:3, :3] *= np.array(spacing) / np.linalg.norm(pose[:3, :3], axis=0)
    shape = [int(130 / s) for s in spacing[::-1]]
    k, j, i = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing[::-1], strict=True))
    distance = np.sqrt(k[:, None, None] ** 2 + (j[:, None] + 15) ** 2 + i**2)
    plate = np.broadcast_to((np.abs(j - 45) < 2.1)[:, None], distance.shape)
    signed = np.dtype(dtype).kind != "u"
    values = np.where((distance < 40) | plate, 40, -1000 if signed else 0).astype(dtype)
    found = remove_table(Image(values, affine)).array
    if not signed:  # without air there is no outside
        np.testing.assert_array_equal(found, values)
        return
    assert (found[distance < 40] == 40).mean() > 0.999
    np.testing.assert_array_equal(found[distance > 40], -1000)
