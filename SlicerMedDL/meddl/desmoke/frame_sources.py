"""Where the clear frames of a training run come from: videos, pictures, rendered abdomens.

A source is a whole that is never split between training and validation: the frames of one
procedure, one picture, one scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.file_patterns import ONLY, named_files
from meddl.core.image_io import PICTURES
from meddl.core.pictures import read_rgb
from meddl.core.video import picture_files, probe_video, read_frames

Frame = NDArray[np.uint8]
Ranges = tuple[tuple[int, int], ...]  # (first, end) of frames, end not included

FIELD = (60.0, 95.0)  # range of the rendered camera's angle across, degrees
RENDERED_SIDE = 320  # pixels: larger than the network's grid, as video is


class Source(Protocol):
    """Frames that belong together.

    Attributes:
        name: of the procedure, picture or scene.
    """

    @property
    def name(self) -> str: ...

    def frames(self) -> Iterator[Frame]:
        """(H, W, 3) uint8 RGB, one after the other."""

    def identity(self) -> Any:
        """What makes two sources the same, as JSON."""


@dataclass(frozen=True)
class FileFrames:
    """A video, or one or more pictures of one procedure.

    Attributes:
        name: see :class:`Source`.
        paths: one video, or pictures.
        ranges: which of its frames; None: all.
        every: of these every so manyth.
    """

    name: str
    paths: tuple[Path, ...]
    ranges: Ranges | None = None
    every: int = 1

    def frames(self) -> Iterator[Frame]:
        """See :class:`Source`.

        Raises:
            FileError: damaged files.
            InputError: a range behind the last frame.
        """
        numbered: Iterator[Frame]
        if _is_picture(self.paths[0]):
            numbered = (read_rgb(path) for path in self.paths)
        else:
            stop = None if self.ranges is None else max(end for _, end in self.ranges)
            numbered = read_frames(self.paths[0], stop=stop)
        count = taken = 0
        for count, frame in enumerate(numbered, 1):
            if self.ranges is None or any(a < count <= end for a, end in self.ranges):
                if taken % self.every == 0:
                    yield frame
                taken += 1
        for first, end in self.ranges or ():
            if end > count:
                raise InputError(f"{self.paths[0]} has {count} frames, no {first}:{end}")

    def identity(self) -> Any:
        """See :class:`Source`."""
        stats = [(path, path.stat()) for path in self.paths]
        files = [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
        return [files, self.ranges, self.every]


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

    def frames(self) -> Iterator[Frame]:
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
            intrinsics = fov_intrinsics(rng.uniform(*FIELD), size)
            pose = camera_path(scene, 1, rng)[0]
            light, sensor = random_light(rng), random_sensor(rng, RENDERED_SIDE)
            yield render(scene, intrinsics, size, pose, light, sensor, rng).colour

    def identity(self) -> Any:
        """See :class:`Source`."""
        return ["rendered", self.seed, self.views, RENDERED_SIDE]


def find_sources(
    folder: Path, pattern: str, ranges: Ranges | None = None, every: int = 1
) -> list[FileFrames]:
    """The sources of a pattern, sorted by name.

    Args:
        folder: that the pattern is relative to.
        pattern: a video, a picture, a folder of either, or several by ``*`` and ``?``.
            ``{procedure}`` stands for the name of what belongs together; without it every file is
            a source of its own, named as the file without suffix.
        ranges, every: see :class:`FileFrames`; of the pictures of a folder, in natural order.

    Raises:
        FileError: nothing of that name, or a folder without pictures.
    """
    found: dict[str, list[Path]] = {}
    for name, path in named_files(folder, pattern, "procedure"):
        files = picture_files(path) if path.is_dir() else [path]
        key = path.stem if name == ONLY else name
        found.setdefault(key, []).extend(files)
    sources = []
    for name, paths in sorted(found.items()):
        videos = [path for path in paths if not _is_picture(path)]
        if videos:
            probe_video(videos[0])  # before any work: that it is one
        if videos and len(paths) > 1:
            raise FileError(f"{pattern} has several videos for {name}: {paths[0]} and {paths[1]}")
        sources.append(FileFrames(name, tuple(paths), ranges, every))
    return sources


def share_of(sources: Sequence[Source], share: float, seed: int) -> list[Source]:
    """A share of the sources, drawn by the seed, at least one unless the share is 0."""
    count = max(1, round(share * len(sources))) if share and sources else 0
    order = np.random.default_rng(seed).permutation(len(sources))
    return [sources[n] for n in sorted(order[:count])]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES
