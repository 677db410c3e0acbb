"""Where the clear frames of a training run come from: videos, pictures, rendered abdomens.

A source is a whole that is never split between training and validation: the frames of one
procedure, one picture, one scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.file_patterns import ONLY, named_files
from meddl.core.image_io import PICTURES
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken
from meddl.core.video import picture_files, probe_video, read_frames
from meddl.desmoke.clear_frames import clarity, clear_of_video, parse_numbers

Frame = NDArray[np.uint8]

FIELD = (60.0, 95.0)  # range of the rendered camera's angle across, degrees
RENDERED_SIDE = 320  # pixels: larger than the network's grid, as video is


class Source(Protocol):
    """Frames that belong together.

    Attributes:
        name: of the procedure, picture or scene.
    """

    @property
    def name(self) -> str: ...

    def frames(self, cancel: CancelToken | None = None) -> Iterator[Frame]:
        """(H, W, 3) uint8 RGB, one after the other.

        Raises:
            Cancelled: by the token, between frames.
        """

    def identity(self) -> Any:
        """What makes two sources the same, as JSON."""


@dataclass(frozen=True)
class FileFrames:
    """A video, or one or more pictures of one procedure.

    Attributes:
        name: see :class:`Source`.
        paths: one video, or pictures.
        numbers: of its frames, from 0; None: all.
        every: of these every so manyth.
        judge: leave out frames that seem to have smoke, by
            :func:`meddl.desmoke.clear_frames.clear_of_video`, a single picture by
            :attr:`meddl.desmoke.clear_frames.Clarity.is_clear`; those of ``numbers`` are taken as
            they are.
    """

    name: str
    paths: tuple[Path, ...]
    numbers: frozenset[int] | None = None
    every: int = 1
    judge: bool = False

    def frames(self, cancel: CancelToken | None = None) -> Iterator[Frame]:
        """See :class:`Source`.

        Raises:
            FileError: damaged files.
            InputError: a number behind the last frame.
        """
        judged = self.judge and self.numbers is None
        # They are read twice: a frame is held against all others, which memory may not hold.
        clear = self._clear(self._chosen(cancel)) if judged else repeat(True)
        return (frame for frame, kept in zip(self._chosen(cancel), clear, strict=judged) if kept)

    def _clear(self, frames: Iterator[Frame]) -> Iterable[bool]:
        values = [clarity(frame) for frame in frames]
        alone = len(self.paths) == 1 and _is_picture(self.paths[0])
        return [v.is_clear for v in values] if alone else clear_of_video(values).tolist()

    def _all(self) -> Iterator[Frame]:
        if _is_picture(self.paths[0]):
            return (read_rgb(path) for path in self.paths)
        return read_frames(self.paths[0], stop=None if self.numbers is None else self._stop())

    def _stop(self) -> int:
        return max(self.numbers or (), default=-1) + 1

    def _chosen(self, cancel: CancelToken | None) -> Iterator[Frame]:
        count = taken = 0
        for number, frame in enumerate(self._all()):
            if cancel is not None:
                cancel.check()
            count = number + 1
            if self.numbers is None or number in self.numbers:
                if taken % self.every == 0:
                    yield frame
                taken += 1
        if count < self._stop():
            raise InputError(
                f"{self.paths[0]} has {count} frames, number {self._stop() - 1} was asked for"
            )

    def identity(self) -> Any:
        """See :class:`Source`."""
        stats = [(path, path.stat()) for path in self.paths]
        files = [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
        numbers = None if self.numbers is None else sorted(self.numbers)
        return [files, numbers, self.every, self.judge]


@dataclass(frozen=True)
class RenderedFrames:
    """Views of one abdomen of :mod:`meddl.rendering`.

    Attributes:
        seed: of scene, cameras, lamps and sensors.
        views: how many.
    """

    seed: int
    views: int = 16

    @property
    def name(self) -> str:
        """See :class:`Source`."""
        return f"rendered-{self.seed}"

    def frames(self, cancel: CancelToken | None = None) -> Iterator[Frame]:
        """See :class:`Source`."""
        from meddl.rendering import (
            abdomen,
            camera_path,
            fov_intrinsics,
            random_light,
            random_sensor,
            render,
        )

        scene, rng = abdomen(self.seed), np.random.default_rng([self.seed, 1])
        size = RENDERED_SIDE, RENDERED_SIDE
        for _ in range(self.views):
            if cancel is not None:
                cancel.check()
            intrinsics = fov_intrinsics(rng.uniform(*FIELD), size)
            pose = camera_path(scene, 1, rng)[0]
            light, sensor = random_light(rng), random_sensor(rng, RENDERED_SIDE)
            yield render(scene, intrinsics, size, pose, light, sensor, rng).colour

    def identity(self) -> Any:
        """See :class:`Source`."""
        return ["rendered", self.seed, self.views, RENDERED_SIDE]


def find_sources(folder: Path, entry: str, every: int = 1, judge: bool = False) -> list[FileFrames]:
    """The sources of an entry, sorted by name.

    Args:
        folder: that the entry is relative to.
        entry: a video, a picture, a folder of pictures, or several by ``*`` and ``?``.
            ``{procedure}`` stands for the name of what belongs together; without it every file or
            folder is a source of its own, named as itself without suffix. ``FILE:0-6,8`` takes
            these frames only, of the pictures of a folder in natural order.
        every, judge: see :class:`FileFrames`.

    Raises:
        FileError: nothing of that name, no video, or a folder without pictures.
        InputError: numbers that are none.
    """
    match = re.fullmatch(r"(.+):([\d,\s-]+)", entry)
    pattern = match[1] if match else entry
    numbers = frozenset(parse_numbers(match[2])) if match else None
    found: dict[str, list[Path]] = {}
    for name, path in named_files(folder, pattern, "procedure"):
        files = picture_files(path) if path.is_dir() else [path]
        found.setdefault(path.stem if name == ONLY else name, []).extend(files)
    sources = []
    for name, paths in sorted(found.items()):
        videos = [path for path in paths if not _is_picture(path)]
        if videos:
            probe_video(videos[0])  # that it is one
        if videos and len(paths) > 1:
            raise FileError(f"{pattern} has several videos for {name}: {paths[0]} and {paths[1]}")
        sources.append(FileFrames(name, tuple(paths), numbers, every, judge))
    return sources


def share_of(sources: Sequence[Source], share: float, seed: int) -> list[Source]:
    """The sources of a share of the names, drawn by the seed; at least one unless it is 0."""
    names = sorted({source.name for source in sources})
    count = max(1, round(share * len(names))) if share and names else 0
    drawn = np.random.default_rng(seed).permutation(len(names))[:count]
    chosen = {names[n] for n in drawn}
    return [source for source in sources if source.name in chosen]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES
