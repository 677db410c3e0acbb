"""From a video or a folder of pictures to a sequence folder: frames, mask, camera.

Frames are read, undistorted, cropped and written one by one; the record ``frames.json`` says where
they came from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_folder, write_json
from meddl.core.frame_source import FrameSource, open_frames, source_of_files
from meddl.core.parameters import parameter, to_dict, validate
from meddl.core.pinhole import cropped
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.run_record import versions
from meddl.core.video import read_frames
from meddl.endodepth import sequence_files
from meddl.endodepth.frame_selection import STILL, FrameSelection
from meddl.endodepth.lens import Lens, Undistortion, undistortion
from meddl.endodepth.mask import SAMPLES, find_field, read_mask
from meddl.endodepth.sequence import EndoscopicSequence, unposed, write_sequence

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
RECORD = "frames.json"


@dataclass(frozen=True)
class FramesParameters:
    """How frames are taken; the command line, the module and ``frames.json`` share it."""

    start: int = parameter(0, "first frame, counted from 0", minimum=0)
    stop: int | None = parameter(None, "frame before which to stop; to the end without it")
    stride: int = parameter(1, "take every so manieth frame", minimum=1)
    crop: str = parameter(
        "none",
        "none; auto: the box around the field of view; or rows and columns, for example "
        "0:1080,420:1500",
        metavar="none|auto|TOP:BOTTOM,LEFT:RIGHT",
    )
    zoom: float = parameter(
        1.0,
        "undistortion: focal length per focal length of the lens; below 1 keeps more of the rim",
        minimum=0.1,
        maximum=10.0,
    )
    intrinsics: tuple[float, float, float, float] | None = parameter(
        None, "camera of a video without distortion", unit="pixels", metavar="FX,FY,CX,CY"
    )
    format: str = parameter("jpg", "of the frames", choices=("jpg", "png"))
    quality: int = parameter(95, "of JPEG", minimum=1, maximum=100)
    skip_duplicates: bool = parameter(False, "leave out frames that repeat the one before")
    min_sharpness: float = parameter(
        0.0,
        "leave out frames less sharp than this part of the median of the last 15; 0 keeps all",
        minimum=0.0,
        maximum=1.0,
    )


@dataclass(frozen=True, eq=False)
class FramesReport:
    """What :func:`extract_frames` wrote.

    Attributes:
        sequence: as it lies in its folder.
        shape: of the field of view, see :class:`~meddl.endodepth.mask.FieldOfView`; ``"given"``.
        duplicates, blurred: how many frames were left out for it.
        motion: the largest change against the first frame, in grey levels.
        warnings: what the user should know before structure from motion.
    """

    sequence: EndoscopicSequence
    shape: str
    duplicates: int
    blurred: int
    motion: float
    warnings: tuple[str, ...]


def open_source(path: str | Path) -> tuple[FrameSource, NDArray[np.int64]]:
    """The frames of a video, a folder of pictures or a sequence, by index, and their numbers.

    Raises:
        FileError: missing, no video, no pictures, a listed frame that is absent.
    """
    path = Path(path)
    listed = path / sequence_files.FRAMES
    if path.is_dir() and listed.exists():
        numbers = sequence_files.read_numbers(listed)
        names = [sequence_files.frame_file(path, int(number)) for number in numbers]
        if not names:
            raise FileError(f"{listed} lists no frame")
        return source_of_files(names), numbers
    source = open_frames(path)
    return source, np.arange(len(source), dtype=np.int64)


def extract_frames(
    path: str | Path,
    output: str | Path,
    parameters: FramesParameters | None = None,
    mask: str | Path | None = None,
    lens: Lens | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FramesReport:
    """Write a sequence folder from a video, a folder of pictures or another sequence.

    Args:
        path: what to read.
        output: the folder, written as a whole or not at all.
        parameters: which frames, crop, format.
        mask: a picture of the frames' size, bright inside, instead of the field that is found.
        lens: calibration of the frames; they and the mask are undistorted.
        overwrite: replace a folder that exists.

    Raises:
        InputError: fewer than two frames, all of them black, no field of view, a crop outside.
        FileError: missing, no video, frames of several sizes, a folder that exists.
        Cancelled: by the token, between frames; nothing is left.
    """
    parameters = validate(parameters or FramesParameters())
    output = _free_folder(output, overwrite)
    if lens is not None and parameters.intrinsics is not None:
        raise InputError("give a calibration or the intrinsics, not both")
    source, numbers = open_source(path)
    with source:
        chosen = _chosen(path, len(source), parameters)
        crop = parse_crop(parameters.crop, source.size)
        samples = _samples(source, chosen, progress, cancel)
        if mask is None:
            field = find_field([s[crop] for s in samples])
            inside, shape = field.mask, field.shape
        else:
            inside, shape = read_mask(mask, source.size)[crop], "given"
        if not inside.any():
            raise InputError(f"--crop {parameters.crop} has nothing of the field of view")
        if parameters.crop == "auto":
            crop = _box(inside)
            inside = inside[crop]
        camera = _Camera.make(source.size, crop, lens, parameters)
        inside = camera.mask(inside)
        if not inside.any():
            raise InputError(
                "nothing is left of the field of view after undistortion; check the calibration, "
                f"which is of {source.size[1]}x{source.size[0]} pixels"
            )
        with atomic_folder(output) as folder:
            kept = FrameSelection(inside, parameters.skip_duplicates, parameters.min_sharpness)
            frames = steps(
                zip(chosen, _frames(path, source, chosen), strict=False),
                len(chosen),
                "writing frame",
                subprogress(progress, 0.1, 1.0),
                cancel,
            )
            taken = []
            for index, frame in frames:
                picture = camera.picture(frame)
                if kept.wants(picture):
                    number = int(numbers[index])
                    name = folder / sequence_files.frame_name(number, f".{parameters.format}")
                    _write_frame(name, picture, parameters.quality)
                    taken.append(number)
            warnings = _warnings(taken, chosen, kept, shape)
            sequence = unposed(
                folder,
                np.array(taken),
                inside,
                camera.intrinsics,
                f".{parameters.format}",
            )
            write_sequence(sequence)
            record = _record(path, source, crop, lens, parameters, kept, shape, warnings)
            write_json(folder / RECORD, record)
    for warning in warnings:
        logger.warning("%s", warning)
    moved = unposed(
        output, sequence.frame_numbers, inside, camera.intrinsics, f".{parameters.format}"
    )
    return FramesReport(
        moved, shape, kept.duplicates, kept.blurred, round(kept.motion, 2), tuple(warnings)
    )


def parse_crop(text: str, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of ``TOP:BOTTOM,LEFT:RIGHT``; all of them for ``none`` and ``auto``.

    Raises:
        InputError: another form, or outside of the frame (H, W).
    """
    height, width = size
    if text in ("none", "auto"):
        return np.s_[0:height, 0:width]
    try:
        (top, bottom), (left, right) = (map(int, part.split(":")) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"--crop is {text!r}; none, auto or TOP:BOTTOM,LEFT:RIGHT was expected"
        ) from None
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(f"--crop is {text}, the frames have rows 0:{height} and columns 0:{width}")
    return np.s_[top:bottom, left:right]


