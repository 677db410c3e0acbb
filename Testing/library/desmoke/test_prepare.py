"""Frames from long videos: quality, splits, estimate and limit, damage, kill and resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from meddl.cli.main import main
from meddl.core.errors import Cancelled, FileError, InputError
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import read_frames
from meddl.desmoke.frame_quality import colourfulness, frame_quality
from meddl.desmoke.prepare import estimate, prepare
from meddl.desmoke.prepare_parameters import PrepareParameters, find_sources, split_procedures

from .dataset_files import contents, index
from .surgical_pictures import film, fogged, tissue

LIBRARY = Path(__file__).parents[3] / "SlicerMedDL"


def blurred(frame):
    from scipy.ndimage import uniform_filter

    return uniform_filter(frame, (9, 9, 0))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for n in range(3):
        film(folder / f"op{n}.avi", [tissue(n, (48, 64), shift=m) for m in range(12)])
    return folder


# --- quality


def test_sharpness_is_the_variance_of_the_laplacian():
    import cv2

    frame = tissue(3, (90, 120))
    luma = frame.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    assert frame_quality(frame).sharpness == pytest.approx(
        cv2.Laplacian(luma, cv2.CV_32F).var(), rel=1e-4
    )
    assert frame_quality(blurred(frame)).sharpness < 0.1 * frame_quality(frame).sharpness
    # One threshold for all sizes: enlarged four times, it is judged at 256 pixels again.
    small = tissue(3, (192, 256))
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    assert frame_quality(large).sharpness == pytest.approx(frame_quality(small).sharpness, rel=1e-3)


def test_colourfulness_is_that_of_hasler_and_suesstrunk():
    # Half pure red, half pure green: rg = +-255, yb = 127.5 everywhere.
    picture = np.zeros((4, 8, 3))
    picture[:, :4, 0] = picture[:, 4:, 1] = 255
    assert colourfulness(picture) == pytest.approx(255 + 0.3 * 127.5)
    assert colourfulness(np.full((4, 4, 3), 77.0)) == 0
    assert frame_quality(np.full((5, 5, 3), 90, np.uint8)).brightness == pytest.approx(90)


# --- what there is to do


def test_cholec80_is_known_by_its_names(tmp_path):
    (tmp_path / "videos").mkdir()
    for n in (1, 20, 21, 22, 23, 80):
        (tmp_path / "videos" / f"video{n:02d}.mp4").touch()
    sources = find_sources(tmp_path, PrepareParameters())
    assert [(source.path.stem, source.split) for source in sources] == [
        ("video01", "train"), ("video20", "train"), ("video21", "test"), ("video22", "test"),
    ]  # fmt: skip
    shares = find_sources(tmp_path, PrepareParameters(layout="shares", test_share=0.5))
    assert len(shares) == 6 and sum(source.split == "test" for source in shares) == 3


def test_a_procedure_is_wholly_in_one_split(tmp_path):
    for patient in range(10):
        for part in "ab":
            folder = tmp_path / f"patient{patient}"
            folder.mkdir(exist_ok=True)
            (folder / f"{part}.mp4").touch()
    parameters = PrepareParameters(
        procedure=r"(patient\d)/", test_share=0.2, validation_share=0.1, seed=4
    )
    sources = find_sources(tmp_path, parameters)
    splits = {}
    for source in sources:
        splits.setdefault(source.procedure, set()).add(source.split)
    assert all(len(split) == 1 for split in splits.values())
    counts = [sum(split == {name} for split in splits.values()) for name in ("test", "validation")]
    assert counts == [2, 1]
    assert find_sources(tmp_path, parameters) == sources
    few = split_procedures(["a", "b", "c"], PrepareParameters(test_share=0.01))
    assert sorted(few.values()) == ["test", "train", "train"]


def test_names_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(FileError, match="is no folder"):
        find_sources(tmp_path / "none", PrepareParameters())
    with pytest.raises(FileError, match="holds no video"):
        find_sources(tmp_path, PrepareParameters())
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="would get one name, a; rename one"):
        find_sources(tmp_path, PrepareParameters())
    (tmp_path / "a.avi").unlink()
    for expression, message in (("(", "no regular expression"), ("z+", "matches nothing in a.mp4")):
        with pytest.raises(InputError, match=message):
            find_sources(tmp_path, PrepareParameters(procedure=expression))
    with pytest.raises(InputError, match="none of Cholec80"):
        find_sources(tmp_path, PrepareParameters(layout="cholec80"))
    with pytest.raises(InputError, match=r"add up to 1\.5"):
        find_sources(tmp_path, PrepareParameters(test_share=0.8, validation_share=0.7))


# --- the work


def test_good_frames_are_written_as_they_are(tmp_path, capsys):
    folder = tmp_path / "videos"
    folder.mkdir()
    sharp = [tissue(n, (48, 64)) for n in range(4)]
    grey = np.repeat(sharp[0][..., :1], 3, axis=2)
    frames = [sharp[0], blurred(sharp[1]), sharp[1], grey, sharp[2] // 12, sharp[2], sharp[3]]
    film(folder / "a.avi", frames, rate=10)
    film(folder / "b.avi", sharp)
    out = tmp_path / "out"
    command = ["desmoke", "prepare", str(folder), "--output", str(out), "--workers", "1"]
    command += ["--step", "1", "--test-share", "0.5"]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["frames"] == 8 and said["videos"] == 2 and sum(said["splits"].values()) == 8
    rows = [row for row in index(out) if row["video"] == "a"]
    assert [int(row["frame"]) for row in rows] == [0, 2, 5, 6]
    assert [float(row["time"]) for row in rows] == [0, 0.2, 0.5, 0.6]
    video = list(read_frames(folder / "a.avi"))
    for row in rows:
        assert (read_rgb(out / row["file"]) == video[int(row["frame"])]).all()
        assert float(row["sharpness"]) >= 50 and float(row["colourfulness"]) >= 25
    splits = {row["video"]: row["split"] for row in index(out)}
    assert sorted(splits.values()) == ["test", "train"]
    assert main(command) == 2 and "resume it" in capsys.readouterr().err


def test_smoke_is_left_out_and_frames_are_reduced(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    clear = [tissue(n, (48, 64)) for n in range(4)]
    film(folder / "a.avi", [*clear, *(fogged(view, 0.5) for view in clear)])
    parameters = PrepareParameters(
        step=1, sharpness=0, colourfulness=0, clear=True, size=32, format="jpg", test_share=0
    )
    prepare(folder, tmp_path / "out", parameters)
    rows = index(tmp_path / "out")
    assert {int(row["frame"]) for row in rows} <= {0, 1, 2, 3} and len(rows) >= 2
    files = {path.name for path in (tmp_path / "out/train/a").glob("*.jpg")}
    assert files == {Path(row["file"]).name for row in rows}
    assert read_rgb(tmp_path / "out" / rows[0]["file"]).shape == (24, 32, 3)


def test_what_to_expect_is_said_and_bounds_the_disk(videos, tmp_path, capsys):
    parameters = PrepareParameters(step=5)
    expected = estimate(find_sources(videos, parameters), parameters)
    assert (expected.videos, expected.frames) == (3, 9)
    assert expected.bytes == pytest.approx(9 * 48 * 64 * 1.3, rel=0.01)
    command = ["desmoke", "prepare", str(videos), "--output", str(tmp_path / "out"), "--json"]
    assert main([*command, "--estimate"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 9
    assert main([*command, "--limit", "0.00001"]) == 2
    assert "up to 9 frames take about 0.00 GB, over the limit of 1e-05" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # Noise takes 3 bytes per pixel, more than any estimate says: the work itself stops.
    noise = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), np.uint8)
    from meddl.core.video import write_frames

    write_frames(videos / "op3.avi", noise, 10.0)
    tight = PrepareParameters(step=1, sharpness=0, colourfulness=0, limit=1.32 * 4 * 12 * 3072e-9)
    with pytest.raises(InputError, match="more than the limit of"):
        prepare(videos, tmp_path / "out", tight)
    assert not list(tmp_path.rglob(".part-*"))


def test_damaged_videos_are_said_and_the_others_go_on(videos, tmp_path, caplog):
    whole = (videos / "op0.avi").read_bytes()
    (videos / "op0.avi").write_bytes(whole[: len(whole) * 6 // 10])
    (videos / "op1.avi").write_bytes(whole[:600])
    (videos / "op4.avi").write_text("no video")
    parameters = PrepareParameters(step=1)
    report = prepare(videos, tmp_path / "out", parameters)
    assert set(report["failed"]) == {"op1", "op4"} and report["videos"] == 2
    decoded, said = report["truncated"]["op0"]
    assert said == 12 and 3 <= decoded <= 10
    assert "op4 is left out" in caplog.text and "op0 ends after about" in caplog.text
    record = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert record["failed"].keys() == report["failed"].keys()
    for path in videos.iterdir():
        path.write_text("no video")
    with pytest.raises(FileError, match="no video can be read"):
        prepare(videos, tmp_path / "none", parameters)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_where_no_frame_was_good_enough_another_try_can_begin(videos, tmp_path, resume):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="lower --sharpness"):
        prepare(videos, out, PrepareParameters(sharpness=1e9))
    assert not out.exists()
    assert prepare(videos, out, PrepareParameters(), resume=resume)["frames"] > 0


def test_a_cancelled_run_goes_on(videos, tmp_path):
    parameters = PrepareParameters(step=1)
    prepare(videos, tmp_path / "whole", parameters)
    token = CancelToken()

    def stop(fraction, message):
        if message.startswith("looking at frame"):
            token.cancel()

    with pytest.raises(Cancelled):
        prepare(videos, tmp_path / "out", parameters, progress=stop, cancel=token)
    assert not (tmp_path / "out" / "index.csv").exists()
    assert not list((tmp_path / "out").rglob(".part-*"))
    prepare(videos, tmp_path / "out", parameters, resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match="begun with other parameters"):
        prepare(videos, tmp_path / "out", PrepareParameters(step=2), resume=True)


def test_what_a_killed_run_left_is_taken_away_and_done_again(videos, tmp_path):
    parameters = PrepareParameters(step=1)
    prepare(videos, tmp_path / "whole", parameters)
    shutil.copytree(tmp_path / "whole", tmp_path / "out")
    # As it is when the process is killed at the second frame of op1.
    (tmp_path / "out" / "index.csv").unlink()
    half = next((tmp_path / "out").glob("*/op1"))
    for path in [*half.glob("*.json"), *half.glob("*[2-9].png")]:
        path.unlink()
    half.rename(half.with_name(".part-abc"))
    damaged = next((tmp_path / "out").glob("*/op2")) / "frames.json"
    table = damaged.read_text()
    damaged.write_text("[]")
    with pytest.raises(FileError, match="is no list of frames; remove the folder"):
        prepare(videos, tmp_path / "out", parameters, resume=True)
    damaged.write_text(table)
    report = prepare(videos, tmp_path / "out", parameters, resume=True)
    assert report["videos"] == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.long  # 10 s of CPU time, mostly for starting processes
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_no_process_and_goes_on(tmp_path):
    import psutil

    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    film(videos / "a.avi", [tissue(0, (24, 32), shift=m) for m in range(4)])
    film(videos / "b.avi", [tissue(1, (120, 160), shift=m) for m in range(100)])
    command = ["desmoke", "prepare", str(videos), "--output", str(out), "--step", "1", "--quiet"]
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    process = subprocess.Popen(
        [sys.executable, "-m", "meddl", *command, "--workers", "2"], env=environment
    )
    half_written = f"*/.part-*/{3:06d}.png"
    deadline = time.monotonic() + 60
    while not list(out.glob(half_written)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(out.glob(half_written))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) >= 2 and not alive
    assert not (out / "index.csv").exists() and list(out.glob("*/.part-*"))
    assert main([*command, "--workers", "1", "--resume"]) == 0
    assert not list(out.glob("*/.part-*"))
    assert len([row for row in index(out) if row["video"] == "b"]) == 100
    assert len(list(out.glob("*/b/*.png"))) == 100


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"step": 0}, "--step is 0, at least 1"),
        ({"brightness": (200, 30)}, "--brightness is 200,30; the least comes first"),
        ({"sharpness": float("nan")}, "--sharpness is nan"),
        ({"format": "gif"}, "expected one of: png, jpg"),
    ],
)
def test_bad_parameters_are_refused(videos, tmp_path, parameters, message):
    with pytest.raises(InputError, match=message):
        prepare(videos, tmp_path / "out", PrepareParameters(**parameters))
    assert not (tmp_path / "out").exists()
