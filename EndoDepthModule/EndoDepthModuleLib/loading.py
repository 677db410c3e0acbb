"""From a video file, a folder of pictures or a sequence node to a sequence folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from slicer.i18n import tr as _

from meddl.core.files import writable_parent
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.endodepth.frames import FramesParameters, FramesReport, extract_frames
from meddl.endodepth.lens import Lens
from meddl.endodepth.sequence_files import FRAMES
from SlicerMedDLLib.sequences import frame_from_image

# Translated here: a worker must not (see tasks).
WRITING_FRAME = _("writing frame")
FRAME = _("frame {number}")


def is_sequence_folder(path: str | Path) -> bool:
    """Whether ``path`` is a folder in the published format, which is shown as it is."""
    return (Path(path) / FRAMES).is_file()


def extract_images(
    images: Sequence[Image],
    output: str | Path,
    parameters: FramesParameters | None = None,
    lens: Lens | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FramesReport:
    """:func:`meddl.endodepth.frames.extract_frames` of pictures in memory.

    Raises:
        MedDLError: as there, or images that are no frames.
    """
    from meddl.core.pictures import RAS_FROM_PICTURE, write_picture

    parent = writable_parent(output).parent
    count = len(images)
    with TemporaryDirectory(prefix=".pictures-", dir=parent) as folder:
        half = subprogress(progress, 0, 0.5)
        for number, image in enumerate(steps(images, count, WRITING_FRAME, half, cancel)):
            picture = frame_from_image(image, FRAME.format(number=number))
            path = Path(folder) / f"{number:08d}.png"
            write_picture(path, Image(picture[None], RAS_FROM_PICTURE))
        rest = subprogress(progress, 0.5, 1)
        return extract_frames(folder, output, parameters, lens=lens, progress=rest, cancel=cancel)
