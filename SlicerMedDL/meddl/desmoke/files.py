"""Smoke removed from pictures and video files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.image import Image
from meddl.core.image_io import PICTURES
from meddl.core.pictures import RAS_FROM_PICTURE, read_rgb, write_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.core.video import explain_writer, picture_files, probe_video, timed_frames, write_frames
from meddl.desmoke.parameters import DesmokeParameters, desmoker_of
from meddl.desmoke.smoke_curve import check_curve, write_curve

Frame = NDArray[np.uint8]
RATE = 25.0  # frames per second of pictures in a folder


def desmoke_video(
    source: str | Path,
    output: str | Path,
    parameters: DesmokeParameters,
    *,
    side_by_side: bool = False,
    smoke_level: str | Path | None = None,
    smoke_plot: str | Path | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write a video without smoke, frame by frame; memory does not grow with its length.

    In ``.mp4`` frames keep their times, so that the sound of a video of changing rate stays with
    them.

    Args:
        source: a video, or a folder of pictures of equal size (25 per second).
        output: ``.mp4`` (H.264, with the sound of the source) or ``.avi`` (Motion JPEG, no sound).
        side_by_side: the source's frame at the left of each.
        smoke_level, smoke_plot: ``.csv`` table and ``.png`` plot of the smoke level over time.

    Returns:
        frames, rate, method, mean and largest smoke level, whether sound was kept.

    Raises:
        FileError: a source without video, an output that cannot be written or is the source or one
            of its pictures.
        InputError, DependencyError, DeviceError: see :class:`VideoDesmoker`.
        Cancelled: by the token; no file is left.
    """
    source, output = Path(source), Path(output)
    curves = [check_curve(path) for path in (smoke_level, smoke_plot) if path]
    refuse_overwriting(source, [output, *curves])
    info = probe_video(source)
    sound = source if info.has_sound and output.suffix.lower() == ".mp4" else None
    explain_writer(output, sound)
    desmoker = desmoker_of(parameters)
    rate = info.rate or RATE
    levels: list[float] = []
    times: list[float] = []

    def frames() -> Iterator[Frame]:
        for time, frame in timed_frames(source, rate):
            times.append(time)
            result = desmoker(frame)
            levels.append(desmoker.smoke_level)
            yield np.hstack([frame, result]) if side_by_side else result

    write_frames(
        output,
        frames(),
        rate,
        sound_from=sound,
        times=times,
        total=info.frames,
        progress=progress,
        cancel=cancel,
    )
    for path in curves:
        write_curve(path, levels, np.subtract(times, times[0]))
    return {
        "frames": len(levels),
        "rate": rate,
        "method": desmoker.method,
        "smoke_level": {"mean": float(np.mean(levels)), "largest": float(np.max(levels))},
        "sound": sound is not None,
    }


def desmoke_images(
    sources: Sequence[str | Path],
    output: str | Path,
    parameters: DesmokeParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, float]:
    """Remove smoke from pictures, each for itself; grey becomes RGB, alpha goes, 16 bits become 8.

    Args:
        sources: pictures and folders of pictures.
        output: a picture for one source that is a picture; else a folder, which gets NAME.png.

    Returns:
        Name of the written file -> smoke level.

    Raises:
        FileError: a source that cannot be read, two of one name, an output that cannot be written
            or is a source.
        InputError, DependencyError, DeviceError: see :class:`VideoDesmoker`.
        Cancelled: by the token; the pictures written so far are left, whole.
    """
    target = Path(output)
    files = source_pictures(sources)
    single = len(sources) == len(files) == 1 and target.suffix.lower() in PICTURES
    if not (single or target.is_dir()):
        _check_folder_name(target, files)
    targets = [target] if single else [target / f"{path.stem}.png" for path in files]
    twice = {path.name for path in targets if targets.count(path) > 1}
    if twice:
        raise FileError(f"two pictures would become {min(twice)}; give them different names")
    refuse_overwriting(files, targets)
    desmoker = desmoker_of(parameters)
    if not single:
        make_folder(target)
    levels = {}
    for path, written in steps(
        list(zip(files, targets, strict=True)), len(files), "picture", progress, cancel
    ):
        desmoker.reset()
        clear = desmoker(read_rgb(path))
        write_picture(written, Image(clear[None], RAS_FROM_PICTURE))
        levels[written.name] = desmoker.smoke_level
    return levels


def source_pictures(sources: Sequence[str | Path]) -> list[Path]:
    """The picture files that ``sources``, pictures and folders, name.

    Raises:
        InputError: none was given.
        FileError: a folder without pictures, or a file of another kind.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            files += picture_files(source)
        elif source.suffix.lower() in PICTURES:
            files.append(source)
        else:
            raise FileError(
                f"{source} is no picture ({', '.join(PICTURES)}); meddl desmoke video takes videos"
            )
    if not files:
        raise InputError("there is nothing to desmoke: give pictures or folders of pictures")
    return files


def _check_folder_name(target: Path, files: Sequence[Path]) -> None:
    """A folder called ``clear.webp`` is no picture that somebody asked for."""
    kinds = ", ".join(PICTURES)
    if target.suffix.lower() in PICTURES:
        raise FileError(f"{target} is one picture, {len(files)} would be written; name a folder")
    if target.suffix and len(files) == 1:
        raise FileError(f"{target} is no picture ({kinds}); a new folder is named without a dot")


def refuse_overwriting(sources: Path | Sequence[Path], targets: Sequence[Path]) -> None:
    """Refuse a target that is a source.

    Args:
        sources: files, or one file or folder of pictures.

    Raises:
        FileError: there is one, or a folder without pictures.
    """
    if isinstance(sources, Path):
        sources = picture_files(sources) if sources.is_dir() else [sources]
    both = {path.resolve() for path in sources} & {path.resolve() for path in targets}
    if both:
        raise FileError(f"{min(both)} is input and output; choose another output")
