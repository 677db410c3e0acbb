"""Which frames are free of smoke, and how they are named and read."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from meddl.core.errors import FileError, InputError
from meddl.core.progress import CancelToken
from meddl.core.video import read_frames
from meddl.desmoke.clear_frames import (
    ClearFrames,
    clarity,
    clear_of_video,
    find_clear_frames,
    parse_numbers,
)

from .surgical_pictures import film, fogged, save, tissue

CLIP = Path(__file__).parents[2] / "data" / "input_12.avi"


def test_smoke_takes_contrast_and_lifts_the_dark():
    clear, smoky = clarity(tissue()), clarity(fogged(tissue()))
    assert clear.is_clear and not smoky.is_clear
    assert smoky.contrast < 0.5 * clear.contrast
    assert smoky.dark_channel == pytest.approx(0.7 * 190 / 255 + 0.3 * clear.dark_channel, abs=0.02)


def test_black_surroundings_do_not_count():
    frame = np.zeros((160, 240, 3), np.uint8)
    frame[32:128, 56:184] = fogged(tissue())
    assert not clarity(frame).is_clear
    frame[32:128, 56:184] = tissue()
    assert clarity(frame).is_clear
    assert not clarity(np.zeros((40, 60, 3), np.uint8)).is_clear


def test_real_smoke_is_told_from_clear_views():
    # Seen by eye, in a real hysterectomy from which no threshold was chosen.
    clear = [0, 1, 3, 4, *range(8, 15), *range(38, 42)]
    smoky = [5, 6, 16, 17, *range(19, 35), 43, 45, 48, 49]
    found = clear_of_video([clarity(frame) for frame in read_frames(CLIP)])
    assert found.shape == (50,) and found[clear].mean() > 0.8 and found[smoky].mean() < 0.1


def test_a_video_is_held_against_its_own_clearest_frames():
    views = [tissue(n) for n in range(5)]
    pale = [(90 + 0.5 * view).astype(np.uint8) for view in views]  # bright tissue, low contrast
    smoky = [fogged(view, 0.6) for view in pale]
    judged = [clarity(frame) for frame in (*pale, *smoky)]
    assert clear_of_video(judged).tolist() == [True] * 5 + [False] * 5
    assert not any(value.is_clear for value in judged)
    assert not clear_of_video([clarity(np.full((64, 64, 3), 200, np.uint8))] * 4).any()
    assert clear_of_video([]).shape == (0,)


def test_numbers_are_read():
    assert parse_numbers("0-3,8, 10 - 11") == [0, 1, 2, 3, 8, 10, 11]
    for bad in ("", "3-1", "a", "1,,2", "-4", "9999999999"):
        with pytest.raises(InputError, match="no number or range"):
            parse_numbers(bad)


def test_frames_come_from_videos_pictures_folders_and_patterns(tmp_path):
    views = [tissue(n) for n in range(4)]
    film(tmp_path / "a.avi", [views[0], fogged(views[1]), views[2], views[3]])
    (tmp_path / "stills").mkdir()
    save(tmp_path / "stills" / "2.png", views[1])
    save(tmp_path / "stills" / "10.png", fogged(views[1]))
    save(tmp_path / "b.png", views[0][:50])

    found = find_clear_frames(["a.avi", "stills", "*.png"], tmp_path)
    assert [file.name for file in found.files] == ["a-000000", "a-000002", "a-000003", "2", "b"]
    assert found.runs() == [range(0, 1), range(1, 3), range(3, 4), range(4, 5)]
    assert (found[3] == views[1]).all() and found[4].shape == (50, 128, 3)
    video = list(read_frames(tmp_path / "a.avi"))
    assert (found[1] == video[2]).all()

    by_pattern = find_clear_frames(["st*"], tmp_path)
    assert [file.name for file in by_pattern.files] == ["2"]  # folders are looked into
    everything = find_clear_frames(["a.avi", "stills"], tmp_path, judge=False)
    assert len(everything) == 6 and everything.runs()[0] == range(0, 4)
    named = find_clear_frames([tmp_path / "a.avi:1-2"])
    assert [file.number for file in named.files] == [1, 2]  # taken although one is smoky
    copy = pickle.loads(pickle.dumps(named))  # as workers get it
    assert isinstance(copy, ClearFrames) and (copy[1] == named[1]).all()
    copy.close()
    named.close()
    found.close()


def test_what_cannot_be_read_is_said_at_once(tmp_path):
    film(tmp_path / "a.avi", [tissue()] * 3)
    save(tmp_path / "smoky.png", fogged(tissue()))
    (tmp_path / "broken.avi").write_bytes((tmp_path / "a.avi").read_bytes()[:900])
    (tmp_path / "text.avi").write_text("no video at all, but some text of over 200 bytes" * 6)
    cases = [
        ("a.avi:2-3", InputError, "has the frames 0 to 2, 3 was asked for"),
        ("none.avi", FileError, "not found"),
        ("*.jpg", FileError, "no file matches"),
        ("smoky.png", InputError, "no clear frame in smoky.png"),
        ("broken.avi", FileError, "broken.avi"),
        ("text.avi", FileError, "is no video"),
    ]
    for source, kind, message in cases:
        with pytest.raises(kind, match=message):
            find_clear_frames([source], tmp_path)
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 3, 3), np.uint8)):
        with pytest.raises(InputError, match="a frame is"):
            clarity(bad)


def test_the_search_can_be_cancelled(tmp_path):
    from meddl.core.errors import Cancelled

    film(tmp_path / "a.avi", [tissue()] * 5)
    token = CancelToken()
    said = []

    def progress(fraction, message):
        said.append((fraction, message))
        token.cancel()

    with pytest.raises(Cancelled):
        find_clear_frames(["a.avi"], tmp_path, progress=progress, cancel=token)
    assert said[0][1] == "judging frame of a.avi 1/5" and len(said) == 1
