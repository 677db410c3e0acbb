"""What a data set's folder says about itself: configuration, manifest, landmarks.

``dataset.json`` is the configuration with all defaults. ``manifest.jsonl`` has one line per view;
a line is written after its files and believed only while they are what it says. ``landmarks.json``
has the landmarks of all views in COCO's keypoint format.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import meddl
from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, read_json, sha256, visible, write_json
from meddl.core.markups import read_points
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.deepdrr.dataset import DatasetParameters

CONFIG, MANIFEST, LANDMARKS = "dataset.json", "manifest.jsonl", "landmarks.json"
PARTS = ("camera_file", "mask")  # beside the picture
Line = dict[str, Any]


def check_folder(output: Path, config: DatasetParameters, resume: bool) -> None:
    """Refuse a folder that holds something else, before anything is written.

    Raises:
        FileError: a file, a folder that is not empty, or a data set without ``resume``.
        InputError: the data set there has another configuration.
    """
    if output.exists() and not output.is_dir():
        raise FileError(f"{output} is a file, a folder for the data set was expected")
    if not output.exists() or not visible(output):
        return
    path = output / CONFIG
    if not path.exists():
        raise FileError(f"{output} is not empty and holds no data set; choose another folder")
    if not resume:
        raise FileError(f"{output} holds a data set; continue it with --resume, or choose another")
    record = read_json(path, "data set record")
    recorded = record.get("config") if isinstance(record, dict) else None
    if not isinstance(recorded, dict):
        raise FileError(f"{path} is no record of a data set; choose another folder")
    wanted = json.loads(json.dumps(config.to_dict()))
    for name in sorted({*recorded, *wanted}):
        if recorded.get(name) != wanted.get(name):
            raise InputError(
                f"{output} was begun with {name} {_short(recorded.get(name))}, not "
                f"{_short(wanted.get(name))}; resume with the same configuration"
            )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 100 else text[:99] + "…"


def write_config(output: Path, config: DatasetParameters) -> None:
    """Make the folder, write ``dataset.json``, and make room for the views.

    In this order: what a kill leaves in between is an empty folder or a data set.

    Raises:
        FileError: the folder cannot be made or written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not (output / CONFIG).exists():
            record = {"meddl": meddl.__version__, "config": config.to_dict()}
            write_json(output / CONFIG, record)
        (output / "views").mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(f"{output} cannot be made: {error.strerror or error}") from error


def read_manifest(output: Path) -> list[Line]:
    """The whole lines of the manifest; the rest of a line that was cut short is left out."""
    try:
        text = (output / MANIFEST).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileError(f"{output / MANIFEST} cannot be read: {error.strerror}") from error
    lines = []
    for raw in text.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("view"), int):
            lines.append(line)
    return lines


def trusted(
    output: Path,
    views: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[int, Line]:
    """View number -> its line, if every file of the line has the SHA-256 that the line says."""
    lines = [line for line in read_manifest(output) if 0 <= line["view"] < views]
    return {
        line["view"]: line
        for line in steps(lines, len(lines), "checking view", progress, cancel)
        if _as_recorded(output, line)
    }


def _as_recorded(output: Path, line: Line) -> bool:
    parts = [line, *(line[name] for name in PARTS if name in line)]
    try:
        return all(sha256(output / part["file"]) == part["sha256"] for part in parts)
    except (FileError, KeyError, TypeError):
        return False


def write_manifest(output: Path, lines: Mapping[int, Line]) -> None:
    """Write the manifest anew in the order of the views, atomically."""
    with atomic_path(output / MANIFEST) as temporary, temporary.open("wb") as file:
        for number in sorted(lines):
            _append(file, lines[number])


@contextmanager
def open_manifest(output: Path) -> Iterator[BinaryIO]:
    """The manifest to be appended to with :func:`append_line`."""
    try:
        file = (output / MANIFEST).open("ab", buffering=0)
    except OSError as error:
        raise FileError(f"{output / MANIFEST} cannot be written: {error.strerror}") from error
    with file:
        yield file


def append_line(file: BinaryIO, line: Line) -> None:
    """Append one line by a single write, on the disk when this returns."""
    try:
        _append(file, line)
        os.fsync(file.fileno())
    except OSError as error:
        raise FileError(f"{file.name} cannot be written: {error.strerror or error}") from error


def _append(file: BinaryIO, line: Line) -> None:
    file.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def write_landmarks(output: Path, config: DatasetParameters, lines: Mapping[int, Line]) -> None:
    """Write ``landmarks.json`` in COCO's keypoint format, if there are landmarks.

    One category holds the names of all CTs. Pixel centres have integer coordinates. Visibility: 2
    inside the picture; 1 known and outside of it; 0 (at 0, 0) behind the source, or a landmark that
    this CT does not have.
    """
    files = [ct.landmarks for ct in config.cts if ct.landmarks]
    if not files:
        return
    names = list(
        dict.fromkeys(n for path in files for n in read_points(config.folder / path).labels)
    )
    category = {"id": 1, "name": "landmarks", "keypoints": names, "skeleton": []}
    images, annotations = [], []
    for number in sorted(lines):
        line = lines[number]
        width, height = line["camera"]["size"]
        images.append({"id": number, "file_name": line["file"], "width": width, "height": height})
        keypoints = _keypoints(line.get("landmarks", ()), names, width, height)
        seen = [(x, y) for x, y, v in keypoints if v == 2]
        left, top = map(min, zip(*seen, strict=True)) if seen else (0.0, 0.0)
        right, bottom = map(max, zip(*seen, strict=True)) if seen else (0.0, 0.0)
        annotations.append(
            {
                "id": number + 1,
                "image_id": number,
                "category_id": 1,
                "keypoints": [value for point in keypoints for value in point],
                "num_keypoints": sum(v > 0 for _, _, v in keypoints),
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
            }
        )
    record = {"images": images, "annotations": annotations, "categories": [category]}
    write_json(output / LANDMARKS, record)


def _keypoints(
    landmarks: Sequence[Mapping[str, Any]], names: Sequence[str], width: int, height: int
) -> list[tuple[float, float, int]]:
    """x, y and visibility of every name."""
    there = {landmark["label"]: landmark["pixel"] for landmark in landmarks}
    result = []
    for name in names:
        pixel = there.get(name)
        if pixel is None:
            result.append((0.0, 0.0, 0))
            continue
        x, y = pixel
        inside = -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
        result.append((x, y, 2 if inside else 1))
    return result
