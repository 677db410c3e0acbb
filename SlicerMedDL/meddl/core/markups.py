"""Named points in and out of files: Slicer's markups and plain CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, read_json, write_json
from meddl.core.geometry import corners_of_box

KINDS = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve", "Plane", "ROI")
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)
_FCSV_COLUMNS = ["id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label"]
_SIGNS = {"LPS": (-1.0, -1.0, 1.0), "1": (-1.0, -1.0, 1.0)}
_SIGNS |= {"RAS": (1.0, 1.0, 1.0), "0": (1.0, 1.0, 1.0)}


@dataclass(frozen=True, eq=False)
class Points:
    """Named points of one markup.

    Attributes:
        labels: a name per point; may be empty or repeat.
        ras: (N, 3) float64, mm.
        kind: what the points are control points of, one of :data:`KINDS`.

    Raises:
        InputError: another shape or kind, a position that is not finite, or too few labels.
    """

    labels: tuple[str, ...]
    ras: NDArray[np.float64]
    kind: str = "Fiducial"

    def __post_init__(self) -> None:
        ras = np.array(self.ras, dtype=np.float64)
        ras = ras if ras.size else np.zeros((0, 3))
        if ras.shape != (len(self.labels), 3):
            raise InputError(f"{len(self.labels)} labels for points of shape {ras.shape}")
        if not np.isfinite(ras).all():
            first = int(np.flatnonzero(~np.isfinite(ras).all(axis=1))[0])
            raise InputError(
                f"point {self.labels[first]!r} is at {ras[first].tolist()}: not finite"
            )
        if self.kind not in KINDS:
            raise InputError(f"markup kind {self.kind!r}, one of {', '.join(KINDS)} was expected")
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        object.__setattr__(self, "ras", ras)


def read_points(path: str | Path) -> Points:
    """Read control points from ``.mrk.json``, ``.fcsv`` or ``.csv``.

    ``.mrk.json``: the defined points of every markup in the file, in mm or um, LPS unless the file
    says RAS. ``.fcsv``: RAS unless the file says LPS. ``.csv``: the header ``label,r,a,s``, mm.

    Raises:
        FileError: missing, malformed, another suffix, or without any point; bad rows are named by
            line number, bad control points by their position in the list.
    """
    path = existing_file(path, "point file")
    name = path.name.lower()
    if name.endswith(".json"):
        points = _read_json(path)
    elif name.endswith(".fcsv"):
        points = _read_fcsv(path)
    elif name.endswith(".csv"):
        points = _read_csv(path)
    else:
        raise FileError(f"{path}: a point file ends in .mrk.json, .fcsv or .csv")
    if not points.labels:
        raise FileError(f"{path} holds no point with a defined position")
    return points


def read_roi(path: str | Path) -> NDArray[np.float64]:
    """The corners (8, 3) of the one ROI box in a ``.mrk.json``, RAS, mm; it may be turned.

    Raises:
        FileError: missing, malformed, or with no or more than one ROI.
    """
    path = existing_file(path, "ROI file")
    rois = [markup for markup in _markups(path) if markup.get("type") == "ROI"]
    if len(rois) != 1:
        raise FileError(f"{path} holds {len(rois)} ROIs, one was expected")
    [roi] = rois
    signs = _scale(path, roi)
    size = _position(roi.get("size"), f"{path}, size")
    if min(size) <= 0:
        raise FileError(f"{path}, size: {size} mm, three positive numbers were expected")
    rows = roi.get("orientation", np.eye(3).ravel().tolist())
    if not isinstance(rows, list) or len(rows) != 9:
        raise FileError(f"{path}, orientation: nine numbers were expected")
    axes = np.array([_position(rows[n : n + 3], f"{path}, orientation") for n in (0, 3, 6)])
    world_from_box = np.eye(4)
    world_from_box[:3, :3] = axes
    world_from_box[:3, 3] = _position(roi.get("center"), f"{path}, center")
    corners: NDArray[np.float64] = corners_of_box(world_from_box, size) * signs
    return corners


def write_points(path: str | Path, points: Points) -> None:
    """Write ``.mrk.json`` (LPS, as Slicer does) or ``.csv`` (``label,r,a,s``), atomically.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = Path(path)
    if path.name.lower().endswith(".mrk.json"):
        control_points = [
            {
                "id": str(number),
                "label": label,
                "position": (position * _SIGNS["LPS"]).tolist(),
                "positionStatus": "defined",
            }
            for number, (label, position) in enumerate(
                zip(points.labels, points.ras, strict=True), start=1
            )
        ]
        markup = {
            "type": points.kind,
            "coordinateSystem": "LPS",
            "coordinateUnits": "mm",
            "controlPoints": control_points,
        }
        write_json(path, {"@schema": _SCHEMA, "markups": [markup]})
    elif path.suffix.lower() == ".csv":
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(["label", "r", "a", "s"])
            for label, position in zip(points.labels, points.ras.tolist(), strict=True):
                writer.writerow([label, *map(repr, position)])
    else:
        raise FileError(f"{path}: points are written as .mrk.json or .csv")


