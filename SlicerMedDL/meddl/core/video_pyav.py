"""Video through PyAV: reading, and H.264 with sound.

PyAV brings FFmpeg with x264 (GPL); it is used where the user installed it and never redistributed.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.progress import CancelToken, Progress

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
# BT.601 (SMPTE 170M) with limited range, as swscale converts by default; said in the file, since
# players take untagged high-definition video for BT.709.
_BT601, _LIMITED_RANGE = 6, 1
_AUDIO_RATE = 48000
_TICK = Fraction(1, 90_000)  # s, of the times of frames: whole for all rates of video


def _open(path: Path) -> InputContainer:
    try:
        return av.open(str(path.absolute()))
    except (av.FFmpegError, ValueError) as error:
        raise FileError(f"{path} is no readable video: {error}") from error


def _pictures(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise FileError(f"{path} has no picture, only {len(container.streams)} other streams")
    stream = container.streams.video[0]
    if getattr(stream, "codec_context", None) is None:  # its stubs promise one
        raise FileError(
            f"{path} has pictures in a codec that FFmpeg does not know; convert it to H.264 where "
            "it plays"
        )
    return stream


def probe(path: Path) -> tuple[int, float, str, bool | None]:
    """Frames by the header (0: it does not say), frames per second, codec, whether it has sound."""
    with _open(path) as container:
        stream = _pictures(path, container)
        rate = float(stream.average_rate or stream.base_rate or 0)
        frames = stream.frames
        if not frames and stream.duration and stream.time_base:
            frames = round(stream.duration * float(stream.time_base) * rate)
        return frames, rate, stream.codec_context.name, bool(container.streams.audio)


def frames(path: Path, resize: bool = True) -> Iterator[tuple[float | None, Callable[[], Frame]]]:
    """Time and a function per decodable frame that converts it to (H, W, 3) RGB, valid until the
    next.

    Times are s by the file's clock, None where it does not say.

    Raises:
        FileError: no video, or, unless ``resize``, a frame of another size than the first.
    """
    with _open(path) as container:
        stream = _pictures(path, container)
        stream.thread_type = "AUTO"
        timed = container.format.name != "avi"  # which has a rate and no times
        size: tuple[int, int] | None = None
        for frame in _decodable(container, stream, str(path)):
            size = size or (frame.width, frame.height)
            if not resize and size != (frame.width, frame.height):
                raise FileError(
                    f"{path} changes from {size[0]}x{size[1]} to {frame.width}x{frame.height} "
                    "pixels on its way; cut it where it changes"
                )
            yield frame.time if timed else None, partial(_rgb, frame, size)


def _decodable(container: InputContainer, stream: Any, what: str) -> Iterator[Any]:
    """The frames of the packets that decode; a warning that names ``what`` tells of the others."""
    damaged = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError:  # the container ends in the middle
            damaged += 1
            break
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            damaged += 1
            continue
        yield from decoded
    if damaged:
        logger.warning("%d damaged packets of %s were left out", damaged, what)


def _rgb(frame: av.VideoFrame, size: tuple[int, int]) -> Frame:
    picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
    turns = round(frame.rotation / 90) % 4  # telephones store pictures lying on their side
    return np.ascontiguousarray(np.rot90(picture, turns))


class Seeker:
    """Random access: the presentation times of all packets, and jumps to key frames.

    Args:
        path: of the video.
        progress, cancel: while the packets are listed; nothing is decoded for it.
    """

    def __init__(self, path: Path, progress: Progress, cancel: CancelToken | None) -> None:
        self._path = path
        self._times, self._keys = _packet_times(path, progress, cancel)
        self.count = len(self._times)
        self.rate = probe(path)[1]
        self._size: tuple[int, int] | None = None
        self._start()

    def _start(self) -> None:
        self._container = _open(self._path)
        self._stream = _pictures(self._path, self._container)
        self._stream.thread_type = "AUTO"
        self._next = 0  # the frame that decoding yields next
        self._frames = self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._container.demux(self._stream):
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue

    def frame(self, number: int) -> Frame:
        """(H, W, 3) RGB of one frame."""
        key = self._keys[bisect_right(self._keys, number) - 1]
        if not key <= self._next <= number:
            self._jump(key)
        wanted = self._times[number]
        for frame in self._frames:
            self._size = self._size or (frame.width, frame.height)
            time = self._times[self._next] if frame.pts is None else frame.pts
            self._next = bisect_right(self._times, time)
            if time >= wanted:
                if time > wanted:
                    break
                return _rgb(frame, self._size)
        raise FileError(f"{self._path} has a damaged frame {number}")

    def _jump(self, key: int) -> None:
        if key == 0:  # some files have no time before their first frame
            self.close()
            self._start()
            return
        self._container.seek(self._times[key], stream=self._stream, backward=True)
        self._next = key
        self._frames = self._decoded()

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def _packet_times(
    path: Path, progress: Progress, cancel: CancelToken | None
) -> tuple[list[int], list[int]]:
    """Presentation times of all frames in order, and the numbers of the key frames, 0 first."""
    times: dict[int, bool] = {}
    size = max(path.stat().st_size, 1)
    with _open(path) as container:
        stream = _pictures(path, container)
        try:
            for count, packet in enumerate(container.demux(stream)):
                time = packet.pts if packet.pts is not None else packet.dts
                if packet.size and time is not None and not packet.is_discard:
                    times[time] = packet.is_keyframe
                if count % 256 == 0:
                    if cancel is not None:
                        cancel.check()
                    progress(min((packet.pos or 0) / size, 1.0), "listing frames")
        except av.FFmpegError:  # the container ends in the middle
            logger.warning("%s ends in the middle", path)
    ordered = sorted(times)
    keys = [number for number, time in enumerate(ordered) if times[time]]
    return ordered, keys if keys[:1] == [0] else [0, *keys]


def has_h264() -> bool:
    """Whether this build of PyAV encodes H.264."""
    return "libx264" in av.codecs_available


def write_h264(
    path: Path,
    pictures: Iterator[Frame],
    rate: float,
    sound_from: Path | None = None,
    times: Sequence[float] | None = None,
) -> None:
    """Encode ``pictures`` (all of one size) as H.264 in MP4, with the sound of another file as AAC.

    Odd sizes keep their pixels by storing colour at full resolution (yuv444p). ``times``: see
    :func:`meddl.core.video.write_frames`.

    Raises:
        FileError: FFmpeg cannot encode or write.
    """
    try:
        _encode(path, pictures, rate, sound_from, times)
    except av.FFmpegError as error:
        raise FileError(f"{path.name} cannot be encoded: {error}") from error


def _encode(
    path: Path,
    pictures: Iterator[Frame],
    rate: float,
    sound_from: Path | None,
    times: Sequence[float] | None,
) -> None:
    first = next(pictures)
    start = times[0] if times is not None else 0.0
    height, width = first.shape[:2]
    with av.open(str(path.absolute()), "w", format="mp4") as output:
        fraction = Fraction(rate).limit_denominator(1001)
        # x264's macroblock tree reads memory that nothing was written to beside small pictures: of
        # 60 encodings of the same frames, 10 different ones (80 x 64), 3 of 30 (320 x 240).
        options = {"crf": "18", "mbtree": "0"}
        stream = output.add_stream("libx264", rate=fraction, options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        stream.codec_context.colorspace = _BT601
        stream.codec_context.color_range = _LIMITED_RANGE
        tick = _TICK if times is not None else 1 / fraction
        stream.codec_context.time_base = tick
        sound = _Sound(output, sound_from, start) if sound_from is not None else None
        shown = -1
        for index, picture in enumerate(chain([first], pictures)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            # A frame is shown after the one before it, whatever a damaged file says.
            shown = max(shown + 1, index if times is None else round((times[index] - start) / tick))
            frame.pts, frame.time_base = shown, tick
            output.mux(stream.encode(frame))
            if sound is not None:
                sound.write_until(float(shown * tick) + 1 / rate)
        output.mux(stream.encode(None))
        if sound is not None:
            sound.close()


class _Sound:
    """The sound of a file from ``start`` (s by its clock) on, written in step with the pictures so
    that a player need not search."""

    def __init__(self, output: OutputContainer, source: Path, start: float) -> None:
        self.output = output
        self.start = start
        self.container = _open(source)
        self.stream = output.add_stream("aac", rate=_AUDIO_RATE, layout="stereo")
        self.frames = self._resampled()
        self.pending = next(self.frames, None)

    def _resampled(self) -> Iterator[AudioFrame]:
        for frame in self._decoded():
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self.start / frame.time_base)
            if frame.pts is None or frame.pts >= 0:
                yield frame

    def _decoded(self) -> Iterator[AudioFrame]:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_AUDIO_RATE)
        stream = self.container.streams.audio[0]
        for frame in _decodable(self.container, stream, f"the sound of {self.container.name}"):
            yield from resampler.resample(frame)
        yield from resampler.resample(None)

    def write_until(self, seconds: float) -> None:
        while self.pending is not None and (self.pending.time or 0.0) < seconds:
            self.output.mux(self.stream.encode(self.pending))
            self.pending = next(self.frames, None)

    def close(self) -> None:
        self.output.mux(self.stream.encode(None))
        self.frames.close()  # type: ignore[attr-defined]
        self.container.close()
