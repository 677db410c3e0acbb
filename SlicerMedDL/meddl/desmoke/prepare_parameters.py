"""Which frames are taken from long videos, and which split each procedure goes to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from meddl.core.errors import FileError, InputError
from meddl.core.files import visible
from meddl.core.parameters import parameter

SPLITS = ("train", "validation", "test")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".m4v", ".ts")
# Cholec80 (Twinanda et al., IEEE TMI 36:86, 2017) by the published split; 23 to 80 are not used.
_CHOLEC80 = re.compile(r"video(\d\d)\.mp4")
_CHOLEC80_SPLIT = {**dict.fromkeys(range(1, 21), "train"), 21: "test", 22: "test"}


@dataclass(frozen=True)
class PrepareParameters:
    """How frames are chosen; the command line and ``dataset.json`` share it."""

    step: int = parameter(5, "look at every so manieth frame", minimum=1)
    sharpness: float = parameter(
        50.0, "least variance of the Laplacian, at 256 pixels on the longer side", minimum=0.0
    )
    colourfulness: float = parameter(
        25.0, "least colourfulness (Hasler and Suesstrunk)", minimum=0.0
    )
    brightness: tuple[float, float] = parameter(
        (30.0, 200.0), "least and largest mean brightness", minimum=0.0, maximum=255.0
    )
    clear: bool = parameter(False, "leave out frames with smoke, held against their own video")
    size: int | None = parameter(
        None, "reduce frames to this on the longer side", unit="pixels", minimum=8
    )
    format: str = parameter("png", "of the frames", choices=("png", "jpg"))
    layout: str = parameter(
        "auto",
        "cholec80: videos 01-20 train, 21-22 test; shares: by the shares below; auto: cholec80 "
        "where the files are named so",
        choices=("auto", "cholec80", "shares"),
    )
    test_share: float = parameter(0.1, "of the procedures", minimum=0.0, maximum=1.0)
    validation_share: float = parameter(0.0, "of the procedures", minimum=0.0, maximum=1.0)
    procedure: str | None = parameter(
        None,
        "regular expression whose match in a file's path names the procedure; files of one "
        "procedure stay in one split (by default each file is one)",
        metavar="REGEX",
    )
    seed: int = parameter(0, "of the split by shares", minimum=0)
    limit: float = parameter(100.0, "largest disk use", unit="GB", minimum=0.0)


@dataclass(frozen=True)
class Source:
    """A video and where its frames go.

    Attributes:
        path: of the file.
        name: of its folder in the data set.
        procedure: what must stay in one split.
        split: one of :data:`SPLITS`.
    """

    path: Path
    name: str
    procedure: str
    split: str


def find_sources(folder: str | Path, parameters: PrepareParameters) -> list[Source]:
    """The videos below a folder, in order of their names, with their splits.

    Raises:
        FileError: no folder, or no video in it.
        InputError: a procedure that cannot be told, shares over 1, or no video of Cholec80.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"{folder} is no folder; the folder of the videos was expected")
    paths = sorted(p for p in visible(folder, "**/*") if p.suffix.lower() in VIDEOS and p.is_file())
    if not paths:
        raise FileError(f"{folder} holds no video ({', '.join(VIDEOS)})")
    layout = parameters.layout
    if layout == "auto":
        known = all(_CHOLEC80.fullmatch(path.name) for path in paths)
        layout = "cholec80" if known else "shares"
    names = _names(folder, paths)
    if layout == "cholec80":
        sources = [
            Source(path, name, name, split)
            for path, name in zip(paths, names, strict=True)
            if (split := _cholec80_split(path)) is not None
        ]
        if not sources:
            raise InputError(f"{folder} holds none of Cholec80's video01.mp4 to video22.mp4")
        return sources
    procedures = [
        _procedure(path.relative_to(folder).as_posix(), name, parameters.procedure)
        for path, name in zip(paths, names, strict=True)
    ]
    splits = split_procedures(procedures, parameters)
    return [
        Source(path, name, procedure, splits[procedure])
        for path, name, procedure in zip(paths, names, procedures, strict=True)
    ]


def _cholec80_split(path: Path) -> str | None:
    match = _CHOLEC80.fullmatch(path.name)
    return _CHOLEC80_SPLIT.get(int(match[1])) if match else None


def _names(folder: Path, paths: Sequence[Path]) -> list[str]:
    """One folder name per video: its path below ``folder``, joined by ``-``."""
    names = ["-".join(path.relative_to(folder).with_suffix("").parts) for path in paths]
    taken: dict[str, Path] = {}
    for name, path in zip(names, paths, strict=True):
        if name in taken:
            raise InputError(f"{taken[name]} and {path} would get one name, {name}; rename one")
        taken[name] = path
    return names


def _procedure(path: str, name: str, expression: str | None) -> str:
    if expression is None:
        return name
    try:
        match = re.search(expression, path)
    except re.error as error:
        raise InputError(f"--procedure {expression!r} is no regular expression: {error}") from None
    if match is None:
        raise InputError(f"--procedure {expression!r} matches nothing in {path}")
    return match[match.lastindex or 0]


def split_procedures(procedures: Sequence[str], parameters: PrepareParameters) -> Mapping[str, str]:
    """Procedure -> split, by a shuffle that the seed decides.

    A share above 0 gets at least one procedure, if each split can have one.

    Raises:
        InputError: shares that add up to more than 1.
    """
    shares = {"test": parameters.test_share, "validation": parameters.validation_share}
    if sum(shares.values()) > 1:
        raise InputError(f"the shares add up to {sum(shares.values()):g}, at most 1 was expected")
    names = sorted(set(procedures))
    order = [names[n] for n in np.random.default_rng(parameters.seed).permutation(len(names))]
    splits = dict.fromkeys(order, "train")
    start = 0
    for split, share in shares.items():
        count = round(share * len(order))
        if share > 0 and len(order) > sum(value > 0 for value in shares.values()):
            count = max(count, 1)
        for name in order[start : start + count]:
            splits[name] = split
        start += count
    return splits
