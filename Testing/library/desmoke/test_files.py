"""Videos and pictures in files: sound, sides, curve, viewer, slide show, damage, cancelling."""

from __future__ import annotations

import logging
from fractions import Fraction

import numpy as np
import pytest

from meddl.core import Image, write_image
from meddl.core.errors import Cancelled, FileError, InputError
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import probe_video, read_frames, write_frames
from meddl.desmoke.dark_channel_view import NAMES, DarkChannelParameters, show_dark_channel
from meddl.desmoke.desmoker import VideoDesmoker
from meddl.desmoke.files import desmoke_images, desmoke_video
from meddl.desmoke.parameters import DesmokeParameters
from meddl.desmoke.slideshow import slideshow, wipe

from .smoky_scenes import frame_of, smoky, tissue

pytest.importorskip("cv2")
CLASSICAL = DesmokeParameters(method="classical")
OPACITIES = (0, 0.2, 0.4, 0.6, 0.4, 0.2)


def frames():
    return [frame_of(smoky(tissue(64, 80), opacity)) for opacity in OPACITIES]


@pytest.fixture
def video(tmp_path):
    write_frames(tmp_path / "in.avi", frames(), 12.5)
    return tmp_path / "in.avi"


def test_video_is_what_the_filter_gives_frame_by_frame(video, tmp_path):
    record = desmoke_video(video, tmp_path / "out.avi", CLASSICAL)
    desmoker = VideoDesmoker("classical")
    results, levels = [], []
    for frame in read_frames(video):
        results.append(desmoker(frame))
        levels.append(desmoker.smoke_level)
    written = list(read_frames(tmp_path / "out.avi"))
    assert len(written) == len(results) == record["frames"] == 6
    assert probe_video(tmp_path / "out.avi").rate == pytest.approx(12.5) == record["rate"]
    for one, other in zip(written, results, strict=True):  # Motion JPEG
        assert np.abs(one.astype(int) - other).mean() < 8
    assert record["smoke_level"]["mean"] == pytest.approx(np.mean(levels))
    assert record["method"] == "classical" and record["sound"] is False


def test_sides_and_curves(video, tmp_path):
    pytest.importorskip("matplotlib")
    paths = {"smoke_level": tmp_path / "s.csv", "smoke_plot": tmp_path / "s.png"}
    record = desmoke_video(video, tmp_path / "o.avi", CLASSICAL, side_by_side=True, **paths)
    first = next(read_frames(tmp_path / "o.avi"))
    assert first.shape == (64, 160, 3)
    before = next(read_frames(video))
    assert np.abs(first[:, :80].astype(int) - before).mean() < 8
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "frame,seconds,smoke_level" and len(lines) == 7
    table = np.array([line.split(",") for line in lines[1:]], float)
    np.testing.assert_allclose(table[:, 1], np.arange(6) / 12.5)
    assert table[:, 2].argmax() == 3 and table[0, 2] < 0.02
    assert table[:, 2].mean() == pytest.approx(record["smoke_level"]["mean"], abs=1e-3)
    assert read_rgb(tmp_path / "s.png").std() > 10


def tone(path, pictures):
    """A video of ``pictures`` with a sine of 440 Hz, as MKV."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.height, stream.width = pictures[0].shape[:2] if pictures else (16, 16)
        stream.pix_fmt = "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
        wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(12000) / 48000)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
        frame.rate, frame.pts = 48000, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


def test_sound_is_kept_in_mp4_and_strength_zero_keeps_pictures(tmp_path):
    tone(tmp_path / "in.mkv", frames())
    parameters = DesmokeParameters(method="classical", strength=0)
    record = desmoke_video(tmp_path / "in.mkv", tmp_path / "out.mp4", parameters)
    assert record["sound"] and probe_video(tmp_path / "out.mp4").has_sound
    write_frames(tmp_path / "encoded.mp4", read_frames(tmp_path / "in.mkv"), record["rate"])
    videos = (read_frames(tmp_path / name) for name in ("out.mp4", "encoded.mp4"))
    for ours, theirs in zip(*videos, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not desmoke_video(tmp_path / "in.mkv", tmp_path / "out.avi", parameters)["sound"]


def lit_and_heard(path, times):
    """A video whose frames come at ``times`` (ms), light and with a tone from 1 s on."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 80, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = output.add_stream("aac", rate=48000, layout="mono")
        for time in times:
            picture = np.full((64, 80, 3), 230 if time >= 1000 else 40, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        for start in range(0, 90 * 1024, 1024):
            n = np.arange(start, start + 1024)
            wave = np.where(n >= 48000, 0.5 * np.sin(0.3 * n), 0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))


