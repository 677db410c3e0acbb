"""Pairs on the network's grid, kept in one file, with the published augmentation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import allocate, atomic_path
from meddl.core.picture_size import middle, resize_frame
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.monodepth.pairs import Colour, Depth, Pairs

BYTES = 7  # per pixel: RGB and a depth


def shrink(colour: Colour, depth: Depth, size: tuple[int, int]) -> tuple[Colour, Depth]:
    """A pair on a grid of ``size`` (rows, columns), cut in the middle to its aspect.

    Colours are averaged over the area of a pixel; depths are those at its centre, because means
    across an edge are distances at which nothing is.
    """
    rows, columns = (slice(*bounds) for bounds in middle(depth.shape, size))
    colour, depth = colour[rows, columns], depth[rows, columns]
    y, x = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, depth.shape, strict=True)
    )
    return resize_frame(colour, size), depth[np.ix_(y, x)]


def normalized(colour: Colour) -> NDArray[np.float32]:
    """(H, W, 3) uint8 -> (3, H, W) float32 in [-1, 1], what the network takes."""
    return np.ascontiguousarray(colour.transpose(2, 0, 1)).astype(np.float32) / 127.5 - 1


class Prepared:
    """Pairs on the network's grid: (picture (3, h, w) float32 in [-1, 1], depth (1, h, w) m).

    Args:
        colours: (N, h, w, 3) uint8.
        depths: (N, h, w) float32, m, 0 where unknown.
        noise: standard deviation of the noise that training adds to the picture.
        flip: whether training mirrors every other pair, left to right.
    """

    def __init__(
        self, colours: Colour, depths: Depth, noise: float = 0.0, flip: bool = False
    ) -> None:
        self.colours, self.depths, self.noise, self.flip = colours, depths, noise, flip

    def __len__(self) -> int:
        return len(self.depths)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return normalized(self.colours[index]), np.array(self.depths[index])[None]

    def draw(
        self, index: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A pair, mirrored or not, with zero-mean Gaussian noise; no rotation: it invents depth."""
        picture, depth = self[index]
        if self.flip and generator.random() < 0.5:
            picture, depth = picture[..., ::-1].copy(), depth[..., ::-1].copy()
        if self.noise:
            picture += self.noise * generator.standard_normal(picture.shape, dtype=np.float32)
        return picture, depth


def prepare(
    pairs: Pairs,
    size: tuple[int, int],
    largest: float,
    cache: Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[Colour, Depth]:
    """Read, check and shrink every pair once; later calls find the result in ``cache``.

    Args:
        size: rows and columns.
        largest: depths beyond are unknown, m.
        cache: folder, made if missing.

    Returns:
        Colours (N, h, w, 3) uint8 and depths (N, h, w) float32, m, mapped from the file.

    Raises:
        FileError: a damaged picture.
        InputError: a pair without any depth.
        Cancelled: nothing is left.
    """
    key = json.dumps([_identity(pairs), list(size), largest])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = make_folder(cache) / f"pairs-{digest}.bin"
    count, (height, width) = len(pairs.names), size
    area = count * height * width
    if not path.exists() or path.stat().st_size != BYTES * area:
        with atomic_path(path) as temporary:
            with temporary.open("r+b") as file:
                file.truncate(BYTES * area)
            allocate(temporary)
            colours, depths = _mapped(temporary, count, size, "r+")
            for n in steps(range(count), count, "reading pair", progress, cancel):
                colour, depth = pairs[n]
                depth = np.where(depth <= largest, depth, np.float32(0))
                colours[n], depths[n] = shrink(colour, depth, size)
                if not depths[n].any():
                    raise InputError(
                        f"the pair {pairs.names[n]} has no depth up to {largest:g} m; check "
                        "depth_scale, or leave it out"
                    )
            colours.flush()
            depths.flush()
    return _mapped(path, count, size, "r")


def _mapped(path: Path, count: int, size: tuple[int, int], mode: Any) -> tuple[Any, Any]:
    shape = (count, *size)
    depths = np.memmap(path, np.float32, mode, 0, shape)
    return np.memmap(path, np.uint8, mode, depths.nbytes, (*shape, 3)), depths


def _identity(pairs: Any) -> Any:
    """What makes two collections of pairs the same: files with their size and time, numbers."""
    if hasattr(pairs, "pairs"):
        return [_identity(pairs.pairs), pairs.indices]
    if hasattr(pairs, "files"):
        files = [path for pair in pairs.files for path in (pair.colour, pair.depth)]
        stats = [path.stat() for path in files]
        rows = [
            [str(path), stat.st_size, stat.st_mtime_ns]
            for path, stat in zip(files, stats, strict=True)
        ]
        return [pairs.depth_scale, rows]
    stat = pairs.path.stat()
    return [str(pairs.path), stat.st_size, stat.st_mtime_ns, pairs.indices]