def _position(values: Any, where: str, kinds: tuple[type, ...] = (int, float)) -> list[float]:
    """Three finite numbers; ``kinds`` is what they may be written as."""
    try:
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
            raise ValueError
        if not all(isinstance(v, kinds) and not isinstance(v, bool) for v in values):
            raise ValueError
        position = [float(value) for value in values]
        if not all(map(math.isfinite, position)):
            raise ValueError
    except (ValueError, OverflowError):
        raise FileError(
            f"{where}: position {str(values)[:80]}, three finite numbers were expected"
        ) from None
    return position


def _markups(path: Path) -> list[dict[str, Any]]:
    data = read_json(path, "markups file")
    markups = data.get("markups") if isinstance(data, dict) else None
    if not isinstance(markups, list) or not all(isinstance(m, dict) for m in markups):
        raise FileError(f'{path} is no markups file: it has no list "markups"')
    return markups


def _scale(path: Path, markup: dict[str, Any]) -> NDArray[np.float64]:
    """(3,) by which the positions of a markup are multiplied to be RAS, mm."""
    system, units = markup.get("coordinateSystem", "LPS"), markup.get("coordinateUnits", "mm")
    if str(system) not in _SIGNS:
        raise FileError(f"{path} has coordinateSystem {system!r}, LPS or RAS was expected")
    unit = units[0] if isinstance(units, list) and units else units
    if unit not in ("mm", "um"):
        raise FileError(f"{path} has coordinateUnits {units!r}, mm or um was expected")
    return np.multiply(_SIGNS[str(system)], 1.0 if unit == "mm" else 1e-3)


def _read_json(path: Path) -> Points:
    markups = _markups(path)
    labels, positions = [], []
    for markup in markups:
        scale = _scale(path, markup)
        control_points = markup.get("controlPoints", [])
        if not isinstance(control_points, list):
            raise FileError(f"{path}: controlPoints is no list")
        for number, point in enumerate(control_points, start=1):
            where = f"{path}, control point {number}"
            if not isinstance(point, dict):
                raise FileError(f"{where} is no table")
            if point.get("positionStatus", "defined") != "defined":
                continue
            labels.append(str(point.get("label", "")))
            positions.append(_position(point.get("position"), where) * scale)
    kinds = {markup.get("type") for markup in markups}
    kind = kinds.pop() if len(kinds) == 1 else "Fiducial"
    return Points(tuple(labels), np.array(positions), kind if kind in KINDS else "Fiducial")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no UTF-8 text (byte {error.start})") from error


def _rows(path: Path, text: str, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Line number and the cells of every row that is not empty."""
    reader = csv.reader(io.StringIO(text))
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        raise FileError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def _points_of_rows(
    path: Path, rows: list[tuple[int, dict[str, str]]], axes: str, signs: Sequence[float]
) -> Points:
    labels, positions = [], []
    for line, cells in rows:
        values = [cells[axis] for axis in axes if axis in cells]
        position = _position(values, f"{path}, line {line}", (str,))
        labels.append(cells.get("label", "").strip())
        positions.append(np.multiply(position, signs))
    return Points(tuple(labels), np.array(positions))


def _read_fcsv(path: Path) -> Points:
    text = _text(path)
    columns, system = _FCSV_COLUMNS, "RAS"
    for line in text.splitlines():
        key, found, value = line.lstrip("# ").partition("=")
        if line.startswith("#") and found and key.strip() == "CoordinateSystem":
            system = value.strip()
        elif line.startswith("#") and found and key.strip() == "columns":
            columns = [name.strip() for name in value.split(",")]
    if system not in _SIGNS:
        raise FileError(f"{path} has CoordinateSystem {system!r}, LPS or RAS was expected")
    # Its comments begin with "#"; in a plain table that may be a label.
    rows = [
        (line, cells)
        for line, cells in _rows(path, text, columns)
        if not cells[columns[0]].startswith("#")
    ]
    return _points_of_rows(path, rows, "xyz", _SIGNS[system])


def _read_csv(path: Path) -> Points:
    text = _text(path)
    first, _, _ = text.partition("\n")
    columns = [name.strip().lower() for name in first.split(",")]
    missing = [name for name in ("label", "r", "a", "s") if name not in columns]
    if missing:
        raise FileError(
            f"{path}, line 1 is {first.strip()[:80]!r}: the header label,r,a,s was expected"
        )
    return _points_of_rows(path, _rows(path, text, columns)[1:], "ras", (1.0, 1.0, 1.0))
