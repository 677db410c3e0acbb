"""What the header of a volume file claims, checked against the file before a voxel is read.

ITK trusts headers. SimpleITK 2.5 fills a truncated NIfTI up with noise, reads a damaged zlib stream
in a MetaImage as garbage, takes a spacing of 0 for 1 and follows a detached header to any file. All
of that is refused here, and so is a header that claims more voxels than the file can hold.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from meddl.core.devices import megabytes
from meddl.core.errors import FileError, GeometryError
from meddl.core.files import existing_file, parsing
from meddl.core.geometry import Matrix, affine, is_orthogonal

# Bytes per voxel of the NIfTI-1 data types that have an image of real numbers (nifti1.h).
_NIFTI_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4}
_NIFTI_BYTES |= {1024: 8, 1280: 8, 2304: 4}
# A deflate stream cannot expand by more than this factor (258 bytes from 2 bits).
MAX_DEFLATE = 1032
_CHUNK = 1 << 20
_MAX_HEADER = 1 << 20


@dataclass(frozen=True)
class Payload:
    """Where the voxels of a volume file lie.

    Attributes:
        path: the file that holds them.
        offset: first byte, counted after decompression for gzip (NIfTI), before it otherwise.
        encoding: ``"raw"``, ``"gzip"`` (whole file), ``"zlib"`` (from ``offset``) or ``"text"``.
        verified: whether ITK itself notices a damaged stream.
    """

    path: Path
    offset: int
    encoding: str
    verified: bool = False


@dataclass(frozen=True)
class Nifti:
    """What ITK does not tell about a NIfTI file.

    Attributes:
        path: the file, plain or gzip.
        sizes: voxels along each axis of the file, the first fastest.
        dtype: stored data type with its byte order if it is a float, else None.
        offset: first byte of the voxels, after decompression.
        sform: ``ras_from_ijk``, if the file has one. ITK drops its third axis where K = 1.
    """

    path: Path
    sizes: list[int]
    dtype: np.dtype | None
    offset: int
    sform: Matrix | None

    def restore_non_finite(self, array: np.ndarray, time: int = 0) -> None:
        """Put NaN and infinity back into ``array``, which ITK read: it makes them 0.

        Args:
            array: (K, J, I) or (K, J, I, C), changed in place.
            time: the time point that ``array`` is.
        """
        if self.dtype is None:
            return
        grid = array.shape[:3]
        start, total = 0, math.prod(self.sizes)
        with gzip.open(self.path) if _is_gzip(self.path) else self.path.open("rb") as stream:
            stream.seek(self.offset)
            while start < total:
                wanted = min(_CHUNK, (total - start) * self.dtype.itemsize)
                values = np.frombuffer(stream.read(wanted), self.dtype)
                bad = np.flatnonzero(~np.isfinite(values))
                layer, place = np.divmod(start + bad, math.prod(grid))
                kji = np.unravel_index(place, grid)
                if array.ndim == 4:
                    array[(*kji, layer)] = values[bad]
                else:
                    array[tuple(n[layer == time] for n in kji)] = values[bad][layer == time]
                start += values.size


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def check_payload(payload: Payload, expected: int) -> None:
    """Refuse a file that cannot hold ``expected`` bytes of voxels.

    Raises:
        FileError: truncated, damaged, or a claim beyond what compression can do.
    """
    path, size = payload.path, payload.path.stat().st_size
    stored = size - (0 if payload.encoding == "gzip" else payload.offset)
    factor = {"raw": 1, "text": 8}.get(payload.encoding, MAX_DEFLATE)
    if expected > factor * max(stored, 0):
        raise FileError(
            f"{path} claims {expected} bytes of voxels and has {size} in all: it is truncated or "
            "damaged; copy or export it again"
        )
    if payload.encoding in ("gzip", "zlib") and not payload.verified:
        start = 0 if payload.encoding == "gzip" else payload.offset
        needed = expected + (payload.offset if payload.encoding == "gzip" else 0)
        with path.open("rb") as file:
            file.seek(start)
            try:
                found = _inflated(file, needed)
            except zlib.error as error:
                raise FileError(f"{path} is damaged: {error}; copy or export it again") from error
        if found < needed:
            raise FileError(
                f"{path} is truncated: {found} of {needed} bytes; copy or export it again"
            )


def _inflated(file: BinaryIO, needed: int) -> int:
    """Count the bytes that gzip members or a zlib stream expand to, up to just over ``needed``."""
    total, rest = 0, b""
    inflater = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, by its header
    while total <= needed:  # one byte too many, so that the checksum behind the last is verified
        if inflater.eof:
            if total == needed:
                break
            rest, inflater = inflater.unused_data, zlib.decompressobj(wbits=47)
        data = rest or file.read(_CHUNK)
        if not data:
            return total + len(inflater.flush())
        total += len(inflater.decompress(data, _CHUNK))
        rest = inflater.unconsumed_tail
    return total


def check_nifti(path: str | Path) -> Nifti:
    """Check header and completeness of a single-file NIfTI-1.

    Returns:
        The checked header.

    Raises:
        FileError: no NIfTI-1, a data type without real numbers, sizes or spacings that are not
            positive, no orthogonal orientation, truncated or damaged data.
    """
    path = existing_file(path, "NIfTI file")
    zipped = _is_gzip(path)
    if zipped and not path.name.lower().endswith(".gz"):
        raise FileError(f"{path} is compressed; name it {path.name}.gz")
    opener = gzip.open if zipped else open
    with parsing(path, "NIfTI file"), opener(path, "rb") as stream:
        header = stream.read(348)
    if len(header) < 348 or header[344:348] != b"n+1\0":
        raise FileError(f"{path} is no single-file NIfTI-1 (no n+1 at byte 344)")
    order = "<" if header[:4] == struct.pack("<i", 348) else ">"

    def field(offset: int, kind: str) -> tuple:
        return struct.unpack_from(order + kind, header, offset)

    count, *sizes = field(40, "8h")
    if not 1 <= count <= 7 or min(sizes[:count]) < 1:
        raise FileError(f"{path} has {count} dimensions {sizes}, positive sizes were expected")
    sizes = sizes[:count]
    (kind,) = field(70, "h")
    if kind not in _NIFTI_BYTES:
        raise FileError(f"{path} has NIfTI data type {kind}; integers or floats were expected")
    spacings = field(80, "3f")[:count]
    for spacing, size in zip(spacings, sizes, strict=False):
        # The spacing along an axis of one voxel is often left 0.
        if not math.isfinite(spacing) or spacing < 0 or (spacing == 0 and size > 1):
            raise FileError(f"{path} has spacing {spacings} mm, positive numbers were expected")
    sform = _nifti_orientation(path, field)
    (offset,) = field(108, "f")
    if not 0 <= offset < _MAX_HEADER:
        raise FileError(f"{path} has its voxels at byte {offset}, at least 352 was expected")
    payload = Payload(path, max(int(offset), 352), "gzip" if zipped else "raw")
    check_payload(payload, math.prod(sizes) * _NIFTI_BYTES[kind])
    dtype = np.dtype(order + {16: "f4", 64: "f8"}[kind]) if kind in (16, 64) else None
    return Nifti(path, sizes, dtype, payload.offset, sform)


def _nifti_orientation(path: Path, field: Callable[[int, str], tuple]) -> Matrix | None:
    qform_code, sform_code = field(252, "2h")
    quaternion, sform = field(256, "6f"), np.eye(4)
    if qform_code > 0 and not np.isfinite(quaternion).all():
        raise FileError(f"{path} has NaN or infinity in its qform")
    if sform_code <= 0:
        return None
    sform[:3] = np.reshape(field(280, "12f"), (3, 4))
    try:
        affine(sform, "sform")
    except GeometryError as error:
        raise FileError(f"{path} cannot be used: {error}") from error
    if qform_code <= 0 and not is_orthogonal(sform):  # with both, ITK falls back on the qform
        raise FileError(f"{path} has a sheared sform; resample it to an upright grid first")
    return sform


def nrrd_payload(path: Path) -> Payload:
    """Where the voxels of a NRRD lie.

    Raises:
        FileError: no NRRD, an unknown encoding, or detached data outside the header's folder.
    """
    lines, offset = _text_header(path, end=b"")
    if not lines[0].startswith("NRRD000"):
        raise FileError(f"{path} is no NRRD (it does not begin with NRRD000)")
    fields = _fields(path, lines[1:], ":")
    encoding = fields.get("encoding", "").lower()
    names = {"raw": "raw", "gzip": "zlib", "gz": "zlib"}
    names |= dict.fromkeys(("text", "txt", "ascii", "hex"), "text")
    if encoding not in names:
        raise FileError(f"{path} has encoding {encoding!r}; save it as raw or gzip")
    data = fields.get("data file", fields.get("datafile"))
    if data is None:
        return Payload(path, offset, names[encoding], verified=True)
    return Payload(_detached(path, data), 0, names[encoding], verified=True)


def metaimage_payload(path: Path) -> Payload:
    """Where the voxels of a MetaImage lie.

    Raises:
        FileError: no MetaImage, or detached data outside the header's folder.
    """
    lines, offset = _text_header(path, end=b"ElementDataFile")
    fields = _fields(path, lines, "=")
    data = fields.get("elementdatafile")
    if data is None or "ndims" not in fields:
        raise FileError(f"{path} is no MetaImage (no NDims or ElementDataFile)")
    encoding = "zlib" if fields.get("compresseddata", "").lower() in ("true", "1") else "raw"
    if fields.get("binarydata", "true").lower() in ("false", "0"):
        encoding = "text"
    local = data.upper() == "LOCAL"
    source, start = (path, offset) if local else (_detached(path, data), 0)
    if encoding == "zlib":  # ITK reads garbage if this field is missing or wrong
        stored = source.stat().st_size - start
        claimed = fields.get("compresseddatasize", "nothing")
        if claimed != str(stored):
            raise FileError(
                f"{path} says CompressedDataSize {claimed} and has {stored} bytes: it is truncated "
                "or damaged; copy or export it again"
            )
    return Payload(source, start, encoding)


def _text_header(path: Path, end: bytes) -> tuple[list[str], int]:
    """The lines up to the empty one or the one that starts with ``end``; and the next byte."""
    lines = []
    with path.open("rb") as file:
        while file.tell() < _MAX_HEADER:
            line = file.readline(_MAX_HEADER)
            stripped = line.strip()
            if b"\r" in stripped:  # a line break to some readers and not to others
                raise FileError(f"{path} has a carriage return within a header line; it is damaged")
            lines.append(stripped.decode("latin-1"))
            if not line or (stripped.startswith(end) if end else not stripped):
                return lines, file.tell()
    raise FileError(f"{path} has no end of header within {megabytes(_MAX_HEADER)}")


def _fields(path: Path, lines: list[str], separator: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        key, found, value = line.partition(separator)
        key = key.strip().lower()
        if not found or line.startswith("#") or value.startswith("="):  # NRRD's free key:=value
            continue
        if key in fields:
            raise FileError(f"{path} has the header field {key!r} twice; it is damaged")
        fields[key] = value.strip()
    return fields


def _detached(path: Path, name: str) -> Path:
    """The data file of a detached header, which must be one file in the header's folder."""
    if name.upper().startswith("LIST") or "%" in name:
        raise FileError(f"{path} is spread over several data files ({name}); save it as one file")
    data = path.parent / name.replace("\0", "?")
    if data.resolve().parent != path.parent.resolve():
        raise FileError(
            f"{path} points to the data file {name!r} outside its folder; "
            "put both into one folder if you trust them"
        )
    return existing_file(data, f"data file of {path.name}")
