"""The work on a worker: frames in, cleared frames and what was found on the way out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from meddl.core.devices import require_memory
from meddl.core.image import Image
from meddl.core.optional import require
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.desmoke.parameters import DesmokeParameters, desmoker_of
from SlicerMedDLLib.sequences import upright

# Translated here: a worker must not (see tasks).
PREPARING = _("preparing")
CLEARING_FRAME = _("clearing frame")
READING_FRAME = _("reading frame")
FRAME = _("frame {number}")
CLEARING = _("clearing {count} frames")
IN_THE_SCENE = _("{path} in the scene")
PART_OF_EFFECT = _("showing a part of the effect")

if TYPE_CHECKING:
    from meddl.desmoke.desmoker import VideoDesmoker

Frame = NDArray[np.uint8]
MEMORY_CHECK = 100  # frames between two looks at the free memory


@dataclass
class Settings(DesmokeParameters):
    """How a video is cleared: as the command line says it, and what is wanted besides.

    Attributes:
        transmission, dark_channel: whether these are wanted as well.
    """

    transmission: bool = False
    dark_channel: bool = False


@dataclass(frozen=True, eq=False)
class Cleared:
    """One frame, all of it upright and of its size (H, W).

    Attributes:
        frame: the smoky picture (1, H, W, 3) uint8, with its place.
        clear: (H, W, 3) uint8 at full strength.
        level: mean opacity of the smoke, 0..1.
        transmission, dark_channel: (H, W) float32 0..1, where wanted.
    """

    frame: Image
    clear: Frame
    level: float
    transmission: NDArray[np.float32] | None
    dark_channel: NDArray[np.float32] | None


def make_desmoker(settings: Settings) -> VideoDesmoker:
    """A new filter at full strength: a part of the effect is mixed from it (:func:`mix`).

    Raises:
        MedDLError: no such weights, or packages are missing.
    """
    return desmoker_of(replace(settings, strength=1.0))


def clear(desmoker: VideoDesmoker, image: Image, settings: Settings, what: str) -> Cleared:
    """Clear the next frame of a video.

    Raises:
        InputError: the image is no frame.
    """
    frame = upright(image, what)
    picture = frame.array[0]
    output = desmoker(picture)
    return Cleared(
        frame,
        output,
        float(desmoker.smoke_level),
        desmoker.transmission if settings.transmission else None,
        dark_channel_of(picture) if settings.dark_channel else None,
    )


def dark_channel_of(picture: Frame) -> NDArray[np.float32]:
    """The dark channel (H, W) float32 0..1 of a picture, of which smoke is bright."""
    from meddl.desmoke.dark_channel import dark_channel

    return np.asarray(dark_channel(picture.astype(np.float32) / np.float32(255)), np.float32)


def clear_frames(
    images: Iterable[Image],
    total: int,
    settings: Settings,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> deque[Cleared]:
    """Clear all frames of a video, in order.

    Raises:
        MedDLError: as :func:`make_desmoker`, an image that is no frame, more than the memory
            takes, or cancelled.
    """
    progress(0.0, PREPARING)
    desmoker = make_desmoker(settings)
    done: deque[Cleared] = deque()
    for image in steps(images, total, CLEARING_FRAME, progress, cancel):
        done.append(clear(desmoker, image, settings, FRAME.format(number=len(done))))
        if len(done) == 1:
            one = done[0]
            parts = (one.clear, one.transmission, one.dark_channel)
            size = sum(part.nbytes for part in parts if part is not None)
            require_memory(2 * size * total, CLEARING.format(count=total))
    return done


def read_video(
    path: str | Path, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> tuple[deque[tuple[float, Frame]], float]:
    """All frames of a video file or a folder of pictures with their times, s from the first, and
    their rate.

    Raises:
        MedDLError: no video, more than the memory takes, or cancelled.
    """
    from meddl.core.video import probe_video, timed_frames

    info = probe_video(path)
    rate = info.rate or 25.0
    frames: deque[tuple[float, Frame]] = deque()
    source = timed_frames(path, rate)
    start = 0.0
    for time, frame in steps(source, info.frames, READING_FRAME, progress, cancel):
        start = start if frames else time
        if len(frames) % MEMORY_CHECK == 0:
            # Frames, output, and a copy of one of them while it goes into the scene; what a header
            # does not say is taken to be as much again.
            left = max(info.frames - len(frames), len(frames))
            require_memory(3 * frame.nbytes * left, IN_THE_SCENE.format(path=path))
        frames.append((time - start, frame))
    return frames, rate


def mix(picture: Frame, output: Frame, strength: float) -> Frame:
    """The output (H, W, 3) uint8 at a strength 0..1: 0 gives the picture, 1 the full output.

    As :class:`VideoDesmoker` does it, but for the rounding of the full output before.
    """
    if strength >= 1:
        return output
    if strength <= 0:
        return picture
    cv2 = require("cv2", PART_OF_EFFECT)
    mixed: Frame = cv2.addWeighted(output, strength, picture, 1 - strength, 0)
    return mixed
