"""A training run as the panel sees it: its configuration and its command line."""

from __future__ import annotations

import json
from pathlib import Path

from meddl.core.errors import FileError
from meddl.core.files import atomic_path

CONFIG = "config.yaml"


def write_config(folder: str | Path, kind: str, data: str | Path = "") -> Path:
    """Write a configuration with all defaults into a run's folder; an existing one stays.

    Args:
        folder: of the run.
        kind: ``"pnet"``, ``"rnet"`` or ``"end-to-end"``.
        data: folder of the cases, with the folders ``images`` and ``labels`` in it.

    Raises:
        FileError: the folder takes no file.
    """
    from meddl.deepigeos.training_config import print_config

    path = Path(folder) / CONFIG
    if path.is_file():
        return path
    text = print_config(kind)
    if str(data).strip():
        folder = json.dumps(Path(data).absolute().as_posix())[1:-1]
        for part in ("images", "labels"):
            text = text.replace(f'"{part}/{{case}}', f'"{folder}/{part}/{{case}}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from error
    return path


def arguments(folder: str | Path) -> list[str]:
    """The command line after ``meddl`` that trains, or continues what was stopped."""
    folder = Path(folder)
    started = (folder / "run.json").is_file()
    command = ["deepigeos", "train", str(folder / CONFIG), "--output", str(folder)]
    return command + (["--resume"] if started else [])
