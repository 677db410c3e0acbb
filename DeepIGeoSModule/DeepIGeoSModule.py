"""Interactive segmentation by scribbles: the session of the Segment Editor effect, and training."""

from __future__ import annotations

from typing import Any

import numpy as np
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

from DeepIGeoSModuleLib.logic import DeepIGeoSLogic
from DeepIGeoSModuleLib.panel.batch import BatchSection
from DeepIGeoSModuleLib.panel.compare import CompareSection
from DeepIGeoSModuleLib.panel.editor import EditorSection
from DeepIGeoSModuleLib.panel.inputs import InputsSection
from DeepIGeoSModuleLib.panel.strokes import StrokesSection
from DeepIGeoSModuleLib.panel.training import TrainingSection
from DeepIGeoSModuleLib.parameternode import choice_texts
from DeepIGeoSModuleLib.writing import segment_masks
from meddl.core.image import Image
from SlicerMedDLLib.volumes import volume_from_image
from SlicerMedDLLib.widgets import MedDLModuleWidget

CONSOLE = """\
logic = slicer.util.getModuleLogic("DeepIGeoSModule")
inside, outside = getNode("inside"), getNode("outside")  # point lists
segmentation = logic.segment(getNode("CT"), inside, outside)"""


class DeepIGeoSModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Interactive segmentation (DeepIGeoS)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL", "SegmentEditorDeepIGeoS", "Segmentations"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = (
            _(
                "Scribble on a structure and around it; the rest is found, and corrected by "
                "further strokes. The same tool is the effect DeepIGeoS of the Segment Editor. "
                "Research software, not for clinical use."
            )
            + "<p>"
            + _("In the Python console:")
            + f"</p><pre>{CONSOLE}</pre>"
        )
        parent.acknowledgementText = _(
            "After G. Wang et al., DeepIGeoS: A Deep Interactive Geodesic Framework for Medical "
            "Image Segmentation, IEEE TPAMI 2018."
        )


class DeepIGeoSModuleLogic(DeepIGeoSLogic):
    """Segmentations from marks. In Slicer's Python console::

    logic = slicer.util.getModuleLogic("DeepIGeoSModule")
    inside, outside = getNode("inside"), getNode("outside")  # point lists
    segmentation = logic.segment(getNode("CT"), inside, outside)
    """


class DeepIGeoSModuleWidget(MedDLModuleWidget):
    """The panel: its sections, and Apply for the preview."""

    logicClass = DeepIGeoSModuleLogic
    choiceTexts = staticmethod(choice_texts)

    def connectPanel(self) -> None:
        """Make the sections; each connects itself."""
        self._session: Any = None
        self.inputs = InputsSection(self)
        self.segments = EditorSection(self)
        self.strokes = StrokesSection(self)
        self.compare = CompareSection(self)
        self.batch = BatchSection(self)
        self.training = TrainingSection(self)
        self.sections = (
            self.inputs,
            self.segments,
            self.strokes,
            self.compare,
            self.batch,
            self.training,
        )

    def selectFirst(self) -> None:
        """The scene's first volume."""
        if self.parameterNode.volume is None:
            self.parameterNode.volume = self.inputs.firstVolume()

    def exit(self) -> None:
        """The user opens another module: the mouse is Slicer's again."""
        self.segments.leave()
        self._listen(None)
        super().exit()

    def _onStartClose(self, caller: Any, event: Any) -> None:
        super()._onStartClose(caller, event)
        self._listen(None)

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        super().cleanup()
        self._listen(None)

    def parametersChanged(self) -> None:
        """Let the sections follow the parameters."""
        self._listen(self.inputs.session)
        super().parametersChanged()

    def _listen(self, session: Any) -> None:
        """Follow the strokes and the preview of a session."""
        if session is self._session:
            return
        if self._session is not None and self.onSession in self._session.listeners:
            self._session.listeners.remove(self.onSession)
        self._session = session
        if session is not None:
            session.listeners.append(self.onSession)

    def onSession(self, event: str) -> None:
        """The session has changed."""
        if self.parameterNode is None:
            return
        if event == "strokes":
            self.strokes.follow()
        if event == "settings":
            self.inputs.follow()
        self.updateApply()

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        session = self.inputs.session
        if self.parameterNode.volume is None:
            return _("Select a volume")
        if session is None:
            return _("Select or create a segmentation")
        if session.runner.busy:
            return _("The preview is being computed")
        return "" if session.has_preview else _("Draw a stroke or initialise first")

    def apply(self) -> None:
        """Write the preview into the segmentation: one step of undo."""
        changed = self.inputs.session.apply()
        self.showStatus(_("{count} voxels changed").format(count=changed))
        self.parametersChanged()
        self.updateApply()


class DeepIGeoSModuleTest(ScriptedLoadableModuleTest):
    """The self-test of Slicer's developer panel; Testing/Python holds the others."""

    def runTest(self) -> None:
        """A bright ball is found from one click inside and one outside."""
        self.setUp()
        grid = np.indices((20, 24, 28)) - np.reshape((10, 12, 14), (3, 1, 1, 1))
        ball = (grid**2).sum(axis=0) <= 36
        image = Image(np.where(ball, 100, 0).astype(np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
        volume = volume_from_image(image, _("Ball"))
        logic = DeepIGeoSModuleLogic()
        segmentation = logic.segment(volume, [[-14, -12, 10]], [[-2, -2, 2]], method="geodesic")
        [mask] = segment_masks(segmentation, image).values()
        np.testing.assert_array_equal(mask, ball)
        self.delayDisplay(_("Test passed"))
