"""Radiographs (DRR) from a CT volume in the scene, with a C-arm that is shown in 3-D."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest

from DeepDRRModuleLib.logic import RadiographLogic
from DeepDRRModuleLib.panel.carm import CArmSection
from DeepDRRModuleLib.panel.ct import CTSection
from DeepDRRModuleLib.panel.dataset import DatasetSection
from DeepDRRModuleLib.panel.materials import MaterialsSection
from DeepDRRModuleLib.panel.projections import ProjectionsSection
from DeepDRRModuleLib.panel.radiograph import RadiographSection
from DeepDRRModuleLib.panel.registration import RegistrationSection
from DeepDRRModuleLib.panel.tube import TubeSection
from DeepDRRModuleLib.parameternode import SEGMENTATION, choice_texts
from DeepDRRModuleLib.records import reachable_carm_from, render_parameters_from
from meddl.core.errors import InputError, MedDLError
from meddl.core.image import Image
from meddl.core.optional import require_installed
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.radiograph import render
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.volumes import volume_from_image
from SlicerMedDLLib.widgets import MedDLModuleWidget

CONSOLE = """\
from meddl.deepdrr import CArm
logic = slicer.util.getModuleLogic("DeepDRRModule")
ct = slicer.util.getNode("AbdomenPelvisCT")
radiograph = logic.render(ct, CArm(primary_angle=30), quantity="neglog")
carm = logic.showGeometry(ct, CArm(primary_angle=30), radiograph)"""


class DeepDRRModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Radiographs from CT (DeepDRR)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = (
            _(
                "Makes radiographs (DRR) of a CT with a polychromatic X-ray model. The C-arm that "
                "takes them is shown in 3-D and can be moved there: it is a linear transform. "
                "Research software, not for clinical use."
            )
            + "<p>"
            + _("In the Python console:")
            + f"</p><pre>{CONSOLE}</pre>"
        )
        parent.acknowledgementText = _(
            "After M. Unberath et al., DeepDRR: A Catalyst for Machine Learning in "
            "Fluoroscopy-guided Procedures, MICCAI 2018."
        )


class DeepDRRModuleLogic(RadiographLogic):
    """Radiographs and C-arms from nodes. In Slicer's Python console::

    from meddl.deepdrr import CArm
    logic = slicer.util.getModuleLogic("DeepDRRModule")
    radiograph = logic.render(getNode("CT"), CArm(primary_angle=30))
    carm = logic.showGeometry(getNode("CT"), CArm(primary_angle=30), radiograph)
    """


class DeepDRRModuleWidget(MedDLModuleWidget):
    """The panel: its sections, and Apply for the radiograph."""

    logicClass = DeepDRRModuleLogic
    choiceTexts = staticmethod(choice_texts)
    usesDevice = False  # the projector runs on the processor

    def connectPanel(self) -> None:
        """Make the sections; each connects itself."""
        self._late = False
        self.ct = CTSection(self)
        self.carm = CArmSection(self)
        self.materials = MaterialsSection(self)
        self.tube = TubeSection(self)
        self.radiograph = RadiographSection(self)
        self.projections = ProjectionsSection(self)
        self.registration = RegistrationSection(self)
        self.dataset = DatasetSection(self)
        self.sections = (
            self.ct,
            self.carm,
            self.materials,
            self.tube,
            self.radiograph,
            self.projections,
            self.registration,
            self.dataset,
        )

    def selectFirst(self) -> None:
        """The scene's first CT."""
        if self.parameterNode.ctVolume is None:
            self.parameterNode.ctVolume = self.logic.firstCT()

    def _onParametersModified(self, caller: Any = None, event: Any = None) -> None:
        # A slider changes more often than pictures come: once per picture is enough to follow it.
        self._late = self.radiograph.preview.moving
        if not self._late:
            super()._onParametersModified(caller, event)

    def catchUp(self) -> None:
        """Follow what has changed while a picture was rendered."""
        if self._late and self.parameterNode is not None:
            self._onParametersModified()

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        node = self.parameterNode
        try:
            reachable_carm_from(node)
            self.logic.check(node.ctVolume, render_parameters_from(node), node.radiograph)
            if node.materials == SEGMENTATION and node.segmentation is None:
                raise InputError(_("no segmentation is selected for the materials; select one"))
            self.materials.solids()
            if self.tube.needsSpekPy():
                require_installed("spekpy", _("this spectrum or heel effect"))
        except MedDLError as error:
            return said(error)
        return ""

    def apply(self) -> None:
        """Render in the worker; the result enters the scene when it is whole."""
        node = self.parameterNode
        carm, parameters = reachable_carm_from(node), render_parameters_from(node)
        volume, output = node.ctVolume, node.radiograph
        segmentation = self.materials.segmentation()
        ct = self.logic.prepare(volume, parameters, output)
        labels, solids = self.logic.labels(segmentation, ct), self.materials.solids()
        self.radiograph.preview.stop()

        def done(radiograph: Image) -> None:
            node.radiograph = self.logic.finish(radiograph, volume, output, segmentation)
            self.logic.show(node.radiograph, node.radiologicalView)
            self.carm.draw()

        self.start(
            render,
            ct,
            carm,
            parameters,
            labels=labels,
            solids=solids,
            on_done=done,
            watch=[n for n in (volume, output) if n],
        )


class DeepDRRModuleTest(ScriptedLoadableModuleTest):
    """The self-test of Slicer's developer panel; Testing/Python holds the others."""

    def runTest(self) -> None:
        """A water slab attenuates as the law of Beer and Lambert says."""
        self.setUp()
        slab = np.full((40, 50, 60), -1000, np.int16)
        slab[:, 15:35] = 0
        volume = volume_from_image(Image(slab, np.diag([2.0, 2.0, 2.0, 1.0])), _("Slab"))
        radiograph = DeepDRRModuleLogic().render(
            volume, CArm(detector_size=(9, 9)), quantity="integral", hu_offset=1000
        )
        center = slicer.util.arrayFromVolume(radiograph)[0, 4, 4]
        np.testing.assert_allclose(center, 1000 * 40, rtol=1e-5)  # 20 voxels of 2 mm
        self.delayDisplay(_("Test passed"))
