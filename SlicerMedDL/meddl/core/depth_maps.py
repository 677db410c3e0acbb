"""Folders of depth maps: one 32-bit TIFF per frame, the unit, and the camera that the maps are of.

``DIR/{frame name}.tiff``
    32-bit float (H, W), z of the camera frame, 0 where unknown.
``DIR/units.json``
    ``{"unit": "mm" | "relative", "mm_per_unit": x | null}``. Structure from motion has no scale:
    depths are relative until a registration or a measured length tells how many mm one unit is.
    That number then stands in ``mm_per_unit``; the maps stay as they are. Maps in mm have 1.
``DIR/camera.json``
    ``{"intrinsics": 3x3, "width", "height", "crop": {"rows": [a, b], "columns": [a, b],
    "downsampling": d} | null}`` of the maps. The crop counts in the downsampled frame. Without this
    file the maps are of the full frame, and the sequence's intrinsics hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, GeometryError, InputError
from meddl.core.files import atomic_folder, read_json, visible, write_json
from meddl.core.image import Image
from meddl.core.pictures import RAS_FROM_PICTURE, read_picture, write_picture
from meddl.core.pinhole import Floats, intrinsics_matrix, resized

UNITS = ("relative", "mm")
Depth = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DepthCamera:
    """What the maps of a folder are pictures of.

    Attributes:
        intrinsics: (3, 3) in pixels of the maps (:mod:`meddl.core.pinhole`).
        height, width: of the maps.
        rows, columns: (first, one past the last) of the crop in the downsampled frame, or None.
        downsampling: how many pixels of the frame one pixel of the map is.

    Raises:
        GeometryError: no matrix of intrinsics.
        InputError: a size that is not positive, or a crop of another size.
    """

    intrinsics: Floats
    height: int
    width: int
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    downsampling: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "intrinsics", intrinsics_matrix(self.intrinsics))
        if not (self.height > 0 and self.width > 0 and 0 < self.downsampling < math.inf):
            raise InputError(
                f"depth maps of {self.height} x {self.width} pixels at downsampling "
                f"{self.downsampling}; positive numbers were expected"
            )
        if (self.rows is None) != (self.columns is None):
            raise InputError(f"a crop has rows and columns, got {self.rows} and {self.columns}")
        for span, size in ((self.rows, self.height), (self.columns, self.width)):
            if span is not None and span[1] - span[0] != size:
                raise InputError(f"the crop {span} of depth maps has not their size, {size}")


@dataclass(frozen=True, eq=False)
class DepthFolder:
    """The depth maps of a sequence, read one at a time.

    Attributes:
        folder: where they lie.
        names: of the frames, sorted; ``"00000012"`` for ``00000012.jpg``.
        unit: ``"mm"`` or ``"relative"``, of the values.
        mm_per_unit: how many mm one unit is, None while nothing has told.
        camera: of the maps; None: the full frames with the sequence's intrinsics.
    """

    folder: Path
    names: tuple[str, ...]
    unit: str
    mm_per_unit: float | None
    camera: DepthCamera | None

    @property
    def intrinsics(self) -> Floats | None:
        """(3, 3) in pixels of the maps; None: those of the sequence."""
        return None if self.camera is None else self.camera.intrinsics

    def depth(self, name: str) -> Depth:
        """The map (H, W) float32 of one frame, 0 where unknown.

        Raises:
            FileError: there is none, it is damaged, no 32-bit float picture, holds NaN, infinity
                or negative depths, or has another size than ``camera`` says.
        """
        path = self.folder / f"{name}.tiff"
        image = read_picture(path)
        array = image.array[0]
        if len(image.array) != 1 or array.ndim != 2 or array.dtype != np.float32:
            raise FileError(
                f"{path} holds {image.array.shape} {image.array.dtype}; one page of 32-bit float "
                "depths was expected"
            )
        if not (np.isfinite(array).all() and array.min() >= 0):
            raise FileError(f"{path} holds NaN, infinity or negative depths; write 0 for unknown")
        if self.camera is not None and array.shape != (self.camera.height, self.camera.width):
            raise FileError(
                f"{path} is {array.shape[0]} x {array.shape[1]} pixels, camera.json beside it says "
                f"{self.camera.height} x {self.camera.width}"
            )
        return array


class DepthWriter:
    """Writes the maps of one folder; :func:`depth_writer` makes it.

    Attributes:
        folder: the temporary folder of the maps; what else is put there goes with them.
    """

    def __init__(self, folder: Path, camera: DepthCamera | None) -> None:
        self.folder = folder
        self._camera = camera

    def write(self, name: str, depth: NDArray[np.floating[Any]]) -> None:
        """Write the map (H, W) of the frame called ``name``; what is not above 0 becomes 0.

        Raises:
            InputError: a name that is no plain file name, another shape than the camera's.
        """
        if not name or name != Path(name).name or name.startswith("."):
            raise InputError(f"{name!r} is no name of a frame")
        depth = np.asarray(depth, dtype=np.float32)
        camera = self._camera
        if depth.ndim != 2 or (camera and depth.shape != (camera.height, camera.width)):
            size = f"{camera.height} x {camera.width}" if camera else "(H, W)"
            raise InputError(f"the depth map {name} has shape {depth.shape}, expected {size}")
        clean = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))
        write_picture(self.folder / f"{name}.tiff", Image(clean[np.newaxis], RAS_FROM_PICTURE))


@contextmanager
def depth_writer(
    folder: str | Path,
    unit: str = "relative",
    mm_per_unit: float | None = None,
    camera: DepthCamera | None = None,
) -> Iterator[DepthWriter]:
    """Write a folder of depth maps, one map at a time; it appears when all are written.

    An earlier folder of depth maps is replaced; a folder of anything else is refused.

    Raises:
        InputError: a unit or scale that cannot be.
        FileError: ``folder`` holds other things, or its parent takes no folder.
    """
    folder = Path(folder)
    record = _units_record(unit, mm_per_unit)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "units.json").is_file():
        raise FileError(f"{folder} holds other files than depth maps; choose another folder")
    with atomic_folder(folder) as temporary:
        write_json(temporary / "units.json", record)
        if camera is not None:
            write_json(temporary / "camera.json", _camera_record(camera))
        yield DepthWriter(temporary, camera)


def read_depth_folder(folder: str | Path) -> DepthFolder:
    """Read what :func:`depth_writer` writes; the maps themselves are read when asked for.

    Raises:
        FileError: no folder, no map, or a damaged ``units.json`` or ``camera.json``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder; a folder of depth maps was expected")
    names = tuple(path.stem for path in visible(folder, "*.tiff"))
    if not names:
        raise FileError(f"{folder} holds no depth map (.tiff); make them with endodepth predict")
    path = folder / "units.json"
    record = read_json(path, "record of the unit")
    if not isinstance(record, dict) or "unit" not in record:
        raise FileError(f'{path} says no unit; {{"unit": "relative"}} or "mm" was expected')
    try:
        record = _units_record(record["unit"], record.get("mm_per_unit"))
    except InputError as error:
        raise FileError(f"{path}: {error}") from error
    path = folder / "camera.json"
    camera = _read_camera(path) if path.exists() else None
    return DepthFolder(folder, names, record["unit"], record["mm_per_unit"], camera)


