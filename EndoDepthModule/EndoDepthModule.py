"""Depth and surface from endoscopic video."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

from EndoDepthModuleLib import predicting, video
from EndoDepthModuleLib.logic import EndoDepthLogic
from EndoDepthModuleLib.panel.motion import MotionSection
from EndoDepthModuleLib.panel.network import NetworkSection
from EndoDepthModuleLib.panel.surface import SurfaceSection
from EndoDepthModuleLib.panel.video import VideoSection
from EndoDepthModuleLib.parameternode import choice_texts
from EndoDepthModuleLib.player import player
from meddl.core.errors import MedDLError
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.widgets import MedDLModuleWidget

CONSOLE = """\
logic = slicer.util.getModuleLogic("EndoDepthModule")
video = logic.loadVideo("bronchoscopy.mp4", "/data/bronchoscopy")
depth = logic.predictDepth(video)"""


class EndoDepthModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Endoscopic depth (EndoDepth)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL", "Sequences"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = (
            _(
                "Depth maps, the camera's path and a surface from the video of an endoscope, "
                "placed on a CT. Research software, not for clinical use."
            )
            + "<p>"
            + _("In the Python console:")
            + f"</p><pre>{CONSOLE}</pre>"
        )
        parent.acknowledgementText = _(
            "After X. Liu et al., Dense Depth Estimation in Monocular Endoscopy With "
            "Self-Supervised Learning Methods, IEEE TMI 2020."
        )
        slicer.app.connect("startupCompleted()", self.followVideos)

    def followVideos(self) -> None:
        """Videos of a loaded scene play, whether the module was opened or not."""
        player()


class EndoDepthModuleLogic(EndoDepthLogic):
    """Depth and surfaces from video. In Slicer's Python console::

    logic = slicer.util.getModuleLogic("EndoDepthModule")
    video = logic.loadVideo("bronchoscopy.mp4", "/data/bronchoscopy")
    depth = logic.predictDepth(video)
    """


class EndoDepthModuleWidget(MedDLModuleWidget):
    """The panel: its steps, and Apply for the depth of the whole video."""

    logicClass = EndoDepthModuleLogic
    choiceTexts = staticmethod(choice_texts)

    def connectPanel(self) -> None:
        """Make the sections; each connects itself."""
        self.video = VideoSection(self)
        self.motion = MotionSection(self)
        self.network = NetworkSection(self)
        self.surface = SurfaceSection(self)
        self.sections = (self.video, self.motion, self.network, self.surface)

    def selectFirst(self) -> None:
        """The scene's first video."""
        if self.parameterNode.video is None:
            self.parameterNode.video = self.video.firstVideo()

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        browser = self.parameterNode.video
        if browser is None:
            return _("Load a video in step 1")
        try:
            video.require_video(browser)
            predicting.card_of(predicting.require_weights(self.parameterNode.weights))
        except MedDLError as error:
            return said(error)
        return player().problem(browser)

    def apply(self) -> None:
        """Predict the depth of the whole video."""
        self.surface.predict()


class EndoDepthModuleTest(ScriptedLoadableModuleTest):
    """The self-test of Slicer's developer panel; Testing/Python holds the others."""

    def runTest(self) -> None:
        """The depths of a small exact sequence follow the frames and the scale."""
        from EndoDepthModuleLib import phantom

        self.setUp()
        with tempfile.TemporaryDirectory() as folder:
            sequence = phantom.write_phantom(folder, unit_mm=5.0)
            logic = EndoDepthModuleLogic()
            browser = logic.loadSequence(folder)
            volume = logic.loadDepths(browser)
            logic.setScale(browser, 5.0)
            browser.SetSelectedItemNumber(3)
            slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
            depth = slicer.util.arrayFromVolume(volume)[0]
            expected = phantom.depth_of(phantom.poses()[3]) * sequence.mask
            np.testing.assert_allclose(depth, expected, atol=1e-4)
            slicer.mrmlScene.RemoveNode(browser)
        self.delayDisplay(_("Test passed"))
