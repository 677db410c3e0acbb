"""Frames by number against frames in order: jumps, cache, damage, folders, refusals."""

from __future__ import annotations

import av
import numpy as np
import pytest

from meddl.core import (
    Cancelled,
    CancelToken,
    FileError,
    Image,
    InputError,
    video,
    video_opencv,
    video_pyav,
    write_image,
)
from meddl.core.frame_source import open_frames
from meddl.core.video import read_frames, write_frames

COUNT = 70


@pytest.fixture(scope="module", params=["mpeg4.mkv", "libx264.mp4", "mjpeg.avi"])
def path(request, tmp_path_factory):
    """A clip with a key frame in every 20 and, but for Motion JPEG, frames predicted from later."""
    codec, suffix = request.param.split(".")
    name = tmp_path_factory.mktemp("clips") / f"{codec}.{suffix}"
    if codec == "mjpeg":
        write_frames(name, pictures(), 25)
        return name
    with av.open(str(name), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size, stream.codec_context.max_b_frames = 20, 2
        for picture in pictures():
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return name


def pictures():
    """Frames whose brightness is their number."""
    for number in range(COUNT):
        yield np.full((48, 64, 3), 20 + 3 * number, dtype=np.uint8)


@pytest.fixture(params=[video_pyav, video_opencv])
def reader(request, monkeypatch):
    monkeypatch.setattr(video, "_backend", lambda: request.param)
    return request.param


def test_frames_in_any_order_are_those_in_order(path, reader):
    expected = list(read_frames(path))
    with open_frames(path, cache_bytes=0) as source:
        assert len(source) == len(expected) == COUNT and source.size == (48, 64)
        assert source.rate == pytest.approx(25)
        order = [0, 69, 0, 21, 20, 19, 39, 41, 40, *np.random.default_rng(0).integers(0, 70, 20)]
        for number in order:
            np.testing.assert_array_equal(source.frame(int(number)), expected[number])


def test_frames_kept_in_the_cache_are_not_decoded_again(path):
    with open_frames(path, cache_bytes=3 * 48 * 64 * 3) as source:
        fetched = []
        fetch = source._fetch
        source._fetch = lambda number: (fetched.append(number), fetch(number))[1]
        for number in (5, 6, 7, 5, 6, 8, 5, 7):
            source.frame(number)
        assert fetched == [5, 6, 7, 8, 7]
        with pytest.raises(ValueError, match="read-only"):
            source.frame(7)[:] = 0


def test_a_truncated_file_has_the_frames_that_are_left(path, tmp_path):
    whole = path.read_bytes()
    short = tmp_path / path.name
    short.write_bytes(whole[: len(whole) * 2 // 3])
    if path.suffix == ".mp4":  # its index was at its end
        with pytest.raises(FileError, match=r"no picture|no readable video|no valid video"):
            open_frames(short)
        return
    left = sum(1 for _ in read_frames(short))
    with open_frames(short) as source:
        assert 0 < left <= len(source) < COUNT
        np.testing.assert_array_equal(source.frame(left - 1), list(read_frames(path))[left - 1])


def test_a_folder_is_read_in_natural_order_and_by_one_size(tmp_path):
    for number, size in ((2, 8), (10, 8), (11, 9)):
        picture = np.full((1, 6, size, 3), number, dtype=np.uint8)
        write_image(tmp_path / f"{number}.png", Image(picture))
    with open_frames(tmp_path) as source:
        assert [int(source.frame(n)[0, 0, 0]) for n in (1, 0)] == [10, 2]
        with pytest.raises(FileError, match="frame 2 is 9x6, the first is 8x6"):
            source.frame(2)


def test_what_is_no_frame_is_refused(path, reader, tmp_path):
    with open_frames(path) as source:
        for number in (-1, COUNT):
            with pytest.raises(InputError, match=f"no frame {number}; there are 0 to 69"):
                source.frame(number)
    with pytest.raises(FileError, match="not found"):
        open_frames(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video" * 30)
    with pytest.raises(FileError, match="is no video"):
        open_frames(tmp_path / "text.mp4")
    with pytest.raises(FileError, match="no pictures"):
        open_frames(tmp_path / "..")


def test_listing_frames_can_be_cancelled(path):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        open_frames(path, cancel=token)
