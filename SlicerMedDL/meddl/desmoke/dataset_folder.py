"""The folder of a data set: what it will hold is written first, so that it can be continued."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import meddl
from meddl.core.errors import FileError, InputError
from meddl.core.files import claimed_folder, read_json, remove_leftovers, visible, write_json
from meddl.core.run_record import make_folder, new_folder

RECORD, INDEX = "dataset.json", "index.csv"


@contextmanager
def dataset_folder(
    output: Path, content: Mapping[str, Any], folders: Sequence[str], resume: bool
) -> Iterator[None]:
    """Make the folder, its record and its ``folders``; keep other runs out meanwhile.

    Args:
        content: what makes two data sets the same, as plain JSON types.
        resume: whether a data set that was begun is to be continued.

    Raises:
        FileError: a folder that holds something else, a data set without ``resume``, or where
            another run is at work.
        InputError: the data set there has another content.
    """
    if output.exists() and not output.is_dir():
        raise FileError(f"{output} is a file; choose another output")
    with new_folder(output), claimed_folder(output):
        _check(output, content, resume)
        remove_leftovers(output)
        if not (output / RECORD).exists():  # first: a folder without it is taken for another's
            write_record(output, content)
        for name in folders:
            make_folder(output / name)
        yield


def _check(output: Path, content: Mapping[str, Any], resume: bool) -> None:
    path = output / RECORD
    if path.exists():
        if not resume:
            raise FileError(f"{output} holds a data set; resume it, or choose another folder")
        found = read_json(path, "data set record")
        for name, value in content.items():
            if not isinstance(found, dict) or found.get(name) != value:
                raise InputError(
                    f"{output} was begun with other {name}; resume with the same, or choose "
                    "another folder"
                )
    elif visible(output):
        raise FileError(f"{output} is not an empty folder; choose another output")


def discard(output: Path, folders: Sequence[str]) -> None:
    """Empty a folder of :func:`dataset_folder`, so that it can be begun anew."""
    for name in folders:
        shutil.rmtree(output / name)
    (output / RECORD).unlink()  # last: with it a run that is killed here can be resumed


def write_record(output: Path, content: Mapping[str, Any]) -> None:
    """Write ``dataset.json``, atomically."""
    write_json(output / RECORD, {"meddl": meddl.__version__, **content})
