"""Sparse models of COLMAP (Schönberger and Frahm, CVPR 2016), text and binary, in and out.

A model is a folder with ``cameras``, ``images`` and ``points3D``, each ``.bin`` or ``.txt``. Poses
are camera-from-world, pixels have their centres at half-integers (:mod:`meddl.core.pinhole`).
Nothing here needs COLMAP. Memory stays within a few times the size of the files: every count that a
file announces is compared with what is left of it before anything is made room for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.files import atomic_folder, existing_file, parsing, replaceable_folder

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

FILES = ("cameras", "images", "points3D")
# Camera models and how many parameters they have, in the order of COLMAP's numbers for them.
CAMERA_MODELS = {
    "SIMPLE_PINHOLE": 3,
    "PINHOLE": 4,
    "SIMPLE_RADIAL": 4,
    "RADIAL": 5,
    "OPENCV": 8,
    "OPENCV_FISHEYE": 8,
    "FULL_OPENCV": 12,
    "FOV": 5,
    "SIMPLE_RADIAL_FISHEYE": 4,
    "RADIAL_FISHEYE": 5,
    "THIN_PRISM_FISHEYE": 12,
}
_NONE = np.iinfo(np.uint64).max  # the number of "no point" in binary files; -1 in text


@dataclass(frozen=True)
class ColmapCamera:
    """A camera: name of its model, size in pixels, parameters in COLMAP's order."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ColmapImage:
    """A registered image.

    Attributes:
        name: file name, with folders if COLMAP had them.
        camera: key of its camera.
        camera_from_world: (4, 4).
        pixels: (K, 2) features as (x, y).
        points: (K,) int64 key of the point that each feature shows, -1 for none.
    """

    name: str
    camera: int
    camera_from_world: Floats
    pixels: Floats
    points: Numbers


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """A sparse model.

    Attributes:
        cameras, images: by COLMAP's keys.
        point_keys: (P,) int64, different from each other.
        points: (P, 3) float64, world frame.
        colours: (P, 3) uint8 RGB.
        errors: (P,) mean reprojection error, pixels; -1 where COLMAP did not say.
        track: (T, 3) int64 what sees what: row of the point, key of the image, row of its feature.
    """

    cameras: dict[int, ColmapCamera]
    images: dict[int, ColmapImage]
    point_keys: Numbers
    points: Floats
    colours: NDArray[np.uint8]
    errors: Floats
    track: Numbers


def find_model(folder: str | Path) -> Path:
    """The folder of a model: ``folder`` itself, or COLMAP's ``sparse`` or ``0`` in it.

    Raises:
        FileError: none of them holds a model.
    """
    folder = Path(folder)
    for place in (folder, folder / "sparse", folder / "sparse" / "0", folder / "0"):
        if any((place / f"cameras{suffix}").is_file() for suffix in (".bin", ".txt")):
            return place
    raise FileError(
        f"{folder} holds no COLMAP model: cameras, images and points3D (.bin or .txt) were "
        "expected, there or in sparse/0"
    )


def read_model(folder: str | Path) -> ColmapModel:
    """Read a model; binary files go before text files, as in COLMAP.

    Raises:
        FileError: a file that is missing, truncated or damaged, or files that do not fit together.
    """
    place = find_model(folder)
    suffix = ".bin" if (place / "cameras.bin").is_file() else ".txt"
    paths = [existing_file(place / (name + suffix), "COLMAP file") for name in FILES]
    readers = (
        (_binary_cameras, _binary_images, _binary_points)
        if suffix == ".bin"
        else (_text_cameras, _text_images, _text_points)
    )
    parts: list[Any] = []
    for path, reader in zip(paths, readers, strict=True):
        with parsing(path, "COLMAP file"):
            parts.append(reader(path))
    model = ColmapModel(parts[0], parts[1], *parts[2])
    _check(model, place)
    return model


def check_model_folder(folder: str | Path) -> Path:
    """``folder`` if a text model can be written there.

    Raises:
        FileError: it holds other files, or its parent takes no folder.
    """
    return replaceable_folder(folder, "a text model", *(f"{name}.txt" for name in FILES))


def write_model(folder: str | Path, model: ColmapModel) -> None:
    """Write a text model with all digits; an earlier one is replaced.

    Raises:
        FileError: see :func:`check_model_folder`.
    """
    with atomic_folder(check_model_folder(folder)) as temporary:
        for name, lines in zip(
            FILES, (_camera_lines(model), _image_lines(model), _point_lines(model)), strict=True
        ):
            with (temporary / f"{name}.txt").open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


