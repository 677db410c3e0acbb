"""For the commands that need a checkout: the tests and the demo are not part of the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from meddl.core.errors import FileError


def checkout(needed: str) -> Path:
    """The checkout's folder, if it holds the file or folder ``needed``.

    Raises:
        FileError: this is an installed copy of the library.
    """
    folder = Path(__file__).resolve().parents[3]
    if not (folder / needed).exists():
        raise FileError(
            f"{needed} is not in {folder}; this command needs a checkout: git clone "
            "https://github.com/SlicerMedDL/SlicerMedDL"
        )
    return folder


def become_python(arguments: Sequence[str | Path], folder: Path) -> int:
    """Run this Python with other arguments in ``folder``; returns its exit code, where it returns.

    Where it can, the system puts it in place of this process: signals reach it, and killing the
    command does not leave it behind.
    """
    command = [sys.executable, *map(str, arguments)]
    if os.name == "nt":
        return subprocess.call(command, cwd=folder)
    sys.stdout.flush()
    os.chdir(folder)
    os.execv(command[0], command)
