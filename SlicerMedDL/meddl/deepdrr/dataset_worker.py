"""One view of a data set: rendered and written by a worker process.

A worker keeps the CT of its last view, and what the projector needs of it. Files are finished in a
folder of their own and then moved to their place, so that no half-written file is ever there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError, MedDLError
from meddl.core.files import parsing, sha256, write_json
from meddl.core.geometry import Matrix
from meddl.core.image import Image
from meddl.core.image_io import read_image, write_image
from meddl.core.markups import Points, read_points
from meddl.core.parameters import to_dict
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.dataset import (
    CtSource,
    DatasetParameters,
    ViewTask,
    draw_parameters,
    draw_solids,
    draw_view,
)
from meddl.deepdrr.dataset_files import in_folder
from meddl.deepdrr.dicom_output import write_dicom_radiograph
from meddl.deepdrr.materials import labels_of
from meddl.deepdrr.prepared import READING_FIELDS, PreparedCT, prepare
from meddl.deepdrr.radiograph import RenderParameters, backend_for, render_prepared
from meddl.deepdrr.shadows import crop_label, silhouette
from meddl.deepdrr.solids import Solid

WORK = ".work"  # folder of the data set for what is not finished
LEVELS = 65535


class _Kept:
    """The last value made; a new one is made after the old one is gone, for memory's sake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Hashable = None
        self._value: Any = None

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The value of ``key``, made if it is not the last one's."""
        with self._lock:
            if key != self._key:
                self._key = self._value = None
                self._value = make()
                self._key = key
            return self._value


_ct, _prepared, _members = _Kept(), _Kept(), _Kept()


@dataclass(frozen=True, eq=False)
class _Ct:
    image: Image
    digest: str
    points: Points | None


