"""Numbers from MATLAB's files of level 5, as MathWorks describes the format (MAT-File Format).

scipy's reader trusts the lengths and types in the file (version 1.17.1: a file of 300 bytes, a few
of them changed, ended the process by a segmentation fault); this one checks them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.files import existing_file, parsing

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_NUMBER_CLASSES = range(6, 16)  # double to uint64
_LARGEST = 1 << 26  # bytes of one unpacked variable


def read_vectors(path: str | Path) -> dict[str, NDArray[Any]]:
    """Name -> (N,) values of every numeric variable, in the file's order (first axis first).

    Raises:
        FileError: missing, no MATLAB file of level 5, truncated or damaged.
    """
    path = existing_file(path, "MATLAB file")
    with parsing(path, "MATLAB file"):
        content = path.read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER_BYTES])
        if order is None:
            raise ValueError("it has no header of level 5")
        found: dict[str, NDArray[Any]] = {}
        for kind, data in _elements(content[_HEADER_BYTES:], order):
            if kind == _COMPRESSED:
                unpacked = zlib.decompressobj().decompress(data, _LARGEST)
                kind, data = next(_elements(unpacked, order))
            if kind == _MATRIX:
                found |= _variable(data, order)
        return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of the elements that follow each other."""
    start = 0
    while start + 8 <= len(data):
        kind, size = (int(n) for n in np.frombuffer(data, f"{order}u4", 2, start))
        if kind >> 16:  # a small one, of up to 4 bytes beside its tag
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        else:
            begin = start + 8
            end = begin + size + (-size % 8 if kind != _COMPRESSED else 0)
        if begin + size > len(data) or end < begin + size:
            raise ValueError(f"an element of {size} bytes goes beyond the end")
        yield kind, data[begin : begin + size]
        start = end


def _variable(data: bytes, order: str) -> dict[str, NDArray[Any]]:
    parts = list(_elements(data, order))
    if (
        len(parts) < 4
        or np.frombuffer(parts[0][1], f"{order}u4", 1)[0] & 0xFF not in _NUMBER_CLASSES
    ):
        return {}
    (_, shape), (_, name), (kind, values) = parts[1:4]
    if kind not in _TYPES:
        raise ValueError(f"{name!r} has values of type {kind}")
    vector = np.frombuffer(values, order + _TYPES[kind])
    if vector.size != np.frombuffer(shape, f"{order}i4").prod(dtype=np.float64):
        raise ValueError(f"{name!r} has {vector.size} values, not those of its shape")
    return {name.decode("ascii"): vector}
