"""Cameras with lens distortion: OpenCV's pinhole and fisheye models, their files, undistortion.

Intrinsics here have pixel centres at half-integers, as everywhere in the library. Files hold
OpenCV's, whose pixel centres are whole numbers; the principal point differs by half a pixel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, parsing, read_json
from meddl.core.optional import require
from meddl.core.pinhole import cropped, intrinsics_matrix, resized

Floats = NDArray[np.float64]

MODELS = ("pinhole", "fisheye")
# Numbers of coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1..s4 [tx ty]]]], and k1 k2 k3 k4.
COEFFICIENTS = {"pinhole": (4, 5, 8, 12, 14), "fisheye": (4,)}
_SUFFIXES = (".yaml", ".yml", ".json")
_MATRIX = ("camera_matrix", "cameraMatrix", "K", "mtx")
_DISTORTION = ("distortion_coefficients", "distCoeffs", "dist_coeffs", "D", "dist")
_WIDTH, _HEIGHT = ("image_width", "width"), ("image_height", "height")
# The names that ROS writes beside OpenCV's numbers.
_NAMES = {
    "plumb_bob": "pinhole",
    "rational_polynomial": "pinhole",
    "pinhole": "pinhole",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
}


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera with its distortion.

    Attributes:
        model: ``"pinhole"`` (radial and tangential, Brown and Conrady) or ``"fisheye"``
            (equidistant, Kannala and Brandt), with OpenCV's formulas.
        size: (H, W) of the frames in pixels.
        intrinsics: (3, 3) float64, pixels.
        distortion: (n,) float64 in OpenCV's order.
        error: root mean square of the calibration's reprojection error in pixels; None if unknown.

    Raises:
        InputError: another model or number of coefficients, values that are not finite.
        GeometryError: impossible intrinsics.
    """

    model: str
    size: tuple[int, int]
    intrinsics: Floats
    distortion: Floats
    error: float | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise InputError(f"the lens is {self.model!r}, expected one of: {', '.join(MODELS)}")
        object.__setattr__(self, "intrinsics", intrinsics_matrix(self.intrinsics))
        distortion = np.asarray(self.distortion, dtype=np.float64).reshape(-1)
        counts = COEFFICIENTS[self.model]
        if len(distortion) not in counts or not np.isfinite(distortion).all():
            raise InputError(
                f"the {self.model} lens has the distortion {distortion.tolist()}; "
                f"{' or '.join(map(str, counts))} finite numbers were expected"
            )
        object.__setattr__(self, "distortion", distortion)
        if len(self.size) != 2 or min(self.size) < 1:
            raise InputError(f"the lens has frames of {self.size}, (height, width) was expected")

    @property
    def opencv_matrix(self) -> Floats:
        """(3, 3) intrinsics with pixel centres at whole numbers, as OpenCV's functions want."""
        return cropped(self.intrinsics, 0.5, 0.5)

    def resized(self, size: tuple[int, int]) -> Lens:
        """The lens before frames of another size (H, W).

        Raises:
            InputError: another aspect, by more than a pixel.
        """
        if size == self.size:
            return self
        height, width = self.size
        factor = (size[1] / width, size[0] / height)
        if abs(factor[0] - factor[1]) * max(height, width) > 1:
            raise InputError(
                f"the frames are {size[1]}x{size[0]}, the calibration is of {width}x{height}; "
                "calibrate at the size of the video, or crop the video as it was then"
            )
        return replace(self, size=size, intrinsics=resized(self.intrinsics, factor))

    def cropped(self, rows: slice, columns: slice) -> Lens:
        """The lens of the part of the frames in ``rows`` and ``columns``."""
        return replace(
            self,
            size=(rows.stop - rows.start, columns.stop - columns.start),
            intrinsics=cropped(self.intrinsics, rows.start, columns.start),
        )


@dataclass(frozen=True, eq=False)
class Undistortion:
    """Pictures without lens distortion; made by :func:`undistortion`.

    Attributes:
        intrinsics: (3, 3) of the pictures it gives.
        x, y: (H, W) float32, where each of their pixels lies in the frame (OpenCV's count).
    """

    intrinsics: Floats
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    def frame(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) without distortion, bilinear, black beyond the frame."""
        cv2 = require("cv2", "undistortion")
        return np.asarray(cv2.remap(frame, self.x, self.y, cv2.INTER_LINEAR))

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(H, W) bool without distortion; what lies beyond the frame is outside."""
        cv2 = require("cv2", "undistortion")
        part = cv2.remap(mask.astype(np.float32), self.x, self.y, cv2.INTER_LINEAR)
        return np.asarray(part >= 0.5)


def undistortion(lens: Lens, zoom: float = 1.0) -> Undistortion:
    """How frames of a lens become those of a pinhole camera of the same size.

    Args:
        lens: of the frames.
        zoom: focal length of the result per focal length of the lens; below 1 more of the rim of
            a wide lens stays in the picture.

    Raises:
        InputError: a zoom that is not positive.
    """
    if not 0 < zoom < np.inf:
        raise InputError(f"the zoom is {zoom}, a positive number was expected")
    cv2 = require("cv2", "undistortion")
    target = lens.intrinsics.copy()
    target[:2, :2] *= zoom
    matrix, new = lens.opencv_matrix, cropped(target, 0.5, 0.5)
    make = (cv2.fisheye if lens.model == "fisheye" else cv2).initUndistortRectifyMap
    size = lens.size[::-1]
    x, y = make(matrix, lens.distortion, np.eye(3), new, size, cv2.CV_32FC1)
    return Undistortion(target, x, y)