def pose_matrix(quaternion: Any, translation: Any) -> Floats:
    """The (4, 4) transform of a quaternion (w, x, y, z), of any length but 0, and a translation.

    Raises:
        ValueError: values that are not finite, or a quaternion of length 0.
    """
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    if not (np.isfinite(quaternion).all() and np.isfinite(translation).all()):
        raise ValueError(f"the pose {(*quaternion, *translation)} is not finite")
    matrix[:3, :3] = Rotation.from_quat(np.roll(quaternion, -1)).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def _check(model: ColmapModel, place: Path) -> None:
    """Refuse references that lead nowhere."""
    if not model.images:
        raise FileError(f"{place} has no registered image; the reconstruction failed in COLMAP")
    for image in model.images.values():
        if image.camera not in model.cameras:
            raise FileError(f"{place}: image {image.name} has camera {image.camera}, not there")
    if len(np.unique(model.point_keys)) != len(model.point_keys):
        raise FileError(f"{place}: two points have one number")
    if not np.isfinite(model.points).all():
        raise FileError(f"{place}: a point has coordinates that are not finite")
    _, keys, rows = model.track.T
    for key in np.unique(keys):
        if int(key) not in model.images:
            raise FileError(f"{place}: a point is seen in image {key}, which is not there")
        last, count = rows[keys == key].max(), len(model.images[int(key)].pixels)
        # Models without features keep their tracks: some exporters leave the second lines empty.
        if count and last >= count:
            raise FileError(f"{place}: a point is feature {last} of image {key}, it has {count}")


def _camera(model: str, width: int, height: int, parameters: tuple[float, ...]) -> ColmapCamera:
    if model not in CAMERA_MODELS:
        raise ValueError(f"camera model {model!r}; known are: {', '.join(CAMERA_MODELS)}")
    if len(parameters) != CAMERA_MODELS[model]:
        raise ValueError(f"{len(parameters)} camera parameters, {model} has {CAMERA_MODELS[model]}")
    if not np.isfinite(parameters).all() or not (0 < width < 2**20 and 0 < height < 2**20):
        raise ValueError(f"a camera of {width}x{height} pixels with parameters {parameters}")
    return ColmapCamera(model, width, height, parameters)


