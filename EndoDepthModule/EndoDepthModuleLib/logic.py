"""The logic of EndoDepthModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from EndoDepthModuleLib import fieldofview, video
from EndoDepthModuleLib.parameternode import EndoDepthParameterNode
from EndoDepthModuleLib.player import player
from meddl.endodepth.sequence import read_sequence
from SlicerMedDLLib.display import show_picture


class EndoDepthLogic(ScriptedLoadableModuleLogic):
    """Videos, depth and surfaces from nodes."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        player()  # it follows the scene's videos from now on

    def getParameterNode(self) -> EndoDepthParameterNode:
        """The state of the panel, kept in the scene."""
        # The decorator of the class gives it this constructor.
        return EndoDepthParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def loadSequence(self, folder: str | Path, name: str = "") -> Any:
        """Show the frames of a sequence folder; returns the video's browser node.

        Args:
            folder: as ``meddl endodepth frames`` writes it; the frames stay there.
            name: of the nodes; by default the folder's.

        Raises:
            FileError: no sequence, or one of its files is missing or damaged.
        """
        browser = video.add_video(read_sequence(folder), name)
        player().follow(browser)
        show_picture(video.frame_volume(browser))
        return browser

    def showMask(self, browser: Any) -> Any:
        """The field of view as a segmentation over the frames.

        Raises:
            MedDLError: no video, or its folder cannot be read.
        """
        return fieldofview.show_mask(video.require_video(browser))

    def keepMask(self, browser: Any) -> None:
        """Write the edited field of view into the folder.

        Raises:
            MedDLError: it is not shown, empty, or cannot be written.
        """
        fieldofview.keep_mask(video.require_video(browser))