def _free_folder(output: str | Path, overwrite: bool) -> Path:
    output = Path(output)
    if output.is_dir() and any(output.iterdir()) and not overwrite:
        raise FileError(
            f"{output} exists and is not empty; choose another folder, or replace it with "
            "--overwrite"
        )
    return output


def _chosen(path: str | Path, count: int, parameters: FramesParameters) -> range:
    stop = count if parameters.stop is None else min(parameters.stop, count)
    chosen = range(parameters.start, stop, parameters.stride)
    if len(chosen) < 2:
        raise InputError(
            f"{path} has {count} frames; {parameters.start}:{stop} by {parameters.stride} are "
            f"{len(chosen)}, a sequence needs at least 2"
        )
    return chosen


def _samples(
    source: FrameSource, chosen: range, progress: Progress, cancel: CancelToken | None
) -> list[Frame]:
    places = np.unique(np.linspace(0, len(chosen) - 1, SAMPLES).round().astype(int))
    looking = subprogress(progress, 0.0, 0.1)
    found = []
    for place in steps(places, len(places), "looking at frame", looking, cancel):
        try:
            found.append(source.frame(chosen[int(place)]))
        except FileError as error:  # a damaged frame is left out when all are read
            logger.debug("%s", error)
    if not found:
        raise FileError("none of the frames that were looked at can be decoded")
    return found


