"""The dark channel against its definition; airlight and transmission against known smoke."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.desmoke.classical import DarkChannelEstimator
from meddl.desmoke.dark_channel import (
    brightest_airlight,
    dark_channel,
    estimate_airlight,
    guide_of,
    minimum_channel,
    refined_dark_channel,
)
from meddl.desmoke.field_of_view import FieldOfView
from meddl.desmoke.scattering import mean_opacity, recover

from .smoky_scenes import AIRLIGHT, smoky, tissue


def test_dark_channel_is_its_definition():
    picture = np.random.default_rng(2).random((9, 12, 3), np.float32)
    mask = np.random.default_rng(3).random((9, 12)) > 0.7
    for patch in (1, 3, 5):
        reach = patch // 2
        expected, masked = np.zeros((9, 12)), np.zeros((9, 12))
        for y, x in np.ndindex(9, 12):
            window = np.s_[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            expected[y, x] = picture[window].min()
            if mask[window].any():
                masked[y, x] = picture[window][mask[window]].min()
        np.testing.assert_array_equal(dark_channel(picture, patch), expected.astype(np.float32))
        np.testing.assert_array_equal(dark_channel(picture, patch, mask), masked.astype(np.float32))


def test_both_guides_have_their_names():
    picture = tissue()
    np.testing.assert_array_equal(guide_of(picture, "minimum"), picture.min(axis=-1))
    refined = guide_of(picture, "refined")
    np.testing.assert_array_equal(refined, refined_dark_channel(picture, 15, 15, 1e-4))
    assert refined.mean() < minimum_channel(picture).mean()  # of smallest values around
    with pytest.raises(InputError, match="refined, minimum"):
        guide_of(picture, "dark")
    with pytest.raises(InputError, match="patch is 0"):
        dark_channel(picture, 0)


@pytest.mark.parametrize("opacity", [0.3, 0.6])
def test_smoke_of_known_opacity_is_found_and_removed(opacity):
    clear = tissue()
    picture = smoky(clear, opacity)
    veil = DarkChannelEstimator()(picture)
    assert mean_opacity(veil.transmission) == pytest.approx(opacity, abs=0.08)
    before, after = np.abs(picture - clear).mean(), np.abs(recover(picture, veil) - clear).mean()
    assert after < 0.7 * before


def test_smoke_lies_where_it_is():
    opacity = np.zeros((96, 128), np.float32)
    opacity[:, :64] = 0.5
    t = DarkChannelEstimator()(smoky(tissue(), opacity)).transmission
    assert t[:, :32].mean() < 0.65 and t[:, -32:].mean() > 0.95


def test_clear_tissue_stays():
    clear = tissue()
    assert np.abs(recover(clear, DarkChannelEstimator()(clear)) - clear).mean() < 0.005


def test_airlight_is_not_that_of_highlights_instruments_or_surround():
    picture = smoky(tissue(), 0.85)
    rng = np.random.default_rng(1)
    for y, x in rng.integers(8, 80, (6, 2)):
        picture[y : y + 16, x : x + 16] = 1  # wide enough for the dark channel of 15 pixels
    picture[40:60, :20] = 0.95  # white instrument
    mask = np.ones(picture.shape[:2], bool)
    mask[:8] = False
    picture[:8] = 0
    ours = np.abs(estimate_airlight(picture, 31, mask) - AIRLIGHT).max()
    he = np.abs(brightest_airlight(picture, mask=mask) - AIRLIGHT).max()
    assert ours < 0.1 < 0.2 < he


def test_still_video_does_not_flicker():
    rng = np.random.default_rng(5)
    picture = smoky(tissue(), 0.4)
    steady, anew = DarkChannelEstimator(), DarkChannelEstimator()
    changes = {"steady": [], "anew": []}
    before = {}
    for number in range(12):
        noisy = np.clip(picture + rng.normal(0, 0.03, picture.shape), 0, 1).astype(np.float32)
        anew.reset()
        for name, estimator in (("steady", steady), ("anew", anew)):
            t = estimator(noisy).transmission
            if number > 6:
                changes[name].append(np.abs(t - before[name]).mean())
            before[name] = t
    assert np.mean(changes["steady"]) < 0.4 * np.mean(changes["anew"])


def test_smoke_that_comes_is_followed_and_a_cut_begins_anew():
    estimator = DarkChannelEstimator()
    clear = tissue()
    for _ in range(5):
        estimator(clear)
    for _ in range(20):
        veil = estimator(smoky(clear, 0.5))
    fresh = DarkChannelEstimator()(smoky(clear, 0.5))
    assert np.abs(veil.transmission - fresh.transmission).mean() < 0.02
    other = smoky(tissue(seed=9), 0.2)[:, ::-1] * 0.4 + 0.1
    cut, alone = estimator(other), DarkChannelEstimator()(other)
    np.testing.assert_array_equal(cut.transmission, alone.transmission)
    np.testing.assert_array_equal(cut.airlight, alone.airlight)


def test_smoke_at_the_rim_of_a_round_field_is_seen():
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    field = np.hypot(x, y) < 0.95
    picture = smoky(tissue(), 0.5) * field[..., None]
    mask = FieldOfView()(picture)
    assert (mask != field).mean() < 0.01
    t = DarkChannelEstimator()(picture, mask).transmission
    rim = mask & (np.hypot(x, y) > 0.85)
    assert t[rim].mean() == pytest.approx(t[mask].mean(), abs=0.05)
    assert (t[~mask] == 1).all()


def test_field_of_view_grows_with_light_and_never_shrinks():
    field = FieldOfView()
    picture = np.full((40, 60, 3), 0.4, np.float32)
    assert field(np.zeros_like(picture)) is None
    dark_corner = picture.copy()
    dark_corner[:20, :20] = 0.01
    assert not field(dark_corner)[:20, :20].any()
    assert field(picture) is None
    assert field(dark_corner) is None
    field.reset()
    inner = picture.copy()
    inner[10:30, 20:40] = 0.01  # a shadow that does not touch the rim
    assert field(inner) is None


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (5, 300)])
@pytest.mark.parametrize("value", [0.0, 0.7, 1.0])
def test_uniform_pictures_of_any_size(shape, value):
    estimator = DarkChannelEstimator()
    small = np.full((*estimator.grid(*shape), 3), value, np.float32)
    veil = estimator(small)
    assert np.isfinite(veil.transmission).all() and np.isfinite(veil.airlight).all()
    assert veil.transmission.mean() > 0.99 if value == 0 else veil.transmission.mean() < 0.5
    assert max(estimator.grid(*shape)) <= 256