def undistort_points(points: ArrayLike, lens: Lens) -> Floats:
    """Pixel positions (n, 2) as (x, y) in frames of the lens, without distortion (same intrinsics).

    Raises:
        InputError: another shape.
    """
    cv2 = require("cv2", "undistortion")
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(f"the points have shape {array.shape}, (n, 2) was expected")
    if not len(array):
        return array.copy()
    matrix = lens.opencv_matrix
    undo = (cv2.fisheye if lens.model == "fisheye" else cv2).undistortPoints
    # OpenCV's default of 5 steps leaves 0.1 pixel at strong distortion.
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
    options = {"R": np.eye(3), "P": matrix, "criteria": criteria}
    result = undo((array - 0.5)[:, np.newaxis], matrix, lens.distortion, **options)
    return np.asarray(result, dtype=np.float64).reshape(-1, 2) + 0.5


def check_suffix(path: str | Path) -> Path:
    """``path`` if it is named as a calibration.

    Raises:
        FileError: another suffix than .yaml, .yml and .json.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise FileError(f"{path}: a calibration file ends in {', '.join(_SUFFIXES)}")
    return path


def read_lens(path: str | Path, model: str | None = None) -> Lens:
    """Read a calibration as OpenCV, ROS or :func:`write_lens` write it (YAML or JSON).

    Args:
        path: with ``camera_matrix``, ``distortion_coefficients``, ``image_width`` and
            ``image_height``; matrices as OpenCV's, ROS's or plain lists.
        model: ``"pinhole"`` or ``"fisheye"`` if the file does not say (then pinhole).

    Raises:
        FileError: missing, damaged, or without one of these.
    """
    path = check_suffix(existing_file(path, "calibration"))
    if path.suffix.lower() == ".json":
        table = read_json(path, "calibration")
    else:
        table = _read_opencv_yaml(path)
    if not isinstance(table, Mapping):
        raise FileError(f"{path} holds no table of a calibration")
    with parsing(path, "calibration"):
        matrix = _numbers(table, _MATRIX, path).reshape(3, 3)
        width, height = (int(_numbers(table, names, path)) for names in (_WIDTH, _HEIGHT))
        said = _NAMES.get(str(table.get("distortion_model")))
        if said is None and table.get("fisheye_model"):
            said = "fisheye"
        error = table.get("avg_reprojection_error")
        return Lens(
            model=model or said or "pinhole",
            size=(height, width),
            intrinsics=cropped(matrix, -0.5, -0.5),
            distortion=_numbers(table, _DISTORTION, path).reshape(-1),
            error=None if error is None else float(error),
        )


def write_lens(path: str | Path, lens: Lens) -> None:
    """Write a calibration as OpenCV's ``FileStorage`` does, by suffix YAML or JSON.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = check_suffix(path)
    values: dict[str, Any] = {
        "image_width": lens.size[1],
        "image_height": lens.size[0],
        "camera_matrix": _opencv_matrix(lens.opencv_matrix),
        "distortion_model": "plumb_bob" if lens.model == "pinhole" else "equidistant",
        "fisheye_model": int(lens.model == "fisheye"),
        "distortion_coefficients": _opencv_matrix(lens.distortion[:, np.newaxis]),
    }
    if lens.error is not None:
        values["avg_reprojection_error"] = lens.error
    with atomic_path(path) as temporary:
        text = (
            json.dumps(values, indent=2) + "\n"
            if path.suffix.lower() == ".json"
            else _opencv_yaml(values)
        )
        temporary.write_text(text, encoding="utf-8")


def _opencv_matrix(array: Floats) -> dict[str, Any]:
    rows, columns = array.shape
    data = array.reshape(-1).tolist()
    return {"type_id": "opencv-matrix", "rows": rows, "cols": columns, "dt": "d", "data": data}


def _opencv_yaml(values: Mapping[str, Any]) -> str:
    lines = ["%YAML:1.0", "---"]
    for name, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{name}: !!opencv-matrix")
            lines += [f"   {key}: {value[key]}" for key in ("rows", "cols", "dt", "data")]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines) + "\n"


def _read_opencv_yaml(path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML with OpenCV's matrices as tables."""

    def matrix(loader: Any, node: Any) -> Any:
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", matrix)
    with parsing(path, "calibration"):
        text = path.read_text(encoding="utf-8")
        # OpenCV begins with a directive that YAML does not have.
        text = "\n".join(line for line in text.splitlines() if not line.startswith("%YAML"))
        return yaml.load(text, Loader=Loader)  # a SafeLoader, with one more tag


def _numbers(table: Mapping[str, Any], names: tuple[str, ...], path: Path) -> Floats:
    for name in names:
        if name in table:
            value = table[name]
            data = value["data"] if isinstance(value, Mapping) else value
            return np.asarray(data, dtype=np.float64)
    raise FileError(f"{path} has no {names[0]}; the keys are {', '.join(map(str, table))[:200]}")
