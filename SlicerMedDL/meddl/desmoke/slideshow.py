"""Pictures before and after, as a video in which the second wipes over the first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.pictures import read_rgb
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.video import explain_writer, picture_files, write_frames

Frame = NDArray[np.uint8]
RATE = 25  # frames per second
LINE = 2  # pixels of the white line between before and after


def slideshow(
    before: str | Path,
    after: str | Path,
    output: str | Path,
    seconds: float = 3.0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Write a video of all pairs of pictures with one name; returns how many there are.

    Each pair has ``seconds``: a third the picture before, a third the wipe from left to right, a
    third the picture after. Smaller pairs stand in the middle of black.

    Args:
        before, after: folders; suffixes may differ.
        output: see :func:`meddl.core.video.explain_writer`.
        seconds: 0.2 to 60.

    Raises:
        FileError: a folder without pictures, no name in both, a pair of different sizes, or an
            output that cannot be written.
        InputError: other seconds.
        Cancelled: by the token; no file is left.
    """
    if not (isinstance(seconds, (int, float)) and 0.2 <= seconds <= 60):
        raise InputError(f"{seconds!r} seconds a picture, 0.2 to 60 were expected")
    explain_writer(output)
    pairs = matching_pictures(before, after)
    shapes = []
    for first, second in pairs:
        shapes.append(read_rgb(first).shape[:2])
        other = read_rgb(second).shape[:2]
        if other != shapes[-1]:
            raise FileError(
                f"{first} is {shapes[-1][1]}x{shapes[-1][0]}, {second} {other[1]}x{other[0]}; "
                "a pair needs one size"
            )
    size = max(h for h, _ in shapes), max(w for _, w in shapes)
    count = max(round(seconds * RATE), 3)

    def frames() -> Iterator[Frame]:
        for first, second in pairs:
            yield from wipe(
                _centred(read_rgb(first), size), _centred(read_rgb(second), size), count
            )

    write_frames(output, frames(), RATE, total=count * len(pairs), progress=progress, cancel=cancel)
    return len(pairs)


def matching_pictures(before: str | Path, after: str | Path) -> list[tuple[Path, Path]]:
    """The pictures of two folders that have one stem, in natural order.

    Raises:
        FileError: no folder, one without pictures, or no common name.
    """
    folders = [Path(before), Path(after)]
    for folder in folders:
        if not folder.is_dir():
            raise FileError(f"{folder} is no folder of pictures")
    ones, others = ({path.stem: path for path in picture_files(f)} for f in folders)
    pairs = [(path, others[name]) for name, path in ones.items() if name in others]
    if not pairs:
        raise FileError(f"no picture of {before} has its name in {after}; give pairs one name")
    return pairs


def wipe(before: Frame, after: Frame, count: int) -> Iterator[Frame]:
    """``count`` frames (H, W, 3) in which ``after`` comes over ``before``."""
    width = before.shape[1]
    for number in range(count):
        share = min(max(3 * number / max(count - 1, 1) - 1, 0), 1)
        edge = round(share * width)
        frame = np.concatenate([after[:, :edge], before[:, edge:]], axis=1)
        if 0 < edge < width:
            frame[:, edge : edge + LINE] = 255
        yield frame


def _centred(picture: Frame, size: tuple[int, int]) -> Frame:
    height, width = picture.shape[:2]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = np.zeros((*size, 3), np.uint8)
    canvas[top : top + height, left : left + width] = picture
    return canvas
