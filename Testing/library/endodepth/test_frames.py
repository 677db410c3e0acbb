"""From videos and folders to sequence folders: frames, numbers, mask, camera, refusals."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from meddl.cli.main import main
from meddl.core.errors import Cancelled, FileError, InputError
from meddl.core.progress import CancelToken
from meddl.core.video import read_frames, write_frames
from meddl.endodepth.frame_selection import FrameSelection
from meddl.endodepth.frames import FramesParameters, extract_frames, open_source, parse_crop
from meddl.endodepth.lens import Lens
from meddl.endodepth.sequence import read_sequence

SIZE = (96, 128)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]
FIELD = np.hypot(X - 66, Y - 46) < 40
CLIP = Path(__file__).parents[2] / "data" / "input_12.avi"


def picture(number: int, field: np.ndarray = FIELD) -> np.ndarray:
    """Stripes that move, in a round field; the number is written into their brightness."""
    x = X + 4 * number
    wave = np.sin(x / 6.0) + np.cos(Y / 5.0 + x / 17.0)
    colour = np.stack([150 + 30 * wave, 90 + 25 * wave, 80 + 20 * wave], -1).clip(0, 255)
    return np.where(field[..., None], colour, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "round.mp4"
    write_frames(path, (picture(n) for n in range(20)), 25)
    return path


def test_frames_keep_their_numbers_and_the_mask_is_found(video, tmp_path):
    parameters = FramesParameters(start=2, stop=17, stride=5, format="png")
    report = extract_frames(video, tmp_path / "out", parameters)
    sequence = read_sequence(tmp_path / "out")
    assert sequence.frame_numbers.tolist() == [2, 7, 12] and report.warnings == ()
    assert report.shape == "round" and sequence.intrinsics is None
    decoded = list(read_frames(video))
    for number in (2, 7, 12):
        np.testing.assert_array_equal(sequence.frame(number), decoded[number])
    assert (sequence.mask & FIELD).sum() / (sequence.mask | FIELD).sum() > 0.95
    record = json.loads((tmp_path / "out" / "frames.json").read_text())
    assert record["parameters"]["stride"] == 5 and record["source_size"] == [96, 128]
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".json", ".bmp", ""}


def test_the_crop_moves_the_camera_with_it(video, tmp_path):
    intrinsics = (100.0, 101.0, 66.0, 46.0)
    auto = FramesParameters(crop="auto", intrinsics=intrinsics, stride=6)
    sequence = extract_frames(video, tmp_path / "auto", auto).sequence
    rows = json.loads((tmp_path / "auto" / "frames.json").read_text())["rows"]
    assert sequence.mask[0].any() and sequence.mask[-1].any() and sequence.mask[:, 0].any()
    assert sequence.size[0] == rows[1] - rows[0] < 84
    given = FramesParameters(crop="10:90,20:120", intrinsics=intrinsics, stride=6, format="png")
    sequence = extract_frames(video, tmp_path / "given", given).sequence
    assert sequence.size == (80, 100)
    assert sequence.intrinsics[:2, 2].tolist() == [46.0, 36.0]
    np.testing.assert_array_equal(sequence.frame(6), next(read_frames(video, 6, 7))[10:90, 20:120])


def test_frames_and_mask_are_undistorted(tmp_path):
    """A barrel lens shows a grid of dots; undistorted, they lie where a pinhole shows them."""
    matrix = np.array([[70.0, 0, 64.0], [0, 70.0, 48.0], [0, 0, 1.0]])
    k = -0.2
    dots = [(x, y) for x in (-0.6, 0.0, 0.6) for y in (-0.4, 0.0, 0.4)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        frame = np.full((*SIZE, 3), 90.0)
        for x, y in dots:
            x, y = x + 0.02 * number, y
            bend = 1 + k * (x * x + y * y)
            u, v = 70 * x * bend + 64, 70 * y * bend + 48
            spot = np.exp(-((X + 0.5 - u) ** 2 + (Y + 0.5 - v) ** 2) / 4.5)
            frame += 150 * spot[..., None]
        Image.fromarray(frame.round().astype(np.uint8)).save(folder / f"{number}.png")
    lens = Lens("pinhole", SIZE, matrix, np.array([k, 0, 0, 0]))
    parameters = FramesParameters(format="png")
    sequence = extract_frames(folder, tmp_path / "out", parameters, lens=lens).sequence
    np.testing.assert_allclose(sequence.intrinsics, matrix)
    frame = sequence.frame(2).mean(-1) - 90
    for x, y in dots:
        u, v = 70 * (x + 0.04) + 64, 70 * y + 48
        near = (abs(X + 0.5 - u) < 6) & (abs(Y + 0.5 - v) < 6) & (frame > 15)
        weight = frame * near
        centroid = (
            ((X + 0.5) * weight).sum() / weight.sum(),
            ((Y + 0.5) * weight).sum() / weight.sum(),
        )
        # Spots are blurred unevenly by the lens, which shifts their centroids a little.
        np.testing.assert_allclose(centroid, (u, v), atol=0.2)
    recorded = json.loads((tmp_path / "out" / "frames.json").read_text())["lens"]
    assert recorded["opencv_matrix"][0][2] == 63.5


def test_a_drawn_mask_replaces_the_one_that_is_found(video, tmp_path):
    drawn = (abs(X - 60) < 20) & (abs(Y - 40) < 15)
    Image.fromarray(np.where(drawn, 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    report = extract_frames(
        video, tmp_path / "out", FramesParameters(stride=9), mask=tmp_path / "mask.png"
    )
    assert report.shape == "given"
    np.testing.assert_array_equal(report.sequence.mask, drawn)
    with pytest.raises(InputError, match="nothing of the field"):
        extract_frames(
            video, tmp_path / "b", FramesParameters(crop="60:90,90:120"), mask=tmp_path / "mask.png"
        )


def test_a_sequence_is_a_source_too(video, tmp_path):
    first = extract_frames(video, tmp_path / "a", FramesParameters(start=1, stride=4)).sequence
    source, numbers = open_source(tmp_path / "a")
    assert numbers.tolist() == [1, 5, 9, 13, 17] and len(source) == 5
    second = extract_frames(tmp_path / "a", tmp_path / "b", FramesParameters(stride=2)).sequence
    assert second.frame_numbers.tolist() == [1, 9, 17]
    assert first.frame(9).shape == second.frame(9).shape


def test_nothing_that_moves_is_said(tmp_path, caplog):
    rng = np.random.default_rng(0)
    noisy = (
        (picture(0) + rng.normal(0, 2, (*SIZE, 3)) + number).clip(0, 255).astype(np.uint8)
        for number in range(8)  # noise and a light that grows brighter
    )
    write_frames(tmp_path / "still.avi", noisy, 25)
    with caplog.at_level(logging.WARNING):
        report = extract_frames(tmp_path / "still.avi", tmp_path / "out")
    assert "nothing moves in these 8 frames" in report.warnings[0]
    assert "structure from motion will fail" in caplog.text


def test_repeated_and_blurred_frames_are_left_out(video, tmp_path):
    import cv2

    whole = np.ones(SIZE, bool)
    repeats = FrameSelection(whole, skip_duplicates=True)
    kept = [repeats.wants(picture(n // 3)) for n in range(9)]
    assert kept == [True, False, False] * 3 and repeats.duplicates == 6
    sharp = FrameSelection(whole, min_sharpness=0.5)
    for number in range(12):
        frame = picture(number)
        blurred = number in (5, 9)
        wanted = sharp.wants(cv2.GaussianBlur(frame, (0, 0), 4) if blurred else frame)
        assert wanted != blurred
    assert sharp.blurred == 2


def test_videos_that_cannot_make_a_sequence_are_refused(video, tmp_path):
    out = tmp_path / "out"
    black = tmp_path / "black.avi"
    write_frames(black, [np.zeros((*SIZE, 3), np.uint8)] * 4, 25)
    one = tmp_path / "one.avi"
    write_frames(one, [picture(0)], 25)
    codec = tmp_path / "codec.avi"
    write_frames(codec, [picture(n) for n in range(4)], 25)
    codec.write_bytes(codec.read_bytes().replace(b"MJPG", b"ZZZZ"))
    for path, message in (
        (black, "all black"),
        (codec, "codec that FFmpeg does not know"),
        (one, "has 1 frames.*at least 2"),
        (tmp_path / "none.mp4", "not found"),
        (Path(__file__), "is no video"),
        (tmp_path / "none", "not found"),
    ):
        with pytest.raises(InputError, match=message):
            extract_frames(path, out)
    with pytest.raises(InputError, match="at least 2"):
        extract_frames(video, out, FramesParameters(start=19))
    with pytest.raises(InputError, match="frames are 128x96, the calibration is of 100x100"):
        extract_frames(video, out, lens=Lens("pinhole", (100, 100), np.eye(3), np.zeros(4)))
    assert not out.exists() and not list(tmp_path.glob(".part*"))


def test_frames_of_several_sizes_are_refused(tmp_path):
    """A transport stream of two pieces, and a folder."""
    whole = b""
    for size in ((96, 128), (64, 80)):
        piece = tmp_path / "piece.ts"
        with av.open(str(piece), "w", format="mpegts") as output:
            stream = output.add_stream("mpeg2video", rate=25)
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            for number in range(5):
                image = np.ascontiguousarray(picture(number, FIELD | True)[: size[0], : size[1]])
                output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            output.mux(stream.encode(None))
        whole += piece.read_bytes()
    (tmp_path / "two.ts").write_bytes(whole)
    with pytest.raises(FileError, match="changes from 128x96 to 80x64"):
        extract_frames(tmp_path / "two.ts", tmp_path / "out")
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(picture(0)).save(folder / "0.png")
    Image.fromarray(picture(1)[:90]).save(folder / "1.png")
    Image.fromarray(picture(2)).save(folder / "2.png")
    with pytest.raises(InputError):
        extract_frames(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_truncated_video_gives_what_decodes_and_says_so(tmp_path, caplog):
    short = tmp_path / "short.avi"
    whole = CLIP.read_bytes()
    short.write_bytes(whole[: len(whole) // 2])
    report = extract_frames(short, tmp_path / "out", FramesParameters(stride=3))
    left = sum(1 for _ in read_frames(short))
    assert len(report.sequence.frame_numbers) == -(-left // 3) and 0 < left < 50


def test_a_folder_that_exists_is_not_replaced_unasked(video, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"not empty.*--overwrite"):
        extract_frames(video, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_cancelled_nothing_is_left(video, tmp_path):
    token = CancelToken()

    def progress(fraction: float, message: str) -> None:
        if fraction > 0.5:
            token.cancel()

    with pytest.raises(Cancelled):
        extract_frames(video, tmp_path / "out", progress=progress, cancel=token)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["some", "1:2", "10:5,0:9", "0:97,0:9", "0:9,-1:9", "a:b,c:d"])
def test_crops_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="--crop is"):
        parse_crop(text, SIZE)


def test_the_command_writes_a_sequence_of_a_real_clip(tmp_path, capsys):
    out = tmp_path / "sequence"
    command = ["endodepth", "frames", str(CLIP), "--output", str(out), "--stride", "10", "--json"]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["frames"] == 5 and printed["field_of_view"] == "whole picture"
    assert len(read_sequence(out).frame_numbers) == 5
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert main([*command[:4], str(tmp_path / "x"), "--stride", "0"]) == 2
    assert "--stride is 0" in capsys.readouterr().err
