"""Crop, scale, visibility and clean points of a sequence whose values are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meddl.core.errors import Cancelled, InputError
from meddl.core.progress import CancelToken
from meddl.endodepth.prepare import (
    crop_around,
    crop_picture,
    extend_visibility,
    global_scale,
    inlier_range,
    prepare,
    smaller_mask,
)
from meddl.endodepth.sequence import unposed

from .plane_sequence import CAMERA, NUMBERS, SIZE, field, plane_depth, plane_sequence

SPOILED = (4, 17)


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    return plane_sequence(tmp_path_factory.mktemp("plane") / "sequence", spoiled=SPOILED)


@pytest.fixture(scope="module")
def prepared(plane):
    # 2 of 64 points are spoiled: less than 4 % of most frames' points.
    return prepare(plane, 2, 16, inlier_percentage=0.96, visibility_overlap=0)


def test_the_crop_is_the_eroded_field_padded_to_multiples(prepared):
    # The field spans columns 26:106 and rows 5:85, halved 13:53 and 2.5:42.5; the erosion takes
    # two pixels of each side: 36 wide and high, padded to 48 around the middle.
    assert prepared.shape == (45, 64)
    assert prepared.mask.shape == (48, 48)
    assert (prepared.columns.start, prepared.columns.stop) == (9, 57)
    # 48 rows do not fit into 45: the crop begins at the top and ends beyond the picture.
    assert (prepared.rows.start, prepared.rows.stop) == (0, 48)
    assert not prepared.mask[45:].any()
    y, x = np.mgrid[:48, :48] + 0.5
    distance = np.hypot(x + 9 - 33, y - 22.5)
    assert prepared.mask[distance < 17].all() and not prepared.mask[distance > 20].any()


def test_intrinsics_follow_the_crop(prepared, plane):
    """A point appears where it appears in the full frame, halved and shifted."""
    view = 5
    index, pixels, depth = prepared.projected(view)
    camera_from_world = np.linalg.inv(plane.world_from_camera[view])
    points = plane.points[prepared.kept][index] @ camera_from_world[:3, :3].T
    points += camera_from_world[:3, 3]
    full = points[:, :2] / points[:, 2:] * np.diag(CAMERA)[:2] + CAMERA[:2, 2]
    np.testing.assert_allclose(pixels, full / 2 - (9, 0), atol=1e-9)
    np.testing.assert_allclose(depth * prepared.scale, points[:, 2], rtol=1e-12)
    assert len(index) > 30


def test_sparse_depth_lies_on_the_plane(prepared, plane):
    for view in (0, 7):
        sparse = prepared.sparse_depth(view)
        known = sparse > 0
        assert sparse.dtype == np.float32 and known.sum() > 25 and not known[~prepared.mask].any()
        true = plane_depth(plane.world_from_camera[view])
        true = true.reshape(45, 2, 64, 2).mean((1, 3))[:, 9:57] / prepared.scale
        true = np.vstack([true, np.zeros((3, 48))])
        # Half a pixel of a plane that is turned by up to 0.14 radians.
        assert np.abs(sparse - true)[known].max() < 0.15 * true.max() / 55


def test_the_scale_is_the_larger_of_path_and_points(plane):
    path = plane.world_from_camera[:, :3, 3]
    lengths = [np.sqrt(((p.max(0) - p.min(0)) ** 2).sum()) for p in (path, plane.points)]
    assert prepare(plane, 2, 16, 1.0).scale == pytest.approx(max(lengths), rel=1e-12)
    assert global_scale(plane.world_from_camera[:0], plane.points[:0]) == 1
    assert global_scale(10 * plane.world_from_camera, plane.points) > 10


def test_spoiled_points_are_dropped_and_no_others(prepared, plane):
    dropped = np.flatnonzero(~prepared.kept).tolist()
    assert set(SPOILED) <= set(dropped) and len(dropped) < 5
    # Rounded grey levels may fall out of the range too, but not in half of many views.
    strays = [point for point in dropped if point not in SPOILED]
    assert plane.visibility[:, strays].sum(axis=0).max(initial=0) <= 3
    assert len(prepared.points) == prepared.visibility.shape[1] == 64 - len(dropped)


def test_all_points_are_kept_when_all_are_inliers(plane):
    assert prepare(plane, 2, 16, inlier_percentage=1.0).kept.all()


def test_visibility_reaches_over_the_neighbouring_views():
    rng = np.random.default_rng(1)
    visible = rng.random((11, 30)) < 0.1
    for overlap in (0, 1, 3, 20):
        expected = np.zeros_like(visible)
        for view, point in np.argwhere(visible):
            expected[max(view - overlap, 0) : view + overlap + 1, point] = True
        np.testing.assert_array_equal(extend_visibility(visible, overlap), expected)


def test_the_histogram_grows_from_its_mode_until_it_holds_enough():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(10, 0.5, 400).clip(0), rng.uniform(0, 40, 20), [50.0]])
    for part in (0.5, 0.9, 0.99):
        low, high = inlier_range(values, part)
        # By hand: bins of a thousandth of the largest value; the last, of 50 alone, is left out.
        bins = (values / values.max() * 1000).astype(int)
        counts = [int((bins == n).sum()) for n in range(999)]
        mode = first = last = max(range(999), key=counts.__getitem__)
        while sum(counts[first : last + 1]) < part * sum(counts):
            first, last = max(first - 1, 0), min(last + 1, 998)
        assert first <= mode <= last
        np.testing.assert_allclose((low, high), (first * 0.05, (last + 1) * 0.05), atol=1e-9)
    assert inlier_range(np.zeros(5), 0.9) == (0, 0)
    low, high = inlier_range(np.full(9, 7.0), 0.99)  # all alike: all clean
    assert low < 7 <= high


def test_colours_are_centred_and_masked(prepared, plane):
    colour = prepared.colour(115)
    full = plane.frame(115).astype(float).reshape(45, 2, 64, 2, 3).mean((1, 3))[:, 9:57]
    inside = prepared.mask[:45]
    assert colour.shape == (48, 48, 3) and colour.dtype == np.float32
    assert np.abs((colour[:45] + 1) * 127.5 - full)[inside].max() <= 1  # rounded to bytes
    assert not colour[~prepared.mask].any()
    hsv = prepared.colour(115, hsv=True)
    # Grey has no saturation, and its value is its brightness.
    np.testing.assert_allclose(hsv[prepared.mask][:, 1], -1)
    np.testing.assert_allclose(hsv[..., 2], colour[..., 0], atol=1e-6)


def test_without_structure_mask_crop_and_camera_are_prepared(plane):
    bare = replace(unposed(plane.folder, NUMBERS, plane.mask), frame_files=plane.frame_files)
    result = prepare(bare, 2, 16)
    assert result.intrinsics is None and result.scale == 1 and not len(result.points)
    with pytest.raises(InputError, match="calibrate"):
        result.require_intrinsics()


@pytest.mark.parametrize("factor", [1.0, 2.0, 3.7, 5.0])
def test_the_smaller_picture_and_its_camera_agree_for_any_factor(plane, factor):
    """The centroid of the round field is where the camera says."""
    result = prepare(plane, factor, 8, 1.0)
    y, x = np.mgrid[: result.mask.shape[0], : result.mask.shape[1]] + 0.5
    centre = x[result.mask].mean(), y[result.mask].mean()
    expected = (
        (66 - CAMERA[0, 2]) / CAMERA[0, 0] * result.intrinsics[0, 0] + result.intrinsics[0, 2],
        (45 - CAMERA[1, 2]) / CAMERA[1, 1] * result.intrinsics[1, 1] + result.intrinsics[1, 2],
    )
    np.testing.assert_allclose(centre, expected, atol=0.3)


def test_a_crop_that_fits_stays_inside_the_picture():
    mask = np.zeros((50, 60), bool)
    mask[30:49, 2:20] = True
    rows, columns = crop_around(mask, 32)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (18, 50, 0, 32)
    picture = np.arange(3000, dtype=np.uint8).reshape(50, 60)
    np.testing.assert_array_equal(
        crop_picture(picture, (50, 60), slice(40, 60), slice(50, 66))[:10, :10], picture[40:, 50:]
    )


def test_the_border_of_the_picture_does_not_erode():
    whole = smaller_mask(np.ones(SIZE, bool), (45, 64))
    assert whole.all()
    assert smaller_mask(field(), SIZE).sum() < field().sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"downsampling": 0.5}, "downsampling 0.5"),
        ({"downsampling": float("nan")}, "downsampling nan"),
        ({"multiple": 0}, "at least 1, 1 and 0"),
        ({"inlier_percentage": 0}, "inlier percentage is 0"),
        ({"inlier_percentage": 99}, "inlier percentage is 99"),
        ({"downsampling": 30}, "nothing is left of the mask at 4x3 pixels"),
    ],
)
def test_values_out_of_range_are_refused(plane, options, message):
    with pytest.raises(InputError, match=message):
        prepare(plane, **{"downsampling": 2, "multiple": 16, **options})


def test_preparing_can_be_cancelled(plane):
    token = CancelToken()
    with pytest.raises(Cancelled):
        prepare(plane, 2, 16, progress=lambda fraction, text: token.cancel(), cancel=token)