def render_view(config: DatasetParameters, task: ViewTask, output: str) -> dict[str, Any]:
    """Render and write one view.

    Args:
        config: the data set.
        task: which view.
        output: folder of the data set, on a file system that all workers see.

    Returns:
        The line of the manifest.

    Raises:
        MedDLError: a CT, label map or output that cannot be used; the message names the CT.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one view per core, not one core per row
    source = config.cts[task.ct]
    try:
        return _render_view(config, source, task, Path(output))
    except MedDLError as error:
        raise type(error)(f"{source.path}, view {task.view}: {error}") from error


def _render_view(
    config: DatasetParameters, source: CtSource, task: ViewTask, output: Path
) -> dict[str, Any]:
    ct = _ct.get((config.folder, source), lambda: _read(config.folder, source))
    parameters = draw_parameters(config, task)
    carm = draw_view(config, task, ct.image.center)
    camera = carm.camera()
    instruments = draw_solids(config, task, carm)
    solids = [instrument.solid for instrument in instruments]
    located = in_folder(config, source.path, parameters)
    prepared = _prepared_ct(ct, located, carm)
    radiograph = render_prepared(prepared, carm, located, solids=solids)
    clipped = 0
    if config.scale is not None:
        stored, clipped = quantise(radiograph.array[0], config.scale)
    record = {
        "view": task.number,
        "ct": {"file": source.path, "series": source.series, "sha256": ct.digest},
        "camera": camera.to_dict(),
        "carm": to_dict(carm),
        "seed": {"entropy": config.output.seed, "spawn_key": [task.ct, task.view]},
        "parameters": to_dict(parameters),
        "instruments": [to_dict(instrument) for instrument in instruments],
        "backend": radiograph.metadata["backend"],
        "unit": radiograph.metadata["unit"],
        "scale": config.scale and list(config.scale),
        "clipped": clipped,
    }
    if ct.points is not None:
        record["landmarks"] = _landmarks(ct.points, camera)
    name = f"{source.name}/{task.view:06d}"
    suffix = config.output.format
    with _scratch(output) as folder:
        files = {"picture": f"{name}.{suffix}", "camera_file": f"{name}.camera.json"}
        picture = folder / f"picture.{suffix}"
        if config.scale is None:
            write_dicom_radiograph(picture, radiograph)
        else:
            write_image(picture, Image(stored[None], radiograph.ras_from_ijk))
        write_json(folder / "camera_file.json", {**camera.to_dict(), "P": camera.P.tolist()})
        if config.masks or config.kinds:
            files["mask"] = f"{name}.mask.tiff"
            masks = {**_label_masks(config, source, camera), **_solid_masks(config, solids, camera)}
            write_masks(folder / "mask.tiff", masks)
        written = {}
        for part, target in files.items():
            (made,) = folder.glob(f"{part}.*")
            written[part] = {"file": f"views/{target}", "sha256": sha256(made)}
            place = output / "views" / target
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(made, place)
    return {**written.pop("picture"), **record, **written}


@contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """A folder for the files of one view until they are finished."""
    work = output / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            yield Path(folder)
    except OSError as error:
        raise FileError(f"{output} cannot be written: {error.strerror or error}") from error


def _read(folder: Path, source: CtSource) -> _Ct:
    image = read_image(folder / source.path, series=source.series)
    image = image.require_volume("CT").require_finite("CT")
    digest = hashlib.sha256(np.ascontiguousarray(image.array).data)
    digest.update(image.ras_from_ijk.tobytes())
    points = read_points(folder / source.landmarks) if source.landmarks else None
    return _Ct(image, digest.hexdigest(), points)


def _prepared_ct(ct: _Ct, parameters: RenderParameters, carm: CArm) -> PreparedCT:
    fixed = {k: v for k, v in to_dict(parameters).items() if k not in READING_FIELDS}

    def make() -> PreparedCT:
        labels = labels_of(parameters)
        backend = backend_for(ct.image, [carm], parameters, labels)
        return prepare(ct.image, parameters, labels, backend=backend)

    key = ct.digest, carm.detector_size, repr(sorted(fixed.items()))
    prepared: PreparedCT = _prepared.get(key, make)
    return prepared


def quantise(
    values: NDArray[np.floating], scale: tuple[float, float]
) -> tuple[NDArray[np.uint16], int]:
    """Values as 16-bit numbers on a fixed linear scale.

    Args:
        values: any shape.
        scale: values of 0 and 65535; ``low + stored * (high - low) / 65535`` restores a value to
            half a step.

    Returns:
        uint16 of the same shape, and how many values lay outside and were clipped.
    """
    low, high = scale
    levels = np.rint((values.astype(np.float64) - low) * (LEVELS / (high - low)))
    outside = (levels < 0) | (levels > LEVELS)
    return np.clip(levels, 0, LEVELS).astype(np.uint16), int(outside.sum())


def _landmarks(points: Points, camera: Camera) -> list[dict[str, Any]]:
    """Label, pixel (None at or behind the source) and depth in mm of each landmark."""
    pixels, depth = camera.project(points.ras)
    return [
        {"label": label, "pixel": pixel if distance > 0 else None, "depth": distance}
        for label, pixel, distance in zip(
            points.labels, pixels.tolist(), depth.tolist(), strict=True
        )
    ]


def _label_masks(
    config: DatasetParameters, source: CtSource, camera: Camera
) -> dict[str, NDArray[np.uint8]]:
    """Name -> (H, W), 1 where the ray of a pixel meets the label."""
    from meddl.deepdrr.first_hit import first_hit

    if not config.masks:
        return {}
    path, values = config.folder / str(source.labels), tuple(config.masks.values())
    members = _members.get((path, values), lambda: _read_members(path, values))
    masks = {}
    for name, member in zip(config.masks, members, strict=True):
        if member is None:
            masks[name] = np.zeros(camera.size[::-1], np.uint8)
        else:
            volume, ijk_from_ras = member
            depth = first_hit(volume, ijk_from_ras, camera, 0.5)
            masks[name] = (~np.isnan(depth)).astype(np.uint8)
    return masks


def _solid_masks(
    config: DatasetParameters, solids: Sequence[Solid], camera: Camera
) -> dict[str, NDArray[np.uint8]]:
    """``instrument KIND`` -> (H, W), 1 where the ray of a pixel meets an instrument of the kind."""
    masks = {f"instrument {kind}": np.zeros(camera.size[::-1], np.uint8) for kind in config.kinds}
    for solid in solids:
        masks[f"instrument {solid.name}"] |= silhouette(solid.mesh, camera)
    return masks


def _read_members(
    path: Path, values: Sequence[int]
) -> list[tuple[NDArray[np.float32], Matrix] | None]:
    """Each label in its bounding box; None where a CT lacks it."""
    labels = read_image(path).require_volume("label map").require_finite("label map")
    array = labels.array
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise InputError(f"{path} holds values between whole numbers, a label map was expected")
    there = set(np.unique(array).tolist())
    return [crop_label(labels, value) if value in there else None for value in values]


def write_masks(path: Path, masks: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write (H, W) masks as a compressed TIFF, a page per mask with its name."""
    import tifffile

    with parsing(path, "output"), tifffile.TiffWriter(path) as file:
        for name, mask in masks.items():
            file.write(
                mask,
                photometric="minisblack",
                compression="zlib",
                description=name.encode(),
                metadata=None,
            )
