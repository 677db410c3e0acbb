"""Smoke found, drawn, judged and carried over time, for frames of any size, by other formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

pytest.importorskip("cv2")

from meddl.core import InputError
from meddl.desmoke import (
    DarkChannelEstimator,
    FlickerMeter,
    Smoke,
    Veil,
    blend,
    depth_from_brightness,
    evaluate,
    full_reference,
    mean_opacity,
    published_smoke,
    smoke_clip,
    smoke_density,
    smoke_source,
)
from meddl.desmoke.evaluation_sets import FrameSets
from properties import examples

few = examples(12, deadline=None)
sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
judged = st.tuples(st.integers(24, 50), st.integers(24, 50))
seeds = st.integers(0, 2**32 - 1)


def noise(size, seed) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@few
@given(sizes, seeds, st.floats(0.2, 1), st.integers(16, 64))
def test_smoke_is_found_where_it_veils_and_nowhere_else(size, seed, haze, side):
    rng = np.random.default_rng(seed)
    estimator = DarkChannelEstimator(side)
    height, width = estimator.grid(*size)
    shrunk = np.array(size) * min(side / max(size), 1)
    np.testing.assert_allclose((height, width), np.maximum(shrunk, 1), atol=0.5 + 1e-9)
    clear = rng.random((height, width, 3), np.float32)
    clear[rng.random((height, width)) < 0.5] = 0  # shadows everywhere
    clear[::2, ::2] = 0  # and in every window
    y, x = np.indices((height, width)) + 0.5
    inside = np.hypot(y / height - 0.5, x / width - 0.5) < 0.48  # as an endoscope shows it
    inside[height // 2, width // 2] = True
    veil = estimator(clear, None)
    assert isinstance(veil, Veil) and veil.airlight.shape == clear.shape
    assert veil.transmission.shape == (height, width)
    if min(height, width) > 8:
        # The darkest of every window is black: nothing veils it.
        np.testing.assert_allclose(veil.transmission, 1, atol=1e-6)
    smoky = blend(clear, np.full((height, width), 1 - haze, np.float32), np.full(3, 0.8))
    estimator.reset()
    veil = estimator(smoky, inside)
    assert (veil.transmission[~inside] == 1).all()
    assert veil.transmission.min() >= 0 and veil.transmission.max() <= 1
    again = DarkChannelEstimator(side)(smoky, inside)
    np.testing.assert_array_equal(again.transmission, veil.transmission)
    if min(height, width) > 8:
        assert mean_opacity(veil.transmission, inside) > 0.5 * max(haze - 0.15, 0)
    all_kept = DarkChannelEstimator(side, kept=1.0)(smoky, inside)
    np.testing.assert_allclose(all_kept.transmission, 1)


@few
@given(sizes, seeds, st.floats(0, 1))
def test_the_mean_opacity_is_that_of_the_pixels_looked_at(size, seed, share):
    rng = np.random.default_rng(seed)
    transmission, mask = rng.random((2, *size), np.float32), rng.random(size) < share
    expected = [
        1 - float(t) for t, here in zip(transmission[0].flat, mask.flat, strict=True) if here
    ]
    found = mean_opacity(transmission[0], mask)
    assert found == pytest.approx(sum(expected) / len(expected) if expected else 0.0, abs=1e-6)
    assert mean_opacity(transmission) == pytest.approx(float(1 - transmission.mean()), abs=1e-5)


@few
@given(sizes, seeds, st.booleans())
def test_smoke_density_is_the_dark_share_by_its_definition(size, seed, masked):
    frame = noise(size, seed) // 2 + np.random.default_rng(seed).integers(0, 128, dtype=np.uint8)
    mask = np.random.default_rng(seed).random(size) < 0.7 if masked else np.ones(size, bool)
    found = smoke_density(frame, mask if masked else None)
    brightness = frame[mask].mean() if mask.any() else 0
    if brightness == 0:
        assert found == 0
        return
    window = max(round(25 * min(size) / 128), 1)
    dark = np.where(mask, frame.min(-1), 255)
    before, after = window // 2, (window - 1) // 2
    padded = np.pad(dark, ((before, after), (before, after)), mode="edge")
    darkest = sliding_window_view(padded, (window, window)).min((-1, -2))
    share = darkest[mask].mean() / brightness
    assert found == pytest.approx(np.clip((share - 0.290) / (0.948 - 0.290), 0, 1), abs=1e-6)
    assert smoke_density(np.full((*size, 3), 200, np.uint8)) == 1.0
    assert smoke_density(np.zeros((*size, 3), np.uint8)) == 0.0


@few
@given(judged, seeds, st.integers(1, 60))
def test_figures_beside_a_reference_are_those_of_their_formulas(size, seed, error):
    rng = np.random.default_rng(seed)
    reference = noise(size, seed)
    image = np.clip(reference + rng.integers(-error, error + 1, reference.shape), 0, 255)
    image = image.astype(np.uint8)
    same = full_reference(reference, reference)
    assert same["psnr"] == 120
    for name in ("ssim", "uqi", "fsimc"):
        assert same[name] == pytest.approx(1, abs=1e-5)
    found = full_reference(image, reference)
    difference = image.astype(float) - reference
    expected = min(10 * np.log10(255**2 / max((difference**2).mean(), 1e-12)), 120)
    assert found["psnr"] == pytest.approx(expected, abs=1e-3)
    flipped = full_reference(image[:, ::-1], reference[:, ::-1])
    assert all(-1 <= found[name] <= 1 + 1e-6 for name in ("ssim", "uqi", "fsimc"))
    for name in ("psnr", "ssim", "uqi"):
        assert flipped[name] == pytest.approx(found[name], abs=1e-4)
    with pytest.raises(InputError, match="bring them to one size"):
        full_reference(image, reference[1:])


@few
@given(judged, st.lists(st.integers(0, 255), min_size=2, max_size=5), seeds)
def test_flicker_on_a_still_scene_is_the_change_of_brightness(size, levels, seed):
    guide = noise(size, seed)
    meter = FlickerMeter()
    assert meter.means() == {}
    changes = []
    for before, level in zip([None, *levels], levels, strict=False):
        versions = {"flat": np.full((*size, 3), level, np.uint8), "guide": guide}
        row = meter.add(guide, versions)
        if before is None:
            assert row is None
            continue
        changes.append(abs(level - before) / 255)
        assert row["flat"] == pytest.approx(changes[-1], abs=1e-6)
        assert row["guide"] == pytest.approx(0, abs=0.01)
    assert meter.pairs == len(levels) - 1
    assert meter.means()["flat"] == pytest.approx(np.mean(changes), abs=1e-6)
    with pytest.raises(InputError, match="follow ones of"):
        meter.add(guide, {"other": guide})


@examples(6, deadline=None)
@given(judged, st.integers(1, 3), seeds, st.booleans())
def test_an_evaluation_judges_every_frame_by_itself(size, count, seed, is_video):
    reference = [noise(size, seed + n) for n in range(count)]
    smoky = [frame // 2 + 90 for frame in reference]
    output = [reference[0], *smoky[1:]]  # the first one perfect, the others left alone
    roles = {"output": output, "reference": reference, "input": smoky}
    readers = {role: frames.__getitem__ for role, frames in roles.items()}
    names = [f"frame {n}" for n in range(count)]
    found = evaluate(FrameSets(names, readers, in_order=is_video))
    assert [row["name"] for row in found["frames"]] == names
    for number, row in enumerate(found["frames"]):
        figures = full_reference(smoky[number], reference[number])
        assert row["input_psnr"] == pytest.approx(figures["psnr"], abs=1e-4)
        assert row["input_ssim"] == pytest.approx(figures["ssim"], abs=1e-5)
        change = np.abs(output[number].astype(int) - smoky[number]).mean() / 255
        assert row["change"] == pytest.approx(change, abs=1e-6)
        assert row["output_psnr"] == (120 if number == 0 else pytest.approx(row["input_psnr"]))
        assert row["gain_psnr"] == pytest.approx(row["output_psnr"] - row["input_psnr"])
    means = [row["gain_psnr"] for row in found["frames"]]
    assert found["summary"]["gain_psnr"]["mean"] == pytest.approx(np.mean(means))
    assert found["smoke_free"] is None


@few
@given(sizes, seeds, st.integers(1, 4), st.sampled_from(["veil", "cloud", "plume", "published"]))
def test_a_clip_is_its_source_at_the_times_of_its_frames(size, seed, frames, kind):
    clip = smoke_clip(size, frames, np.random.default_rng(seed), "medium", kind=kind, rate=10.0)
    assert isinstance(clip, Smoke) and clip.kind == kind
    source = smoke_source(size, np.random.default_rng(seed), "medium", kind=kind)
    for n in range(frames):
        transmission, airlight = source(n / 10)
        np.testing.assert_allclose(clip.transmission[n], transmission, atol=1e-6)
        np.testing.assert_allclose(clip.airlight[n], airlight, atol=1e-6)
    opacity = mean_opacity(clip.transmission)
    assert 0.3 - 1e-3 <= opacity <= 0.5 + 1e-3
    with pytest.raises(InputError, match="expected one of"):
        smoke_source(size, np.random.default_rng(seed), "dense")


@few
@given(sizes, seeds)
def test_published_smoke_does_not_depend_on_the_number_of_pixels(size, seed):
    found = published_smoke(size, np.random.default_rng(seed))
    assert found.shape == size and found.min() >= 0 and found.max() <= 1
    # Every third pixel of thrice as many lies at the same places.
    finer = published_smoke([3 * n for n in size], np.random.default_rng(seed))
    np.testing.assert_allclose(finer[1::3, 1::3], found, atol=1e-4)


@few
@given(sizes, st.integers(40, 255), st.floats(0.3, 1), seeds)
def test_what_is_lit_less_is_farther(size, level, factor, seed):
    flat = np.full((*size, 3), level, np.uint8)
    np.testing.assert_allclose(depth_from_brightness(flat), 1, atol=1e-5)
    if size[1] >= 16:
        half = flat.copy()
        half[:, size[1] // 2 :] = level * factor
        depth = depth_from_brightness(half)
        near, far = depth[:, : size[1] // 4].mean(), depth[:, -size[1] // 4 :].mean()
        assert far >= near - 1e-6
        # Light falls with the square of the distance.
        ratio = np.sqrt(level / np.floor(level * factor))
        assert far / near == pytest.approx(ratio, rel=0.1)
    with pytest.raises(InputError, match=r"a picture is \(H, W, 3\) uint8"):
        depth_from_brightness(flat.astype(np.float32))
