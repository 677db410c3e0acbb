"""The folder of a training run: who claims it, what ran there, and how it went, epoch by epoch."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import meddl
from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, read_json, write_json

# What may change when a run is resumed without changing its course up to there.
RESUMABLE = {
    "epochs",
    "patience",
    "device",
    "workers",
    "checkpoint_minutes",
    "checkpoint_steps",
    "display_interval",
    "non_finite_limit",
}


def command_line() -> str:
    """The command that started this process, quoted for a shell."""
    return shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]])


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    found = {"meddl": meddl.__version__, "python": platform.python_version()}
    for package in ("torch", "lightning-fabric", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def check_folder(folder: Path, parameters: Mapping[str, Any], resume: bool) -> None:
    """Refuse a folder that holds another run, before anything is written.

    Args:
        folder: of the run; need not exist yet.
        parameters: what would be recorded, as plain JSON types.
        resume: whether an earlier run in the folder is to be continued.

    Raises:
        FileError: a file of that name, a run without ``resume``, or a damaged record.
        InputError: the recorded run had other parameters.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file, a folder for the training run was expected")
    path = folder / "run.json"
    if not path.exists():
        return
    if not resume:
        raise FileError(f"{folder} holds another training run; resume it or choose another folder")
    recorded = _read(path)["parameters"]
    for name in sorted({*recorded, *parameters} - RESUMABLE):
        if recorded.get(name) != parameters.get(name):
            raise InputError(
                f"{folder} was trained with {name} {recorded.get(name)!r}, not "
                f"{parameters.get(name)!r}; resume with the same value or choose another folder"
            )


def _read(path: Path) -> dict[str, Any]:
    record = read_json(path, "training record")
    table = record if isinstance(record, dict) else {}
    if not (isinstance(table.get("parameters"), dict) and isinstance(table.get("starts"), list)):
        raise FileError(f"{path} is no training record; choose another folder")
    return table


def make_folder(folder: Path) -> Path:
    """``folder``, made if it was missing.

    Raises:
        FileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """``folder``, made if it was missing; if it stays empty it is taken away again.

    For work that may take long: that the folder can be made is known before, and work that fails
    leaves none behind.

    Raises:
        FileError: it cannot be made.
    """
    missing = not folder.exists()
    try:
        yield make_folder(folder)
    finally:
        if missing:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def write_record(folder: Path, parameters: Mapping[str, Any], device: str, step: int) -> None:
    """Make the folder and write or extend ``run.json``.

    Raises:
        FileError: the folder cannot be made or written.
    """
    path = make_folder(folder) / "run.json"
    starts = _read(path)["starts"] if path.exists() else []
    start = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "command": command_line(),
        "device": device,
        "versions": versions(),
    }
    write_json(path, {"parameters": dict(parameters), "starts": [*starts, start]})


def write_history(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``history.jsonl``: one line per epoch; figures that are not finite become null."""
    text = "".join(json.dumps(_finite(row)) + "\n" for row in rows)
    with atomic_path(folder / "history.jsonl") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not abs(value) < float("inf") else value
        for name, value in row.items()
    }
