"""Images with the truth, from files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import existing_file, parsing
from meddl.core.image import Image
from meddl.core.image_io import read_image
from meddl.core.parameters import convert
from meddl.deepigeos.batch import read_channels, require_same_grid


@dataclass(frozen=True, eq=False)
class Case:
    """One image with the true mask of one target.

    Attributes:
        name: in tables.
        image: (K, J, I[, C]).
        truth: (K, J, I) bool.

    Raises:
        InputError: another shape, an empty mask, or one that fills the image.
    """

    name: str
    image: Image
    truth: NDArray[np.bool_]

    def __post_init__(self) -> None:
        truth = np.asarray(self.truth) != 0
        if truth.shape != self.image.array.shape[:3]:
            raise InputError(
                f"{self.name}: the label has shape {truth.shape}, the image "
                f"{self.image.array.shape[:3]} (k, j, i)"
            )
        if not truth.any() or truth.all():
            share = "no" if not truth.any() else "every"
            raise InputError(f"{self.name}: {share} voxel has the label; choose another value")
        object.__setattr__(self, "truth", truth)


def case_of_files(
    images: Sequence[str | Path], label: str | Path, value: int, name: str = ""
) -> Case:
    """The voxels of a label map that have ``value``, with their image.

    Args:
        images: channels of one grid.
        label: label map of that grid.
        name: in tables; default: the label's file name and the value.

    Raises:
        FileError: missing or damaged.
        InputError: grids that differ, or no voxel of that value (the values there are named).
    """
    image = read_channels(images)
    labels = read_image(label)
    require_same_grid(labels, image, f"label map {label}")
    found = labels.array.reshape(labels.array.shape[:3], copy=False)
    if not (found == value).any():
        there = ", ".join(str(n) for n in np.unique(found)[:30])
        raise InputError(f"{label} has no voxel of value {value}; there are: {there}")
    return Case(name or f"{Path(label).name.partition('.')[0]}-{value}", image, found == value)


def read_evaluation_cases(path: str | Path) -> list[Case]:
    """Read cases from a CSV file with the columns image, label, value and, if wanted, name.

    Relative paths are relative to the list; channels are joined by ``;``.

    Raises:
        FileError: missing, another header, or a row that is not complete, named by line number.
        InputError: as :func:`case_of_files`.
    """
    path = existing_file(path, "list of cases")
    with parsing(path, "list of cases"), path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        columns = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        if {*columns, "name"} != {"image", "label", "value", "name"}:
            raise FileError(
                f"{path}, line 1 is {','.join(columns)[:80]!r}: image,label,value[,name] expected"
            )
        rows = [(reader.line_num, row) for row in reader]
    cases = []
    for line, row in rows:
        if None in row or not all(row.get(name) for name in ("image", "label", "value")):
            raise FileError(f"{path}, line {line}: image, label and value were expected")
        images = [path.parent / part.strip() for part in row["image"].split(";")]
        value = convert(row["value"], int, f"{path}, line {line}: value")
        cases.append(
            case_of_files(images, path.parent / row["label"], value, row.get("name") or "")
        )
    if not cases:
        raise FileError(f"{path} lists no case")
    return cases
