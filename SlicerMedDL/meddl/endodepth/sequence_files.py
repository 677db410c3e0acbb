"""The text files of the published sequence format (Liu et al., IEEE TMI 2019), in and out.

Numbers are written with all their digits, so that what is read back has the same bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, parsing
from meddl.core.optional import require

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

FRAMES = "selected_indexes"
MASK = "undistorted_mask.bmp"
INTRINSICS = "camera_intrinsics_per_view"
VIEWS = "visible_view_indexes"
POSES = "motion.yaml"
POINTS = "structure.ply"
VISIBILITY = "view_indexes_per_point"
_FRAME_SUFFIXES = (".jpg", ".png")
STRUCTURE = (VIEWS, POSES, POINTS, VISIBILITY)

# Six digits, as published, leave a length within 1e-6 of one.
_UNIT_TOLERANCE = 1e-3


def frame_name(number: int, suffix: str = ".jpg") -> str:
    """The file name of a frame in the published format, for example ``00004584.jpg``."""
    return f"{number:08d}{suffix}"


def frame_file(folder: Path, number: int) -> Path:
    """The picture of a frame number, JPEG or PNG.

    Raises:
        FileError: there is none.
    """
    for suffix in _FRAME_SUFFIXES:
        path = folder / frame_name(number, suffix)
        if path.exists():
            return path
    raise FileError(
        f"{folder} has no {frame_name(number)}, which {FRAMES} lists; take it from the list or "
        "bring the frame back"
    )


def _text(path: Path) -> str:
    try:
        return existing_file(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no text (byte {error.start})") from error


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _whole_numbers(path: Path) -> Numbers:
    words = _text(path).split()
    try:
        return np.array([int(word) for word in words], dtype=np.int64)
    except (ValueError, OverflowError):
        strange = next(word for word in words if not word.lstrip("-").isdecimal() or len(word) > 18)
        raise FileError(f"{path} holds {strange[:40]!r}, whole numbers were expected") from None


def _number(value: Any, path: Path, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise FileError(f"{path}: {name} is {value!r}, a finite number was expected")
    return number


def read_numbers(path: Path) -> Numbers:
    """Frame numbers, one per line, increasing.

    Raises:
        FileError: missing, no whole numbers, negative, or not increasing.
    """
    numbers = _whole_numbers(path)
    if (numbers < 0).any() or (np.diff(numbers) <= 0).any():
        raise FileError(f"{path}: frame numbers from 0 on, each larger than the last, are expected")
    return numbers


def write_numbers(path: Path, numbers: Numbers) -> None:
    """Write what :func:`read_numbers` reads."""
    _write(path, "".join(f"{number}\n" for number in numbers))


def read_intrinsics(path: Path) -> Floats:
    """(3, 3) from fx, fy, cx, cy in pixels, one per line.

    Raises:
        FileError: missing, or other than four numbers with positive fx and fy.
    """
    words = _text(path).split()
    if len(words) != 4:
        raise FileError(f"{path} has {len(words)} numbers, the four fx, fy, cx, cy were expected")
    fx, fy, cx, cy = (_number(word, path, "a number") for word in words)
    if min(fx, fy) <= 0:
        raise FileError(f"{path} has the focal lengths {fx:g} and {fy:g}; positive was expected")
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def write_intrinsics(path: Path, intrinsics: Floats) -> None:
    """Write what :func:`read_intrinsics` reads.

    Raises:
        InputError: a skew, which the format does not hold.
    """
    (fx, skew, cx), (_, fy, cy), _ = intrinsics.tolist()
    if skew:
        raise InputError(f"the camera has a skew of {skew:g}; the format holds fx, fy, cx, cy only")
    _write(path, "".join(f"{value!r}\n" for value in (fx, fy, cx, cy)))


def read_poses(path: Path, count: int) -> Floats:
    """(V, 4, 4) ``world_from_camera`` from ``poses[i]``: position, and quaternion x, y, z, w.

    Raises:
        FileError: missing, no such YAML, another number of poses, a value that is not finite, or a
            quaternion whose length is not 1 (by more than 1e-3).
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 20 times faster where it was built
    text = _text(path)
    with parsing(path, "file of poses"):
        values = yaml.load(text, Loader=loader)
    table = values.get("poses[]") if isinstance(values, dict) else None
    if not isinstance(table, dict) or len(table) != count:
        found = len(table) if isinstance(table, dict) else "no"
        raise FileError(f"{path} has {found} poses, {count} were expected, one per line of {VIEWS}")
    rows = np.array([_pose(path, table, index) for index in range(count)]).reshape(-1, 7)
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, 3] = rows[:, :3]
    matrices[:, :3, :3] = _rotations(rows[:, 3:])
    return matrices


def _pose(path: Path, table: dict[str, Any], index: int) -> list[float]:
    name = f"poses[{index}]"
    pose = table.get(name)
    row = []
    for part, axes in (("position", "xyz"), ("orientation", "xyzw")):
        values = pose.get(part) if isinstance(pose, dict) else None
        for axis in axes:
            value = values.get(axis) if isinstance(values, dict) else None
            row.append(_number(value, path, f"{name}.{part}.{axis}"))
    length = float(np.linalg.norm(row[3:]))
    if abs(length - 1) > _UNIT_TOLERANCE:
        raise FileError(
            f"{path}: the quaternion of {name} has length {length:.4g}, 1 was expected; it is not "
            "normalised or no quaternion x, y, z, w"
        )
    return row