def onsets(path):
    """Seconds at which a video becomes light and at which it is heard."""
    import av

    with av.open(str(path)) as file:
        shown = [(f.time, f.to_ndarray(format="gray").mean()) for f in file.decode(video=0)]
    with av.open(str(path)) as file:
        heard = [(f.time, np.abs(f.to_ndarray()).max()) for f in file.decode(audio=0)]
    return [next(t for t, v in seen if v > top) for seen, top in ((shown, 128), (heard, 0.1))]


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("uneven.mkv", [*range(0, 1000, 20), *range(1000, 2000, 100)]),
        ("late.ts", [*range(0, 2000, 40)]),  # begins at 1.4 s by its clock
    ],
)
def test_sound_stays_with_frames_whatever_their_times(tmp_path, name, times):
    lit_and_heard(tmp_path / name, times)
    levels = tmp_path / "s.csv"
    desmoke_video(tmp_path / name, tmp_path / "out.mp4", CLASSICAL, smoke_level=levels)
    seen, heard = onsets(tmp_path / "out.mp4")
    assert seen == pytest.approx(1, abs=0.002)
    assert heard == pytest.approx(1, abs=0.022)  # a packet of sound
    table = np.loadtxt(levels, delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 1], np.array(times) / 1000, atol=0.001)


def test_sound_goes_on_behind_damage(tmp_path, caplog):
    av = pytest.importorskip("av")
    lit_and_heard(tmp_path / "in.mkv", [*range(0, 2000, 40)])
    with av.open(str(tmp_path / "in.mkv")) as file:
        packets = [packet for packet in file.demux(audio=0) if packet.size]
        hit = bytes(next(p for p in packets if p.pts * p.time_base > 1.4))
    whole = (tmp_path / "in.mkv").read_bytes()
    assert whole.count(hit) == 1
    (tmp_path / "in.mkv").write_bytes(whole.replace(hit, b"\xff" * len(hit)))
    desmoke_video(tmp_path / "in.mkv", tmp_path / "out.mp4", CLASSICAL)
    assert "1 damaged packets of the sound" in caplog.text
    with av.open(str(tmp_path / "out.mp4")) as file:
        heard = [f.time for f in file.decode(audio=0) if np.abs(f.to_ndarray()).max() > 0.1]
    assert heard[0] == pytest.approx(1, abs=0.022) and heard[-1] > 1.85


def test_folder_of_pictures_is_a_video(tmp_path):
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames()):
        write_image(tmp_path / f"in/{number}.png", Image(frame[None]))
    record = desmoke_video(tmp_path / "in", tmp_path / "out.avi", CLASSICAL)
    assert record["frames"] == 6 and record["rate"] == 25


@pytest.mark.parametrize("pixels", ["gray", "bgra", "gray16le", "yuv444p10le"])
def test_videos_of_other_pixel_formats_and_odd_sizes(tmp_path, pixels):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 79, 63, pixels
        for picture in frames():
            picture = np.ascontiguousarray(picture[:63, :79])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            output.mux(stream.encode(frame.reformat(format=pixels)))
        output.mux(stream.encode(None))
    record = desmoke_video(tmp_path / "in.mkv", tmp_path / "out.mp4", CLASSICAL)
    info = probe_video(tmp_path / "out.mp4")
    assert record["frames"] == 6 and (info.width, info.height) == (79, 63)
    assert record["smoke_level"]["largest"] > 0.3


