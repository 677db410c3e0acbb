"""Binary PGM and PPM pictures with 8 or 16 bits, values as they are in the file.

Pillow reads them too, but stretches values whose maximum is not 255 or 65535: depths would change.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.errors import FileError
from meddl.core.files import existing_file

SUFFIXES = (".pgm", ".ppm", ".pnm")
# Numbers are set apart by white space, comments run from # to the end of the line.
_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([56])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)\s")


def read_pgm(path: str | Path) -> NDArray[Any]:
    """(H, W) of a grey picture (P5) or (H, W, 3) of a colour one (P6); uint8 or uint16.

    Raises:
        FileError: missing, another format, or fewer pixels than the header says.
        DeviceError: more pixels than free memory.
    """
    path = existing_file(path, "picture")
    content = path.read_bytes()
    match = _HEADER.match(content)
    if match is None:
        raise FileError(f"{path} is no binary PGM or PPM picture (P5 or P6); save it as PNG")
    kind, width, height, largest = (int(number) for number in match.groups())
    if min(width, height) < 1 or not 0 < largest < 65536:
        raise FileError(f"{path} claims {width}x{height} pixels up to {largest}: it is damaged")
    channels = 3 if kind == 6 else 1
    dtype = np.dtype(np.uint8 if largest < 256 else ">u2")
    needed = height * width * channels * dtype.itemsize
    found = len(content) - match.end()
    if found < needed:
        raise FileError(f"{path} has {found} bytes of pixels, {needed} were expected: truncated")
    require_memory(needed, f"reading {path}")
    pixels = np.frombuffer(content, dtype, height * width * channels, match.end())
    array = pixels.reshape((height, width, 3) if channels == 3 else (height, width))
    return array.astype(dtype.newbyteorder("="))
