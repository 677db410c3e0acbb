"""Section *Video*: frames from a file or of the scene, and their player."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from DesmokeModuleLib import clips
from DesmokeModuleLib.filtering import clear_frames, read_video
from DesmokeModuleLib.recorded import adding_frames, adding_results
from meddl.core.errors import InputError, MedDLError
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.sequences import FrameViews, gathering_frames
from SlicerMedDLLib.translation import said


class VideoSection(Section):
    """Loads, plays and clears the frames of a video."""

    button = "videoButton"

    def connect(self) -> None:
        """Paths are this machine's, not the scene's."""
        self.ui.videoPathEdit.connect("currentPathChanged(QString)", self.onPath)
        self.ui.loadButton.connect("clicked(bool)", self.onLoad)

    def bind(self) -> None:
        """The browser's widgets follow the node that :meth:`follow` gives them."""
        self._browser: Any = None

    def leave(self) -> None:
        """The scene closes: let go of its browser."""
        self._show(None)

    def follow(self) -> None:
        """Play the chosen video and say what is known of it."""
        sequence = self.node.frames
        self.allow("loadButton", "" if self._path() else _("Choose a video file"))
        try:
            text = self._description(sequence)
            self._show(None if sequence is None else clips.browser_of(sequence))
        except MedDLError as error:
            text = said(error)
            self._show(None)
        self.ui.videoLabel.text = text

    def _show(self, browser: Any) -> None:
        if browser is not getattr(self, "_browser", None):
            self._browser = browser
            self.ui.seekWidget.setMRMLSequenceBrowserNode(browser)
            self.ui.playWidget.setMRMLSequenceBrowserNode(browser)

    def _description(self, sequence: Any) -> str:
        if sequence is None:
            return _("Load a video file, or choose a sequence of colour frames")
        clips.require_frames(sequence)
        width, height, _depth = sequence.GetNthDataNode(0).GetImageData().GetDimensions()
        return _("{frames} frames of {width}x{height}").format(
            frames=sequence.GetNumberOfDataNodes(), width=width, height=height
        )

    def _path(self) -> str:
        return str(self.ui.videoPathEdit.currentPath).strip()

    def onPath(self, path: Any) -> None:
        """The button needs a path."""
        if self.node is not None:
            self.follow()
            self.widget.updateApply()

    def onLoad(self, checked: bool = False) -> None:
        """Decode in the worker, then show."""
        self.attempt(self.load)

    def load(self, then: Any = lambda: None) -> None:
        """Put the frames of the chosen file into the scene, then call ``then``.

        Raises:
            InputError: no file is chosen, or a task is running.
        """
        path = self._path()
        if not path:
            raise InputError(_("choose a video file first"))

        made: list[Any] = []

        def done(read: Any) -> None:
            steps = adding_frames(read[0], Path(path).stem, read[1], made.append)
            self.widget.sliced.start(steps, added)

        def added() -> None:
            self.node.frames = self.logic.showFrames(made[0])
            then()

        self.widget.start(read_video, path, on_done=done)

    def clear(self) -> None:
        """Clear the chosen sequence in the worker; the chosen file is loaded first without one.

        Raises:
            MedDLError: no frames, or a task is running.
        """
        if self.node.frames is None:
            self.load(then=lambda: self.attempt(self.clear))
            return
        sequence = clips.require_frames(self.node.frames)
        images, settings = FrameViews(), self.widget.settings()

        def done(results: Any) -> None:
            self.widget.sliced.start(adding_results(sequence, results), added)

        def added() -> None:
            self.logic.showOutput(sequence)
            self.widget.views.start()

        def start() -> None:
            count = len(images)
            self.widget.start(clear_frames, images, count, settings, on_done=done, watch=[sequence])

        def gathered() -> None:
            if sequence.GetScene() is not None:
                self.attempt(start)

        self.widget.sliced.start(gathering_frames(sequence, images), gathered, first=True)
