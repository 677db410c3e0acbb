"""Segmentation of files: one case, or a list of them that goes on after a bad one."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import Cancelled, FileError, InputError, MedDLError, one_line
from meddl.core.files import existing_file, parsing, writable_parent, write_json
from meddl.core.image import Image
from meddl.core.image_io import PICTURES, file_suffix, read_image, write_image
from meddl.core.markups import Points, read_points, read_roi
from meddl.core.parameters import parameter, validate
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.core.run_record import make_folder
from meddl.deepigeos.methods import BACKGROUND
from meddl.deepigeos.roi import Box, box_of_corners
from meddl.deepigeos.session import InteractiveSession

SEGMENTATIONS = (".nii", ".nii.gz", ".nrrd", ".mha")
LABEL_PICTURES = (".png", ".tif", ".tiff")
POINT_FILES = (".json", ".fcsv", ".csv")
SAME_GRID_MM = 1e-2  # NIfTI and NRRD round positions differently


@dataclass(frozen=True)
class SegmentParameters:
    """How cases are segmented."""

    method: str = parameter(
        "auto", "auto, network, geodesic, crf or randomwalker", metavar="METHOD"
    )
    weights: str | None = parameter(
        None, "your own P-Net, R-Net or both (joined by a comma)", metavar="NAME|PATH"
    )
    device: str = parameter("auto", "where networks compute: auto, cpu, cuda:0, mps")

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class SegmentCase:
    """The files of one case.

    Attributes:
        image: volume or DICOM folder; several channels of one grid are joined by ``;`` in a list.
        foreground, background: mask of the image's grid, or points (.mrk.json, .fcsv, .csv).
        seeds: label map, 0 none, 1 background, 2 and above segments.
        initial: label map to start from.
        frozen: mask of voxels that keep the label of ``initial``.
        roi: box that the segments lie in: a ROI (.mrk.json), or R0,R1,A0,A1,S0,S1 in mm.
        name: of the output, without suffix.
    """

    image: tuple[str, ...]
    foreground: str | None = None
    background: str | None = None
    seeds: str | None = None
    initial: str | None = None
    frozen: str | None = None
    roi: str | None = None
    name: str = ""

    @property
    def marked(self) -> bool:
        """Whether the case has seeds of any kind."""
        return bool(self.foreground or self.background or self.seeds)


def read_channels(paths: Sequence[str | Path]) -> Image:
    """Read images of one grid as the channels of one.

    Raises:
        FileError: missing or damaged.
        InputError: grids that differ in size, position, spacing or direction.
    """
    images = [read_image(path) for path in paths]
    for path, image in zip(paths[1:], images[1:], strict=True):
        require_same_grid(image, images[0], f"channel {path}")
    if len(images) == 1:
        return images[0]
    channels = [image.array.reshape(*image.array.shape[:3], -1) for image in images]
    return images[0].with_array(np.concatenate(channels, axis=3))


def require_same_grid(image: Image, reference: Image, what: str) -> None:
    """Refuse an image whose voxels are not those of ``reference``.

    Raises:
        InputError: names the sizes, or how far apart the corners are.
    """
    if image.size != reference.size:
        sizes = ["x".join(map(str, each.size)) for each in (image, reference)]
        raise InputError(
            f"the {what} has {sizes[0]} voxels, the image {sizes[1]}; resample it to the image"
        )
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
    corners[:, :3] *= np.array(image.size) - 1
    apart = np.abs(corners @ (image.ras_from_ijk - reference.ras_from_ijk).T).max()
    if apart > SAME_GRID_MM:
        raise InputError(
            f"the {what} lies elsewhere than the image: corners differ by {apart:.3g} mm; resample "
            "it to the image"
        )


def read_marks(path: str | None, image: Image, what: str) -> NDArray[Any] | Points | None:
    """A mask of the image's grid, or points, by the file's suffix; None for no path."""
    if path is None:
        return None
    if path.lower().endswith(POINT_FILES):
        return read_points(path)
    return _read_labels(path, image, what)


def read_box(roi: str | None, image: Image) -> Box | None:
    """The voxels of a box: a file with a ROI, or its bounds R0,R1,A0,A1,S0,S1 in mm.

    Raises:
        FileError: a file that is missing or holds no ROI.
        InputError: other text, or a box beside the image.
    """
    if roi is None:
        return None
    if roi.lower().endswith(".json"):
        return box_of_corners(read_roi(roi), image)
    try:
        bounds = np.array([float(part) for part in roi.split(",")]).reshape(3, 2)
    except ValueError:
        bounds = np.full((3, 2), np.nan)
    if not (bounds[:, 0] < bounds[:, 1]).all() or not np.isfinite(bounds).all():
        raise InputError(
            f"the box is {roi!r}; R0,R1,A0,A1,S0,S1 in RAS mm, each the lower bound first, or a "
            "ROI in a .mrk.json was expected"
        )
    corners = [[r, a, s] for r in bounds[0] for a in bounds[1] for s in bounds[2]]
    return box_of_corners(corners, image)


def _read_labels(path: str | None, image: Image, what: str) -> NDArray[Any] | None:
    if path is None:
        return None
    labels = read_image(path)
    require_same_grid(labels, image, f"{what} {path}")
    if labels.components != 1:
        raise InputError(f"the {what} {path} has {labels.components} components, one was expected")
    return labels.array.reshape(labels.array.shape[:3])


def segment_case(
    case: SegmentCase,
    parameters: SegmentParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Image:
    """The label map of one case: (K, J, I) uint8, 0 background, 1 and above segments.

    ``foreground`` is segment 1. Where nothing marks a segment the case is predicted, all classes of
    the weights or what is in the box, and background marks correct that.

    Raises:
        FileError: a file that is missing or damaged.
        InputError: grids that differ, empty or contradicting marks, or no seed where some are
            needed.
        Cancelled: by the token.
    """
    image = read_channels(case.image)
    foreground = read_marks(case.foreground, image, "foreground")
    background = read_marks(case.background, image, "background")
    session = InteractiveSession(
        image,
        roi=read_box(case.roi, image),
        weights=parameters.weights,
        device=parameters.device,
        method=parameters.method,
        initial=_read_labels(case.initial, image, "initial segmentation"),
        frozen=_read_labels(case.frozen, image, "frozen mask"),
    )
    seeds = _read_labels(case.seeds, image, "seeds")
    if seeds is not None and not seeds.any():
        raise InputError(f"the seeds {case.seeds} are all 0; 1 is background, 2 and above mark")
    targets = seeds is not None and (seeds > BACKGROUND).any()
    if not case.marked or not (targets or case.foreground or case.initial):
        if case.marked and not session.can_predict:
            raise InputError(
                f"{case.background or case.seeds} marks background only; mark what is to be "
                "segmented: --foreground, 2 and above in --seeds, or --initial"
            )
        for segment in session.predictable or [1]:
            session.predict(segment, progress=progress, cancel=cancel)
    if seeds is not None:
        session.set_seeds(seeds, progress=progress, cancel=cancel)
    if case.foreground or case.background:
        session.add(foreground, background, progress=progress, cancel=cancel)
    if session.interrupted and cancel is not None:
        cancel.check()
    return image.with_array(session.labels().copy())


def check_output(path: str | Path, image: str | Path) -> Path:
    """``path`` if the label map of an image file can be written there: that of a picture also as
    a picture without loss.

    Raises:
        FileError: another suffix, or a folder that is missing or takes no file.
    """
    path = writable_parent(path)
    if file_suffix(path) not in SEGMENTATIONS:
        if file_suffix(image) not in PICTURES:
            raise FileError(f"{path}: a segmentation is written as {', '.join(SEGMENTATIONS)}")
        if file_suffix(path) not in LABEL_PICTURES:
            raise FileError(
                f"{path}: the segmentation of a picture is written as {', '.join(LABEL_PICTURES)}, "
                f"or as {', '.join(SEGMENTATIONS)}"
            )
    return path


def read_cases(path: str | Path) -> list[SegmentCase]:
    """Read a list of cases: CSV with a header of :class:`SegmentCase`'s names.

    Only ``image`` is needed; relative paths are relative to the list. A name that is left out is
    the image's, without suffix.

    Raises:
        FileError: missing, no CSV, an unknown or missing column, a row without image, or two cases
            of one name; rows are named by line number.
    """
    path = existing_file(path, "list of cases")
    known = [item.name for item in fields(SegmentCase)]
    cases: list[SegmentCase] = []
    with parsing(path, "list of cases"), path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        unknown = [name for name in columns if name not in known]
        if "image" not in columns or unknown:
            raise FileError(
                f"{path}, line 1 is {','.join(columns)[:80]!r}: a column image and any of "
                f"{', '.join(known[1:])} were expected"
            )
        for row in reader:
            cases.append(_case_of_row(path, reader.line_num, row))
    if not cases:
        raise FileError(f"{path} lists no case")
    names = [case.name for case in cases]
    for name in names:
        if names.count(name) > 1:
            raise FileError(f"{path} has two cases of the name {name!r}; give a column name")
    return cases


def _case_of_row(path: Path, line: int, row: dict[Any, Any]) -> SegmentCase:
    if None in row or None in row.values():
        raise FileError(f"{path}, line {line} has another number of cells than the header")
    cells = {name: cell.strip() for name, cell in row.items() if cell.strip()}
    name = cells.pop("name", "")
    images = [part.strip() for part in cells.pop("image", "").split(";") if part.strip()]
    if not images:
        raise FileError(f"{path}, line {line} has no image")
    if not name:
        name = Path(images[0]).name
        name = name[: len(name) - len(file_suffix(name))] or name
    if Path(name).name != name:
        raise FileError(f"{path}, line {line}: the name {name!r} is no file name")
    bounds = cells.pop("roi") if "," in cells.get("roi", "") else None
    files = {key: str(path.parent / cell) for key, cell in cells.items()}
    if bounds:
        files["roi"] = bounds
    return SegmentCase(tuple(str(path.parent / image) for image in images), name=name, **files)


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        name: of the case.
        output: the file written, or None.
        voxels: in any segment.
        seconds: wall time, reading and writing included.
        error: why there is no output, or None.
    """

    name: str
    output: str | None
    voxels: int
    seconds: float
    error: str | None = None


def segment_cases(
    cases: Sequence[SegmentCase],
    folder: str | Path,
    parameters: SegmentParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Iterator[Outcome]:
    """Segment cases one after the other into ``folder``, yielding what became of each.

    A case that cannot be segmented is reported and the others go on. ``summary.json`` has all
    outcomes and is written after each.

    Raises:
        FileError: the folder cannot be made or written.
        Cancelled: by the token; finished cases stay.
    """
    folder = make_folder(Path(folder))
    outcomes: list[Outcome] = []
    for count, case in enumerate(cases):
        part = subprogress(progress, count / len(cases), (count + 1) / len(cases))
        start, output = time.perf_counter(), writable_parent(folder / f"{case.name}.nii.gz")
        try:
            labels = segment_case(case, parameters, part, cancel)
            write_image(output, labels)
            found, error = int(np.count_nonzero(labels.array)), None
        except Cancelled:
            raise
        except MedDLError as problem:
            found, error = 0, one_line(problem)
        seconds = round(time.perf_counter() - start, 3)
        written = None if error else str(output)
        outcomes.append(Outcome(case.name, written, found, seconds, error))
        write_json(folder / "summary.json", {"cases": [vars(each) for each in outcomes]})
        yield outcomes[-1]
