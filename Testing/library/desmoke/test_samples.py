"""Clips for training: what is blended is what is asked for, and nothing else is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meddl.desmoke.frame_cache import StoredFrames
from meddl.desmoke.samples import ClipSamples, Repeated, camera_ways, moved, toned
from meddl.desmoke.training_parameters import DesmokeTraining

STILL = DesmokeTraining(
    size=(48, 64), clip_length=3, motion=0, flip=False, rotate=0, zoom=1, brightness=0, colour=0
)
CLASSES = {"light": (0.1, 0.3), "medium": (0.3, 0.5), "heavy": (0.5, 0.8)}


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (5, 48, 64, 3), np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_clips_obey_the_scattering_model(frames):
    sample = ClipSamples(frames, DesmokeTraining(size=(48, 64), clear_share=0)).draw(1, rng())
    shapes = {name: array.shape for name, array in sample.items()}
    assert shapes == {
        "smoky": (4, 3, 48, 64), "clear": (4, 3, 48, 64),
        "transmission": (4, 1, 48, 64), "airlight": (4, 3, 48, 64),
    }  # fmt: skip
    for array in sample.values():
        assert array.dtype == np.float32 and array.min() >= 0 and array.max() <= 1
    t = sample["transmission"]
    model = sample["clear"] * t + sample["airlight"] * (1 - t)
    assert np.abs(sample["smoky"] - model).max() <= 0.5 / 255 + 1e-6
    levels = sample["smoky"] * 255
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)


def test_validation_is_fixed_and_shows_the_frame_itself(frames):
    samples = ClipSamples(frames, DesmokeTraining(size=(48, 64), clear_share=1))
    for n, density in enumerate(("light", "medium", "heavy", "light", "medium")):
        one, other = samples[n], samples[n]
        assert all(np.array_equal(one[name], other[name]) for name in one)
        for clear in one["clear"]:
            np.testing.assert_allclose(clear.transpose(1, 2, 0) * 255, frames[n], atol=1e-4)
        low, high = CLASSES[density]
        assert low <= (1 - one["transmission"]).mean() <= high
    heavy = ClipSamples(frames, DesmokeTraining(size=(48, 64), density="heavy"))[0]
    assert 0.5 <= (1 - heavy["transmission"]).mean() <= 0.8


def test_training_draws_by_the_generator_alone(frames):
    samples = ClipSamples(frames, DesmokeTraining(size=(48, 64)))
    one, again, other = (samples.draw(2, rng(seed)) for seed in (4, 4, 5))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["clear"], other["clear"])


def test_a_share_of_the_clips_has_no_smoke(frames):
    samples = ClipSamples(frames, replace(STILL, clear_share=0.4, clip_length=1))
    opacity = [1 - samples.draw(0, rng(seed))["transmission"].mean() for seed in range(60)]
    assert 0.2 < np.mean(np.array(opacity) == 0) < 0.6
    clean = ClipSamples(frames, replace(STILL, clear_share=1)).draw(0, rng())
    np.testing.assert_array_equal(clean["smoky"], clean["clear"])


def test_targets_are_not_recoloured(frames):
    still = ClipSamples(frames, STILL).draw(3, rng())["clear"]
    np.testing.assert_allclose(still[2].transpose(1, 2, 0) * 255, frames[3], atol=1e-4)
    # A mirrored frame has the colours of the frame, each as often.
    flipped = ClipSamples(frames, replace(STILL, flip=True))
    seen = set()
    for seed in range(12):
        clear = np.round(flipped.draw(3, rng(seed))["clear"][0].transpose(1, 2, 0) * 255)
        mirrors = [frames[3][::y, ::x] for y in (1, -1) for x in (1, -1)]
        seen |= {n for n, mirror in enumerate(mirrors) if np.array_equal(clear, mirror)}
        assert sorted(map(tuple, clear.reshape(-1, 3))) == sorted(
            map(tuple, frames[3].reshape(-1, 3).astype(float))
        )
    assert seen == {0, 1, 2, 3}
    # Brightness is one factor for all colours of the clip and its target.
    bright = ClipSamples(frames // 2, replace(STILL, brightness=0.4)).draw(3, rng(1))["clear"]
    dark = (frames[3] // 2).transpose(2, 0, 1).astype(float)
    gain = np.median(bright[0][dark > 25] * 255 / dark[dark > 25])
    assert abs(gain - 1) > 0.01
    assert np.abs(bright[0] * 255 - np.minimum(gain * dark, 255)).max() < 1


def test_the_camera_moves_the_same_way_in_every_frame():
    y, x = np.mgrid[:60, :80]
    frame = np.stack([2 * y, 3 * x, y + x], -1).astype(np.uint8)  # a plane: colour tells place
    parameters = DesmokeTraining(size=(60, 80), clip_length=5, motion=0.02, rotate=0, flip=False)
    ways = camera_ways((60, 80), parameters, rng(2))
    centre = np.array([39.5, 29.5, 1])
    places = ways @ centre
    steps = np.diff(places, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-9)
    assert 0.1 < np.hypot(*steps[0]) < 8
    clip = moved(frame, ways)
    for picture, way in zip(clip, ways, strict=True):
        column, row = way @ np.array([40, 30, 1])
        expected = [2 * row, 3 * column, row + column]
        np.testing.assert_allclose(picture[30, 40], expected, atol=1.6)  # bilinear in 1/32 pixels
    still = camera_ways((60, 80), replace(parameters, motion=0, zoom=1), rng())
    np.testing.assert_allclose(still, np.broadcast_to(np.eye(3)[:2], still.shape), atol=1e-12)


def test_the_warp_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    frame = rng(3).integers(0, 256, (48, 64, 3), np.uint8)
    parameters = DesmokeTraining(size=(48, 64), rotate=40, zoom=1.3, motion=0.05)
    ways = camera_ways((48, 64), parameters, rng(4))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for picture, way in zip(moved(frame, ways), ways, strict=True):
        theirs = cv2.warpAffine(frame, way, (64, 48), flags=flags, borderMode=cv2.BORDER_REFLECT)
        # OpenCV rounds positions to 1/32 of a pixel.
        difference = np.abs(picture.astype(int) - theirs)
        assert difference.max() <= 16 and difference.mean() < 2.5


def test_the_zoom_shows_no_more_than_the_frame():
    parameters = DesmokeTraining(size=(60, 80), clip_length=1, rotate=0, zoom=1.5)
    corners = np.array([[0, 79, 0, 79], [0, 0, 59, 59], [1, 1, 1, 1]])
    for seed in range(20):
        x, y = camera_ways((60, 80), parameters, rng(seed))[0] @ corners
        assert x.min() > -0.5 and x.max() < 79.5 and y.min() > -0.5 and y.max() < 59.5


def test_frames_lie_one_after_the_other(frames):
    stored = StoredFrames([frames[:2], frames[2:3], frames[3:]])
    assert len(stored) == 5
    assert all(np.array_equal(stored[n], frames[n]) for n in range(5))
    repeated = Repeated(ClipSamples(stored, STILL), 3)
    assert len(repeated) == 15
    one, other = repeated.draw(1, rng(3)), ClipSamples(frames, STILL).draw(1, rng(3))
    np.testing.assert_array_equal(repeated.draw(6, rng(3))["smoky"], one["smoky"])
    np.testing.assert_array_equal(one["smoky"], other["smoky"])


def test_colours_change_by_a_factor_and_a_gamma():
    frame = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, 2)
    assert toned(frame, 0.0, rng(1)) is frame
    found = toned(frame, 0.2, rng(1)).astype(float)
    # log(out) = log(factor) + gamma log(in): a line of one slope in all channels.
    dim = (frame[0, :, 0] > 40) & (found.max((0, 2)) < 250)
    lines = [
        np.polyfit(np.log(frame[0, dim, c] / 255), np.log(found[0, dim, c] / 255), 1)
        for c in range(3)
    ]
    slopes, offsets = np.transpose(lines)
    assert np.ptp(slopes) < 0.02 and 0.01 < abs(np.log(slopes.mean())) < 0.2
    assert np.ptp(offsets) > 0.02 and np.abs(offsets).max() < 0.21
