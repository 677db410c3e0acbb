"""Figures and pictures of how points agree with frames, and the command that shows them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture

from meddl.cli.main import main
from meddl.core.errors import InputError
from meddl.endodepth.colmap import read_model
from meddl.endodepth.reprojection import (
    light_correlation,
    overlay,
    statistics,
    visible_points,
    write_overlays,
)
from meddl.endodepth.sequence import frame_name, read_sequence, unposed, write_sequence

INTRINSICS = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
# Straight ahead at 10; right of it, 5 pixels, at 20; below, 10 pixels, at 40.
POINTS = np.array([[0.0, 0, 10], [2, 0, 20], [0, 8, 40]])


@pytest.fixture
def sequence(tmp_path):
    """Two grey frames of three points; the second camera stands 1 to the right and sees two."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    for number in (3, 4, 5):
        Picture.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(folder / frame_name(number))
    mask = np.ones((48, 64), np.bool_)
    mask[:, :4] = False
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 1
    plain = unposed(folder, np.array([3, 4, 5]), mask, INTRINSICS)
    return write_sequence(
        replace(
            plain,
            view_numbers=np.array([3, 5]),
            world_from_camera=poses,
            points=POINTS,
            visibility=np.array([[True, True, True], [True, False, True]]),
        )
    )


def test_points_appear_where_the_camera_sees_them(sequence):
    pixels, depth = visible_points(sequence, 0)
    np.testing.assert_allclose(pixels, [[32, 24], [37, 24], [32, 34]])
    assert depth.tolist() == [10, 20, 40]
    pixels, depth = visible_points(sequence, 1)
    np.testing.assert_allclose(pixels, [[27, 24], [30.75, 34]])


def test_statistics(sequence):
    found = statistics(sequence)
    assert (found["frames"], found["views"], found["points"]) == (3, 2, 3)
    assert found["frames_without_pose"] == [4] and found["path_length"] == 1
    assert found["points_per_view"] == {"min": 2, "median": 2.5, "mean": 2.5, "max": 3}
    assert found["views_per_point"] == pytest.approx(
        {"min": 1, "median": 2, "mean": 5 / 3, "max": 2}
    )
    assert found["depth"] == pytest.approx({"min": 10, "median": 20, "mean": 24, "max": 40})
    assert found["inside"] == 1
    json.dumps(found, allow_nan=False)
    away = replace(sequence, world_from_camera=sequence.world_from_camera.copy())
    away.world_from_camera[:, 2, 3] = -25  # inverted: 25 ahead, past two points, above the third
    found = statistics(away)
    assert found["inside"] == 1 and found["inside_if_inverted"] == 0


@pytest.mark.parametrize(("falls", "sign"), [(True, -1), (False, 1)])
def test_light_tells_what_is_inside_out(sequence, falls, sign):
    x = np.linspace(-5, 5, 12)
    points = np.column_stack([x, np.zeros(12), np.linspace(10, 20, 12)])
    shown = replace(
        sequence, mask=np.ones((48, 64), np.bool_), points=points, visibility=np.ones((2, 12), bool)
    )
    light = np.linspace(220, 60, 64) if falls else np.linspace(60, 220, 64)
    frame = np.repeat(np.tile(light, (48, 1))[..., np.newaxis], 3, axis=2).astype(np.uint8)
    for number in (3, 5):
        Picture.fromarray(frame).save(shown.file_of(number))
    assert sign * light_correlation(shown) > 0.95


def test_before_structure_from_motion_there_is_nothing_to_check(sequence):
    plain = unposed(sequence.folder, sequence.frame_numbers, sequence.mask, INTRINSICS)
    with pytest.raises(InputError, match="has no poses and points; run: meddl endodepth sfm"):
        statistics(plain)


def test_overlay_draws_each_point_on_its_place_near_ones_yellow(sequence):
    picture = overlay(sequence, 0).astype(int)
    assert picture.shape == (48, 64, 3)
    near, middle, far = picture[24, 32], picture[24, 37], picture[34, 32]
    assert near.tolist() == [253, 231, 37] and far.tolist() == [68, 1, 84]
    assert middle[1] > middle[0] and middle[1] > 100
    changed = np.argwhere((picture != 90).any(axis=-1) & sequence.mask)
    distance = np.abs(changed[:, np.newaxis] - [[24, 32], [24, 37], [34, 32]]).max(axis=-1)
    assert distance.min(axis=1).max() <= 3
    assert (picture[:, :4] == 30).all()  # outside the mask


def test_command_checks_draws_and_exports(sequence, tmp_path, capsys):
    before = {path.name for path in sequence.folder.iterdir()}
    drawn, model = tmp_path / "drawn", tmp_path / "model"
    arguments = ["endodepth", "sfm", str(sequence.folder)]
    options = ["--check", "--overlay", str(drawn), "--export", str(model)]
    assert main([*arguments, *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["views"] == 2 and report["depth"]["max"] == 40
    assert sorted(path.name for path in drawn.iterdir()) == [frame_name(3), frame_name(5)]
    assert {path.name for path in sequence.folder.iterdir()} == before
    np.testing.assert_array_equal(read_model(model).points, POINTS)
    # Into a copy without poses, by the names that the model has.
    plain = unposed(sequence.folder, sequence.frame_numbers, sequence.mask)
    copy = write_sequence(plain, tmp_path / "copy")
    arguments[2] = str(copy.folder)
    assert main([*arguments, "--import", str(model), "--min-views", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 of 3 frames have a pose" in out and "without: 4" in out
    again = read_sequence(copy.folder)
    np.testing.assert_array_equal(again.points, POINTS[[0, 2]])
    np.testing.assert_allclose(again.world_from_camera, sequence.world_from_camera, atol=1e-9)
    np.testing.assert_allclose(again.intrinsics, INTRINSICS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--check", "--import", "x"], "not allowed with argument"),
        (["--undistorted", "new"], "--undistorted goes with --import"),
        (["--import", "nowhere"], "nowhere holds no COLMAP model"),
        (["--min-views", "1"], "--min-views is 1, at least 2 was expected"),
        (["--matching", "vocabulary"], "--matching is 'vocabulary', expected one of: auto"),
    ],
)
def test_wrong_options_are_one_line(sequence, capsys, options, message):
    assert main(["endodepth", "sfm", str(sequence.folder), *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_cancelled_overlay_leaves_the_earlier_folder(sequence, tmp_path):
    from meddl.core.errors import Cancelled
    from meddl.core.progress import CancelToken

    write_overlays(sequence, tmp_path / "drawn")
    token = CancelToken()
    with pytest.raises(Cancelled):
        write_overlays(sequence, tmp_path / "drawn", lambda *_: token.cancel(), token)
    assert len(list((tmp_path / "drawn").iterdir())) == 2
    assert not list(tmp_path.glob(".part*"))
