"""Video through files: both readers on clips written here, sound, damage, folders, refusals."""

from __future__ import annotations

import logging
import struct

import av
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from meddl.core import (
    Cancelled,
    CancelToken,
    DependencyError,
    FileError,
    Image,
    InputError,
    probe_video,
    read_frames,
    video,
    video_opencv,
    video_pyav,
    write_frames,
    write_image,
)

READERS = [video_pyav, video_opencv]


def clip(count=12, height=48, width=64):
    """Smooth frames that differ from each other by a moving ramp; red, green, blue differ too."""
    y, x = np.mgrid[:height, :width]
    for n in range(count):
        red = 20 + 2 * x + 4 * n
        yield np.stack([red, 20 + 4 * y, np.full_like(x, 60 + 5 * n)], -1).clip(0, 255).astype("u1")


@pytest.fixture(params=[".mp4", ".avi"])
def path(request, tmp_path):
    """A clip of 12 frames at 29.97 frames per second."""
    name = tmp_path / f"clip{request.param}"
    assert write_frames(name, clip(), 30000 / 1001, total=12) == 12
    return name


@pytest.fixture(params=READERS)
def reader(request, monkeypatch):
    """Each reader in turn, as if the other package were not there."""
    monkeypatch.setattr(video, "_backend", lambda: request.param)
    return request.param


def test_a_clip_comes_back_close_through_either_reader(path, reader):
    frames = list(read_frames(path))
    assert all(f.dtype == np.uint8 and f.shape == (48, 64, 3) for f in frames)
    difference = np.abs(np.array(frames).astype(int) - np.array(list(clip())))
    assert len(frames) == 12 and difference.mean() < 3 and difference.max() < 25
    info = probe_video(path)
    assert (info.width, info.height, info.frames) == (64, 48, 12)
    assert info.codec == {".mp4": "h264", ".avi": "mjpeg"}[path.suffix]
    assert info.rate == pytest.approx(30000 / 1001, rel=1e-4)
    assert info.has_sound is (False if reader is video_pyav else None)


@pytest.mark.parametrize("size", [(48, 64), (49, 63)])
def test_both_readers_give_the_same_frames(tmp_path, size):
    for suffix, tolerance in ((".mp4", 1), (".avi", 12)):  # odd JPEG: colour interpolated apart
        name = tmp_path / f"x{suffix}"
        write_frames(name, clip(4, *size), 25)
        one, other = ([f().astype(int) for _, f in r.frames(name)] for r in READERS)
        assert np.array(one).shape == (4, *size, 3)
        assert np.abs(np.array(one) - np.array(other)).max() <= tolerance


def test_a_clip_that_lies_on_its_side_is_turned_upright(tmp_path, reader):
    name = tmp_path / "telephone.mp4"
    write_frames(name, clip(), 25)
    upright = next(read_frames(name))
    content = bytearray(name.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # of the track header: turn by 90 degrees clockwise
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    name.write_bytes(content)
    turned = next(read_frames(name))
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))
    assert (probe_video(name).width, probe_video(name).height) == (48, 64)


def test_parts_of_a_clip_are_the_same_frames(path, reader):
    whole = list(read_frames(path))
    part = list(read_frames(path, 3, 10, 2))
    np.testing.assert_array_equal(part, whole[3:10:2])
    assert len(list(read_frames(path, 10, 99))) == 2
    with pytest.raises(InputError, match="12 frames, number 12"):
        list(read_frames(path, 12))
    for bad in [(-1, None, 1), (0, None, 0), (5, 5, 1)]:
        with pytest.raises(InputError, match="are none"):
            read_frames(path, *bad)


