"""Depth and surface from endoscopic video."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from EndoDepthModuleLib.logic import EndoDepthLogic
from EndoDepthModuleLib.panel.surface import SurfaceSection
from EndoDepthModuleLib.panel.video import VideoSection
from EndoDepthModuleLib.player import player
from SlicerMedDLLib.widgets import MedDLModuleWidget


class EndoDepthModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Endoscopic depth (EndoDepth)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL", "Sequences"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = _(
            "Depth maps and a surface from the video of an endoscope. Research software, not for "
            "clinical use."
        )
        parent.acknowledgementText = _(
            "After X. Liu et al., Dense Depth Estimation in Monocular Endoscopy With "
            "Self-Supervised Learning Methods, IEEE TMI 2020."
        )
        slicer.app.connect("startupCompleted()", self.followVideos)

    def followVideos(self) -> None:
        """Videos of a loaded scene play, whether the module was opened or not."""
        from EndoDepthModuleLib.player import player

        player()


class EndoDepthModuleLogic(EndoDepthLogic):
    """Depth and surfaces from video."""


class EndoDepthModuleWidget(MedDLModuleWidget):
    """The panel: its steps, and Apply for the depth of the whole video."""

    logicClass = EndoDepthModuleLogic

    def connectPanel(self) -> None:
        """Make the sections; each connects itself."""
        self.video = VideoSection(self)
        self.surface = SurfaceSection(self)
        self._sections = (self.video, self.surface)

    def initializeParameterNode(self) -> None:
        """Bind the parameter node; the scene's first video is selected if none is."""
        parameters = self.logic.getParameterNode()
        if parameters.video is None:
            parameters.video = self.video.firstVideo()
        for section in self._sections:
            section.bind()
        super().initializeParameterNode()

    def _onStartClose(self, caller: Any, event: Any) -> None:
        for section in self._sections:
            section.leave()
        super()._onStartClose(caller, event)

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        for section in self._sections:
            section.leave()
        self.video.disconnect()
        super().cleanup()

    def parametersChanged(self) -> None:
        """Let the sections follow the parameters."""
        for section in self._sections:
            section.follow()

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        browser = self.parameterNode.video
        if browser is None:
            return _("Load a video in step 1")
        return player().problem(browser)

    def apply(self) -> None:
        """Put the depths of the whole video into the scene."""
        self.surface.addDepths(self.parameterNode.video)
