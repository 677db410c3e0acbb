"""Frames by their number, from a video file or from pictures, with a small cache.

For scrubbing; who needs all frames in order reads them with :func:`meddl.core.video.read_frames`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.video import picture_files, video_seeker

Frame = NDArray[np.uint8]
CACHE_BYTES = 256 * 2**20  # 43 frames of 1920x1080


class FrameSource:
    """Random access to frames of one size; may be used from several threads.

    Args:
        fetch: number -> (H, W, 3) uint8 RGB.
        frames: how many there are.
        rate: frames per second; 0 if unknown.
        cache_bytes: how much the cache of the frames used last may hold; at least one is kept.
        close: called by :meth:`close`.

    Raises:
        FileError: the first frame cannot be read.
    """

    def __init__(
        self,
        fetch: Callable[[int], Frame],
        frames: int,
        rate: float = 0.0,
        cache_bytes: int = CACHE_BYTES,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.frames = frames
        self.rate = rate
        self._fetch = fetch
        self._close = close
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        self._cache_bytes = cache_bytes
        first = fetch(0)
        self.size: tuple[int, int] = first.shape[:2]

    def __len__(self) -> int:
        return self.frames

    def frame(self, number: int) -> Frame:
        """The (H, W, 3) uint8 RGB frame ``number``, 0 to ``frames - 1``; read-only.

        Raises:
            InputError: no such number.
            FileError: it does not decode, or is of another size than the first.
        """
        if not 0 <= number < self.frames:
            raise InputError(f"there is no frame {number}; there are 0 to {self.frames - 1}")
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
            picture = self._fetch(number)
            if picture.shape[:2] != self.size:
                height, width = self.size
                raise FileError(
                    f"frame {number} is {picture.shape[1]}x{picture.shape[0]}, the first is "
                    f"{width}x{height}; give them one size"
                )
            picture.setflags(write=False)
            self._cache[number] = picture
            while len(self._cache) > max(self._cache_bytes // picture.nbytes, 1):
                self._cache.popitem(last=False)
            return picture

    def close(self) -> None:
        """Let go of the file and of the cached frames."""
        with self._lock:
            self._cache.clear()
            self._close()

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_frames(
    path: str | Path,
    *,
    cache_bytes: int = CACHE_BYTES,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FrameSource:
    """The frames of a video file, or of a folder of pictures in natural order of their names.

    PyAV lists the packets of the file once and then jumps to key frames; OpenCV, which jumps to
    inexact places, decodes from the beginning where the wanted frame lies behind.

    Raises:
        FileError: missing, no video, nothing decodes.
        DependencyError: neither PyAV nor OpenCV is installed.
        Cancelled: by the token, while the packets are listed.
    """
    path = Path(path)
    if path.is_dir():
        return source_of_files(picture_files(path), cache_bytes)
    seeker = video_seeker(path, progress, cancel)
    return FrameSource(seeker.frame, seeker.count, seeker.rate, cache_bytes, seeker.close)


def source_of_files(files: Sequence[Path], cache_bytes: int = CACHE_BYTES) -> FrameSource:
    """The frames that lie in picture files.

    Raises:
        FileError: the first cannot be read.
    """
    return FrameSource(lambda number: read_rgb(files[number]), len(files), 0.0, cache_bytes)
