"""A data set of good frames from long videos: estimated first, in parallel, continued after a kill.

``DIR/SPLIT/VIDEO/000125.png`` is frame 125 of a video; a video's folder appears whole or not at
all. ``DIR/index.csv`` has a row per frame, ``DIR/dataset.json`` the parameters and the videos that
could not be read.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.errors import FileError, InputError, one_line
from meddl.core.files import atomic_folder, read_json, write_json
from meddl.core.image import Image
from meddl.core.parameters import to_dict, validate
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.tables import write_csv
from meddl.core.video import probe_video, read_frames
from meddl.desmoke.clear_frames import Clarity, clarity, clear_of_video
from meddl.desmoke.dataset_folder import INDEX, dataset_folder, discard, write_record
from meddl.desmoke.frame_quality import Frame, FrameQuality, frame_quality, reduced
from meddl.desmoke.prepare_parameters import SPLITS, PrepareParameters, Source, find_sources
from meddl.desmoke.prepare_workers import GB, Ledger, UnreadableVideo, run_workers

logger = logging.getLogger(__name__)

_ROWS = "frames.json"  # in the folder of a video: its rows and how many frames were looked at
# Bytes per pixel, measured on four laparoscopic clips of 256x256; larger frames take less.
_BYTES = {"png": 1.3, "jpg": 0.4}


@dataclass(frozen=True)
class Estimate:
    """What a preparation will take.

    Attributes:
        videos: how many can be read.
        frames: at most, as the videos' headers say.
        bytes: if all of them are kept.
        unreadable: video -> why.
    """

    videos: int
    frames: int
    bytes: int
    unreadable: dict[str, str]

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.videos} videos, up to {self.frames} frames, about {self.bytes / GB:.3f} GB if "
            "all are kept"
        )


def estimate(
    sources: Sequence[Source],
    parameters: PrepareParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Estimate:
    """Look at the headers of all videos.

    Raises:
        Cancelled: between two of them.
    """
    frames = size = 0
    unreadable = {}
    for source in steps(sources, len(sources), "looking at video", progress, cancel):
        try:
            info = probe_video(source.path)
        except FileError as error:
            unreadable[source.name] = one_line(error)
            continue
        longest = max(info.width, info.height)
        factor = min((parameters.size or longest) / longest, 1)
        count = -(-info.frames // parameters.step)
        frames += count
        size += round(count * info.width * info.height * factor**2 * _BYTES[parameters.format])
    return Estimate(len(sources) - len(unreadable), frames, size, unreadable)


def prepare(
    folder: str | Path,
    output: str | Path,
    parameters: PrepareParameters | None = None,
    workers: int = 1,
    resume: bool = False,
    announce: Callable[[str], None] = lambda text: None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Choose frames of all videos below ``folder`` and write them.

    Args:
        output: folder; new, empty, or with ``resume`` one that was begun.
        workers: processes; 1 works in this one. The result does not depend on it.
        announce: told what to expect, before any work.

    Returns:
        ``videos``, ``frames`` and ``bytes`` of the data set, ``splits`` (frames per split),
        ``failed`` (video -> why) and ``truncated`` (video -> frames, frames that it should have).

    Raises:
        InputError, FileError: before any work, parameters or folders that do not fit, an estimate
            over the limit or over the free disk; during it, files that grow over the limit (videos
            that are done stay); after it, no frame is good enough (nothing stays).
        Cancelled: videos that are done stay, and ``resume`` goes on.
    """
    parameters = validate(parameters or PrepareParameters())
    low, high = parameters.brightness
    if low > high:
        raise InputError(f"--brightness is {low:g},{high:g}; the least comes first")
    if workers < 1:
        raise InputError(f"--workers is {workers}, at least 1 was expected")
    output = Path(output)
    sources = find_sources(folder, parameters)
    expected = estimate(sources, parameters, subprogress(progress, 0.0, 0.05), cancel)
    if not expected.videos:
        raise FileError(f"no video can be read: {next(iter(expected.unreadable.values()))}")
    announce(expected.sentence)
    if expected.bytes > parameters.limit * GB:
        raise InputError(
            f"up to {expected.frames} frames take about {expected.bytes / GB:.2f} GB, over the "
            f"limit of {parameters.limit:g} GB; take fewer (--step), smaller (--size) or .jpg ones"
        )
    content = {
        "parameters": to_dict(parameters),
        "videos": [[str(source.path), source.split] for source in sources],
    }
    with dataset_folder(output, content, _splits(sources), resume):
        done = sum(_size(_target(output, source)) for source in sources)
        _check_disk(output, expected.bytes - done)
        todo = [
            source
            for source in sources
            if source.name not in expected.unreadable and not _target(output, source).exists()
        ]
        failed = dict(expected.unreadable)
        failed |= run_workers(
            _prepare_video,
            todo,
            (output, parameters),
            Ledger(done, parameters.limit * GB),
            workers,
            max(expected.frames, 1),
            subprogress(progress, 0.05, 1.0),
            cancel,
        )
        return _finish(output, sources, content, failed)


