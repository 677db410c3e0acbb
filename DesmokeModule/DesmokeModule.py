"""Surgical smoke removed from laparoscopic video."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

from DesmokeModuleLib import clips, layouts
from DesmokeModuleLib.filtering import Settings
from DesmokeModuleLib.logic import DesmokeLogic
from DesmokeModuleLib.panel.batch import BatchSection
from DesmokeModuleLib.panel.live import LiveSection
from DesmokeModuleLib.panel.method import MethodSection
from DesmokeModuleLib.panel.training import TrainingSection
from DesmokeModuleLib.panel.video import VideoSection
from DesmokeModuleLib.panel.views import ViewsSection
from DesmokeModuleLib.parameternode import choice_texts
from DesmokeModuleLib.showing import showing
from meddl.core.errors import MedDLError
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.widgets import MedDLModuleWidget

CONSOLE = """\
logic = slicer.util.getModuleLogic("DesmokeModule")
video = logic.loadVideo("laparoscopy.mp4")
clear = logic.desmoke(video)"""


class DesmokeModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Surgical smoke removal (Desmoke)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL", "Sequences"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = (
            _(
                "Removes surgical smoke from laparoscopic video: recorded, live, or many files. "
                "Research software, not for clinical use."
            )
            + "<p>"
            + _("In the Python console:")
            + f"</p><pre>{CONSOLE}</pre>"
        )
        parent.acknowledgementText = _(
            "After S. Salazar-Colores et al., Desmoking Laparoscopy Surgery Images Using an "
            "Image-to-Image Translation Guided by an Embedded Dark Channel, IEEE Access 2020, and "
            "K. He et al., Single Image Haze Removal Using Dark Channel Prior, IEEE TPAMI 2011."
        )
        slicer.app.connect("startupCompleted()", self.followVideos)

    def followVideos(self) -> None:
        """Videos and layouts of a loaded scene work, whether the module was opened or not."""
        showing()
        layouts.register()


class DesmokeModuleLogic(DesmokeLogic):
    """Videos and live volumes without smoke. In Slicer's Python console::

    logic = slicer.util.getModuleLogic("DesmokeModule")
    video = logic.loadVideo("laparoscopy.mp4")
    clear = logic.desmoke(video)
    """


class DesmokeModuleWidget(MedDLModuleWidget):
    """The panel: its sections, and Apply for all frames of the video."""

    logicClass = DesmokeModuleLogic
    choiceTexts = staticmethod(choice_texts)

    def connectPanel(self) -> None:
        """Make the sections; each connects itself."""
        self.video = VideoSection(self)
        self.method = MethodSection(self)
        self.live = LiveSection(self)
        self.views = ViewsSection(self)
        self.batch = BatchSection(self)
        self.training = TrainingSection(self)
        self.sections = (
            self.video,
            self.method,
            self.live,
            self.views,
            self.batch,
            self.training,
        )

    def selectFirst(self) -> None:
        """The scene's first desmoked video."""
        browser = next(clips.clips(), None)
        if self.parameterNode.frames is None and browser is not None:
            self.parameterNode.frames = part(browser, clips.INPUT)

    def settings(self) -> Settings:
        """How to clear, as the panel says; at full strength, which a view may show a part of."""
        node = self.parameterNode
        return Settings(
            method=node.method,
            weights=node.weights if node.method != "classical" else "",
            device=self.device,
            transmission=node.transmission,
            dark_channel=node.darkChannel,
        )

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        sequence = self.parameterNode.frames
        if sequence is None:
            path = self.ui.videoPathEdit.currentPath.strip()
            return "" if path else _("Load or choose a video in section 1")
        try:
            clips.require_frames(sequence)
        except MedDLError as error:
            return said(error)
        return ""

    def apply(self) -> None:
        """Clear all frames of the video."""
        self.video.clear()


class DesmokeModuleTest(ScriptedLoadableModuleTest):
    """The self-test of Slicer's developer panel; Testing/Python holds the others."""

    def runTest(self) -> None:
        """A veiled square becomes darker and richer in contrast; strength 0 is the input."""
        from SlicerMedDLLib.sequences import recording

        self.setUp()
        rng = np.random.default_rng(0)
        scene = np.full((96, 128, 3), (150, 60, 50), np.uint8)
        scene[24:72, 32:96] = rng.integers(0, 90, (48, 64, 3), np.uint8)
        smoky = (0.5 * scene + 0.5 * 230).astype(np.uint8)
        with recording("Smoky square") as append:
            for _number in range(3):
                sequence = append(smoky)
        logic = DesmokeModuleLogic()
        output = logic.desmoke(sequence, Settings("classical"))
        volume = clips.shown(clips.browser_of(sequence), clips.OUTPUT)
        clear = slicer.util.arrayFromVolume(volume)[0]
        assert output.GetNumberOfDataNodes() == 3
        assert clear.mean() < smoky.mean() and clear.std() > 1.2 * smoky.std()
        logic.setStrength(sequence, 0)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume)[0], smoky)
        self.delayDisplay(_("Test passed"))
