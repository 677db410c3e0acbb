"""Pairs of clear and smoky frames from clear ones: a data set with its seeds.

``DIR/clear`` and ``DIR/smoky`` hold pictures of the same names, ``DIR/transmission`` t as 16-bit
grey (65535: no smoke). ``DIR/index.csv`` has a row per pair, ``DIR/dataset.json`` the parameters
and what was drawn for each clip. Nothing but the smoke is changed: a clear picture is the frame
itself, or with ``motion`` a part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.image import Image
from meddl.core.parameters import parameter, to_dict, validate
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.tables import write_csv
from meddl.core.video import probe_video
from meddl.desmoke.clear_frames import ClearFrames, Frame, find_clear_frames
from meddl.desmoke.dataset_folder import INDEX, dataset_folder, write_record
from meddl.desmoke.field_of_view import FieldOfView
from meddl.desmoke.instruments import instrument_tip
from meddl.desmoke.noise import fractal_noise
from meddl.desmoke.samples import moved
from meddl.desmoke.scattering import blend
from meddl.desmoke.smoke import DENSITIES, KINDS, SmokeSource, depth_from_brightness, smoke_source

_FIELD_FRAMES = 8


@dataclass(frozen=True)
class SynthesisParameters:
    """How pairs are made; the command line, the module and ``dataset.json`` share it."""

    density: str = parameter(
        "random",
        "mean opacity: light 0.1-0.3, medium 0.3-0.5, heavy 0.5-0.8",
        choices=(*DENSITIES, "random"),
    )
    kind: str = parameter("random", "of smoke", choices=(*KINDS, "random"))
    seed: int = parameter(0, "of all that is random", minimum=0)
    copies: int = parameter(1, "smokes per frame or clip", minimum=1)
    clip: int = parameter(1, "frames that a still picture becomes", unit="frames", minimum=1)
    motion: float = parameter(
        0.02, "how far the camera moves in such a clip, of the picture", minimum=0.0, maximum=0.2
    )
    rate: float = parameter(
        25.0,
        "of clips of stills and of videos that do not say theirs",
        unit="frames/s",
        minimum=0.1,
        maximum=1000,
    )
    depth: str = parameter(
        "brightness",
        "far tissue lies behind more smoke; flat: all alike",
        choices=("brightness", "flat"),
    )
    judge: bool = parameter(False, "leave out frames that seem to have smoke already")
    transmission: bool = parameter(False, "write the transmission too")
    format: str = parameter("png", "of clear and smoky pictures", choices=("png", "jpg"))


@dataclass(frozen=True)
class _Clip:
    """Frames that share a smoke: indices of clear frames, one each or one for all, and the names
    of their pairs."""

    number: int
    copy: int
    indices: Sequence[int]
    names: Sequence[str]
    rate: float
    moving: bool


def synthesize(
    sources: Sequence[str | Path],
    output: str | Path,
    parameters: SynthesisParameters | None = None,
    resume: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write a data set of pairs; the same seed makes the same one, however often interrupted.

    Args:
        sources: see :func:`meddl.desmoke.clear_frames.find_clear_frames`.
        output: folder; new, empty, or with ``resume`` one that was begun.

    Returns:
        ``pairs``, ``written`` (by this run), ``clips`` and ``densities`` (pairs per class).

    Raises:
        InputError, FileError: sources, parameters or a folder that do not fit; before any work.
        Cancelled: what is written stays, whole, and ``resume`` goes on.
    """
    parameters = validate(parameters or SynthesisParameters())
    output = Path(output)
    frames = find_clear_frames(
        sources, ".", parameters.judge, subprogress(progress, 0.0, 0.1), cancel
    )
    content = _content(parameters, frames)
    clips = list(_clips(frames, parameters))
    name, count = Counter(name for clip in clips for name in clip.names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{count} pairs would be called {name}; rename a source")
    folders = ["clear", "smoky", *(["transmission"] if parameters.transmission else [])]
    rows, smokes, written = [], {}, 0
    with closing(frames), dataset_folder(output, content, folders, resume):
        for row, source, new in steps(
            _pairs(frames, clips, output, parameters, resume),
            sum(len(clip.indices) for clip in clips),
            "writing pair",
            subprogress(progress, 0.1, 1.0),
            cancel,
        ):
            rows.append(row)
            smokes[row["clip"], row["copy"]] = asdict(source.drawn)
            written += new
        write_csv(output / INDEX, rows)
        drawn = [{"clip": clip, "copy": copy, **drawn} for (clip, copy), drawn in smokes.items()]
        write_record(output, {**content, "smoke": drawn})
    densities = {name: sum(row["density"] == name for row in rows) for name in DENSITIES}
    return {"pairs": len(rows), "written": written, "clips": len(clips), "densities": densities}


def _content(parameters: SynthesisParameters, frames: ClearFrames) -> dict[str, Any]:
    files = [[str(file.path), file.number] for file in frames.files]
    return {"parameters": to_dict(parameters), "frames": files}


def _clips(frames: ClearFrames, parameters: SynthesisParameters) -> Iterator[_Clip]:
    stems = _stems(frames)
    rates: dict[Path, float] = {}
    for number, run in enumerate(frames.runs()):
        file = frames.files[run[0]]
        still = len(run) == 1
        moving = still and parameters.clip > 1
        indices = [run[0]] * parameters.clip if still else run
        rate = parameters.rate
        if file.number is not None and not still:
            if file.path not in rates:
                rates[file.path] = probe_video(file.path).rate
            rate = rates[file.path] or rate
        for copy in range(parameters.copies):
            end = f"-{copy}" if parameters.copies > 1 else ""
            names = [
                stems[index] + (f"-{n:04d}" if moving else "") + end
                for n, index in enumerate(indices)
            ]
            yield _Clip(number, copy, indices, names, rate, moving)


def _pairs(
    frames: ClearFrames,
    clips: Sequence[_Clip],
    output: Path,
    parameters: SynthesisParameters,
    resume: bool,
) -> Iterator[tuple[dict[str, Any], SmokeSource, bool]]:
    """Row, smoke and whether it was written, of every pair."""
    for clip in clips:
        seed = [parameters.seed, clip.number, clip.copy]
        shape = frames[clip.indices[0]].shape[:2]
        field = field_of_view(frames, clip.indices)
        source = smoke_source(
            shape, np.random.default_rng(seed), parameters.density, None, parameters.kind
        ).within(field)
        motion = parameters.motion if clip.moving else 0.0
        first = _seen(frames[clip.indices[0]], 0.0, motion, source)
        source = source.rising_from(instrument_tip(first, field))
        for n, (index, name) in enumerate(zip(clip.indices, clip.names, strict=True)):
            time = n / clip.rate
            files = {
                part: output / part / f"{name}.{parameters.format}" for part in ("clear", "smoky")
            }
            if parameters.transmission:
                files["transmission"] = output / "transmission" / f"{name}.png"
            new = not (resume and all(file.exists() for file in files.values()))
            if new:
                clear = _seen(frames[index], time, motion, source)
                _write_pair(files, clear, source, time, parameters.depth == "flat")
            file = frames.files[index]
            row = {
                "name": name,
                "source": file.path,
                "frame": "" if file.number is None else file.number,
                "clip": clip.number,
                "copy": clip.copy,
                "time": round(time, 5),
                "density": source.density,
                "kind": source.kind,
                "opacity": round(source.opacity(time), 4),
                "seed": "-".join(map(str, seed)),
            }
            yield row, source, new


def _seen(frame: Frame, time: float, motion: float, source: SmokeSource) -> Frame:
    """What the camera sees of a frame at ``time`` s."""
    if not motion:
        return frame
    return moved(frame, hand_held(source.shape, time, motion, source.drawn.seed)[None])[0]


def _stems(frames: ClearFrames) -> list[str]:
    """A name per frame; where two files have one name, that of their folder goes before it."""
    shared = Counter(file.name for file in frames.files)
    used: Counter[str] = Counter()
    names = []
    for file in frames.files:
        name = file.name
        if shared[name] > 1 and file.path.parent.name:
            name = f"{file.path.parent.name}-{name}"
        used[name] += 1
        names.append(name if used[name] == 1 else f"{name}_{used[name]}")
    return names


def _write_pair(
    files: dict[str, Path], clear: Frame, source: SmokeSource, time: float, flat: bool
) -> None:
    """The smoky picture last: what has it is whole."""
    smoke = source if flat else source.with_depth(depth_from_brightness(clear))
    transmission, airlight = smoke(time)
    smoky = blend(clear.astype(np.float32) / np.float32(255), transmission, airlight)
    if "transmission" in files:
        write_picture(files["transmission"], _picture((transmission * 65535 + 0.5).astype("u2")))
    write_picture(files["clear"], _picture(clear))
    write_picture(files["smoky"], _picture((smoky * 255 + 0.5).astype(np.uint8)))


def _picture(array: NDArray[Any]) -> Image:
    return Image(array[None], RAS_FROM_PICTURE)


def hand_held(shape: tuple[int, int], time: float, motion: float, seed: int) -> NDArray[np.float64]:
    """Where a hand-held camera looks at ``time`` s: a (2, 3) map from its pixels to the picture's.

    It is shifted, zoomed and turned along smooth random paths by up to ``motion`` (of the picture;
    half of it in rad), on a part so small that all of it lies in the picture.
    """
    height, width = shape
    x, y, zoom, turn = (
        float(fractal_noise(time * 0.5, 5.0 * n, 0.5, seed + 50, octaves=2)) for n in range(4)
    )
    size = (1 - motion * (1 + 0.5 * zoom)) / (1 + motion)
    # What is left beside the part, turned as far as it may be.
    room = (1 - size * (1 + 0.5 * motion * max(shape) / min(shape))) / 2
    cosine, sine = size * np.cos(turn * motion / 2), size * np.sin(turn * motion / 2)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([width - 1, height - 1]) / 2
    centre = middle + room * np.array([x * width, y * height])
    return np.column_stack([rotation, centre - rotation @ middle])


def field_of_view(frames: ClearFrames, indices: Sequence[int]) -> NDArray[np.bool_] | None:
    """What is not the black surround of a round field, (H, W); None where there is no such.

    It has to cover all four corners in :data:`_FIELD_FRAMES` frames of the clip: a single dark
    corner is a shadow, and smoke lies before shadows.
    """
    find, field = FieldOfView(), None
    for n in np.unique(np.linspace(0, len(indices) - 1, _FIELD_FRAMES).round().astype(int)):
        field = find(frames[indices[n]].astype(np.float32) / np.float32(255))
    corners = None if field is None else field[[0, 0, -1, -1], [0, -1, 0, -1]]
    return None if corners is None or corners.any() else field
