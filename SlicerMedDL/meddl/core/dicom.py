"""DICOM series in: headers by pydicom, pixels by GDCM (through SimpleITK).

A series becomes an image only if its slices form one upright regular grid; everything else is
refused with what was found. Slices are ordered by position, never by file name or number.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import require_memory
from meddl.core.dicom_codestream import check_codestreams, reading_dicom
from meddl.core.dicom_stack import Plane, stack_planes
from meddl.core.errors import FileError, InputError
from meddl.core.files import existing_file, parsing, visible
from meddl.core.geometry import orientation_code
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

logger = logging.getLogger(__name__)

_TAGS = [
    "BitsAllocated",
    "Columns",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImageType",
    "Modality",
    "NumberOfFrames",
    "PatientPosition",
    "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SamplesPerPixel",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SharedFunctionalGroupsSequence",
]
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@dataclass(frozen=True)
class Series:
    """What the headers say about one series.

    Attributes:
        uid: SeriesInstanceUID; may be empty in anonymised files.
        description: SeriesDescription.
        modality: for example ``"CT"``.
        files: its image files, by name.
        size: columns, rows, planes.
        spacing: mm along i, j, k; None if the planes form no regular grid.
        orientation: as :attr:`meddl.core.Image.orientation`; empty if there is no grid.
        problem: why :func:`read_dicom` refuses it; empty if it does not.
    """

    uid: str
    description: str
    modality: str
    files: tuple[Path, ...]
    size: tuple[int, int, int]
    spacing: tuple[float, float, float] | None
    orientation: str
    problem: str = ""

    def __str__(self) -> str:
        size = "x".join(map(str, self.size))
        return f"{self.uid or '(no uid)'} ({self.modality} {self.description!r}, {size})"


def list_series(folder: str | Path) -> list[Series]:
    """The image series in a folder (not in its subfolders), the largest first.

    Files that are no DICOM, or DICOM without an image, are passed over.

    Raises:
        FileError: no folder, no DICOM image in it, or a DICOM file that is damaged.
    """
    return [_describe(uid, headers) for uid, headers in _series_headers(Path(folder)).items()]


def read_dicom(
    folder_or_file: str | Path,
    series: str | None = None,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """Read one series as a volume.

    Args:
        folder_or_file: the folder, or one file for its series in its folder.
        series: SeriesInstanceUID, needed if the folder holds several.

    Returns:
        Rescaled values (HU for CT), as GDCM types them; RAS mm. ``metadata``: ``path``, ``source``,
        ``files``, ``Modality``, ``PatientPosition``, ``SeriesDescription``, ``SeriesInstanceUID``,
        ``PhotometricInterpretation``, ``RescaleSlope`` and ``RescaleIntercept`` (None if absent:
        the values are then as stored).

    Raises:
        FileError: no DICOM, damaged or missing files, several planes at one position, missing
            planes, irregular spacing, gantry tilt, mixed orientations or sizes.
        InputError: several series and no choice, or a choice that is not there.
        DeviceError: more voxels than free memory.
        Cancelled: by the token, between slices.
    """
    path = Path(folder_or_file)
    if not path.is_dir():
        header = read_header(existing_file(path, "DICOM file or folder"))
        if header is None:
            raise FileError(f"{path} is no DICOM image")
        own = str(header.get("SeriesInstanceUID", ""))
        if series not in (None, own):
            raise InputError(f"{path} belongs to the series {own}, not to {series}")
        found, uid = _series_headers(path.parent), own
    else:
        found = _series_headers(path)
        uid = _choose(path, found, series)
    headers = found[uid]
    planes, first = _planes(path, headers), next(iter(headers.values()))
    stack = stack_planes(f"{path}, series {uid or '(no uid)'}", planes)
    voxels = len(planes) * first.Rows * first.Columns * first.get("SamplesPerPixel", 1)
    require_memory(8 * voxels, f"reading {path}")  # four bytes each, and ITK's copy
    array = _pixels([planes[index] for index in stack.order], progress, cancel)
    metadata: dict[str, Any] = {
        name: str(first.get(name, "") or "")
        for name in (
            "Modality",
            "PatientPosition",
            "PhotometricInterpretation",
            "SeriesDescription",
            "SeriesInstanceUID",
        )
    }
    with reading_dicom(path):
        for name in ("RescaleSlope", "RescaleIntercept"):
            value = _rescale(first, name)
            metadata[name] = None if value is None else float(value)
    metadata |= {"path": str(path), "source": "DICOM", "files": len(headers)}
    return Image(array, stack.ras_from_ijk, metadata)


def _choose(path: Path, found: dict[str, dict[Path, Dataset]], series: str | None) -> str:
    if series is None and len(found) == 1:
        return next(iter(found))
    if series in found:
        return str(series)
    there = "; ".join(str(_describe(uid, headers)) for uid, headers in list(found.items())[:8])
    wanted = f"no series {series!r}" if series is not None else f"{len(found)} series"
    raise InputError(f"{path} holds {wanted}; choose one with --series UID: {there}")


def _series_headers(folder: Path) -> dict[str, dict[Path, Dataset]]:
    """uid -> file -> header, of the image files in ``folder``; most files first."""
    if not folder.is_dir():
        raise FileError(f"the DICOM folder {folder} does not exist")
    found: dict[str, dict[Path, Dataset]] = defaultdict(dict)
    for path in visible(folder):
        if path.is_file() and path.stat().st_size > 132:
            header = read_header(path)
            if header is not None:
                found[str(header.get("SeriesInstanceUID") or "")][path] = header
    if not found:
        below = [entry.name for entry in visible(folder) if entry.is_dir()][:3]
        hint = f"; choose a folder inside it: {', '.join(below)}" if below else ""
        raise FileError(f"{folder} holds no DICOM image{hint}")
    for uid, headers in found.items():
        found[uid] = _without_localizers(headers)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _without_localizers(headers: dict[Path, Dataset]) -> dict[Path, Dataset]:
    kept = {p: h for p, h in headers.items() if "LOCALIZER" not in (h.get("ImageType") or ())}
    if kept and len(kept) < len(headers):
        logger.warning("left out %d localizer(s) of the series", len(headers) - len(kept))
        return kept
    return headers


def read_header(path: Path, tags: Sequence[Any] = _TAGS) -> Dataset | None:
    """The header of an image file, of it only ``tags``; None for anything but a DICOM image.

    Args:
        tags: keywords or numbers; Rows, Columns, NumberOfFrames, BitsAllocated and SamplesPerPixel
            must be among them.

    Raises:
        FileError: damaged, truncated or deflated.
    """
    import pydicom
    from pydicom.filereader import read_file_meta_info

    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return None
    with reading_dicom(path):
        # pydicom would expand a deflated file without bound.
        meta = read_file_meta_info(path)
        syntax = str(meta.get("TransferSyntaxUID", ""))
        if syntax == _DEFLATED:
            raise FileError(f"{path} is a deflated DICOM file; convert it with dcmconv +te")
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
        for _ in header.iterall():  # converts every value now, so that a bad one is named here
            pass
        rows, columns = header.get("Rows"), header.get("Columns")
        if rows is None or columns is None:
            storage = meta.get("MediaStorageSOPClassUID")
            if storage is None or "Image Storage" in storage.name:
                raise FileError(f"{path} is cut off before its image; copy or export it again")
            return None  # a report, a directory, a presentation state
        if not 0 < rows <= 65535 or not 0 < columns <= 65535:
            raise FileError(
                f"{path} has {columns} columns and {rows} rows, at least 1 was expected"
            )
        frames = int(header.get("NumberOfFrames") or 1)
        bits = int(header.get("BitsAllocated") or 8) * int(header.get("SamplesPerPixel") or 1)
        expected = rows * columns * frames * bits // 8
        if syntax in _UNCOMPRESSED and path.stat().st_size < expected:
            raise FileError(
                f"{path} claims {expected} bytes of pixels and has {path.stat().st_size}: it is "
                "truncated; copy or export it again"
            )
    return header


def _describe(uid: str, headers: dict[Path, Dataset]) -> Series:
    first = next(iter(headers.values()))
    frames = sum(int(header.get("NumberOfFrames") or 1) for header in headers.values())
    spacing, orientation, problem = None, "", ""
    try:
        stack = stack_planes(str(uid), _planes(next(iter(headers)).parent, headers))
        lengths = np.linalg.norm(stack.ras_from_ijk[:3, :3], axis=0)
        spacing = (float(lengths[0]), float(lengths[1]), float(lengths[2]))
        orientation = orientation_code(stack.ras_from_ijk)
    except FileError as error:
        problem = str(error)
    return Series(
        uid=uid,
        description=str(first.get("SeriesDescription") or ""),
        modality=str(first.get("Modality") or ""),
        files=tuple(headers),
        size=(int(first.Columns), int(first.Rows), frames),
        spacing=spacing,
        orientation=orientation,
        problem=problem,
    )


def _planes(path: Path, headers: dict[Path, Dataset]) -> list[Plane]:
    planes: list[Plane] = []
    for file, header in headers.items():
        with reading_dicom(file):
            planes.extend(_planes_of_file(file, header))
    if not planes:
        raise FileError(f"{path} holds no plane")
    return planes


def _planes_of_file(file: Path, header: Dataset) -> Iterator[Plane]:
    """One plane of a plain file, one per frame of an enhanced multi-frame file."""
    frames = int(header.get("NumberOfFrames") or 1)
    shape = (int(header.Rows), int(header.Columns))
    shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]
    groups: Sequence[Any] = header.get("PerFrameFunctionalGroupsSequence") or [{}] * frames
    if len(groups) != frames:
        raise FileError(f"{file} says {frames} frames and describes {len(groups)}; it is damaged")
    if frames > 1 and len({_frame_rescale(group) for group in groups}) > 1:
        raise FileError(f"{file} rescales its frames differently; export it as single-frame files")

    def value(group: Any, sequence: str, name: str) -> NDArray[np.float64] | None:
        for source in (*(group.get(sequence) or ()), *(shared.get(sequence) or ()), header):
            if source.get(name) is not None:
                return np.array([float(number) for number in source.get(name)])
        return None

    for index, group in enumerate(groups):
        position = value(group, "PlanePositionSequence", "ImagePositionPatient")
        orientation = value(group, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = value(group, "PixelMeasuresSequence", "PixelSpacing")
        if (
            position is None
            or orientation is None
            or (frames > 1 and "PlanePositionSequence" not in group)
        ):
            raise FileError(
                f"{file} has no position or orientation of its planes (a film or a projection?); a "
                "CT or MR slice was expected"
            )
        if spacing is None:
            raise FileError(f"{file} has no PixelSpacing; mm per pixel were expected")
        yield Plane(file, index, shape, position, orientation, spacing)


def _frame_rescale(group: Any) -> tuple[str, str]:
    transform = (group.get("PixelValueTransformationSequence") or [{}])[0]
    return str(transform.get("RescaleSlope")), str(transform.get("RescaleIntercept"))


def _rescale(header: Dataset, name: str) -> Any:
    """RescaleSlope or RescaleIntercept of a plain or an enhanced file; None if absent."""
    sources: list[Any] = [header]
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (header.get(groups) or [])[:1]:
            sources.extend(group.get("PixelValueTransformationSequence") or ())
    return next((s.get(name) for s in sources if s.get(name) is not None), None)


def _pixels(
    planes: Sequence[Plane], progress: Progress, cancel: CancelToken | None
) -> NDArray[Any]:
    """(K, J, I[, C]) of ordered planes.

    Each file is decoded by itself: ITK's series reader types all slices by the first one, which
    cuts the values of a PET series whose slope changes from slice to slice.
    """
    frames: dict[Path, NDArray[Any]] = {}
    slices = []
    for plane in steps(planes, len(planes), "reading slice", progress, cancel):
        if plane.file not in frames:
            frames.clear()
            frames[plane.file] = decode_frames(plane.file, plane.shape)
        array = frames[plane.file]
        if plane.frame >= len(array):
            raise FileError(f"{plane.file} decodes to {array.shape}, its header says {plane.shape}")
        slices.append(array[plane.frame])
    return np.stack(slices)


def decode_frames(path: Path, shape: tuple[int, int]) -> NDArray[Any]:
    """(F, rows, columns[, C]) of a DICOM image file by GDCM, rescaled.

    Args:
        shape: rows and columns of its header.

    Raises:
        FileError: damaged, or pictures of another size.
    """
    import SimpleITK as sitk

    check_codestreams(path, shape)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    with parsing(path, "DICOM image"):
        reader.SetFileName(str(path))
        array = sitk.GetArrayFromImage(reader.Execute())
    array = array if array.ndim > 2 else array[None]
    if array.shape[1:3] != shape:
        raise FileError(f"{path} decodes to {array.shape}, its header says {shape}")
    return array