def _rotations(quaternions: Floats) -> Floats:
    if not len(quaternions):
        return np.empty((0, 3, 3))
    rotation = require("scipy.spatial.transform", "reading poses").Rotation
    return np.asarray(rotation.from_quat(quaternions).as_matrix())


def _quaternions(rotations: Floats) -> Floats:
    """(V, 4) x, y, z, w with the fewest digits that give the same bits of the matrix back."""
    rotation = require("scipy.spatial.transform", "writing poses").Rotation
    exact = np.asarray(rotation.from_matrix(rotations).as_quat())
    result = exact.copy()
    for digits in range(17, 5, -1):
        shorter = np.array([[float(f"{x:.{digits}g}") for x in row] for row in exact])
        same = (_rotations(shorter) == rotations).all((1, 2))
        result[same] = shorter[same]
    return result


def _yaml_number(value: float) -> str:
    text = repr(value)  # YAML 1.1 takes 1e-05 for a word, 1.0e-05 for a number
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def write_poses(path: Path, world_from_camera: Floats) -> None:
    """Write what :func:`read_poses` reads; rotations agree to the last bit or two."""
    lines = ["header: ", "  seq: 0", "  stamp: 0.000000000", "  frame_id: ", "poses[]:"]
    quaternions = _quaternions(world_from_camera[:, :3, :3])
    for index, (matrix, quaternion) in enumerate(zip(world_from_camera, quaternions, strict=True)):
        lines.append(f"  poses[{index}]: ")
        for name, axes, values in (
            ("position", "xyz", matrix[:3, 3]),
            ("orientation", "xyzw", quaternion),
        ):
            lines.append(f"    {name}: ")
            pairs = zip(axes, values.tolist(), strict=True)
            lines += [f"      {axis}: {_yaml_number(value)}" for axis, value in pairs]
    _write(path, "\n".join(lines) + "\n")


def read_points(path: Path) -> Floats:
    """(P, 3) vertices of a PLY file.

    Raises:
        FileError: missing, no PLY, truncated, or values that are not finite.
    """
    path = existing_file(path, "PLY file")
    lines = path.read_bytes().split(b"\n")
    if lines[0].strip() != b"ply" or len(lines) < 3:
        raise FileError(f"{path} is no PLY file")
    if lines[1].strip() != b"format ascii 1.0":
        raise FileError(f"{path} is {lines[1][:60]!r}; the format's points are ASCII PLY")
    with parsing(path, "PLY file"):
        end = next(n for n, line in enumerate(lines) if line.strip() == b"end_header")
        header = [line.split() for line in lines[:end]]
        elements = [n for n, words in enumerate(header) if words and words[0] == b"element"]
        first = header[elements[0]]
        stop = elements[1] if len(elements) > 1 else end
        names = [words[-1] for words in header[elements[0] + 1 : stop] if words[0] == b"property"]
        columns = [names.index(axis) for axis in (b"x", b"y", b"z")]
        if first[1] != b"vertex":
            raise ValueError("its first element is not vertex")
        count = int(first[2])
        rows = [line.split() for line in lines[end + 1 : end + 1 + count]]
        whole = sum(len(row) > max(columns) for row in rows)
        if whole != count:
            raise ValueError(f"it holds {whole} of {count} vertices")
        points = np.array([[float(row[c]) for c in columns] for row in rows]).reshape(-1, 3)
        if not np.isfinite(points).all():
            raise ValueError("it has vertices that are NaN or infinite")
    return points


def write_points(path: Path, points: Floats) -> None:
    """Write what :func:`read_points` reads."""
    lines = ["ply", "format ascii 1.0", f"element vertex {len(points)}"]
    lines += [f"property double {axis}" for axis in "xyz"]
    lines.append("end_header")
    lines += [" ".join(map(repr, point)) for point in points.tolist()]
    _write(path, "\n".join(lines) + "\n")


def read_visibility(path: Path, views: Numbers, count: int) -> NDArray[np.bool_]:
    """(V, P) from the frame numbers in which each point was found; -1 begins or separates points.

    Raises:
        FileError: missing, another number of points, or a frame that is no view.
    """
    numbers = _whole_numbers(path)
    marks = numbers < 0
    # -1 before the first point in the published files; between the points in others.
    point = np.cumsum(marks) - (1 if len(marks) and marks[0] else 0)
    found = int(point[-1]) + 1 if len(point) else 0
    if found == count + 1 and marks[-1]:
        found = count
    if found != count:
        raise FileError(f"{path} has the views of {found} points, {POINTS} has {count} points")
    point, numbers = point[~marks], numbers[~marks]
    visibility = np.zeros((len(views), count), dtype=np.bool_)
    if not len(numbers):
        return visibility
    view = np.minimum(np.searchsorted(views, numbers), len(views) - 1) if len(views) else None
    strange = numbers if view is None else numbers[views[view] != numbers]
    if len(strange):
        raise FileError(f"{path} names frame {strange[0]}, which {VIEWS} does not list")
    visibility[view, point] = True
    return visibility


def write_visibility(path: Path, views: Numbers, visibility: NDArray[np.bool_]) -> None:
    """Write what :func:`read_visibility` reads, -1 before each point."""
    blocks = ("-1\n" + "".join(f"{n}\n" for n in views[column]) for column in visibility.T)
    _write(path, "".join(blocks))
