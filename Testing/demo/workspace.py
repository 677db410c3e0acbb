"""Where the demo is made: a folder beside the output that takes its place when it is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from meddl.core.errors import FileError

REPORT = "report.html"


@contextmanager
def workspace(output: Path, keep: bool) -> Iterator[Path]:
    """Give an empty folder; on success it replaces ``output``, otherwise it is removed.

    The folder of a killed run is removed by the next one, and a run that was killed while it
    swapped the folders is undone.

    Args:
        output: the demo's folder; made if missing.
        keep: whether the other chapters of an earlier demo are copied into the new one.

    Raises:
        FileError: ``output`` holds something other than a demo, or cannot be written.
    """
    output = Path(os.path.abspath(output))
    prefix = f".{output.name}.part-"
    if not output.parent.is_dir():
        raise FileError(f"the folder {output.parent} of the demo does not exist; make it")
    for left in output.parent.glob(f"{prefix}*"):
        _clear_after_killed_run(left, prefix, output)
    if (
        output.exists()
        and not (output / REPORT).is_file()
        and (not output.is_dir() or any(output.iterdir()))
    ):
        raise FileError(
            f"{output} exists and holds no demo ({REPORT} is missing); choose another folder"
        )
    part = output.with_name(f"{prefix}{os.getpid()}")
    new, old = part / "new", part / "old"
    try:
        new.mkdir(parents=True)
        if keep and output.is_dir():
            shutil.copytree(output, new, dirs_exist_ok=True)
        yield new
        if output.exists():
            os.replace(output, old)
        os.replace(new, output)
    except OSError as error:
        raise FileError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _clear_after_killed_run(part: Path, prefix: str, output: Path) -> None:
    owner = part.name.removeprefix(prefix)
    if owner.isdigit() and psutil.pid_exists(int(owner)):
        raise FileError(
            f"another demo (process {owner}) is writing {output}; wait for it or end it"
        )
    if (part / "old").is_dir() and not output.exists():
        os.replace(part / "old", output)
    shutil.rmtree(part, ignore_errors=True)