class _Cursor:
    """A place in the bytes of a file; reading past their end is an error."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.at = 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        layout = struct.Struct("<" + form)
        self._need(layout.size)
        self.at += layout.size
        return layout.unpack_from(self.data, self.at - layout.size)

    def array(self, dtype: Any, count: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        self._need(count * kind.itemsize)
        self.at += count * kind.itemsize
        return np.frombuffer(self.data, kind, count, self.at - count * kind.itemsize)

    def count(self, least: int) -> int:
        """A number of records of at least ``least`` bytes each."""
        (count,) = self.numbers("Q")
        self._need(count * least)
        return int(count)

    def text(self) -> str:
        end = self.data.index(b"\0", self.at)
        found = self.data[self.at : end].decode("utf-8")
        self.at = end + 1
        return found

    def _need(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise ValueError(
                f"truncated: {size} more bytes are announced at byte {self.at} of {len(self.data)}"
            )


def _binary_cameras(path: Path) -> dict[int, ColmapCamera]:
    cursor, cameras = _Cursor(path), {}
    names = list(CAMERA_MODELS)
    for _ in range(cursor.count(least=24)):
        key, number, width, height = cursor.numbers("IiQQ")
        if not 0 <= number < len(names):
            raise ValueError(f"camera model number {number}; known are 0 to {len(names) - 1}")
        parameters = cursor.numbers(f"{CAMERA_MODELS[names[number]]}d")
        cameras[key] = _camera(names[number], width, height, parameters)
    return cameras


_FEATURE = np.dtype([("pixel", "<f8", 2), ("point", "<u8")])


def _binary_images(path: Path) -> dict[int, ColmapImage]:
    cursor, images = _Cursor(path), {}
    for _ in range(cursor.count(least=73)):
        key, *pose, camera = cursor.numbers("I7dI")
        name = cursor.text()
        features = cursor.array(_FEATURE, cursor.count(least=_FEATURE.itemsize))
        points = np.where(features["point"] == _NONE, -1, features["point"].astype(np.int64))
        matrix = pose_matrix(pose[:4], pose[4:])
        images[key] = ColmapImage(name, camera, matrix, features["pixel"].astype(float), points)
    return images


def _binary_points(path: Path) -> tuple[Numbers, Floats, NDArray[np.uint8], Floats, Numbers]:
    cursor = _Cursor(path)
    rows: list[tuple[Any, ...]] = []
    tracks = []
    for _ in range(cursor.count(least=51)):
        rows.append(cursor.numbers("Q3d3Bd"))
        tracks.append(cursor.array("<u4", 2 * cursor.count(least=8)))
    return _points(rows, tracks)


def _points(
    rows: list[tuple[Any, ...]], tracks: list[NDArray[Any]]
) -> tuple[Numbers, Floats, NDArray[np.uint8], Floats, Numbers]:
    """Keys, positions, colours, errors and track of (key, x, y, z, r, g, b, error) records."""
    keys = np.array([row[0] for row in rows], dtype=np.int64)
    values = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 7)
    pairs = [track.reshape(-1, 2).astype(np.int64) for track in tracks]
    seen = np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)
    owner = np.repeat(np.arange(len(pairs)), [len(pair) for pair in pairs])
    track = np.column_stack([owner, seen]).astype(np.int64)
    return keys, values[:, :3], values[:, 3:6].astype(np.uint8), values[:, 6], track


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file that are no comments; empty ones too, which images have."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                yield line.strip()


def _text_cameras(path: Path) -> dict[int, ColmapCamera]:
    cameras = {}
    for line in filter(None, _lines(path)):
        key, model, width, height, *parameters = line.split()
        cameras[int(key)] = _camera(
            model, int(width), int(height), tuple(float(number) for number in parameters)
        )
    return cameras


def _text_images(path: Path) -> dict[int, ColmapImage]:
    images, lines = {}, _lines(path)
    for line in lines:
        if not line:
            continue
        key, *numbers, camera, name = line.split(maxsplit=9)
        pose = [float(number) for number in numbers]
        features = np.array(next(lines, "").split(), dtype=np.float64).reshape(-1, 3)
        matrix = pose_matrix(pose[:4], pose[4:])
        points = features[:, 2].astype(np.int64)
        images[int(key)] = ColmapImage(name, int(camera), matrix, features[:, :2], points)
    return images


def _text_points(path: Path) -> tuple[Numbers, Floats, NDArray[np.uint8], Floats, Numbers]:
    rows: list[tuple[Any, ...]] = []
    tracks = []
    for line in filter(None, _lines(path)):
        words = line.split()
        if len(words) < 8:
            raise ValueError(f"a point with {len(words)} numbers, at least 8 were expected")
        rows.append((int(words[0]), *(float(word) for word in words[1:8])))
        tracks.append(np.array(words[8:], dtype=np.int64))
    return _points(rows, tracks)


def _join(*values: Any) -> str:
    # repr: the shortest text that reads back as the same number.
    return " ".join(v if isinstance(v, str) else repr(v) for v in values)


def _camera_lines(model: ColmapModel) -> Iterator[str]:
    yield "# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"
    for key, camera in model.cameras.items():
        numbers = map(float, camera.parameters)
        yield _join(key, camera.model, camera.width, camera.height, *numbers)


def _image_lines(model: ColmapModel) -> Iterator[str]:
    from scipy.spatial.transform import Rotation

    yield "# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then X Y POINT3D_ID of each feature"
    for key, image in model.images.items():
        matrix = image.camera_from_world
        quaternion = np.roll(Rotation.from_matrix(matrix[:3, :3]).as_quat(canonical=True), 1)
        yield _join(key, *quaternion.tolist(), *matrix[:3, 3].tolist(), image.camera, image.name)
        features = zip(image.pixels.tolist(), image.points.tolist(), strict=True)
        yield " ".join(_join(*pixel, point) for pixel, point in features)


def _point_lines(model: ColmapModel) -> Iterator[str]:
    yield "# POINT3D_ID X Y Z R G B ERROR TRACK[] as (IMAGE_ID, POINT2D_IDX)"
    order = np.argsort(model.track[:, 0], kind="stable")
    ends = np.cumsum(np.bincount(model.track[:, 0], minlength=len(model.points)))
    seen = np.split(model.track[order, 1:], ends[:-1])
    for row, key in enumerate(model.point_keys.tolist()):
        values = (*model.points[row].tolist(), *model.colours[row].tolist())
        yield _join(key, *values, float(model.errors[row]), *seen[row].ravel().tolist())
