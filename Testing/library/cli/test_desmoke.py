"""``meddl desmoke`` as scripts use it: pictures, videos, the viewer, the slide show."""

from __future__ import annotations

import json

import pytest

from library.desmoke.smoky_scenes import frame_of, smoky, tissue
from meddl.cli.main import main
from meddl.core import Image, write_image
from meddl.core.pictures import read_rgb
from meddl.core.video import probe_video, write_frames

from .output import error_line

pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path):
    """``in/0.png`` … ``in/2.png`` and ``in.avi``: red texture under grey haze."""
    frames = [frame_of(smoky(tissue(48, 64), opacity)) for opacity in (0.0, 0.3, 0.6)]
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames):
        write_image(tmp_path / f"in/{number}.png", Image(frame[None]))
    write_frames(tmp_path / "in.avi", frames, 25)
    return tmp_path


def run(capsys, *arguments) -> dict:
    assert main(["desmoke", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_pictures_and_their_slide_show(folder, capsys):
    said = run(capsys, "image", folder / "in", "--output", folder / "out", "--method", "classical")
    levels = said["smoke_level"]
    assert levels["0.png"] < 0.05 < levels["1.png"] < levels["2.png"] < 1
    clear = read_rgb(folder / "out/2.png").astype(float)
    assert clear.std() > 1.5 * read_rgb(folder / "in/2.png").std()
    said = run(
        capsys, "slideshow", folder / "in", folder / "out", "--output", folder / "s.avi",
        "--seconds", "0.2",
    )  # fmt: skip
    assert said["pairs"] == 3 and probe_video(folder / "s.avi").frames == 15


def test_video_with_all_that_goes_along(folder, capsys):
    said = run(
        capsys, "video", folder / "in.avi", "--output", folder / "out.avi", "--method", "classical",
        "--side-by-side", "--smoke-level", folder / "s.csv", "--strength", "0.5",
    )  # fmt: skip
    assert said["frames"] == 3 and said["method"] == "classical"
    info = probe_video(folder / "out.avi")
    assert (info.width, info.height) == (128, 48)
    assert len((folder / "s.csv").read_text().splitlines()) == 4


def test_viewer(folder, capsys):
    said = run(
        capsys, "dark-channel", folder / "in/2.png", "--output", folder / "d.png", "--patch", "7"
    )
    assert said["frames"] == 1 and read_rgb(folder / "d.png").shape == (96, 192, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["image", "none.png", "--output", "o.png"], "none.png"),
        (["video", "in.avi", "--output", "o.avi", "--strength", "2"], "at most 1 was expected"),
        (["video", "in.avi", "--output", "o.avi", "--method", "best"], "expected one of"),
        (["video", "in", "--output", "missing/o.avi"], "does not exist"),
        (["dark-channel", "in.avi", "--output", "o.png"], "written as a video"),
        (["slideshow", "in", "in.avi", "--output", "o.avi"], "no folder"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    assert main(["desmoke", *arguments]) == 2
    assert message in error_line(capsys)
    assert not (folder / "o.avi").exists() and not (folder / "o.png").exists()
