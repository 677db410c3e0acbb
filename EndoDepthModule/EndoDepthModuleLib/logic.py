"""The logic of EndoDepthModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from EndoDepthModuleLib import (
    cameras,
    clouds,
    depths,
    fieldofview,
    loading,
    placing,
    predicting,
    registering,
    video,
)
from EndoDepthModuleLib.live import LIVE, LiveDepth
from EndoDepthModuleLib.parameternode import EndoDepthParameterNode
from EndoDepthModuleLib.player import player
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.endodepth.frames import FramesParameters, extract_frames
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.lens import read_lens
from meddl.endodepth.sequence import read_sequence
from SlicerMedDLLib.display import show_picture
from SlicerMedDLLib.sequences import views_of_frames
from SlicerMedDLLib.tasks import SynchronousRunner

if TYPE_CHECKING:
    from meddl.endodepth.registration import Registration

SHOWN = "MedDL.EndoDepth.Shown"  # attribute of a volume that was put into a view


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

    def loadVideo(
        self,
        path: Any,
        folder: str | Path,
        parameters: FramesParameters | None = None,
        lens: str | Path | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Write the frames of a video into a folder and show them; returns the browser node.

        Args:
            path: a video file, a folder of pictures, or a sequence node of colour frames.
            folder: the working folder of the video; it must not exist yet.
            parameters: stride, crop and the like.
            lens: a calibration's file; the frames are undistorted.

        Raises:
            MedDLError: no video, a folder that is there already, or cancelled; nothing is left.
        """
        source: tuple[Any, ...] = (extract_frames, path)
        if not isinstance(path, (str, Path)):
            source = (loading.extract_images, views_of_frames(path))
        extract, frames = source
        optics = read_lens(lens) if lens else None
        extract(frames, folder, parameters, lens=optics, progress=progress, cancel=cancel)
        return self.loadSequence(folder)

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
            folder: as ``meddl endodepth predict`` writes it; by default ``depth-predicted`` in the
                video's, or else ``depth``.

        Raises:
            MedDLError: no depth maps, none of this video, or more than the memory takes.
        """
        folder = folder or depths.default_folder(browser)
        for _step in depths.adding_depths(video.require_video(browser), folder):
            pass
        return self.showDepths(browser)

    def predictDepth(
        self,
        browser: Any,
        weights: str = "",
        device: str = "auto",
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Predict the depth of all frames of a video; returns the volume that plays them.

        Args:
            browser: of the video.
            weights: name or path, of ``meddl endodepth`` or ``meddl monodepth``; the shipped ones
                by default.
            device: as :func:`meddl.core.choose_device` takes it.

        Raises:
            MedDLError: no video, no such weights, or cancelled; the scene is as before.
        """
        sequence = player().sequence(video.require_video(browser))
        output = video.folder_of(browser) / video.PREDICTED
        weights = predicting.require_weights(weights)
        predicting.predict_video(sequence, output, weights, device, progress, cancel)
        return self.loadDepths(browser, output)

    def predictFrame(self, browser: Any, weights: str = "", device: str = "auto") -> Any:
        """Predict the depth of the shown frame; returns its volume, which the next call refills.

        Raises:
            MedDLError: no video or no such weights.
        """
        live = LiveDepth(SynchronousRunner())
        weights = predicting.require_weights(weights)
        live.predict(video.require_video(browser), weights, device)
        return self.showLive(browser)

    def showLive(self, browser: Any) -> Any:
        """Show the depth of the shown frame in the second slice view; returns its volume."""
        volume = video.part(browser, LIVE)
        if volume.GetAttribute(SHOWN) is None:  # later the views are the user's
            volume.SetAttribute(SHOWN, "1")
            show_picture(volume, "Green")
        return volume

    def showDepths(self, browser: Any) -> Any:
        """Show the depths in the second slice view, beside the frames; returns their volume."""
        volume = depths.depth_volume(browser)
        show_picture(volume, "Green")
        return volume

    def setScale(self, browser: Any, mm_per_unit: float) -> None:
        """Let one unit of structure from motion be so many mm, as someone has measured.

        Raises:
            MedDLError: no video, no poses that the unit belongs to, or no positive number.
        """
        player().sequence(video.require_video(browser)).require_structure()
        placing.set_scale(browser, mm_per_unit)
        browser.RemoveAttribute(registering.REGISTERED)
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
        view = clouds.shown_view(video.require_video(browser))
        return clouds.show_cloud(browser, *clouds.cloud_of(view, player().sequence(browser)))

    def fuse(
        self,
        browser: Any,
        parameters: FusionParameters | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """All depths of a video as one coloured mesh; returns the model node.

        Args:
            browser: of the video, with depths.
            parameters: how.

        Raises:
            MedDLError: no depths, no poses, or cancelled; the scene is as before.
        """
        folder = depths.depth_folder(video.require_video(browser))
        sequence = player().sequence(browser)
        parameters = parameters or clouds.fusion_parameters(browser, folder)
        surface = clouds.surface_of(sequence, folder, parameters, progress, cancel)
        return clouds.show_mesh(browser, surface)

    def register(
        self,
        browser: Any,
        surface: Any,
        meshPoints: Any = None,
        surfacePoints: Any = None,
        keepScale: bool = False,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Registration:
        """Find where the fused surface of a video lies on a surface of the patient.

        Camera, clouds and mesh get their place, depths their scale in mm, and the mesh the colours
        of its distances.

        Args:
            browser: of the video.
            surface: model node, mm.
            meshPoints, surfacePoints: landmarks, three or more in the same order; without them the
                pose is searched for.
            keepScale: the unit's length is known and stays.

        Raises:
            MedDLError: no mesh, landmarks that are no pairs, no pose, or cancelled.
        """
        job = registering.prepare(
            video.require_video(browser), surface, meshPoints, surfacePoints, keepScale
        )
        found = registering.find_place(job, progress, cancel)
        registering.show_registration(browser, found, job.scale, meshPoints)
        return found
