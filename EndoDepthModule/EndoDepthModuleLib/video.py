"""A video in the scene: the list of its frames, and one volume that shows the selected one.

A sequence node of text nodes lists the frames: the index of an item is the frame's number, its text
the name of the file. The pictures stay in their folder, since a frame of full HD is 6 MB and a
minute of them 9 GB; the browser's selected one is decoded into one colour volume (:mod:`player`).
The list, the shown frame and the folder's path are saved with the scene by Slicer's own means.

What belongs to a video is referred to by its browser node, one role for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.endodepth.sequence import EndoscopicSequence, read_sequence
from SlicerMedDLLib.nodes import describe, new_node, part, require_node, set_part
from SlicerMedDLLib.sequences import browse, image_from_frame
from SlicerMedDLLib.volumes import VECTOR, volume_from_image

BROWSER = "vtkMRMLSequenceBrowserNode"
FOLDER = "MedDL.EndoDepth.Folder"  # attribute of the browser
# Folders of depth maps in the sequence's folder: of this module, and of anyone else, which a
# rendered sequence has with its true depths, so that no prediction may go there.
PREDICTED, DEPTH = "depth-predicted", "depth"
FRAME = "MedDL.EndoDepth.frame"  # roles of node references of the browser
INDEX = "frame"  # name of the index of all sequences of a video


def add_video(sequence: EndoscopicSequence, name: str = "", rate: float = 25.0) -> Any:
    """List a sequence's frames in the scene; returns the browser, at its first frame.

    Args:
        sequence: its frames stay where they are.
        name: of the nodes; by default the folder's.
        rate: frames per second when played.
    """
    listing = new_node("vtkMRMLSequenceNode", name or sequence.folder.name)
    listing.SetIndexName(INDEX)
    listing.SetIndexUnit("")
    item = slicer.vtkMRMLTextNode()
    with slicer.util.NodeModify(listing):
        for number, path in zip(sequence.frame_numbers, sequence.frame_files, strict=True):
            item.SetText(path.name)
            listing.SetDataNodeAtValue(item, str(number))
    first = sequence.frame(int(sequence.frame_numbers[0]))
    browser = browse(listing, rate=rate)
    with slicer.util.NodeModify(browser):
        browser.SetName(listing.GetName())
        browser.SetAttribute(FOLDER, str(sequence.folder.resolve()))
        frame = volume_from_image(
            image_from_frame(first), _("{name} frame").format(name=listing.GetName())
        )
        set_part(browser, FRAME, frame)
    return browser


def videos() -> Iterator[Any]:
    """The browsers of the scene's videos."""
    for browser in slicer.util.getNodesByClass(BROWSER):
        if browser.GetAttribute(FOLDER):
            yield browser


def require_video(browser: Any) -> Any:
    """Return ``browser`` if it shows a video of this module.

    Raises:
        InputError: none is selected, or one of something else.
    """
    require_node(browser, BROWSER, _("video"))
    if not browser.GetAttribute(FOLDER):
        raise InputError(
            _("{node} shows no video of this module; load one in step 1").format(
                node=describe(browser)
            )
        )
    return browser


def frame_number(browser: Any) -> int:
    """The number of the selected frame."""
    listing = browser.GetMasterSequenceNode()
    return int(listing.GetNthIndexValue(max(browser.GetSelectedItemNumber(), 0)))


def folder_of(browser: Any) -> Path:
    """The folder that holds the frames."""
    return Path(require_video(browser).GetAttribute(FOLDER))


def relocate(browser: Any, folder: str | Path) -> None:
    """Take the frames from another folder, where they have been moved to.

    Raises:
        FileError: no sequence lies there.
        InputError: frames of the video are missing there.
    """
    listing = require_video(browser).GetMasterSequenceNode()
    sequence = read_sequence(folder)
    names = {
        str(n): path.name
        for n, path in zip(sequence.frame_numbers, sequence.frame_files, strict=True)
    }
    for item in range(listing.GetNumberOfDataNodes()):
        number, name = listing.GetNthIndexValue(item), listing.GetNthDataNode(item).GetText()
        if names.get(number) != name:
            raise InputError(
                _("{folder} has no {name}, which the video shows; choose its own folder").format(
                    folder=folder, name=name
                )
            )
    browser.SetAttribute(FOLDER, str(sequence.folder.resolve()))


def frame_volume(browser: Any) -> Any:
    """The volume of the shown frame, made anew if it was deleted."""
    node = part(browser, FRAME)
    if node is None:
        node = new_node(VECTOR, _("{name} frame").format(name=browser.GetName()))
        set_part(browser, FRAME, node)
    return node
