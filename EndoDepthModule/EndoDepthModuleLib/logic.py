"""The logic of EndoDepthModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from EndoDepthModuleLib import cameras, clouds, depths, fieldofview, placing, video
from EndoDepthModuleLib.parameternode import EndoDepthParameterNode
from EndoDepthModuleLib.player import player
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.endodepth.depth_maps import read_depth_folder
from meddl.endodepth.fusion_parameters import FusionParameters
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

    # Depth

    def loadDepths(self, browser: Any, folder: str | Path | None = None) -> Any:
        """Put depth maps into the video's browser; returns the volume that plays them.

        Args:
            browser: of the video.
            folder: as ``meddl endodepth predict`` writes it; by default ``depth`` in the video's.

        Raises:
            MedDLError: no depth maps, none of this video, or more than the memory takes.
        """
        folder = folder or video.folder_of(browser) / video.DEPTH
        for _step in depths.adding_depths(video.require_video(browser), folder):
            pass
        return self.showDepths(browser)

    def showDepths(self, browser: Any) -> Any:
        """Show the depths in the second slice view, beside the frames; returns their volume."""
        volume = depths.depth_volume(browser)
        show_picture(volume, "Green")
        return volume

    def setScale(self, browser: Any, mm_per_unit: float) -> None:
        """Let one unit of structure from motion be so many mm, as someone has measured.

        Raises:
            InputError: no video, or no positive number.
        """
        placing.set_scale(video.require_video(browser), mm_per_unit)
        depths.rescale(browser)

    # In space

    def showCamera(self, browser: Any) -> tuple[Any, Any]:
        """The camera's path as a curve, and a model of the camera that follows the shown frame.

        Raises:
            MedDLError: no video, or it has no poses.
        """
        return cameras.show_path(video.require_video(browser))

    def showCloud(self, browser: Any) -> Any:
        """The shown frame as a model of coloured points.

        Raises:
            InputError: it has no depth or no pose.
        """
        return clouds.show_cloud(video.require_video(browser))

    def fuse(
        self,
        browser: Any,
        parameters: FusionParameters | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """All depths of a video as one coloured mesh; returns the model node.

        Args:
            browser: of the video, with depth maps in its folder.
            parameters: how.

        Raises:
            MedDLError: no depths, no poses, or cancelled; the scene is as before.
        """
        from meddl.endodepth.fusion import fuse

        folder = read_depth_folder(video.folder_of(browser) / video.DEPTH)
        sequence = player().sequence(browser)
        return clouds.show_mesh(browser, fuse(sequence, folder, parameters, progress, cancel))
