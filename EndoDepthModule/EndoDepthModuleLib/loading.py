"""From a video file, a folder of pictures or a sequence node to a sequence folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import slicer
import vtk

from meddl.core.errors import InputError
from meddl.core.files import writable_parent
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.endodepth.frames import FramesParameters, FramesReport, extract_frames
from meddl.endodepth.lens import Lens
from meddl.endodepth.sequence_files import FRAMES
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.sequences import frame_from_image


def is_sequence_folder(path: str | Path) -> bool:
    """Whether ``path`` is a folder in the published format, which is shown as it is."""
    return (Path(path) / FRAMES).is_file()


def views_of_frames(node: Any) -> list[Image]:
    """The volumes of a sequence node as images that share their memory.

    Raises:
        InputError: no sequence, an empty one, or one of something else than volumes.
    """
    require_node(node, "vtkMRMLSequenceNode", "sequence")
    items = [node.GetNthDataNode(n) for n in range(node.GetNumberOfDataNodes())]
    if not items:
        raise InputError(f"{describe(node)} has no frames; load or record a video first")
    if not all(item is not None and item.IsA("vtkMRMLVolumeNode") for item in items):
        raise InputError(f"{describe(node)} is no sequence of colour frames; choose another one")
    return [Image(slicer.util.arrayFromVolume(item), _ras_from_ijk(item)) for item in items]


def _ras_from_ijk(volume: Any) -> Any:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


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
        for number, image in enumerate(steps(images, count, "writing frame", half, cancel)):
            picture = frame_from_image(image, f"frame {number}")
            path = Path(folder) / f"{number:08d}.png"
            write_picture(path, Image(picture[None], RAS_FROM_PICTURE))
        rest = subprogress(progress, 0.5, 1)
        return extract_frames(folder, output, parameters, lens=lens, progress=rest, cancel=cancel)
