"""Which files belong to which case: patterns such as ``"{case}/{case}_flair.nii.gz"``."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meddl.core.errors import FileError, InputError

CASE = "{case}"
ONLY = "all"  # the name of a case whose patterns name none


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case.

    Attributes:
        name: of the case.
        images: one file per channel.
        labels: the label map.
    """

    name: str
    images: tuple[Path, ...]
    labels: Path


def find_cases(
    folder: Path, images: Sequence[str], labels: str, wanted: Sequence[str] | None = None
) -> tuple[CaseFiles, ...]:
    """Pair images and labels by the name of their case.

    Args:
        folder: that the patterns are relative to.
        images: one pattern per channel; ``{case}`` stands for the name (no ``/``), ``*`` and ``?``
            as in a shell.
        labels: the same for the label maps. Patterns without ``{case}`` name a single case.
        wanted: names of the cases; None takes all, and then a file without a partner is an error.

    Returns:
        Cases in the order of ``wanted``, or by name.

    Raises:
        FileError: no file for a pattern or a case, or several for one.
        InputError: files without partners.
    """
    found = [_match(folder, pattern) for pattern in (*images, labels)]
    truth = found[-1]
    names = list(wanted) if wanted is not None else sorted(truth)
    for pattern, table in zip((*images, labels), found, strict=True):
        for name in names:
            if name not in table:
                raise FileError(f"the case {name} has no file {pattern} (folder {folder})")
        alone = sorted(set(table) - set(names))
        if wanted is None and alone:
            raise InputError(
                f"{table[alone[0]]} has no labels {labels.replace(CASE, alone[0])} ({len(alone)} "
                "such files); add them, move the files away, or list the cases under training"
            )
    return tuple(
        CaseFiles(name, tuple(table[name] for table in found[:-1]), truth[name]) for name in names
    )


def _match(folder: Path, pattern: str) -> dict[str, Path]:
    """Name of the case -> file."""
    paths = sorted(glob.glob(pattern.replace(CASE, "*"), root_dir=folder))
    if not paths:
        raise FileError(f"no file matches {pattern} (folder {folder})")
    expression = "".join(_expression(part) for part in re.split(r"(\{case\}|\*|\?)", pattern))
    expression = expression.replace("(?P=case)", "(?P<case>[^/]+)", 1)
    result: dict[str, Path] = {}
    for path in paths:
        match = re.fullmatch(expression, path.replace(os.sep, "/"))
        if match is None:  # {case} stands for two different texts
            continue
        name = match["case"] if CASE in pattern else ONLY
        if name in result:
            raise FileError(f"{pattern} has two files for one case: {result[name]} and {path}")
        result[name] = folder / path
    return result


def _expression(part: str) -> str:
    special = {CASE: "(?P=case)", "*": "[^/]*", "?": "[^/]"}
    return special.get(part) or re.escape(part)
