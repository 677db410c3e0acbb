"""Depth maps of sequences, videos and pictures: files, units, scale, masks, bad input."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from meddl.core.depth_maps import read_depth_folder
from meddl.core.errors import Cancelled, FileError, InputError, MedDLError
from meddl.core.image import Image
from meddl.core.pictures import write_picture
from meddl.core.pinhole import project
from meddl.core.progress import CancelToken
from meddl.endodepth.prediction import (
    DepthPredictor,
    downsampling_of,
    predict_frames,
    predict_sequence,
)
from meddl.endodepth.prediction_parameters import PredictionParameters
from meddl.endodepth.sequence import frame_name, unposed

torch = pytest.importorskip("torch")
pytest.importorskip("cv2")

HEIGHT, WIDTH = 120, 160
INTRINSICS = np.array([[100.0, 0, 80], [0, 100, 60], [0, 0, 1]])


@pytest.fixture(scope="module")
def predictor():
    return DepthPredictor(engine="torch", device="cpu")


def field() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.hypot(y - 60, x - 80) < 55


def frame(seed: int) -> np.ndarray:
    """Something smooth and reddish."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bright = 120 + 60 * np.sin(x / 17 + seed) * np.cos(y / 23)
    return np.stack([bright, 0.6 * bright, 0.5 * bright], -1).astype(np.uint8)


