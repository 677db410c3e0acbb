"""Pairs of clear and smoky frames, as ``meddl desmoke synthesize`` writes them, for training."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.errors import FileError, InputError
from meddl.core.files import parsing
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import picture_files
from meddl.desmoke.frame_sources import Frame
from meddl.desmoke.samples import Frames, Sample, camera_ways, channels_first, moved
from meddl.desmoke.training_parameters import DesmokeTraining

CLEAR, SMOKY, INDEX = "clear", "smoky", "index.csv"


@dataclass(frozen=True)
class PairFrames:
    """The pairs of one procedure: a :class:`meddl.desmoke.frame_sources.Source` whose frames are
    clear, smoky, clear, smoky, …

    Attributes:
        name: of the procedure.
        paths: (clear, smoky) of each pair.
    """

    name: str
    paths: tuple[tuple[Path, Path], ...]

    def frames(self, cancel: CancelToken | None = None) -> Iterator[Frame]:
        """(H, W, 3) uint8 RGB.

        Raises:
            FileError: a damaged picture, or a pair of two sizes.
            Cancelled: by the token, between pairs.
        """
        for clear_path, smoky_path in self.paths:
            if cancel is not None:
                cancel.check()
            clear, smoky = read_rgb(clear_path), read_rgb(smoky_path)
            if clear.shape != smoky.shape:
                raise FileError(
                    f"{smoky_path} is {smoky.shape[1]}x{smoky.shape[0]}, its clear partner "
                    f"{clear.shape[1]}x{clear.shape[0]}"
                )
            yield clear
            yield smoky

    def identity(self) -> Any:
        """See :class:`meddl.desmoke.frame_sources.Source`."""
        stats = [(path, path.stat()) for pair in self.paths for path in pair]
        return ["pairs", [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]]


class PairSamples:
    """Pairs as clips of one frame: ``smoky`` and ``clear`` (1, 3, h, w) float32 RGB 0..1.

    Validation sees the pairs as they are; training mirrors, turns, enlarges and brightens both
    alike.

    Args:
        frames: clear, smoky, clear, smoky, … on the network's grid, uint8.
        parameters: of the augmentation.
    """

    def __init__(self, frames: Frames, parameters: DesmokeTraining) -> None:
        self.frames = frames
        self.parameters = replace(parameters, clip_length=1, motion=0)

    def __len__(self) -> int:
        return len(self.frames) // 2

    def __getitem__(self, index: int) -> Sample:
        clear, smoky = (np.asarray(self.frames[2 * index + n])[np.newaxis] for n in (0, 1))
        return _sample(clear, smoky, 1.0)

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """The pair under a random augmentation."""
        clear, smoky = (np.asarray(self.frames[2 * index + n]) for n in (0, 1))
        ways = camera_ways(clear.shape[:2], self.parameters, generator)
        gain = 1 + self.parameters.brightness * generator.uniform(-1, 1)
        return _sample(moved(clear, ways), moved(smoky, ways), gain)


def _sample(clear: Frame, smoky: Frame, gain: float) -> Sample:
    clips = {SMOKY: smoky, CLEAR: clear}
    return {
        name: channels_first(np.minimum(clip * np.float32(gain / 255), np.float32(1)))
        for name, clip in clips.items()
    }


def find_pairs(folder: Path) -> list[PairFrames]:
    """The pairs of a data set, by procedure.

    Args:
        folder: with ``clear`` and ``smoky``, whose files have the same names, and, if it is there,
            ``index.csv`` with columns ``name`` and ``source``; a procedure is what was made of one
            source. Without it every pair is one.

    Raises:
        FileError: a folder that is missing or empty, or an index that is none.
        InputError: a picture without partner.
    """
    for part in (CLEAR, SMOKY):
        if not (folder / part).is_dir():
            raise FileError(
                f"{folder} has no folder {part}; it is none of meddl desmoke synthesize"
            )
    pictures = {
        part: {path.stem: path for path in picture_files(folder / part)} for part in (CLEAR, SMOKY)
    }
    alone = sorted(pictures[CLEAR].keys() ^ pictures[SMOKY].keys())
    if alone:
        raise InputError(f"{folder}: {alone[0]} has no partner ({len(alone)} such pictures)")
    procedures = _procedures(folder / INDEX)
    groups: dict[str, list[tuple[Path, Path]]] = {}
    for name, clear in pictures[CLEAR].items():
        groups.setdefault(procedures.get(name, name), []).append((clear, pictures[SMOKY][name]))
    return [PairFrames(name, tuple(paths)) for name, paths in sorted(groups.items())]


def _procedures(path: Path) -> dict[str, str]:
    """Name of a pair -> stem of the file that it was made of."""
    if not path.exists():
        return {}
    with parsing(path, "index of pairs"), path.open(encoding="utf-8", newline="") as file:
        return {row["name"]: Path(row["source"]).stem for row in csv.DictReader(file)}
