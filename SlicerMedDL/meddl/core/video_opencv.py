"""Video through OpenCV: reading, and Motion JPEG without sound."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

# Read by OpenCV when it is loaded or first opens a video; damage is reported by us, not on stderr.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2
import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.progress import CancelToken, Progress

Frame = NDArray[np.uint8]
_JPEG_BLOCK = 16  # pixels, with colour at half the size
_CODECS = {"avc1": "h264", "FMP4": "mpeg4", "mp4v": "mpeg4", "MJPG": "mjpeg", "hev1": "hevc"}
_MAX_AVI_BYTES = 3_900_000_000  # offsets in an AVI have 32 bits


def _open(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise FileError(f"{path} is no readable video")
    return capture


def probe(path: Path) -> tuple[int, float, str, bool | None]:
    """Frames by the header, frames per second, codec; OpenCV does not tell whether it has sound."""
    capture = _open(path)
    frames = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    name = code.decode("latin-1").strip("\0 ")
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return frames, rate, _CODECS.get(name, name.lower()), None


def frames(path: Path, resize: bool = True) -> Iterator[tuple[None, Callable[[], Frame]]]:
    """One function per decodable frame that converts it to (H, W, 3) RGB, valid until the next; of
    its time OpenCV says too little.

    OpenCV resizes to the size of the first frame, whatever ``resize`` says.
    """
    capture = _open(path)
    try:
        while capture.grab():
            yield None, lambda: _rgb(path, capture)
    finally:
        capture.release()


def _rgb(path: Path, capture: cv2.VideoCapture) -> Frame:
    found, picture = capture.retrieve()
    if not found:
        raise FileError(f"{path} has a frame that cannot be decoded")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class Seeker:
    """Random access by decoding: forwards from the last frame, or again from the beginning.

    OpenCV can jump, but with some codecs not to the frame that was asked for.
    """

    def __init__(self, path: Path, progress: Progress, cancel: CancelToken | None) -> None:
        self._path = path
        self.count, self.rate, _, _ = probe(path)
        if not self.count:
            for self.count, _ in enumerate(frames(path), start=1):
                if cancel is not None:
                    cancel.check()
                progress(0.0, f"counting frames {self.count}")
        self._start()

    def _start(self) -> None:
        self._capture = _open(self._path)
        self._next = 0

    def frame(self, number: int) -> Frame:
        """(H, W, 3) RGB of one frame."""
        if number < self._next:
            self.close()
            self._start()
        while self._next <= number:
            if not self._capture.grab():
                raise FileError(f"{self._path} ends before frame {number} of {self.count}")
            self._next += 1
        return _rgb(self._path, self._capture)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


def write_mjpeg(path: Path, pictures: Iterator[Frame], rate: float) -> None:
    """Encode ``pictures`` (all of one size) as Motion JPEG of quality 95 in AVI.

    Raises:
        FileError: OpenCV cannot write here, the disk is full, or the file reaches AVI's 4 GB.
    """
    first = next(pictures)
    height, width = first.shape[:2]
    # The encoder spoils the colours of a block that the picture does not fill: by up to 23 levels
    # in the last row and column of 5 x 5 pixels.
    below, beside = -height % _JPEG_BLOCK, -width % _JPEG_BLOCK
    size = (width + beside, height + below)

    def encoded(picture: Frame) -> Frame:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        return np.asarray(
            cv2.copyMakeBorder(bgr, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8
        )

    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_OPENCV_MJPEG, code, rate, size)
    if not writer.isOpened():
        raise FileError(f"{path} cannot be written by OpenCV ({size[0]}x{size[1]}, {rate:g} /s)")
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 95)
    try:
        writer.write(encoded(first))
        for picture in pictures:
            writer.write(encoded(picture))
            if path.stat().st_size > _MAX_AVI_BYTES:
                raise FileError(f"{path.name} reaches the 4 GB of an AVI; write .mp4 (PyAV)")
    finally:
        writer.release()
    _check_size(path)
    if below or beside:
        _set_size(path, width, height)
    _set_rate(path, rate)


def _check_size(path: Path) -> None:
    """OpenCV says nothing when a disk is full: the file is then shorter than its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    said = 8 + int.from_bytes(head[4:], "little")
    if size != said:
        raise FileError(
            f"{path.name} has {size} of {said} bytes: the disk is full or the file may not grow; "
            "free some space"
        )


def _set_size(path: Path, width: int, height: int) -> None:
    """Say in the AVI and in each picture that the last columns and rows are not shown.

    JPEG codes whole blocks, so its frame header (SOF0: marker, length, bits, height, width; ITU-T
    T.81, B.2.2) may name any size that ends within the last ones.
    """
    with path.open("r+b") as file:
        head = file.read(1 << 14)
        for place in (head.index(b"avih") + 40, head.index(b"strf") + 12):  # width, height
            file.seek(place)
            file.write(struct.pack("<2I", width, height))
        place = head.index(b"movi") + 4
        while True:
            file.seek(place)
            kind, length = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
            if kind != b"00dc":
                return
            file.seek(place + 8 + file.read(1024).index(b"\xff\xc0") + 5)
            file.write(struct.pack(">2H", height, width))
            place += 8 + length + length % 2


def _set_rate(path: Path, rate: float) -> None:
    """Correct the rate in an AVI header: OpenCV's writer rounds it to whole frames per second."""
    fraction = Fraction(rate).limit_denominator(1001)
    with path.open("r+b") as file:
        head = file.read(1024)
        file.seek(head.index(b"avih") + 8)  # MainAVIHeader.dwMicroSecPerFrame
        file.write(struct.pack("<I", round(1e6 / rate)))
        file.seek(head.index(b"strh") + 28)  # AVIStreamHeader.dwScale, dwRate
        file.write(struct.pack("<2I", fraction.denominator, fraction.numerator))