@pytest.fixture
def sequence(tmp_path):
    """Four frames of 1, 2, 3 and 4, of which 1 to 3 have a pose; points 40 to 60 units away."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    numbers = np.arange(1, 5)
    for number in numbers:
        picture = frame(int(number))[np.newaxis]
        write_picture(folder / frame_name(int(number), ".png"), Image(picture))
    rng = np.random.default_rng(0)
    depth = rng.uniform(40, 60, 80)
    points = np.stack([*(rng.uniform(-0.35, 0.35, (2, 80)) * depth), depth], -1)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = (0, 1, 2)
    return replace(
        unposed(folder, numbers, field(), INTRINSICS, suffix=".png"),
        view_numbers=numbers[:3],
        world_from_camera=poses,
        points=points,
        visibility=np.ones((3, 80), bool),
    )


def test_maps_of_a_sequence_are_in_the_unit_of_its_poses(sequence, tmp_path, predictor):
    done = predict_sequence(sequence, tmp_path / "depth", predictor=predictor)
    assert done["frames"] == 4 and done["scaled"] == 3 and done["black"] == 0
    folder = read_depth_folder(tmp_path / "depth")
    assert folder.names == ("00000001", "00000002", "00000003", "00000004")
    assert folder.unit == "relative" and folder.mm_per_unit is None
    camera = folder.camera
    factors = []
    for name, pose in zip(folder.names, sequence.world_from_camera, strict=False):
        depth = folder.depth(name)
        # Where the points appear, by the intrinsics beside the maps: a median of one.
        points = sequence.points - pose[:3, 3]
        pixels, z = project(points, camera.intrinsics)
        column, row = np.floor(pixels).astype(int).T
        inside = (row >= 0) & (row < camera.height) & (column >= 0) & (column < camera.width)
        found = depth[row[inside], column[inside]]
        factors.append(np.median(z[inside][found > 0] / found[found > 0]))
    assert np.allclose(factors, 1, atol=1e-5)
    unposed_frame = folder.depth("00000004")
    assert 0.5 < np.median(unposed_frame[unposed_frame > 0]) / 50 < 2  # the others' median factor


def test_the_crop_of_the_maps_is_recorded_and_nothing_lies_outside_the_field(
    sequence, tmp_path, predictor
):
    predict_sequence(sequence, tmp_path / "depth", predictor=predictor)
    folder = read_depth_folder(tmp_path / "depth")
    rows, columns = folder.camera.rows, folder.camera.columns
    assert folder.camera.downsampling == 1
    assert folder.camera.intrinsics[0, 2] == INTRINSICS[0, 2] - columns[0]
    depth = folder.depth("00000001")
    inside = np.zeros((max(rows[1], HEIGHT), max(columns[1], WIDTH)), bool)
    inside[:HEIGHT, :WIDTH] = field()
    inside = inside[rows[0] : rows[1], columns[0] : columns[1]]
    assert not depth[~inside].any()
    assert (depth > 0).sum() > 0.85 * inside.sum()  # all but the eroded rim


def test_an_entered_length_is_recorded_and_the_maps_stay(sequence, tmp_path, predictor):
    predict_sequence(sequence, tmp_path / "plain", predictor=predictor)
    parameters = PredictionParameters(mm_per_unit=0.25)
    predict_sequence(sequence, tmp_path / "scaled", parameters, predictor)
    plain, scaled = (read_depth_folder(tmp_path / name) for name in ("plain", "scaled"))
    assert scaled.unit == "relative" and scaled.mm_per_unit == 0.25
    assert np.array_equal(plain.depth("00000002"), scaled.depth("00000002"))


def test_without_a_scale_the_maps_are_the_network_s_own(sequence, tmp_path, predictor):
    parameters = PredictionParameters(scale="none")
    done = predict_sequence(sequence, tmp_path / "depth", parameters, predictor)
    assert done["scaled"] == 0
    folder = read_depth_folder(tmp_path / "depth")
    own = predictor(frame(2), field())
    rows, columns = folder.camera.rows, folder.camera.columns
    part = folder.depth("00000002")[: HEIGHT - rows[0], : WIDTH - columns[0]]
    both = (part > 0) & (own[rows[0] : rows[1], columns[0] : columns[1]] > 0)
    assert both.mean() > 0.4  # the sides are padded differently, hence no exact equality
    ratio = part[both] / own[rows[0] : rows[1], columns[0] : columns[1]][both]
    assert np.log(ratio).std() < 0.1 and 0.5 < np.median(ratio) < 2


@pytest.mark.parametrize("parameters", [{"scale": "sfm"}, {"mm_per_unit": 2.0}])
def test_a_scale_needs_structure_from_motion(parameters, tmp_path, predictor):
    with pytest.raises(InputError, match="structure from motion"):
        predict_frames(
            [("a", frame(0))], tmp_path / "d", PredictionParameters(**parameters), predictor
        )
    assert not (tmp_path / "d").exists()


def test_frames_of_their_own_give_relative_maps_and_pictures(tmp_path, predictor):
    frames = [(f"frame{number}", frame(number)) for number in range(2)]
    parameters = PredictionParameters(preview=True)
    done = predict_frames(frames, tmp_path / "depth", parameters, predictor, field(), total=2)
    assert done["frames"] == 2
    folder = read_depth_folder(tmp_path / "depth")
    assert folder.unit == "relative" and folder.camera is None
    depth = folder.depth("frame1")
    assert depth.shape == (HEIGHT, WIDTH) and not depth[~field()].any()
    assert json.loads((tmp_path / "depth" / "units.json").read_text()) == {
        "unit": "relative",
        "mm_per_unit": None,
    }
    assert (tmp_path / "depth" / "preview" / "frame1.png").exists()


def test_black_frames_have_no_depth_and_nothing_but_them_is_refused(tmp_path, predictor):
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    done = predict_frames(
        [("seen", frame(0)), ("dark", black)], tmp_path / "depth", predictor=predictor
    )
    assert done == {"frames": 2, "black": 1}
    assert not read_depth_folder(tmp_path / "depth").depth("dark").any()
    with pytest.raises(InputError, match="black"):
        predict_frames([("dark", black)], tmp_path / "other", predictor=predictor)
    assert not (tmp_path / "other").exists()


def test_frames_of_two_sizes_or_of_one_name_are_refused(tmp_path, predictor):
    small = frame(0)[:64, :64]
    with pytest.raises(InputError, match="small"):
        predict_frames([("a", frame(0)), ("small", small)], tmp_path / "d", predictor=predictor)
    with pytest.raises(InputError, match="two frames"):
        predict_frames([("a", frame(0)), ("a", frame(1))], tmp_path / "d", predictor=predictor)
    with pytest.raises(InputError, match="uint8"):
        predictor(frame(0).astype(np.float32))
    assert not (tmp_path / "d").exists()


def test_an_output_that_is_not_finite_is_said(monkeypatch):
    broken = DepthPredictor(engine="torch", device="cpu")
    monkeypatch.setattr(broken, "_run", lambda inputs: np.full((1, 1, 128, 160), np.nan))
    with pytest.raises(MedDLError, match="not finite"):
        broken(frame(0))


def test_a_cancelled_prediction_leaves_nothing(sequence, tmp_path, predictor):
    token = CancelToken()

    def progress(fraction: float, message: str) -> None:
        if message.startswith("depth of frame 2"):
            token.cancel()

    with pytest.raises(Cancelled):
        predict_sequence(
            sequence, tmp_path / "depth", None, predictor, progress=progress, cancel=token
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sequence"]


def test_unknown_weights_are_refused():
    with pytest.raises(FileError, match="no-such"):
        DepthPredictor("no-such")


def test_hidden_points_do_not_move_the_scale(sequence, tmp_path, predictor):
    """Ten points of the eighty lie far behind the surface: a mean would be 1.5 times as large."""
    predict_sequence(sequence, tmp_path / "clean", predictor=predictor)
    points = sequence.points.copy()
    points[:10] *= 5
    predict_sequence(replace(sequence, points=points), tmp_path / "hidden", predictor=predictor)
    clean, hidden = (read_depth_folder(tmp_path / name) for name in ("clean", "hidden"))
    for name in clean.names:
        before, after = clean.depth(name), hidden.depth(name)
        assert abs(np.median(after[after > 0]) / np.median(before[before > 0]) - 1) < 0.1


def test_a_point_counts_only_in_the_frames_that_saw_it(sequence, tmp_path, predictor):
    """Frame 2 saw other points than 1 and 3, twice as far away; frame 4 none at all."""
    depth = 2 * sequence.points[:40]
    visibility = np.zeros((3, 120), bool)
    visibility[::2, :80], visibility[1, 80:] = True, True
    two = replace(sequence, points=np.concatenate([sequence.points, depth]), visibility=visibility)
    predict_sequence(sequence, tmp_path / "one", predictor=predictor)
    done = predict_sequence(two, tmp_path / "two", predictor=predictor)
    assert done["scaled"] == 3
    one, two = (read_depth_folder(tmp_path / name) for name in ("one", "two"))
    maps = [(one.depth(name), two.depth(name)) for name in one.names]
    ratios = [after[before > 0] / before[before > 0] for before, after in maps]
    assert np.allclose(ratios[0], 1, atol=1e-5) and np.allclose(ratios[2], 1, atol=1e-5)
    assert 1.8 < ratios[1].mean() < 2.2


def test_a_round_field_in_full_hd_is_shrunk_by_four_as_published():
    mask = np.zeros((1080, 1920), bool)
    y, x = np.mgrid[:1080, :1920]
    mask[np.hypot(y - 540, x - 960) < 520] = True
    assert downsampling_of(mask) == 4
    assert downsampling_of(np.ones((256, 320), bool)) == 1


def test_the_command_finds_the_field_of_a_video_and_writes_its_maps(tmp_path, monkeypatch, capsys):
    from meddl.cli.main import main
    from meddl.core.video import write_frames

    pictures = [frame(number) * field()[..., np.newaxis] for number in range(6)]
    write_frames(tmp_path / "video.avi", pictures, 10)
    arguments = [str(tmp_path / "video.avi"), "--output", str(tmp_path / "depth")]
    assert main(["endodepth", "predict", *arguments, "--engine", "torch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 6
    folder = read_depth_folder(tmp_path / "depth")
    assert folder.names == tuple(f"{number:08d}" for number in range(6))
    seen = folder.depth("00000003") > 0
    both = (seen & field()).sum() / (seen | field()).sum()
    assert both > 0.85  # the field, less the rim


def test_the_command_refuses_what_is_no_picture(tmp_path, capsys):
    from meddl.cli.main import main

    (tmp_path / "video.mp4").write_bytes(b"no video at all")
    output = str(tmp_path / "depth")
    assert main(["endodepth", "predict", str(tmp_path / "video.mp4"), "--output", output]) == 2
    assert "is no video" in capsys.readouterr().err
    assert not (tmp_path / "depth").exists()