def test_bad_videos_are_refused_before_and_leave_nothing(video, tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "sound.mkv"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), "s16", "mono")
        frame.rate = 48000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    (tmp_path / "text.mp4").write_text("no video")
    cases = {
        "no picture, only": (tmp_path / "sound.mkv", tmp_path / "x.avi"),
        "is no video": (tmp_path / "text.mp4", tmp_path / "x.avi"),
        "not found": (tmp_path / "none.mp4", tmp_path / "x.avi"),
        "input and output": (video, video),
        "written as": (video, tmp_path / "x.mkv"),
    }
    kept = video.read_bytes()
    for message, (source, output) in cases.items():
        with pytest.raises(FileError, match=message):
            desmoke_video(source, output, CLASSICAL)
    with pytest.raises(FileError, match="csv"):
        desmoke_video(video, tmp_path / "x.avi", CLASSICAL, smoke_level=tmp_path / "s.txt")
    assert not list(tmp_path.glob("x.*")) and not list(tmp_path.glob(".part*"))
    assert video.read_bytes() == kept


def test_truncated_video_gives_what_decodes(video, tmp_path, caplog):
    whole = video.read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) * 2 // 3])
    with caplog.at_level(logging.WARNING, "meddl"):
        record = desmoke_video(tmp_path / "cut.avi", tmp_path / "out.avi", CLASSICAL)
    assert 0 < record["frames"] < 6
    assert caplog.records


def test_cancel_leaves_no_file(video, tmp_path):
    token = CancelToken()

    def progress(fraction, message):
        if fraction > 0.4:
            token.cancel()

    with pytest.raises(Cancelled):
        desmoke_video(
            video, tmp_path / "o.avi", CLASSICAL, smoke_level=tmp_path / "s.csv",
            progress=progress, cancel=token,
        )  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.avi"]


def test_pictures_of_every_kind(tmp_path):
    frame = frames()[3]
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder / "rgb.png", Image(frame[None]))
    write_image(folder / "grey.png", Image(frame[None, ..., 1]))
    alpha = np.concatenate([frame, np.full((64, 80, 1), 9, np.uint8)], -1)
    write_image(folder / "rgba.png", Image(alpha[None]))
    write_image(folder / "deep.png", Image(frame[None].astype(np.uint16) * 257))
    write_image(folder / "one.bmp", Image(frame[None, :1, :1]))
    write_image(folder / "odd.jpg", Image(frame[None, :7, :5]))
    levels = desmoke_images([folder], tmp_path / "out", CLASSICAL)
    assert sorted(levels) == ["deep.png", "grey.png", "odd.png", "one.png", "rgb.png", "rgba.png"]
    results = {path.stem: read_rgb(path) for path in (tmp_path / "out").iterdir()}
    expected = VideoDesmoker("classical")(frame)
    for name in ("rgb", "rgba", "deep"):  # each for itself, with nothing of the one before
        np.testing.assert_array_equal(results[name], expected)
    assert results["grey"].shape == frame.shape and results["odd"].shape == (7, 5, 3)
    assert levels["rgb.png"] > 0.3


def test_one_picture_to_one_picture_and_refusals(tmp_path):
    frame = frames()[3]
    source = tmp_path / "a.png"
    write_image(source, Image(frame[None]))
    assert list(desmoke_images([source], tmp_path / "b.png", CLASSICAL)) == ["b.png"]
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.png"), VideoDesmoker("classical")(frame))
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other/a.bmp", Image(frame[None]))
    (tmp_path / "text.png").write_text("no picture")
    refusals = {
        "two pictures would become a.png": ([source, tmp_path / "other/a.bmp"], tmp_path / "o"),
        "input and output": ([source], source),
        "no picture": ([tmp_path / "v.mp4"], tmp_path / "o"),
        "text.png": ([tmp_path / "text.png"], tmp_path / "o.png"),
        "one picture, 2 would be written": ([source, tmp_path / "b.png"], tmp_path / "o.png"),
        "o.webp is no picture": ([source], tmp_path / "o.webp"),
    }
    for message, (sources, output) in refusals.items():
        with pytest.raises(FileError, match=message):
            desmoke_images(sources, output, CLASSICAL)
    with pytest.raises(InputError, match="nothing to desmoke"):
        desmoke_images([], tmp_path / "o", CLASSICAL)
    np.testing.assert_array_equal(read_rgb(source), frame)
    assert not any((tmp_path / name).exists() for name in ("o", "o.png", "o.webp"))
    (tmp_path / "o.v2").mkdir()
    assert list(desmoke_images([source], tmp_path / "o.v2", CLASSICAL)) == ["a.png"]


