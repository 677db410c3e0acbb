"""What the classical method sees, side by side: for the eye, from a picture or a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.image import Image
from meddl.core.image_io import PICTURES
from meddl.core.optional import require
from meddl.core.parameters import parameter
from meddl.core.pictures import RAS_FROM_PICTURE, read_rgb, write_picture
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.video import explain_writer, probe_video, read_frames, write_frames
from meddl.desmoke.desmoker import VideoDesmoker
from meddl.desmoke.files import RATE, refuse_overwriting

Frame = NDArray[np.uint8]
NAMES = ("frame", "minimum", "dark channel", "refined", "transmission", "result")
BAR = 22  # pixels of the line of text over a panel, from 160 pixels of width on


@dataclass
class DarkChannelParameters:
    """How dark channels are shown."""

    patch: int = parameter(15, "side of the dark channel's square", "pixels", 1, 999)
    radius: int = parameter(15, "of the guided filter that refines it", "pixels", 0, 999)
    eps: float = parameter(1e-4, "of the guided filter", minimum=1e-9, maximum=1)


def dark_channel_panels(
    frame: Frame, desmoker: VideoDesmoker, parameters: DarkChannelParameters
) -> dict[str, Frame]:
    """Name (:data:`NAMES`) -> (H, W, 3) uint8 of one frame (H, W, 3) uint8 RGB."""
    from meddl.desmoke.dark_channel import dark_channel, minimum_channel, refined_dark_channel

    result = desmoker(frame)
    picture = np.divide(frame, 255, dtype=np.float32)
    p = parameters
    maps = {
        "minimum": minimum_channel(picture),
        "dark channel": dark_channel(picture, p.patch),
        "refined": refined_dark_channel(picture, p.patch, p.radius, p.eps),
        "transmission": desmoker.transmission,
    }
    grey = {name: np.round(255 * m).astype(np.uint8) for name, m in maps.items()}
    panels = {name: np.repeat(m[..., None], 3, axis=-1) for name, m in grey.items()}
    return {name: ({"frame": frame, "result": result} | panels)[name] for name in NAMES}


def tiled(panels: dict[str, Frame]) -> Frame:
    """The panels in two rows under their names, one (H, W, 3) uint8."""
    named = [_named(name, panel) for name, panel in panels.items()]
    half = len(named) // 2
    return np.vstack([np.hstack(named[:half]), np.hstack(named[half:])])


def _named(name: str, panel: Frame) -> Frame:
    if panel.shape[1] < 160:
        return panel
    import cv2

    bar = np.zeros((BAR, panel.shape[1], 3), np.uint8)
    cv2.putText(bar, name, (4, BAR - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    return np.vstack([bar, panel])


def show_dark_channel(
    source: str | Path,
    output: str | Path,
    parameters: DarkChannelParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Write frame, minimum, dark channel, refined one, transmission and result; returns how many
    frames there were.

    Args:
        source: a picture, a video, or a folder of pictures of equal size.
        output: a picture for a picture, else ``.mp4`` or ``.avi``.

    Raises:
        FileError: a source that cannot be read, another kind of output, or one that is the source.
        Cancelled: by the token; no file is left.
    """
    source, output = Path(source), Path(output)
    require("cv2", "the dark channel")
    one = source.suffix.lower() in PICTURES and not source.is_dir()
    if one != (output.suffix.lower() in PICTURES):
        wanted = "a picture" if one else "a video, .mp4 or .avi"
        raise FileError(f"{output}: the dark channel of {source.name} is written as {wanted}")
    refuse_overwriting(source, [output])
    desmoker = VideoDesmoker("classical")
    if one:
        panels = dark_channel_panels(read_rgb(source), desmoker, parameters)
        write_picture(output, Image(tiled(panels)[None], RAS_FROM_PICTURE))
        return 1
    info = probe_video(source)
    explain_writer(output)

    def frames() -> Iterator[Frame]:
        for frame in read_frames(source):
            yield tiled(dark_channel_panels(frame, desmoker, parameters))

    rate = info.rate or RATE
    return write_frames(output, frames(), rate, total=info.frames, progress=progress, cancel=cancel)
