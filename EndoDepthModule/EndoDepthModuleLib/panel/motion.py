"""Step *Calibration and structure from motion*: in a process of its own, checked by the eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from EndoDepthModuleLib import video
from EndoDepthModuleLib.player import player
from meddl.core.errors import MedDLError
from SlicerMedDLLib.processes import PanelProcess
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.translation import said

LENS = "camera.yaml"  # beside the pictures of the board


class MotionSection(Section):
    """Runs ``meddl endodepth calibrate`` and ``sfm`` and shows what they found."""

    button = "motionButton"

    def connect(self) -> None:
        """Drawing the points is a way of looking: it is not kept with the scene."""
        ui = self.ui
        self._process = PanelProcess(self.widget, self.onEnd)
        self._calibration = PanelProcess(self.widget, self.onCalibrated)
        self._browser: Any = None
        self._described: tuple[Any, str] = (None, "")
        for edit in (ui.colmapEdit, ui.boardEdit):
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.connect("currentPathChanged(QString)", self.onPath)
        ui.calibrateButton.connect("clicked(bool)", self.onCalibrate)
        ui.reconstructButton.connect("clicked(bool)", self.onReconstruct)
        ui.pointsCheckBox.connect("toggled(bool)", self.onPoints)
        ui.cameraButton.connect("clicked(bool)", self.onCamera)
        player().decorators.append(self.draw)

    def disconnect(self) -> None:
        """The panel is gone for good."""
        if self.draw in player().decorators:
            player().decorators.remove(self.draw)

    def leave(self) -> None:
        """The scene is closed or the module unloaded: poses that were there stay."""
        self._process.stop()
        self._calibration.stop()

    def follow(self) -> None:
        """Buttons and figures of the chosen video."""
        ui, browser = self.ui, self.node.video
        ours = browser is not None and bool(browser.GetAttribute(video.FOLDER))
        path = self._model()
        ui.reconstructButton.text = (
            _("Stop") if self._process.busy else _("Import") if path else _("Reconstruct")
        )
        ready = self._process.busy or ours
        self.allow("reconstructButton", "" if ready else _("Load a video in step 1"))
        ui.calibrateButton.text = _("Stop") if self._calibration.busy else _("Calibrate")
        ready = self._calibration.busy or bool(self._board())
        self.allow("calibrateButton", "" if ready else _("Choose the pictures of a chessboard"))
        known = ours and self._has_structure(browser)
        ui.pointsCheckBox.enabled = ui.cameraButton.enabled = known
        ui.motionLabel.text = self._figures(browser) if known else ""

    def _model(self) -> str:
        return str(self.ui.colmapEdit.currentPath).strip()

    def _board(self) -> str:
        return str(self.ui.boardEdit.currentPath).strip()

    def _has_structure(self, browser: Any) -> bool:
        try:
            return len(player().sequence(browser).view_numbers) > 0
        except MedDLError:
            return False

    def _figures(self, browser: Any) -> str:
        """Of the sequence as it is now: 0.3 s for 500 poses and 10,000 points, so only once."""
        try:
            sequence = player().sequence(browser)
            if sequence is not self._described[0]:
                self._described = sequence, self._description(sequence)
        except MedDLError as error:
            return said(error)
        return self._described[1]

    def _description(self, sequence: Any) -> str:
        from meddl.endodepth.reprojection import statistics

        found = statistics(sequence)
        return _(
            "{views} of {frames} frames have a pose, {points} points, {seen:.0f} in a frame, each "
            "in {tracks:.1f} frames; {inside:.1%} of what is seen lies in the mask"
        ).format(
            views=found["views"],
            frames=found["frames"],
            points=found["points"],
            seen=found["points_per_view"]["median"],
            tracks=found["views_per_point"]["mean"],
            inside=found["inside"],
        )

    def onPath(self, path: str) -> None:
        """The button imports where a model is named."""
        if self.node is not None:
            self.follow()

    def onCalibrate(self, checked: bool = False) -> None:
        """Find the lens from the pictures of a chessboard, or stop that."""
        if self._calibration.busy:
            self._calibration.stop()
            return
        board, size = self._board(), str(self.ui.boardSizeEdit.text).strip()
        output = str(Path(board) / LENS)
        self._calibration.start(
            ["endodepth", "calibrate", board, "--board", size, "--output", output]
        )
        self.follow()

    def onCalibrated(self, code: int | None) -> str:
        """The lens is known: the next load of a video uses it."""
        if code == 0:
            self.ui.lensEdit.currentPath = str(Path(self._board()) / LENS)
        if self.node is not None:
            self.follow()
        return _("The lens is chosen in step 1: load the video again") if code == 0 else ""

    def onReconstruct(self, checked: bool = False) -> None:
        """Start, or stop what runs."""
        if self._process.busy:
            self._process.stop()
            self.ui.reconstructButton.enabled = False
            return
        self.attempt(self.start)

    def start(self) -> None:
        """Reconstruct or import in a process of its own.

        Raises:
            InputError: no video is chosen.
        """
        self._browser = video.require_video(self.node.video)
        model = self._model()
        more = ["--import", model] if model else []
        self._process.start(["endodepth", "sfm", str(video.folder_of(self._browser)), *more])
        self.follow()

    def onEnd(self, code: int | None) -> str:
        """The process has ended: show what it wrote."""
        browser, self._browser = self._browser, None
        if self.node is not None:
            if browser is not None and browser.GetScene() is not None:
                player().forget()
                player().refresh(browser)
            self.widget.parametersChanged()
        return _("Stopped; what was there before is kept") if code is None else ""

    def onPoints(self, checked: bool) -> None:
        """Draw the points, or no longer."""
        if self.node is not None and self.node.video is not None:
            player().refresh(self.node.video)

    def draw(self, browser: Any, sequence: Any, number: int, frame: NDArray[Any]) -> NDArray[Any]:
        """The frame with its points, if they are wanted and there are some."""
        views = (sequence.view_numbers == number).nonzero()[0]
        if self.node is None or not self.ui.pointsCheckBox.checked or not len(views):
            return frame
        from meddl.endodepth.reprojection import overlay

        return overlay(sequence, int(views[0]))

    def onCamera(self, checked: bool = False) -> None:
        """Show the camera in 3-D."""
        self.attempt(self.logic.showCamera, self.node.video)
