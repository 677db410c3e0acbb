"""Video as a stream of RGB frames: files by PyAV where it is installed, else by OpenCV; folders.

Frames are an iterator, never a list: videos are longer than memory. Numbers of frames in headers
are hints; what decodes counts.
"""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.errors import DependencyError, FileError, InputError
from meddl.core.files import atomic_path, existing_file, parsing, visible, writable_parent
from meddl.core.image_io import PICTURES
from meddl.core.optional import is_installed, require
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
# Position -> the bytes there that each container begins with. FFmpeg itself would also follow a
# play list, which is text and may name any file or address.
_SIGNATURES = [
    (8, (b"AVI ",)),
    (4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, (b"\x1aE\xdf\xa3", b"0&\xb2u", b"\0\0\1\xba", b"\0\0\1\xb3", b"OggS", b"FLV\1")),
    (0, (b"G",)),  # MPEG transport stream, every 188 bytes
]


@dataclass(frozen=True)
class VideoInfo:
    """What a video is.

    Attributes:
        width, height: pixels, upright.
        frames: what the header says; 0 if it does not. Count while reading.
        rate: frames per second; 0 if unknown.
        codec: for example ``"h264"``; for a folder of pictures the suffix.
        has_sound: None if only PyAV could tell.
    """

    width: int
    height: int
    frames: int
    rate: float
    codec: str
    has_sound: bool | None


class Seeker(Protocol):
    """Random access to the frames of one video file."""

    count: int
    rate: float

    def frame(self, number: int) -> Frame:
        """Decode frame ``number``, 0 to ``count - 1``; a FileError if it is damaged."""

    def close(self) -> None:
        """Let go of the file."""


def _backend() -> ModuleType:
    if is_installed("av"):
        from meddl.core import video_pyav

        return video_pyav
    require("cv2", "reading video")
    from meddl.core import video_opencv

    return video_opencv


def _has_h264() -> bool:
    if not is_installed("av"):
        return False
    from meddl.core.video_pyav import has_h264

    return has_h264()


def _check_container(path: str | Path) -> Path:
    path = existing_file(path, "video")
    with path.open("rb") as file:
        head = file.read(189)
    for position, names in _SIGNATURES:
        for name in names:
            if head[position : position + len(name)] == name:
                if name == b"G" and head[188:189] != b"G":
                    continue
                return path
    raise FileError(
        f"{path} is no video; read are AVI, MP4, MOV, MKV, WebM, WMV, MPEG, and folders"
    )


def probe_video(path: str | Path) -> VideoInfo:
    """Describe a video file or a folder of pictures; decodes one frame.

    Raises:
        FileError: missing, no video, or nothing decodes.
        DependencyError: neither PyAV nor OpenCV is installed.
    """
    path = Path(path)
    if path.is_dir():
        pictures = picture_files(path)
        height, width = read_rgb(pictures[0]).shape[:2]
        return VideoInfo(width, height, len(pictures), 0.0, pictures[0].suffix[1:].lower(), False)
    _check_container(path)
    with parsing(path, "video"):
        frames, rate, codec, has_sound = _backend().probe(path)
        height, width = next(read_frames(path)).shape[:2]
    return VideoInfo(width, height, frames, rate if math.isfinite(rate) else 0.0, codec, has_sound)


def read_frames(
    path: str | Path,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    resize: bool = True,
) -> Iterator[Frame]:
    """Decode frames ``range(start, stop, step)`` one by one.

    Args:
        path: a video file, or a folder of pictures of equal size, in natural order of their names
            (``2.png`` before ``10.png``).
        start, stop, step: as in :func:`range`; the count is that of decodable frames.
        resize: bring frames of a video that changes its size to that of the first, if PyAV reads
            it; else they are refused (OpenCV resizes them and does not say).

    Yields:
        (H, W, 3) uint8 RGB, upright. A damaged file yields what decodes, with a logged warning.
        Colours are converted as BT.601 whatever the file's tag, since OpenCV knows no other.

    Raises:
        InputError: a negative number, step 0, or ``start`` behind the last frame.
        FileError: missing, no video, nothing decodes, or frames of different size.
        DependencyError: neither PyAV nor OpenCV is installed.
    """
    path = Path(path)
    if start < 0 or step < 1 or (stop is not None and stop <= start):
        raise InputError(f"frames {start}:{stop}:{step} are none; 0 <= start < stop, step >= 1")
    if path.is_dir():
        return _read_folder(path, start, stop, step)
    decoded = _decode(_check_container(path), _backend(), start, stop, step, resize)
    return (frame for _, frame in decoded)


