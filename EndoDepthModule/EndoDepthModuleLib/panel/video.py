"""Step *Video and mask*: frames into a folder and onto the screen, and where the endoscope sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import slicer
from slicer.i18n import tr as _

from EndoDepthModuleLib import fieldofview, loading, video
from EndoDepthModuleLib.player import player
from meddl.core.errors import InputError, MedDLError
from meddl.endodepth.frames import FramesParameters, extract_frames
from meddl.endodepth.lens import read_lens
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.sequences import FrameViews, gathering_frames
from SlicerMedDLLib.translation import said


class VideoSection(Section):
    """Loads a video, plays it, shows and keeps its mask."""

    button = "videoButton"

    def connect(self) -> None:
        """Paths are this machine's, not the scene's."""
        ui = self.ui
        for edit in (ui.folderEdit, ui.relocateEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
        for edit in (ui.videoPathEdit, ui.folderEdit, ui.relocateEdit):
            edit.connect("currentPathChanged(QString)", self.onPath)
        ui.framesSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onPath)
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.relocateButton.connect("clicked(bool)", self.onRelocate)
        ui.showMaskButton.connect("clicked(bool)", self.onShowMask)
        ui.editMaskButton.connect("clicked(bool)", self.onEditMask)
        ui.keepMaskButton.connect("clicked(bool)", self.onKeepMask)
        player().listeners.append(self.onFrame)

    def disconnect(self) -> None:
        """The panel is gone for good."""
        if self.onFrame in player().listeners:
            player().listeners.remove(self.onFrame)

    def firstVideo(self) -> Any:
        """The first video of the scene; None without one."""
        return next(video.videos(), None)

    def bind(self) -> None:
        """The browser's widgets follow the node that :meth:`follow` gives them."""
        self._browser: Any = None

    def leave(self) -> None:
        """The scene closes: let go of its browser."""
        self._show(None)

    def follow(self) -> None:
        """Play the chosen video and say what is known of it."""
        browser = self.node.video
        self._show(browser)
        ui = self.ui
        ours = browser is not None and bool(browser.GetAttribute(video.FOLDER))
        masked = ours and video.part(browser, fieldofview.MASK) is not None
        ui.showMaskButton.enabled = ours
        ui.editMaskButton.enabled = ui.keepMaskButton.enabled = masked
        chosen = bool(self._path()) or ui.framesSelector.currentNode() is not None
        self.allow("loadButton", "" if chosen else _("Choose a video, a folder or a sequence"))
        problem = player().problem(browser) if ours else ""
        for widget in (ui.relocateEdit, ui.relocateButton):
            widget.visible = bool(problem)
        ui.relocateButton.enabled = bool(ui.relocateEdit.currentPath.strip())
        ui.videoLabel.text = problem or self._description(browser, ours)
        ui.videoLabel.styleSheet = "color: #c77700" if problem else ""

    def _show(self, browser: Any) -> None:
        if browser is not getattr(self, "_browser", None):
            self._browser = browser
            self.ui.seekWidget.setMRMLSequenceBrowserNode(browser)
            self.ui.playWidget.setMRMLSequenceBrowserNode(browser)

    def _description(self, browser: Any, ours: bool) -> str:
        if browser is None:
            return _("Choose a video and load it")
        if not ours:
            return _("{name} is no video of this module").format(name=browser.GetName())
        try:
            sequence = player().sequence(browser)
        except MedDLError as error:
            return said(error)
        height, width = sequence.size
        known = [_("camera known") if sequence.intrinsics is not None else _("camera unknown")]
        if len(sequence.view_numbers):
            known.append(
                _("{views} poses, {points} points").format(
                    views=len(sequence.view_numbers), points=len(sequence.points)
                )
            )
        return _("{frames} frames of {width}x{height}, {share:.0%} in the mask, {known}").format(
            frames=len(sequence.frame_numbers),
            width=width,
            height=height,
            share=sequence.mask.mean(),
            known=", ".join(known),
        )

    def _path(self) -> str:
        return str(self.ui.videoPathEdit.currentPath).strip()

    def onPath(self, path: Any) -> None:
        """Buttons need paths."""
        if self.node is not None:
            self.follow()

    def onFrame(self, browser: Any) -> None:
        """Another frame was asked for; a missing folder shows here."""
        if self.node is not None and browser is self.node.video:
            self.follow()

    def onLoad(self, checked: bool = False) -> None:
        """Show a folder that is ready, or write the frames in the worker and show them then."""
        self.attempt(self.load)

    def load(self) -> None:
        """Load what is chosen.

        Raises:
            MedDLError: nothing is chosen, no working folder, no sequence, or a task is running.
        """
        path, frames = self._path(), self.ui.framesSelector.currentNode()
        if frames is None and (not path or loading.is_sequence_folder(path)):
            self.show(path)
            return
        folder = str(self.ui.folderEdit.currentPath).strip()
        if not folder:
            raise InputError(_("choose a working folder for the frames"))
        parameters = FramesParameters(
            stride=self.ui.strideSpinBox.value,
            crop="auto" if self.ui.cropCheckBox.checked else "none",
        )
        lens_path = str(self.ui.lensEdit.currentPath).strip()
        lens = read_lens(lens_path) if lens_path else None

        def done(report: Any) -> None:
            self.show(folder)
            for warning in report.warnings:
                self.widget.log(warning)

        def start(extract: Callable[..., Any], source: Any) -> None:
            self.widget.start(extract, source, folder, parameters, lens=lens, on_done=done)

        if frames is None:
            start(extract_frames, path)
            return
        images = FrameViews()

        def gathered() -> None:
            self.attempt(start, loading.extract_images, images)

        self.widget.sliced.start(gathering_frames(frames, images), gathered, first=True)

    def show(self, folder: str) -> None:
        """Show a sequence folder and choose it.

        Raises:
            FileError: no sequence, or a damaged one.
        """
        self.node.video = self.logic.loadSequence(folder)

    def onRelocate(self, checked: bool = False) -> None:
        """Take the frames from where they are now."""
        browser = self.node.video

        def relocate() -> bool:
            video.relocate(browser, self.ui.relocateEdit.currentPath.strip())
            player().refresh(browser)
            return True

        if self.attempt(relocate):
            self.widget.showStatus(
                _("The frames are in {folder}").format(folder=video.folder_of(browser))
            )

    def onShowMask(self, checked: bool = False) -> None:
        """Show the mask of the folder."""
        if self.attempt(self.logic.showMask, self.node.video) is not None:
            self.follow()

    def onEditMask(self, checked: bool = False) -> None:
        """Open the Segment Editor on the mask."""
        browser = self.node.video
        editor = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        if editor is None:
            editor = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            editor.SetSingletonTag("SegmentEditor")
            editor = slicer.mrmlScene.AddNode(editor)
        editor.SetAndObserveSegmentationNode(video.part(browser, fieldofview.MASK))
        editor.SetAndObserveSourceVolumeNode(video.frame_volume(browser))
        slicer.util.selectModule("SegmentEditor")

    def onKeepMask(self, checked: bool = False) -> None:
        """Write what was edited."""

        def keep() -> bool:
            self.logic.keepMask(self.node.video)
            return True

        if self.attempt(keep):
            self.widget.showStatus(_("The mask is kept"))
            self.follow()