def _finish(
    output: Path, sources: Sequence[Source], content: dict[str, Any], failed: dict[str, str]
) -> dict[str, Any]:
    """Write index and record, say what there is."""
    for name, reason in failed.items():
        logger.warning("%s is left out: %s", name, reason)
    tables = {source.name: _table(output, source) for source in sources}
    truncated = {}
    for name, table in tables.items():
        if table["decoded"] + content["parameters"]["step"] <= table["expected"]:
            truncated[name] = [table["decoded"], table["expected"]]
            logger.warning("%s ends after about %d of %d frames", name, *truncated[name])
    rows = [row for table in tables.values() for row in table["rows"]]
    if not rows:
        discard(output, _splits(sources))
        raise InputError(
            "no frame is good enough; lower --sharpness or --colourfulness, widen --brightness, or "
            "leave --clear off"
        )
    write_csv(output / INDEX, rows)
    write_record(output, {**content, "failed": failed, "truncated": truncated})
    return {
        "videos": sum(bool(table["rows"]) for table in tables.values()),
        "frames": len(rows),
        "bytes": sum(_size(_target(output, source)) for source in sources),
        "splits": {split: sum(row["split"] == split for row in rows) for split in SPLITS},
        "failed": failed,
        "truncated": truncated,
    }


def _splits(sources: Sequence[Source]) -> list[str]:
    return sorted({source.split for source in sources})


def _target(output: Path, source: Source) -> Path:
    return output / source.split / source.name


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0


def _check_disk(output: Path, needed: int) -> None:
    free = shutil.disk_usage(output).free
    if needed > free:
        raise FileError(
            f"the frames take about {needed / GB:.2f} GB, {output} has {free / GB:.2f} GB free"
        )


def _table(output: Path, source: Source) -> dict[str, Any]:
    path = _target(output, source) / _ROWS
    if not path.exists():
        return {"rows": [], "decoded": 0, "expected": 0}
    table = read_json(path, "list of frames")
    if not (isinstance(table, dict) and table.keys() == {"rows", "decoded", "expected"}):
        raise FileError(f"{path} is no list of frames; remove the folder {path.parent} and resume")
    return table


def _decoded(path: Path, step: int) -> Iterator[tuple[int, Frame]]:
    """Number and frame.

    Raises:
        UnreadableVideo: nothing decodes.
    """
    try:
        for n, frame in enumerate(read_frames(path, step=step)):
            yield n * step, frame
    except FileError as error:
        raise UnreadableVideo(one_line(error)) from error


def _prepare_video(
    source: Source, output: Path, parameters: PrepareParameters, ledger: Ledger
) -> None:
    """Write the folder of one video.

    Raises:
        UnreadableVideo: nothing decodes.
        InputError: over the limit.
        Cancelled: nothing is left.
    """
    rows: list[dict[str, Any]] = []
    seen: list[Clarity] = []
    with atomic_folder(_target(output, source)) as folder:
        info = probe_video(source.path)
        decoded = 0
        for number, frame in _decoded(source.path, parameters.step):
            ledger.count_frame()
            decoded = number + 1
            quality = frame_quality(frame)
            if not _good(quality, parameters):
                continue
            name = f"{number:06d}.{parameters.format}"
            _write(folder / name, frame, parameters)
            ledger.count_bytes((folder / name).stat().st_size)
            seen.append(clarity(frame))
            rows.append(
                {
                    "file": f"{source.split}/{source.name}/{name}",
                    "video": source.name,
                    "procedure": source.procedure,
                    "split": source.split,
                    "frame": number,
                    "time": round(number / info.rate, 3) if info.rate else "",
                    **asdict(quality),
                    **asdict(seen[-1]),
                }
            )
        if parameters.clear:
            rows = _keep_clear(folder, rows, seen)
        table = {"rows": rows, "decoded": decoded, "expected": info.frames}
        write_json(folder / _ROWS, table)


def _good(quality: FrameQuality, parameters: PrepareParameters) -> bool:
    low, high = parameters.brightness
    return (
        quality.sharpness >= parameters.sharpness
        and quality.colourfulness >= parameters.colourfulness
        and low <= quality.brightness <= high
    )


def _write(path: Path, frame: Frame, parameters: PrepareParameters) -> None:
    picture = frame if parameters.size is None else reduced(frame, parameters.size)
    write_picture(path, Image(np.ascontiguousarray(picture)[None], RAS_FROM_PICTURE))


def _keep_clear(
    folder: Path, rows: Sequence[dict[str, Any]], seen: Sequence[Clarity]
) -> list[dict[str, Any]]:
    kept = []
    for row, clear in zip(rows, clear_of_video(seen), strict=True):
        if clear:
            kept.append(row)
        else:
            (folder / Path(row["file"]).name).unlink()
    return kept
