"""Whole videos into the scene, a few frames between two events of the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from DesmokeModuleLib import clips, smokecurve
from DesmokeModuleLib.filtering import Cleared, Frame
from SlicerMedDLLib.display import set_window
from SlicerMedDLLib.nodes import new_node
from SlicerMedDLLib.sequences import recording, remove_sequence, replace_sequence
from SlicerMedDLLib.volumes import vtk_image

NAMES = {
    clips.OUTPUT: "desmoked",
    clips.TRANSMISSION: "transmission",
    clips.DARK: "dark channel",
}


def pictures(cleared: Cleared) -> dict[str, NDArray[Any]]:
    """Role -> picture (H, W) or (H, W, 3) of what was made of a frame."""
    found = {
        clips.OUTPUT: cleared.clear,
        clips.TRANSMISSION: cleared.transmission,
        clips.DARK: cleared.dark_channel,
    }
    return {role: picture for role, picture in found.items() if picture is not None}


def adding_frames(
    frames: deque[tuple[float, Frame]], name: str, rate: float, on_added: Callable[[Any], None]
) -> Iterator[tuple[float, str]]:
    """Put frames into the scene as a sequence in a browser of its own, one between two yields.

    ``frames``, with their times in s, is emptied; ``on_added`` gets the sequence at the end. An
    abandoned iterator leaves the scene as it was.

    Yields:
        The fraction done and a message.

    Raises:
        InputError: no frames, or frames of different sizes.
    """
    total, text = len(frames), _("frame {number}/{total}")
    with recording(name, rate) as append:
        while frames:
            seconds, frame = frames.popleft()
            sequence = append(frame, seconds)
            done = total - len(frames)
            yield done / total, text.format(number=done, total=total)
    on_added(sequence)


def adding_results(sequence: Any, results: deque[Cleared]) -> Iterator[tuple[float, str]]:
    """Put what was made of a sequence into its browser, one frame between two yields.

    Replaces the former results. ``results`` is emptied. An iterator that is abandoned before the
    last frame leaves the scene as it was, later one all results.

    Args:
        sequence: of colour frames.
        results: of its frames, in order.

    Yields:
        The fraction done and a message.
    """
    total, levels, text = len(results), [], _("frame {number}/{total}")
    sequences: dict[str, Any] = {}
    whole = False
    try:
        while results:
            number, cleared = total - len(results), results.popleft()
            index = sequence.GetNthIndexValue(number)
            levels.append(cleared.level)
            for role, picture in pictures(cleared).items():
                if role not in sequences:
                    sequences[role] = _like(sequence, NAMES[role])
                matrix = cleared.frame.ras_from_ijk
                sequences[role].SetDataNodeAtValue(_volume(picture, matrix), index)
            yield (number + 1) / total, text.format(number=number + 1, total=total)
        whole = True
    finally:
        if not whole:
            for node in sequences.values():
                slicer.mrmlScene.RemoveNode(node)
    browser = clips.browser_of(sequence)

    def show() -> Iterator[None]:
        for role in NAMES:
            if role in sequences:
                replace_sequence(browser, role, sequences[role])
            else:
                remove_sequence(browser, role)
            yield
        for role in (clips.TRANSMISSION, clips.DARK):
            show_unit_range(clips.shown(browser, role))
        yield
        smokecurve.show_levels(browser, levels)

    parts = show()
    try:
        for _part in parts:
            yield 1.0, text.format(number=total, total=total)
    finally:  # whoever stops here gets the rest: half of it would be results of two runs
        for _part in parts:
            pass


def _like(sequence: Any, name: str) -> Any:
    node = new_node("vtkMRMLSequenceNode", f"{sequence.GetName()} {name}")
    node.SetIndexName(sequence.GetIndexName())
    node.SetIndexUnit(sequence.GetIndexUnit())
    node.SetIndexType(sequence.GetIndexType())
    return node


def _volume(picture: NDArray[Any], ras_from_ijk: NDArray[np.float64]) -> Any:
    """A node that is in no scene: the sequence copies it."""
    node = (
        slicer.vtkMRMLVectorVolumeNode() if picture.ndim == 3 else slicer.vtkMRMLScalarVolumeNode()
    )
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ras_from_ijk))
    node.SetAndObserveImageData(vtk_image(picture[np.newaxis]))
    return node


def show_unit_range(volume: Any) -> None:
    """Show values from 0 (black) to 1 (white), in every frame alike."""
    if volume is not None:
        set_window(volume, 0, 1)
