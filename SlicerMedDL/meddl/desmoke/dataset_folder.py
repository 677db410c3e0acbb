"""The folder of a data set: what it will hold is written first, so that it can be continued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import meddl
from meddl.core.errors import FileError, InputError
from meddl.core.files import read_json, write_json
from meddl.core.run_record import make_folder

RECORD, INDEX = "dataset.json", "index.csv"


def begin_dataset(
    output: Path, content: Mapping[str, Any], folders: Sequence[str], resume: bool
) -> None:
    """Make the folder, its ``folders`` and its record.

    Args:
        content: what makes two data sets the same, as plain JSON types.
        resume: whether a data set that was begun is to be continued.

    Raises:
        FileError: a folder that holds something else, or a data set without ``resume``.
        InputError: the data set there has another content.
    """
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
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileError(f"{output} is not an empty folder; choose another output")
    for name in folders:
        make_folder(output / name)
    if not path.exists():
        write_record(output, content)


def write_record(output: Path, content: Mapping[str, Any]) -> None:
    """Write ``dataset.json``, atomically."""
    write_json(output / RECORD, {"meddl": meddl.__version__, **content})
