"""What holds for every frame, whatever its size and content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

pytest.importorskip("cv2")

from meddl.desmoke.desmoker import VideoDesmoker
from meddl.desmoke.guided_filter import guided_filter
from meddl.desmoke.recovery import recover_frame, veil_maps
from meddl.desmoke.scattering import Veil, blend, recover
from meddl.desmoke.smoke import smoke_clip
from properties import examples

few = examples(12, deadline=None)
sizes = st.tuples(st.integers(8, 70), st.integers(8, 70))
seeds = st.integers(0, 2**32 - 1)
TRANSMISSIONS = {"light": (0.7, 0.9), "medium": (0.5, 0.7), "heavy": (0.2, 0.5)}


@few
@given(sizes, seeds, st.floats(0.1, 1))
def test_recovery_undoes_blending(size, seed, least):
    rng = np.random.default_rng(seed)
    clear = rng.random((*size, 3), np.float32)
    veil = Veil(rng.uniform(least, 1, size).astype(np.float32), rng.random((*size, 3), np.float32))
    smoky = blend(clear, veil.transmission, veil.airlight)
    assert smoky.min() >= 0 and smoky.max() <= 1 + 1e-6
    np.testing.assert_allclose(recover(smoky, veil), clear, atol=1e-6 / least)


@few
@given(sizes, seeds, st.floats(0, 1))
def test_the_fast_recovery_is_the_plain_one_rounded(size, seed, strength):
    """On a grid of the frame's own size there is nothing to enlarge."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    veil = Veil(rng.uniform(0.2, 1, size).astype(np.float32), rng.random((*size, 3), np.float32))
    found = recover_frame(frame, veil_maps(veil), np.ones(size, bool), strength)
    picture = frame.astype(np.float64) / 255
    expected = picture + strength * (recover(picture.astype(np.float32), veil) - picture)
    assert np.abs(found - 255 * expected).max() < 0.51


@few
@given(sizes, seeds, st.booleans())
def test_a_frame_keeps_its_shape_and_strength_0_keeps_every_bit(size, seed, read_only):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (3, *size, 3), dtype=np.uint8)
    frames[1] = frames[1].mean()  # a flat one
    frames.setflags(write=not read_only)
    desmoker = VideoDesmoker("classical", device="cpu")
    for frame in frames:
        before = frame.copy()
        found = desmoker(frame)
        assert found.shape == frame.shape and found.dtype == np.uint8
        assert not np.shares_memory(found, frame) and np.array_equal(frame, before)
        assert 0 <= desmoker.smoke_level <= 1
        t = desmoker.transmission
        assert t.shape == size and t.min() >= 0 and t.max() <= 1
    desmoker.strength = 0
    assert np.array_equal(desmoker(frames[0]), frames[0])


@few
@given(sizes, seeds)
def test_a_video_does_not_depend_on_what_the_desmoker_saw_before(size, seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (4, *size, 3), dtype=np.uint8)
    fresh, used = VideoDesmoker("classical", device="cpu"), VideoDesmoker("classical", device="cpu")
    for frame in frames[2:]:
        used(frame)
    used.reset()
    for frame in frames[:2]:
        np.testing.assert_array_equal(used(frame), fresh(frame))


@few
@given(sizes, seeds, st.integers(1, 3), st.floats(1e-4, 1e-1))
def test_far_from_the_rim_the_guided_filter_is_the_published_one(size, seed, radius, eps):
    """He, Sun and Tang (2013), algorithm 1, with scipy's means."""
    rng = np.random.default_rng(seed)
    guide, target = rng.random((2, *size))

    def mean(values):
        return uniform_filter(values, 2 * radius + 1, mode="constant")

    a = (mean(guide * target) - mean(guide) * mean(target)) / (
        mean(guide**2) - mean(guide) ** 2 + eps
    )
    expected = mean(a) * guide + mean(mean(target) - a * mean(guide))
    found = guided_filter(guide.astype(np.float32), target.astype(np.float32), radius, eps)
    inner = (slice(2 * radius, -2 * radius),) * 2
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-4)


@few
@given(sizes, seeds, st.sampled_from(list(TRANSMISSIONS)), st.integers(1, 3))
@example((8, 52), 46, "medium", 1)
@example((17, 58), 598, "medium", 1)
def test_smoke_of_a_class_has_its_opacity_in_every_frame(size, seed, density, frames):
    smoke = smoke_clip(size, frames, np.random.default_rng(seed), density)
    again = smoke_clip(size, frames, np.random.default_rng(seed), density)
    assert smoke.transmission.shape == (frames, *size)
    assert smoke.airlight.shape == (frames, *size, 3)
    low, high = TRANSMISSIONS[density]
    means = smoke.transmission.mean((1, 2), dtype=np.float64)
    assert low - 1e-3 <= means.min() and means.max() <= high + 1e-3
    assert smoke.transmission.min() >= 0 and smoke.transmission.max() <= 1
    assert smoke.airlight.min() >= 0 and smoke.airlight.max() <= 1
    np.testing.assert_array_equal(smoke.transmission, again.transmission)