def timed_frames(path: str | Path, rate: float) -> Iterator[tuple[float, Frame]]:
    """As :func:`read_frames`, every frame with its time.

    Args:
        rate: frames per second, which gives the times where nothing else is known: of AVI files, of
            folders, and without PyAV.

    Yields:
        Seconds by the file's clock, which rise but need not begin at 0 nor step evenly, and the
        frame.
    """
    path = Path(path)
    if path.is_dir():
        return _rising(((None, frame) for frame in _read_folder(path, 0, None, 1)), rate)
    return _rising(_decode(_check_container(path), _backend(), 0, None, 1, True), rate)


def _rising(
    decoded: Iterable[tuple[float | None, Frame]], rate: float
) -> Iterator[tuple[float, Frame]]:
    last = -math.inf
    for index, (time, frame) in enumerate(decoded):
        # Damaged files repeat times.
        last = max(index / rate if time is None else time, last + 1e-6)
        yield last, frame


def video_seeker(
    path: str | Path, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Seeker:
    """Random access to the frames of a video file, numbered as :func:`read_frames` yields them.

    Raises:
        FileError: missing, no video, or no frame.
        DependencyError: neither PyAV nor OpenCV is installed.
    """
    path = _check_container(path)
    with parsing(path, "video"):
        seeker: Seeker = _backend().Seeker(path, progress, cancel)
    if not seeker.count:
        raise FileError(f"{path} has no frame that decodes; it is truncated or damaged")
    return seeker


def _decode(
    path: Path, backend: ModuleType, start: int, stop: int | None, step: int, resize: bool
) -> Iterator[tuple[float | None, Frame]]:
    said = 0
    count = 0
    with parsing(path, "video"):
        said = backend.probe(path)[0]
        frames: Iterator[tuple[float | None, Callable[[], Frame]]] = backend.frames(path, resize)
        for index, (time, convert) in enumerate(frames):
            if stop is not None and index >= stop:
                return
            count = index + 1
            if index >= start and (index - start) % step == 0:
                yield time, convert()
    if not count:
        raise FileError(f"{path} has no frame that decodes; it is truncated or damaged")
    if count < said:
        logger.warning("%s ends after %d of %d frames", path, count, said)
    if count <= start:
        raise InputError(f"{path} has {count} frames, number {start} was asked for")


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order of their names (``2.png`` before ``10.png``).

    Raises:
        FileError: there is none.
    """

    def natural(path: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", path.name)
        return [(int(p), "") if p.isdecimal() else (-1, p.lower()) for p in parts]

    found = [p for p in visible(folder) if p.suffix.lower() in PICTURES and p.is_file()]
    if not found:
        raise FileError(f"{folder} holds no pictures ({', '.join(PICTURES)})")
    return sorted(found, key=natural)


def _read_folder(folder: Path, start: int, stop: int | None, step: int) -> Iterator[Frame]:
    names = picture_files(folder)
    if start >= len(names):
        raise InputError(f"{folder} has {len(names)} pictures, number {start} was asked for")
    shape: tuple[int, ...] | None = None
    for name in names[start:stop:step]:
        frame = read_rgb(name)
        shape = shape or frame.shape
        if frame.shape != shape:
            raise FileError(
                f"{name} is {frame.shape[1]}x{frame.shape[0]}, the pictures before it are "
                f"{shape[1]}x{shape[0]}; give them one size"
            )
        yield frame


def explain_writer(path: str | Path, sound_from: str | Path | None = None) -> str:
    """What :func:`write_frames` will use, in one sentence; checks all that can be checked before.

    Raises:
        FileError: another suffix than ``.mp4`` or ``.avi``, a folder that takes no file, or a
            ``sound_from`` without sound.
        DependencyError: the encoder's package is not installed.
    """
    path = writable_parent(path)
    suffix = path.suffix.lower()
    if suffix not in (".mp4", ".avi"):
        raise FileError(f"{path}: video is written as .mp4 (H.264, PyAV) or .avi (Motion JPEG)")
    if suffix == ".avi":
        if sound_from is not None:
            raise FileError(f"{path}: sound is written to .mp4 only")
        require("cv2", "writing Motion JPEG")
        return "Motion JPEG in AVI by OpenCV, without sound"
    if not _has_h264():
        raise DependencyError(
            f'{path.name}: H.264 and sound need PyAV, install it with: pip install "meddl[video]" '
            "(in Slicer: MedDL Home, Install); or write .avi (Motion JPEG without sound)"
        )
    if sound_from is None:
        return "H.264 in MP4 by PyAV, without sound"
    if not probe_video(sound_from).has_sound:
        raise FileError(f"{sound_from} has no sound to copy; leave it out")
    return f"H.264 in MP4 by PyAV, with the sound of {Path(sound_from).name} as AAC"


def write_frames(
    path: str | Path,
    frames: Iterable[Frame],
    rate: float,
    *,
    sound_from: str | Path | None = None,
    times: Sequence[float] | None = None,
    total: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Encode frames as they come, atomically; returns how many there were.

    Args:
        path: ``.mp4`` (H.264) or ``.avi`` (Motion JPEG), see :func:`explain_writer`.
        frames: (H, W, 3) uint8 RGB, all of one size.
        rate: frames per second, 0.1 to 1000.
        sound_from: a file whose sound goes along, up to the last frame (``.mp4`` only).
        times: of the frames, s by the clock of ``sound_from``, where they are not evenly spaced or
            do not begin at 0 (:func:`timed_frames`); may grow while frames are taken. An ``.avi``
            has the rate alone.
        total: number of frames to come, for the progress; 0 if unknown.

    Raises:
        InputError: another rate, no frame, or a frame of another size or type.
        FileError, DependencyError: see :func:`explain_writer`.
        Cancelled: by the token, between frames; no file is left.
    """
    if not (isinstance(rate, (int, float)) and 0.1 <= rate <= 1000):
        raise InputError(f"the rate is {rate} frames per second, 0.1 to 1000 was expected")
    logger.info("%s: %s", path, explain_writer(path, sound_from))
    path = Path(path)
    count = 0

    def checked() -> Iterator[Frame]:
        nonlocal count
        shape: tuple[int, ...] | None = None
        for frame in frames:
            if cancel is not None:
                cancel.check()
            frame = np.asarray(frame)
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
                raise InputError(
                    f"frame {count} is {frame.shape} {frame.dtype}, (H, W, 3) uint8 was expected"
                )
            if shape is None:
                require_memory(20 * frame.nbytes, f"writing {path}")
            elif frame.shape != shape:
                raise InputError(f"frame {count} is {frame.shape}, those before are {shape}")
            shape = frame.shape
            yield frame
            count += 1
            progress(min(count / total, 1.0) if total else 0.0, f"writing frame {count}")

    pictures = checked()
    with atomic_path(path) as temporary:
        first = next(pictures, None)
        if first is None:
            raise InputError(f"there are no frames to write to {path}")
        whole = itertools.chain([first], pictures)
        if path.suffix.lower() == ".mp4":
            from meddl.core.video_pyav import write_h264

            sound = None if sound_from is None else Path(sound_from)
            write_h264(temporary, whole, float(rate), sound, times)
        else:
            from meddl.core.video_opencv import write_mjpeg

            write_mjpeg(temporary, whole, float(rate))
    return count
