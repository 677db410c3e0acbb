"""Scores of depth maps whose errors are known, and agreement of frames whose geometry is."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core import Cancelled, CancelToken, InputError
from meddl.core.depth_maps import depth_writer, read_depth_folder
from meddl.core.pinhole import backproject
from meddl.endodepth.evaluation import bilinear_depth, depth_differences, evaluate
from meddl.endodepth.evaluation_parameters import EvaluationParameters
from meddl.endodepth.views import View

from .torus_sequence import CAMERA, torus_sequence


@pytest.fixture(scope="module")
def torus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torus") / "sequence"
    sequence, depth = torus_sequence(folder, frames=6, span=0.75)
    return sequence, read_depth_folder(depth)


def altered(folder, truth, change):
    with depth_writer(folder, camera=CAMERA) as writer:
        for number, name in enumerate(truth.names):
            writer.write(name, change(number, truth.depth(name)))
    return read_depth_folder(folder)


def test_true_depth_has_no_error_against_points_and_maps(torus):
    sequence, truth = torus
    points = evaluate(sequence, truth)
    assert points["truth"] == "structure from motion" and points["unit"] == "relative"
    # The points lie anywhere within the pixels, whose depths are interpolated.
    assert points["pooled"]["abs_rel"] < 3e-3 and points["pooled"]["delta1"] > 0.999
    maps = evaluate(sequence, truth, truth)
    assert maps["pooled"]["abs_rel"] < 1e-6 and maps["pooled"]["delta1"] == 1
    assert len(maps["frames"]) == 6 and all(row["samples"] > 500 for row in maps["frames"])
    assert maps["baselines"]["constant"]["abs_rel"] > 0.2


def test_known_errors_are_reported(torus, tmp_path):
    sequence, truth = torus
    # Half of the pixels 10 % too far, the other half 10 % too near.
    board = np.indices((CAMERA.height, CAMERA.width)).sum(axis=0) % 2
    wrong = altered(tmp_path / "d", truth, lambda _, depth: depth * np.where(board, 1.1, 0.9))
    found = evaluate(sequence, wrong, truth, EvaluationParameters(scaling="none"))
    assert found["pooled"]["abs_rel"] == pytest.approx(0.1, rel=1e-3)
    assert found["pooled"]["delta1"] == 1
    assert found["frames"][2]["scale"] == 1
    wrong = altered(tmp_path / "d", truth, lambda _, depth: depth * 1.3)
    found = evaluate(sequence, wrong, truth, EvaluationParameters(scaling="none"))
    assert found["pooled"]["abs_rel"] == pytest.approx(0.3, rel=1e-5)
    assert (found["pooled"]["delta1"], found["pooled"]["delta2"]) == (0, 1)
    depths = np.concatenate([truth.depth(name).ravel() for name in truth.names]).astype(float)
    rms = np.sqrt((depths[depths > 0] ** 2).mean())
    assert found["pooled"]["rmse"] == pytest.approx(0.3 * rms, rel=0.05)  # rims are not scored


def test_each_scaling_takes_away_what_it_says(torus, tmp_path):
    sequence, truth = torus
    scaled = altered(tmp_path / "d", truth, lambda number, depth: depth * (1 + 0.1 * number))
    by_frame = evaluate(sequence, scaled, truth)
    assert by_frame["pooled"]["abs_rel"] < 1e-6
    expected = 1 / (1 + 0.1 * np.arange(6))
    np.testing.assert_allclose([row["scale"] for row in by_frame["frames"]], expected, rtol=1e-6)
    by_sequence = evaluate(sequence, scaled, truth, EvaluationParameters(scaling="sequence"))
    assert 0.05 < by_sequence["pooled"]["abs_rel"] < 0.2
    assert len({row["scale"] for row in by_sequence["frames"]}) == 1


def test_the_brightness_of_a_headlight_tells_the_depth(torus, tmp_path):
    from meddl.core.image import Image
    from meddl.core.pictures import write_picture
    from meddl.endodepth.sequence import read_sequence, write_sequence

    from .torus_sequence import FRAME_INTRINSICS, HEIGHT, WIDTH, true_points

    sequence, truth = torus
    copy = write_sequence(sequence, tmp_path / "lit")
    for number, matrix in zip(copy.view_numbers, copy.world_from_camera, strict=True):
        _, depth = true_points(FRAME_INTRINSICS, (HEIGHT, WIDTH), matrix)
        light = 250 * (4.0 / np.maximum(depth, 4)) ** 2
        picture = np.repeat(np.round(light).astype(np.uint8)[..., None], 3, axis=2)
        write_picture(copy.file_of(int(number)), Image(picture[None]))
    found = evaluate(read_sequence(tmp_path / "lit"), truth, truth)
    assert found["baselines"]["brightness"]["abs_rel"] < 0.1
    assert found["baselines"]["constant"]["abs_rel"] > 0.2


def test_frames_of_one_surface_agree_and_others_do_not(torus, tmp_path):
    sequence, truth = torus
    agreement = evaluate(sequence, truth)["consistency"]
    assert agreement["pairs"] == 5 and agreement["median"] < 1e-3
    assert agreement["percentile_95"] < 0.02 and agreement["hidden"] < 0.1
    unequal = altered(tmp_path / "d", truth, lambda number, depth: depth * (1 + 0.1 * (number % 2)))
    found = evaluate(sequence, unequal, truth, EvaluationParameters(scaling="none"))
    assert 0.03 < found["consistency"]["median"] < 0.2


def box_before_wall(place):
    """Depth of a wall at z = 10 and a square of half-width 1 at z = 5, seen from (place, 0, 0)."""
    rays = backproject(np.ones((CAMERA.height, CAMERA.width)), CAMERA.intrinsics)
    at_box = place + 5 * rays[..., 0]
    return np.where((np.abs(at_box) < 1) & (np.abs(5 * rays[..., 1]) < 1), 5.0, 10.0)


def test_what_is_hidden_lies_behind_what_the_other_frame_sees():
    moved = np.eye(4)
    moved[0, 3] = 1.5
    one, other = (
        View(n, n, str(n), depth.astype(np.float32), CAMERA, pose)
        for n, depth, pose in ((0, box_before_wall(0), np.eye(4)), (1, box_before_wall(1.5), moved))
    )
    found = depth_differences(one.depth, one, other.depth, other)
    # From there the square covers the wall over -3.5..0.5, from here it covers -2..2 itself.
    wall = backproject(one.depth, CAMERA.intrinsics)[one.depth == 10]
    covered = (wall[:, 0] > -3.5) & (wall[:, 0] < 0.5) & (np.abs(wall[:, 1]) < 2)
    assert covered.sum() > 50
    assert (found > 0.2).sum() == pytest.approx(covered.sum(), rel=0.15)  # less a rim of pixels
    np.testing.assert_allclose(found[found > 0.2], 1.0, atol=1e-6)
    assert np.median(np.abs(found[found < 0.2])) < 1e-6


def test_depth_between_the_pixels_of_a_plane_is_exact():
    intrinsics = CAMERA.intrinsics
    normal = np.array([0.3, -0.2, 1.0])
    pixels = np.random.default_rng(0).uniform(-2, 56, (400, 2))
    homogeneous = np.column_stack([pixels, np.ones(400)]) @ np.linalg.inv(intrinsics).T
    row, column = np.indices((CAMERA.height, CAMERA.width)) + 0.5
    grid = np.stack([column, row, np.ones_like(row)], axis=-1) @ np.linalg.inv(intrinsics).T
    depth = 7 / (grid @ normal)
    found = bilinear_depth(depth, pixels)
    inside = (pixels >= 0.5).all(axis=1) & (pixels <= (51.5, 43.5)).all(axis=1)
    np.testing.assert_array_equal(found > 0, inside)
    np.testing.assert_allclose(found[inside], 7 / (homogeneous[inside] @ normal), rtol=1e-12)
    depth[10, 10] = 0
    assert bilinear_depth(depth, np.array([[10.8, 10.4], [np.nan, 1]])).tolist() == [0, 0]


def test_the_command_writes_report_table_and_plot(torus, tmp_path, capsys):
    sequence, truth = torus
    words = ["endodepth", "evaluate", str(sequence.folder), "--depth", str(truth.folder)]
    words += ["--output", str(tmp_path / "report.json")]
    assert main(words) == 0
    assert "scaling frame" in capsys.readouterr().out
    assert main([*words, "--truth", str(truth.folder), "--scaling", "none", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parameters"]["scaling"] == "none" and report["truth"] == "maps"
    assert printed["pooled"] == report["pooled"]
    with (tmp_path / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(truth.names)
    assert float(rows[1]["abs_rel"]) == report["frames"][1]["abs_rel"]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_scored_is_explained(torus, tmp_path, capsys):
    sequence, truth = torus
    empty = altered(tmp_path / "d", truth, lambda _, depth: depth * 0)
    with pytest.raises(InputError, match="no true depth falls on a known pixel"):
        evaluate(sequence, empty)
    pointless = replace(
        sequence, points=np.zeros((0, 3)), visibility=np.zeros((len(sequence.view_numbers), 0))
    )
    with pytest.raises(InputError, match="run: meddl endodepth sfm"):
        evaluate(pointless, truth)
    assert evaluate(pointless, truth, truth)["pooled"]["abs_rel"] < 1e-6
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        evaluate(sequence, truth, cancel=token)
    words = ["endodepth", "evaluate", str(sequence.folder), "--depth", str(truth.folder)]
    assert main([*words, "--output", str(tmp_path / "report.txt")]) == 2
    assert "written as .json" in capsys.readouterr().err


def test_a_frame_without_points_is_left_out_of_the_figures(torus):
    sequence, truth = torus
    visibility = sequence.visibility.copy()
    visibility[2] = False
    found = evaluate(replace(sequence, visibility=visibility), truth)
    assert found["frames"][2]["samples"] == 0 and "abs_rel" not in found["frames"][2]
    assert found["pooled"]["samples"] == sum(row["samples"] for row in found["frames"])
