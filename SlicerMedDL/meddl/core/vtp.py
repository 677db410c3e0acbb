"""Triangles out of VTK's XML files of polygonal data (``.vtp``), without VTK.

Understood is what VTK's own writer makes: arrays as text, base64 within the file, or appended as
base64 or raw bytes; not compressed or by zlib; both byte orders; headers of 32 or 64 bits;
polygons (cut into fans) and triangle strips of all pieces. Lines and lone points are left out.
The format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.files import existing_file, parsing

Element = ElementTree.Element

_DTYPES = {f"{sign}Int{8 * n}": f"{kind}{n}" for sign, kind in (("", "i"), ("U", "u"))
           for n in (1, 2, 4, 8)} | {"Float32": "f4", "Float64": "f8", "String": "i1"}  # fmt: skip
_ZLIB = "vtkZLibDataCompressor"
# VTK compresses blocks of 32 KiB to 4 MiB; a file that claims more than this is damaged.
_LARGEST_BLOCK = 1 << 28


@dataclass
class _File:
    """What is needed to read the arrays of one file."""

    path: Path
    root: Element
    order: str
    header: np.dtype[Any]
    compressed: bool
    appended: bytes = b""
    raw: bool = False
    offsets: list[int] = field(default_factory=list)


def read_vtp(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.int64], str]:
    """Read the triangles of a ``.vtp`` file.

    Returns:
        Vertices (N, 3) in the numbers of the file, faces (M, 3), and the space that the file names:
        ``"RAS"``, ``"LPS"`` or ``""``.

    Raises:
        FileError: missing, damaged, truncated, another compression, or no polygonal data.
    """
    path = existing_file(path, "VTK file of polygonal data")
    with parsing(path, "VTK file of polygonal data"):
        file = _open(path)
        space = next(
            (
                _text(file, array)
                for array in file.root.iter("Array")
                if array.get("Name") == "SPACE"
            ),
            "",
        )
        vertices, faces, count = [], [], 0
        for piece in file.root.iter("Piece"):
            points = _find(file, piece, "Points")
            if points is None:
                continue
            vertices.append(points.astype(np.float64).reshape(-1, 3))
            polygons = _fans(*_cells(file, piece, "Polys"))
            strips = _strips(*_cells(file, piece, "Strips"))
            faces.append(np.concatenate([polygons, strips]) + count)
            count += len(vertices[-1])
        if not count or not sum(map(len, faces)):
            raise FileError(f"{path} holds no triangle")
        return np.concatenate(vertices), np.concatenate(faces), space


def _open(path: Path) -> _File:
    content = path.read_bytes()
    if b"<!DOCTYPE" in content[:4096] or b"<!ENTITY" in content[:4096]:
        raise FileError(f"{path} declares XML entities, which no VTK file does")
    # Appended raw bytes are no XML: the text ends where they begin.
    begin = content.find(b"<AppendedData")
    text, appended, encoding = content, b"", ""
    if begin >= 0:
        start = content.index(b"_", content.index(b">", begin)) + 1
        found = re.search(rb'encoding="(\w+)"', content[begin:start])
        encoding = found[1].decode() if found else "raw"
        text = content[:begin] + b"</VTKFile>"
        appended = content[start:]
        if encoding == "base64":
            appended = appended[: appended.index(b"<")]
    root = ElementTree.fromstring(text)
    if root.tag != "VTKFile" or root.get("type") != "PolyData":
        raise FileError(f"{path} holds {root.get('type', root.tag)}, PolyData was expected")
    compressor = root.get("compressor", "")
    if compressor not in ("", _ZLIB):
        raise FileError(f"{path} is compressed by {compressor}; save it with zlib or uncompressed")
    order = ">" if root.get("byte_order") == "BigEndian" else "<"
    header = np.dtype(order + _DTYPES[root.get("header_type", "UInt32")])
    offsets = sorted(int(array.get("offset", "0")) for array in root.iter() if array.get("offset"))
    return _File(
        path, root, order, header, bool(compressor), appended, encoding != "base64", offsets
    )


def _find(file: _File, parent: Element, place: str, name: str | None = None) -> Any:
    section = parent.find(place)
    for array in section.iter("DataArray") if section is not None else ():
        if name is None or array.get("Name") == name:
            return _values(file, array)
    return None


def _cells(file: _File, piece: Element, place: str) -> tuple[Any, Any]:
    connectivity = _find(file, piece, place, "connectivity")
    offsets = _find(file, piece, place, "offsets")
    if connectivity is None or offsets is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    offsets = offsets.astype(np.int64)
    ends = offsets[1:] if len(offsets) and offsets[0] == 0 else offsets
    if len(ends) and (ends[-1] != len(connectivity) or (np.diff(ends, prepend=0) < 0).any()):
        raise FileError(
            f"{file.path}: the {place} end at {ends[-1]} of {len(connectivity)} numbers"
        )
    return connectivity.astype(np.int64), ends


def _fans(connectivity: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, 3) triangles about the first corner of each polygon."""
    sizes = np.diff(ends, prepend=0)
    counts = np.maximum(sizes - 2, 0)
    first = np.repeat(ends - sizes, counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = [first, first + within + 1, first + within + 2]
    return np.stack([connectivity[corner] for corner in corners], axis=1).reshape(-1, 3)


def _strips(connectivity: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, 3) triangles of triangle strips; every second one is turned."""
    sizes = np.diff(ends, prepend=0)
    counts = np.maximum(sizes - 2, 0)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    start = np.repeat(ends - sizes, counts) + within
    odd = within % 2
    corners = [start + odd, start + 1 - odd, start + 2]
    return np.stack([connectivity[corner] for corner in corners], axis=1).reshape(-1, 3)


def _text(file: _File, array: Element) -> str:
    return "".join(chr(int(code)) for code in _values(file, array) if code > 0)


def _values(file: _File, array: Element) -> NDArray[Any]:
    dtype = np.dtype(file.order + _DTYPES[array.get("type", "")])
    kind = array.get("format", "ascii")
    if kind == "ascii":
        return np.array((array.text or "").split(), dtype=dtype.newbyteorder("="))
    if kind == "binary":
        data = b"".join(_base64(re.sub(rb"\s", b"", (array.text or "").encode())))
    elif kind == "appended":
        offset = int(array.get("offset", "0"))
        if file.raw:
            data = file.appended[offset:]
        else:
            after = [other for other in file.offsets if other > offset]
            part = file.appended[offset : after[0] if after else None]
            data = b"".join(_base64(re.sub(rb"\s", b"", part)))
    else:
        raise FileError(f"{file.path} has an array of format {kind!r}")
    return np.frombuffer(_payload(file, data), dtype=dtype)


def _base64(text: bytes) -> Iterator[bytes]:
    """The bytes of base64 texts that follow each other, each with its own padding."""
    for part in re.findall(rb"[^=]+={0,2}", text):
        yield base64.b64decode(part, validate=True)


def _payload(file: _File, data: bytes) -> bytes:
    """The bytes of an array behind its header, uncompressed."""
    size = file.header.itemsize

    def number(position: int) -> int:
        return int(np.frombuffer(data, file.header, 1, position * size)[0])

    if not file.compressed:
        length = number(0)
        if length > len(data) - size:
            raise FileError(f"{file.path} is truncated: {len(data) - size} of {length} bytes")
        return data[size : size + length]
    blocks = number(0)
    if not blocks:
        return b""
    block, last = number(1), number(2)
    if max(block, last) > _LARGEST_BLOCK or blocks > len(data):
        raise FileError(f"{file.path} claims {blocks} blocks of {block} bytes: it is damaged")
    position = (3 + blocks) * size
    parts = []
    for index in range(blocks):
        length = number(3 + index)
        inflate = zlib.decompressobj()
        expected = last if last and index == blocks - 1 else block
        part = inflate.decompress(data[position : position + length], max(expected, 1))
        if len(part) != expected:
            raise FileError(f"{file.path} is truncated: {len(part)} of {expected} bytes of a block")
        parts.append(part)
        position += length
    return b"".join(parts)
