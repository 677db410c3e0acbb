"""Colour and depth pairs: folders of pictures, lists of files, and lists with time stamps.

A pair is (colour (H, W, 3) uint8 RGB, depth (H, W) float32 in metres along the camera's z, 0 where
unknown). Depth pictures hold whole numbers; ``depth_scale`` of them are one metre (1000 for
millimetres, 5000 in TUM's and ICL-NUIM's data sets).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.file_patterns import match_files
from meddl.core.files import existing_file
from meddl.core.pictures import read_picture, read_rgb

Colour = NDArray[np.uint8]
Depth = NDArray[np.float32]


class Pairs(Protocol):
    """Named pairs; ``pairs[n]`` reads one."""

    @property
    def names(self) -> Sequence[str]: ...

    def __getitem__(self, index: int, /) -> tuple[Colour, Depth]: ...


@dataclass(frozen=True)
class PairFiles:
    """The two files of a pair."""

    name: str
    colour: Path
    depth: Path


def find_pairs(folder: Path, colour: str, depth: str) -> list[PairFiles]:
    """Pairs by pattern: ``"color/{pair}.png"`` and ``"depth/{pair}.png"``, in order of names.

    Raises:
        FileError: a pattern without files.
        InputError: a pattern without ``{pair}``, or files without a partner.
    """
    for pattern in (colour, depth):
        if "{pair}" not in pattern:
            raise InputError(f"the pattern {pattern!r} has no {{pair}} in place of the name")
    colours, depths = (match_files(folder, pattern, "pair") for pattern in (colour, depth))
    taken = set(depths.values())  # "{pair}.png" matches 1_depth.png too
    colours = {name: path for name, path in colours.items() if path not in taken}
    alone = sorted(set(colours) ^ set(depths))
    if alone:
        file = colours.get(alone[0]) or depths[alone[0]]
        raise InputError(
            f"{file} has no partner ({len(alone)} such files); add it, move the file away, or list "
            "the pairs under training"
        )
    return [PairFiles(name, colours[name], depths[name]) for name in sorted(colours)]


def read_index(path: str | Path) -> list[PairFiles]:
    """Pairs of a text file: ``COLOUR DEPTH`` or TUM's ``TIME COLOUR TIME DEPTH`` a line.

    Paths are relative to the file's folder, ``#`` begins a comment. A pair's name is the stem of
    its colour file.

    Raises:
        FileError: no such file, or a picture that is not there.
        InputError: a line of another form, no pair, or two of one name.
    """
    path = existing_file(path, "list of pairs")
    pairs: dict[str, PairFiles] = {}
    for number, words in _lines(path):
        if len(words) not in (2, 4):
            raise InputError(
                f"{path}, line {number}: {len(words)} entries; COLOUR DEPTH or TIME COLOUR TIME "
                "DEPTH was expected"
            )
        colour, depth = (path.parent / word for word in words[len(words) // 4 :: len(words) // 2])
        for file in (colour, depth):
            if not file.is_file():
                raise FileError(f"{path}, line {number}: there is no file {file}")
        if colour.stem in pairs:
            raise InputError(f"{path}, line {number}: the pair {colour.stem} occurs twice")
        pairs[colour.stem] = PairFiles(colour.stem, colour, depth)
    if not pairs:
        raise InputError(f"{path} names no pair")
    return list(pairs.values())


def associate(
    first: Sequence[float], second: Sequence[float], largest_gap: float
) -> list[tuple[int, int]]:
    """Pair time stamps, nearest first, each used once; indices, in order of ``first``.

    Args:
        first, second: seconds, in any order.
        largest_gap: seconds that a pair may be apart.
    """
    order = np.argsort(second, kind="stable")
    times = np.asarray(second, dtype=np.float64)[order]
    candidates = []
    for n, time in enumerate(first):
        low = bisect_left(times, time - largest_gap)
        while low < len(times) and times[low] <= time + largest_gap:
            candidates.append((abs(times[low] - time), n, int(order[low])))
            low += 1
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, one, other in sorted(candidates):
        if one not in taken and other not in used:
            taken[one] = other
            used.add(other)
    return sorted(taken.items())


def read_time_stamped(
    colour_list: str | Path, depth_list: str | Path, largest_gap: float = 0.02
) -> list[PairFiles]:
    """Pairs of two TUM lists (``TIME FILE`` a line), by time.

    Raises:
        FileError: a list or a picture that is not there.
        InputError: another form, or no two stamps within ``largest_gap`` seconds.
    """
    lists = [_time_stamped(existing_file(path, "list")) for path in (colour_list, depth_list)]
    matches = associate([t for t, _ in lists[0]], [t for t, _ in lists[1]], largest_gap)
    if not matches:
        raise InputError(
            f"no two stamps of {colour_list} and {depth_list} are within {largest_gap:g} s"
        )
    return [
        PairFiles(lists[0][one][1].stem, lists[0][one][1], lists[1][other][1])
        for one, other in matches
    ]


def _time_stamped(path: Path) -> list[tuple[float, Path]]:
    result = []
    for number, words in _lines(path):
        try:
            time, name = words
            stamp = float(time)
            if not np.isfinite(stamp):
                raise ValueError
        except ValueError:
            raise InputError(
                f"{path}, line {number}: {' '.join(words)!r}; TIME FILE was expected"
            ) from None
        file = path.parent / name
        if not file.is_file():
            raise FileError(f"{path}, line {number}: there is no file {file}")
        result.append((stamp, file))
    return result


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no text: byte {error.start} is not UTF-8") from error
    rows = ((number, line.split("#")[0].split()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, words) for number, words in rows if words]


class FilePairs:
    """Pairs of files.

    Args:
        files: of the pairs.
        depth_scale: of a depth picture's numbers, one metre.

    Raises:
        InputError: no files, or a scale that is not positive.
    """

    def __init__(self, files: Sequence[PairFiles], depth_scale: float) -> None:
        if not files:
            raise InputError("there are no pairs")
        if not 0 < depth_scale < float("inf"):
            raise InputError(f"depth_scale is {depth_scale}, a positive number was expected")
        self.files, self.depth_scale = list(files), depth_scale
        self.names = [pair.name for pair in files]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Colour, Depth]:
        """Read a pair.

        Raises:
            FileError: a picture that is damaged, of another type, or not as large as its partner.
        """
        files = self.files[index]
        colour, depth = read_rgb(files.colour), read_depth(files.depth, self.depth_scale)
        if colour.shape[:2] != depth.shape:
            raise FileError(
                f"{files.colour} is {colour.shape[1]}x{colour.shape[0]}, {files.depth} "
                f"{depth.shape[1]}x{depth.shape[0]}; both need one size, registered to each other"
            )
        return colour, depth


def read_depth(path: str | Path, depth_scale: float) -> Depth:
    """(H, W) float32 metres, 0 where the file holds 0, NaN or a negative value.

    Raises:
        FileError: missing, damaged, or a colour picture.
    """
    array = read_picture(path).array[0]
    if array.ndim != 2:
        raise FileError(f"{path} has {array.shape[2]} values per pixel, a depth picture has one")
    if array.dtype == np.uint8:
        raise FileError(f"{path} has 8 bits per pixel; a depth picture has 16, or is a float TIFF")
    depth = array.astype(np.float32) / np.float32(depth_scale)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0))


class Chosen:
    """Some of the pairs."""

    def __init__(self, pairs: Pairs, indices: Sequence[int]) -> None:
        self.pairs, self.indices = pairs, list(indices)
        self.names = [pairs.names[index] for index in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Colour, Depth]:
        return self.pairs[self.indices[index]]
