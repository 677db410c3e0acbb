"""Coloured points in PLY files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path

_FIELDS = [(axis, "<f4") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]


def write_point_cloud(
    path: str | Path, points: ArrayLike, colours: NDArray[Any], space: str = "RAS"
) -> None:
    """Write a binary PLY of vertices alone, atomically.

    Args:
        path: ``.ply``.
        points: (N, 3), the numbers as they are written (float32).
        colours: (N, 3) uint8 RGB.
        space: of the numbers, for the header: ``"RAS"`` or ``"LPS"`` (:mod:`meddl.core.mesh`).

    Raises:
        InputError: shapes that do not fit, points that are not finite.
        FileError: another suffix, or a folder that takes no file.
    """
    path = Path(path)
    points, colours = np.asarray(points, dtype=np.float64), np.asarray(colours)
    if path.suffix.lower() != ".ply":
        raise FileError(f"{path}: a point cloud file ends in .ply")
    if points.ndim != 2 or points.shape[1] != 3 or colours.shape != points.shape:
        raise InputError(
            f"a point cloud has (N, 3) points and colours, got {points.shape} and {colours.shape}"
        )
    if colours.dtype != np.uint8 or not np.isfinite(points).all():
        raise InputError("a point cloud has finite points and uint8 colours")
    rows = np.empty(len(points), dtype=_FIELDS)
    for axis, name in enumerate("xyz"):
        rows[name] = points[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        rows[name] = colours[:, channel]
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"comment SPACE={space}"]
    header += [f"element vertex {len(points)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in _FIELDS]
    with atomic_path(path) as temporary:
        temporary.write_bytes("\n".join([*header, "end_header\n"]).encode() + rows.tobytes())
