"""Files that belong together by their names: patterns such as ``"{case}/{case}_flair.nii.gz"``."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from meddl.core.errors import FileError

ONLY = "all"  # the name where a pattern names none


def match_files(folder: Path, pattern: str, key: str = "case") -> dict[str, Path]:
    """Name -> file, sorted.

    Args:
        folder: that the pattern is relative to.
        pattern: ``{key}`` stands for the name (no ``/``), ``*`` and ``?`` as in a shell.
        key: the word in braces.

    Raises:
        FileError: no file, or several for one name.
    """
    result: dict[str, Path] = {}
    for name, path in named_files(folder, pattern, key):
        if name in result:
            raise FileError(f"{pattern} has two files for one {key}: {result[name]} and {path}")
        result[name] = path
    return result


def named_files(folder: Path, pattern: str, key: str = "case") -> list[tuple[str, Path]]:
    """As :func:`match_files`, of names that may have several files; sorted by file.

    Raises:
        FileError: no file.
    """
    braces = "{" + key + "}"
    paths = sorted(glob.glob(pattern.replace(braces, "*"), root_dir=folder))
    if not paths:
        raise FileError(f"no file matches {pattern} (folder {folder})")
    parts = re.split(rf"({re.escape(braces)}|\*|\?)", pattern)
    special = {braces: "(?P=name)", "*": "[^/]*", "?": "[^/]"}
    expression = "".join(special.get(part) or re.escape(part) for part in parts)
    expression = expression.replace("(?P=name)", "(?P<name>[^/]+)", 1)
    matches = ((re.fullmatch(expression, path.replace(os.sep, "/")), path) for path in paths)
    # No match where the braces stand for two different texts.
    return [
        (match["name"] if braces in pattern else ONLY, folder / path)
        for match, path in matches
        if match is not None
    ]
