"""What a compressed DICOM frame claims, compared with the header before a decoder believes it.

A JPEG 2000 frame whose size marker was damaged cost GDCM 39 s and 10 GB before it failed.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meddl.core.errors import FileError
from meddl.core.files import parsing

_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
# SOC and SIZ; a frame should begin with them, some files put a JP2 box of < 1 kB before.
_SIZ = b"\xff\x4f\xff\x51"
_MAX_TILES = 4096
# Start of frame: C0 to CF without DHT, JPG and DAC; F7 is JPEG-LS (ISO 10918-1 B.1, 14495-1 C).
_SOF = (set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}


@contextmanager
def reading_dicom(path: Path) -> Iterator[None]:
    """Any failure of pydicom on ``path`` as one :class:`FileError`, its remarks kept back."""
    with parsing(path, "DICOM image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_codestreams(path: Path, shape: tuple[int, int]) -> None:
    """Refuse a file with a JPEG or JPEG 2000 frame of another size than the header's.

    Args:
        path: a DICOM image file; other transfer syntaxes pass.
        shape: rows, columns of its header.

    Raises:
        FileError: a frame without a size, of another size, or in thousands of tiles.
    """
    import pydicom
    from pydicom.encaps import generate_frames
    from pydicom.filereader import read_file_meta_info

    with reading_dicom(path):
        syntax = str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
        if syntax not in (*_JPEG_2000, *_JPEG):
            return
        data = pydicom.dcmread(path, specific_tags=["NumberOfFrames", "PixelData"])
        frame_shape = _jpeg_2000_shape if syntax in _JPEG_2000 else _jpeg_shape
        count = int(data.get("NumberOfFrames") or 1)
        for number, frame in enumerate(generate_frames(data.PixelData, number_of_frames=count)):
            found = frame_shape(frame)
            if found != shape:
                raise FileError(
                    f"{path}, frame {number}: the compressed picture is {found}, the header says "
                    f"{shape}; it is damaged"
                )


def _jpeg_2000_shape(frame: bytes) -> tuple[int, int]:
    """Rows and columns from the SIZ marker segment (ISO 15444-1, A.5.1)."""
    start = frame.find(_SIZ, 0, 1024)
    if start < 0:
        raise ValueError("a JPEG 2000 frame has no size")
    values = struct.unpack_from(">8I", frame, start + 8)
    right, bottom, left, top, tile_width, tile_height = values[:6]
    columns, rows = right - left, bottom - top
    tiles = -(-right // max(tile_width, 1)) * -(-bottom // max(tile_height, 1))
    if tiles > _MAX_TILES:
        raise ValueError(f"a JPEG 2000 frame is in {tiles} tiles, at most {_MAX_TILES} expected")
    return rows, columns


def _jpeg_shape(frame: bytes) -> tuple[int, int]:
    """Rows and columns from the start-of-frame marker segment."""
    position = 2  # behind the start of image
    while position + 9 <= len(frame):
        if frame[position] != 0xFF:
            break
        marker = frame[position + 1]
        if marker in _SOF:
            rows, columns = struct.unpack_from(">2H", frame, position + 5)
            return rows, columns
        if marker == 0xFF:  # a fill byte
            position += 1
        else:
            position += 2 + struct.unpack_from(">H", frame, position + 2)[0]
    raise ValueError("a JPEG frame has no size")