def test_a_truncated_clip_gives_what_decodes_and_a_warning(tmp_path, reader, caplog):
    name = tmp_path / "x.avi"
    write_frames(name, clip(), 25)
    name.write_bytes(name.read_bytes()[: name.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        frames = list(read_frames(name))
    assert 3 <= len(frames) <= 9
    assert "of 12 frames" in caplog.text
    name.write_bytes(name.read_bytes()[:700])
    with pytest.raises(FileError):
        list(read_frames(name))


def tone(path, seconds=2.0, hertz=440):
    """A sine tone (PCM) with a tiny picture in MKV."""
    rate = 44100
    wave = (8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("i2")
    with av.open(str(path), "w") as output:
        picture = output.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=rate, layout="mono")
        for _ in range(int(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for start in range(0, len(wave), 1024):
            part = wave[None, start : start + 1024]
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


def test_sound_goes_along_up_to_the_last_frame(tmp_path):
    tone(tmp_path / "tone.mkv")
    assert probe_video(tmp_path / "tone.mkv").has_sound
    write_frames(tmp_path / "x.mp4", clip(25), 25, sound_from=tmp_path / "tone.mkv")
    assert probe_video(tmp_path / "x.mp4").has_sound
    with av.open(str(tmp_path / "x.mp4")) as container:
        rate = container.streams.audio[0].rate
        wave = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(wave) / rate == pytest.approx(1.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.argmax(spectrum) * rate / len(wave) == pytest.approx(440, abs=2)
    assert len(list(read_frames(tmp_path / "x.mp4"))) == 25


def test_the_writer_is_explained_before_the_work(tmp_path, monkeypatch):
    tone(tmp_path / "tone.mkv", 0.2)
    write_frames(tmp_path / "mute.avi", clip(2), 25)
    explain = video.explain_writer
    assert "without sound" in explain(tmp_path / "x.avi")
    assert "sound of tone.mkv" in explain(tmp_path / "x.mp4", tmp_path / "tone.mkv")
    with pytest.raises(FileError, match="has no sound"):
        explain(tmp_path / "x.mp4", tmp_path / "mute.avi")
    with pytest.raises(FileError, match=r"\.mp4 only"):
        explain(tmp_path / "x.avi", tmp_path / "tone.mkv")
    with pytest.raises(FileError, match="written as"):
        explain(tmp_path / "x.webm")
    monkeypatch.setattr(video, "is_installed", lambda name: name != "av")

    def never():
        pytest.fail("a frame was asked for before the refusal")
        yield

    with pytest.raises(DependencyError, match="PyAV"):
        write_frames(tmp_path / "x.mp4", never(), 25)
    assert "Motion JPEG" in explain(tmp_path / "x.avi")
    assert len(list(read_frames(tmp_path / "mute.avi"))) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_cancel_and_bad_frames_leave_no_file(tmp_path, suffix):
    name = tmp_path / f"x{suffix}"
    token = CancelToken()
    seen = []

    def progress(fraction, message):
        seen.append(fraction)
        if len(seen) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        write_frames(name, clip(), 25, total=12, progress=progress, cancel=token)
    assert seen == pytest.approx([1 / 12, 2 / 12, 3 / 12])
    wrong = [np.zeros((48, 64, 3), np.uint8), np.zeros((48, 62, 3), np.uint8)]
    for frames, message in [
        (wrong, r"frame 1 is \(48, 62, 3\)"),
        ([np.zeros((48, 64, 3))], "float64"),
        ([np.zeros((48, 64), np.uint8)], "was expected"),
        ([], "no frames"),
    ]:
        with pytest.raises(InputError, match=message):
            write_frames(name, frames, 25)
    for rate in (0, float("nan"), 1e6):
        with pytest.raises(InputError, match="frames per second"):
            write_frames(name, clip(), rate)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_what_the_callers_frames_raise_is_passed_on(tmp_path, suffix):
    def broken():
        yield from clip(3)
        raise ZeroDivisionError("the filter's own fault")

    with pytest.raises(ZeroDivisionError, match="own fault"):
        write_frames(tmp_path / f"x{suffix}", broken(), 25)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_pictures_is_read_in_natural_order(tmp_path):
    for number in (10, 9, 2):
        write_image(tmp_path / f"f{number}.png", Image(np.full((1, 4, 6), number, np.uint8)))
    write_image(tmp_path / "f11.tif", Image(np.full((1, 4, 6, 3), 11 * 257, np.uint16)))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = list(read_frames(tmp_path))
    assert [int(f[0, 0, 1]) for f in frames] == [2, 9, 10, 11]
    assert all(f.shape == (4, 6, 3) for f in frames)
    info = probe_video(tmp_path)
    assert (info.width, info.height, info.frames, info.codec) == (6, 4, 4, "png")
    write_image(tmp_path / "f12.png", Image(np.zeros((1, 5, 6), np.uint8)))
    with pytest.raises(FileError, match=r"f12\.png is 6x5"):
        list(read_frames(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.mp4", None),
        ("empty.mp4", b""),
        ("text.mp4", b"hello world, this is no video"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("head.avi", b"RIFF\x00\x00\x00\x00AVI LIST"),
        ("head.mp4", struct.pack(">I", 24) + b"ftypisom\0\0\0\0isommp42"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, reader, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError) as caught:
        probe_video(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileError):
        list(read_frames(tmp_path / name))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileError, match="no pictures"):
        probe_video(tmp_path)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 17), (33, 48), (120, 161)])
def test_an_avi_of_odd_size_keeps_its_colours_to_the_rim(tmp_path, size):
    """OpenCV's encoder turned the last row and column grey, by up to 83 of 255."""
    pytest.importorskip("cv2")
    frames = np.full((3, *size, 3), (40, 120, 200), np.uint8)
    write_frames(tmp_path / "x.avi", frames, 25)
    found = np.stack(list(read_frames(tmp_path / "x.avi"))).astype(int)
    assert found.shape == frames.shape and np.abs(found - frames).max() < 16


def test_the_same_frames_make_the_same_mp4(tmp_path):
    """Whatever lies in the memory that the encoder gets: reading between leaves other remains."""
    rng = np.random.default_rng(0)
    frames = [gaussian_filter(rng.normal(128, 200, (64, 80, 3)), (3, 3, 0)) for _ in range(10)]
    pictures = [np.clip(frame, 0, 255).astype(np.uint8) for frame in frames]
    files = set()
    for number in range(25):
        path = tmp_path / f"{number}.mp4"
        write_frames(path, pictures, 10)
        list(read_frames(path))
        files.add(path.read_bytes())
    assert len(files) == 1
