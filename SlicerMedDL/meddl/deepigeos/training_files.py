"""Which files belong to which case: patterns such as ``"{case}/{case}_flair.nii.gz"``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meddl.core.errors import FileError, InputError
from meddl.core.file_patterns import match_files

CASE = "{case}"


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
    found = [match_files(folder, pattern) for pattern in (*images, labels)]
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
