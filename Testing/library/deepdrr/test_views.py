"""View grids and random views."""

from __future__ import annotations

import numpy as np
import pytest

from meddl.core import GeometryError, InputError
from meddl.core.parameters import from_dict, to_dict
from meddl.deepdrr import CArm, ViewRanges, sample_views, view_grid


def test_a_grid_has_even_steps_of_both_angles_and_keeps_the_rest():
    base = CArm(rotation=7, detector_size=(32, 16))
    views = view_grid((-30, 30, 3), (0, 20, 2), base)
    angles = [(v.primary_angle, v.secondary_angle) for v in views]
    assert angles == [(-30, 0), (0, 0), (30, 0), (-30, 20), (0, 20), (30, 20)]
    assert {(v.rotation, v.detector_size) for v in views} == {(7, (32, 16))}


def test_a_full_turn_does_not_repeat_its_first_view():
    assert [v.primary_angle for v in view_grid((0, 360, 4))] == [0, 90, 180, 270]


def test_an_empty_grid_is_refused():
    with pytest.raises(InputError, match="0 secondary angles"):
        view_grid((0, 90, 4), (0, 0, 0))


def test_random_views_repeat_with_their_seed_and_a_longer_draw_starts_the_same():
    draws = [sample_views(n, np.random.default_rng(5)) for n in (4, 4, 9)]
    assert draws[0] == draws[1] == draws[2][:4]
    assert sample_views(4, np.random.default_rng(6)) != draws[0]


def test_random_views_fill_their_ranges_evenly():
    ranges = ViewRanges(
        primary_angle=(-100, 40),
        secondary_angle=(10, 20),
        rotation=(0, 0),
        source_detector=(900, 1200),
        source_isocenter=(500, 800),
        isocenter_jitter=(5, 0, 30),
    )
    base = CArm(isocenter=(100, 200, 300), pixel_spacing=0.3)
    views = sample_views(2000, np.random.default_rng(0), ranges, base)
    for name in ("primary_angle", "secondary_angle", "source_detector", "source_isocenter"):
        low, high = getattr(ranges, name)
        values = (np.array([getattr(v, name) for v in views]) - low) / (high - low)
        assert 0 <= values.min() < 0.01 and 0.99 < values.max() <= 1
        assert values.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * 2000))
        assert values.var() == pytest.approx(1 / 12, rel=0.1)
    offsets = np.array([v.isocenter for v in views]) - (100, 200, 300)
    np.testing.assert_allclose(np.abs(offsets).max(axis=0), (5, 0, 30), rtol=0.01)
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 2])[0, 1]) < 0.1
    assert {(v.rotation, v.pixel_spacing) for v in views} == {(0, 0.3)}


def test_even_directions_cover_the_sphere():
    """The mean of z z^T over the sphere is a third of the identity; over even angles it is not."""
    ranges = ViewRanges(primary_angle=(-180, 180), secondary_angle=(-90, 90), even_directions=True)
    views = sample_views(4000, np.random.default_rng(1), ranges)
    z = np.array([v.axes()[2] for v in views])
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(3) / 3, atol=0.025)


def test_jitter_is_about_the_centre_of_the_ct_without_an_isocentre():
    fixed = ViewRanges(isocenter_jitter=(0, 0, 0))
    (view,) = sample_views(1, np.random.default_rng(0), fixed, center=(7, 8, 9))
    assert view.isocenter == (7, 8, 9)


def test_ranges_are_a_record():
    ranges = ViewRanges(primary_angle=(-5, 5), even_directions=True)
    assert from_dict(ViewRanges, to_dict(ranges)) == ranges


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rotation": (5, -5)}, InputError, "swapped"),
        ({"primary_angle": (0, 999)}, InputError, "at most 360"),
        ({"source_isocenter": (500, 1020)}, GeometryError, "behind the detector"),
        ({"secondary_angle": (0, 120), "even_directions": True}, InputError, "-90 to 90"),
    ],
)
def test_bad_ranges_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        ViewRanges(**changes)