def set_scale(folder: str | Path, mm_per_unit: float) -> None:
    """Record how many mm one unit of a folder's maps is; the maps stay as they are.

    Raises:
        InputError: no positive number, or the maps are in mm.
        FileError: no folder of depth maps.
    """
    depths = read_depth_folder(folder)
    if depths.unit == "mm":
        raise InputError(f"the maps in {folder} are in mm; they need no scale")
    write_json(depths.folder / "units.json", _units_record("relative", mm_per_unit))


def camera_of(
    depths: DepthFolder, intrinsics: Floats, frame_size: tuple[int, int], map_size: tuple[int, int]
) -> DepthCamera:
    """The camera of the maps: the folder's, or that of full frames of ``frame_size`` (H, W).

    Maps of the full frame may be smaller or larger than the frame.

    Raises:
        InputError: maps without ``camera.json`` that are not of the frame's proportions.
    """
    if depths.camera is not None:
        return depths.camera
    factors = (map_size[1] / frame_size[1], map_size[0] / frame_size[0])
    # Rounding to whole pixels changes the proportions by less than one pixel.
    if abs(factors[0] / factors[1] - 1) > 1.5 / min(map_size):
        raise InputError(
            f"the depth maps in {depths.folder} are {map_size[0]} x {map_size[1]} pixels, the "
            f"frames {frame_size[0]} x {frame_size[1]}: a crop needs camera.json beside the maps"
        )
    return DepthCamera(
        resized(intrinsics, factors), *map_size, downsampling=1 / math.sqrt(math.prod(factors))
    )


def _units_record(unit: Any, mm_per_unit: Any) -> dict[str, Any]:
    if unit not in UNITS:
        raise InputError(f"the unit is {unit!r}, one of {', '.join(UNITS)} was expected")
    if unit == "mm" and mm_per_unit is None:
        mm_per_unit = 1.0
    if mm_per_unit is not None:
        number = isinstance(mm_per_unit, (int, float)) and not isinstance(mm_per_unit, bool)
        if not (number and 0 < mm_per_unit < math.inf):
            raise InputError(f"mm_per_unit is {mm_per_unit!r}, a positive number was expected")
        if unit == "mm" and mm_per_unit != 1:
            raise InputError(f"mm_per_unit is {mm_per_unit} with depths in mm; 1 was expected")
        mm_per_unit = float(mm_per_unit)
    return {"unit": unit, "mm_per_unit": mm_per_unit}


def _camera_record(camera: DepthCamera) -> dict[str, Any]:
    crop = None
    if camera.rows is not None and camera.columns is not None:
        crop = {
            "rows": list(map(int, camera.rows)),
            "columns": list(map(int, camera.columns)),
            "downsampling": float(camera.downsampling),
        }
    return {
        "intrinsics": camera.intrinsics.tolist(),
        "width": int(camera.width),
        "height": int(camera.height),
        "crop": crop,
    }


def _read_camera(path: Path) -> DepthCamera:
    record = read_json(path, "camera of the depth maps")
    try:
        crop = record.get("crop") or {}
        size = [_whole(record[name], name) for name in ("height", "width")]
        spans = [_span(crop.get(name), name) for name in ("rows", "columns")]
        return DepthCamera(
            intrinsics_matrix(record["intrinsics"]),
            size[0],
            size[1],
            spans[0],
            spans[1],
            float(crop.get("downsampling", 1.0)),
        )
    except (GeometryError, InputError) as error:
        raise FileError(f"{path}: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{path} is no camera of depth maps ({error!r}); intrinsics, width, height and crop "
            "were expected"
        ) from error


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{name} is {value!r}, a whole number was expected")
    return value


def _span(value: Any, name: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise InputError(f"the crop's {name} are {value!r}, [first, end] was expected")
    return _whole(value[0], name), _whole(value[1], name)