def _frames(path: str | Path, source: FrameSource, chosen: range) -> Iterator[Frame]:
    if Path(path).is_dir():
        return (source.frame(index) for index in chosen)
    return read_frames(path, chosen.start, chosen.stop, chosen.step, resize=False)


def _box(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    return np.s_[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]


@dataclass(frozen=True, eq=False)
class _Camera:
    """Crop and undistortion of every frame, and the intrinsics of what comes out."""

    crop: tuple[slice, slice]
    undo: Undistortion | None
    intrinsics: NDArray[np.float64] | None

    @classmethod
    def make(
        cls,
        size: tuple[int, int],
        crop: tuple[slice, slice],
        lens: Lens | None,
        parameters: FramesParameters,
    ) -> _Camera:
        if lens is not None:
            undo = undistortion(lens.resized(size).cropped(*crop), parameters.zoom)
            return cls(crop, undo, undo.intrinsics)
        if parameters.intrinsics is None:
            return cls(crop, None, None)
        fx, fy, cx, cy = parameters.intrinsics
        matrix = [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
        return cls(crop, None, cropped(matrix, crop[0].start, crop[1].start))

    def picture(self, frame: Frame) -> Frame:
        part = frame[self.crop]
        return part if self.undo is None else self.undo.frame(part)

    def mask(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return inside if self.undo is None else self.undo.mask(inside)


def _write_frame(path: Path, picture: Frame, quality: int) -> None:
    from PIL import Image as pillow

    options: dict[str, Any] = {"compress_level": 3}
    if path.suffix == ".jpg":
        options = {"quality": quality, "subsampling": 0}
    pillow.fromarray(picture).save(path, **options)


def _warnings(taken: list[int], chosen: range, kept: FrameSelection, shape: str) -> list[str]:
    if len(taken) < 2:
        raise InputError(
            f"{len(taken)} of {len(chosen)} frames are left ({kept.duplicates} repeat the one "
            f"before, {kept.blurred} are blurred); a sequence needs at least 2"
        )
    warnings = []
    read = len(taken) + kept.duplicates + kept.blurred
    if read < len(chosen):
        warnings.append(f"only {read} of {len(chosen)} frames decode; the video is damaged")
    if kept.motion < STILL:
        warnings.append(
            f"nothing moves in these {len(taken)} frames (largest change {kept.motion:.2f} grey "
            "levels): structure from motion will fail; choose a part in which the endoscope moves"
        )
    if shape == "other":
        warnings.append(
            "the field of view is neither round nor rectangular; look at "
            f"{sequence_files.MASK}, and give a better one with --mask"
        )
    return warnings


def _record(
    path: str | Path,
    source: FrameSource,
    crop: tuple[slice, slice],
    lens: Lens | None,
    parameters: FramesParameters,
    kept: FrameSelection,
    shape: str,
    warnings: list[str],
) -> dict[str, Any]:
    rows, columns = crop
    record = {
        "source": str(path),
        "source_size": list(source.size),
        "frames_per_second": source.rate,
        "rows": [rows.start, rows.stop],
        "columns": [columns.start, columns.stop],
        "field_of_view": shape,
        "duplicates": kept.duplicates,
        "blurred": kept.blurred,
        "motion": round(kept.motion, 3),
        "warnings": warnings,
        "parameters": to_dict(parameters),
        "versions": versions(),
    }
    if lens is not None:
        record["lens"] = {
            "model": lens.model,
            "opencv_matrix": lens.opencv_matrix.tolist(),
            "distortion": lens.distortion.tolist(),
            "reprojection_error": lens.error,
        }
    return record
