"""What a data set's folder holds."""

from __future__ import annotations

import csv
from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Path below the folder -> bytes of every file, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def index(folder: Path) -> list[dict[str, str]]:
    """The rows of ``index.csv``."""
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))