def test_no_source_is_overwritten(video, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n, frame in enumerate(frames()[:2]):
        write_image(folder / f"{n}.png", Image(frame[None]))
    contents = {path: path.read_bytes() for path in (video, *folder.iterdir())}
    for call in (
        lambda: desmoke_video(folder, tmp_path / "o.avi", CLASSICAL, smoke_plot=folder / "1.png"),
        lambda: show_dark_channel(video, video, DarkChannelParameters()),
        lambda: show_dark_channel(folder / "0.png", folder / "0.png", DarkChannelParameters()),
    ):
        with pytest.raises(FileError, match="is input and output"):
            call()
    assert {path: path.read_bytes() for path in contents} == contents


def test_viewer_shows_what_was_computed(video, tmp_path):
    frame = frames()[3]
    write_image(tmp_path / "a.png", Image(frame[None]))
    p = DarkChannelParameters(patch=5)
    assert show_dark_channel(tmp_path / "a.png", tmp_path / "v.png", p) == 1
    view = read_rgb(tmp_path / "v.png")
    assert view.shape == (2 * 64, 3 * 80, 3)  # too narrow for names
    panels = {name: view[64 * (n // 3) :, 80 * (n % 3) :][:64, :80] for n, name in enumerate(NAMES)}
    np.testing.assert_array_equal(panels["frame"], frame)
    np.testing.assert_array_equal(panels["minimum"][..., 0], frame.min(axis=-1))
    from scipy.ndimage import minimum_filter

    dark = minimum_filter(frame.min(axis=-1), 5, mode="nearest")
    np.testing.assert_array_equal(panels["dark channel"][..., 1], dark)
    desmoker = VideoDesmoker("classical")
    np.testing.assert_array_equal(panels["result"], desmoker(frame))
    np.testing.assert_array_equal(
        panels["transmission"][..., 0], np.round(255 * desmoker.transmission)
    )
    assert show_dark_channel(video, tmp_path / "v.avi", p) == 6
    with pytest.raises(FileError, match="written as a picture"):
        show_dark_channel(tmp_path / "a.png", tmp_path / "v2.avi", p)


def test_wipe_goes_from_before_to_after():
    before, after = np.zeros((4, 9, 3), np.uint8), np.full((4, 9, 3), 200, np.uint8)
    seen = list(wipe(before, after, 10))
    shares = [float((frame == 200).mean()) for frame in seen]
    assert shares == sorted(shares) and shares[:3] == [0, 0, 0] and shares[-3:] == [1, 1, 1]
    assert any(0 < share < 1 for share in shares)


def test_slideshow_takes_pairs_and_refuses_others(tmp_path):
    for name in ("before", "after", "lonely"):
        (tmp_path / name).mkdir()
    small, large = np.full((20, 30, 3), 90, np.uint8), np.full((40, 64, 3), 160, np.uint8)
    for name, picture in (("1", small), ("2", large), ("3", small)):
        write_image(tmp_path / f"before/{name}.png", Image(picture[None]))
    for name, picture in (("1", small + 60), ("2", large + 60)):
        write_image(tmp_path / f"after/{name}.bmp", Image(picture[None]))
    folders = tmp_path / "before", tmp_path / "after"
    assert slideshow(*folders, tmp_path / "s.avi", seconds=0.4) == 2
    seen = list(read_frames(tmp_path / "s.avi"))
    assert len(seen) == 20 and seen[0].shape == (40, 64, 3)
    centre = [int(frame[20, 32].mean()) for frame in (seen[0], seen[9], seen[10], seen[19])]
    np.testing.assert_allclose(centre, [90, 150, 160, 220], atol=6)
    assert seen[0][2, 2].max() < 12  # black around the smaller pair
    write_image(tmp_path / "lonely/9.png", Image(small[None]))
    with pytest.raises(FileError, match="no picture of"):
        slideshow(folders[0], tmp_path / "lonely", tmp_path / "x.avi")
    write_image(tmp_path / "lonely/1.png", Image(large[None]))
    with pytest.raises(FileError, match="a pair needs one size"):
        slideshow(folders[0], tmp_path / "lonely", tmp_path / "x.avi")
    with pytest.raises(InputError, match="seconds"):
        slideshow(*folders, tmp_path / "x.avi", seconds=0)
    assert not (tmp_path / "x.avi").exists()
