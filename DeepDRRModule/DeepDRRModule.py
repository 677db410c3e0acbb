"""Radiographs (DRR) from a CT volume in the scene, with a C-arm that is shown in 3-D."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)

from DeepDRRModuleLib import carmnodes, radiographs
from DeepDRRModuleLib.ctcheck import CTCheck, check_ct
from DeepDRRModuleLib.parameternode import (
    DeepDRRParameterNode,
    carm_from,
    render_parameters_from,
)
from meddl.core.errors import InputError, MedDLError, one_line
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepdrr.camera import Camera
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.radiograph import RenderParameters, render
from SlicerMedDLLib.markups import markups_from_points, points_from_markups
from SlicerMedDLLib.nodes import describe, require_node
from SlicerMedDLLib.transforms import world_from_node
from SlicerMedDLLib.volumes import SCALAR, image_from_volume, volume_from_image
from SlicerMedDLLib.widgets import MedDLModuleWidget


class DeepDRRModule(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("Radiographs from CT (DeepDRR)")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = ["SlicerMedDL"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = _(
            "Makes radiographs (DRR) of a CT with a polychromatic X-ray model and shows the C-arm "
            "that takes them. Research software, not for clinical use."
        )
        parent.acknowledgementText = _(
            "After M. Unberath et al., DeepDRR: A Catalyst for Machine Learning in "
            "Fluoroscopy-guided Procedures, MICCAI 2018."
        )


class DeepDRRModuleLogic(ScriptedLoadableModuleLogic):
    """Radiographs and C-arms from nodes. In Slicer's Python console::

        logic = slicer.util.getModuleLogic("DeepDRRModule")
        radiograph = logic.render(getNode("CT"), CArm(primary_angle=30))
        carm = logic.showGeometry(getNode("CT"), CArm(primary_angle=30), radiograph)

    (``from meddl.deepdrr import CArm`` first.)
    """

    def getParameterNode(self) -> DeepDRRParameterNode:
        """The state of the panel, kept in the scene."""
        # The decorator of the class gives it this constructor.
        return DeepDRRParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def firstCT(self) -> Any:
        """The first scalar volume of the scene that is no radiograph; None without one."""
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            if node.GetClassName() == SCALAR and not radiographs.is_radiograph(node):
                return node
        return None

    def render(
        self,
        volume: Any,
        view: CArm | Camera | None = None,
        parameters: RenderParameters | None = None,
        output: Any = None,
        *,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> Any:
        """Render one radiograph of a CT and wait for it.

        Args:
            volume: CT, scalar volume node in HU; linear parent transforms are honoured.
            view: C-arm pose (by default all angles 0) or camera.
            parameters: the record; ``options`` replace single fields, as in ``noise=True``.
            output: volume node to overwrite; None makes a new one.

        Returns:
            ``vtkMRMLScalarVolumeNode`` (``vtkMRMLVectorVolumeNode`` for the quantity ``path``),
            upright in a slice view, in a fixed window, with camera and parameters as attributes.

        Raises:
            MedDLError: bad input or cancelled; the scene is as before.
        """
        parameters = dataclasses.replace(parameters or RenderParameters(), **options)
        ct = self.prepare(volume, parameters, output)
        radiograph = render(ct, view or CArm(), parameters, progress=progress, cancel=cancel)
        return self.finish(radiograph, volume, output)

    def check(self, volume: Any, parameters: RenderParameters, output: Any = None) -> None:
        """Refuse nodes that cannot be rendered from or into; quick, for a button's tooltip.

        Raises:
            InputError: no scalar volume, no voxels, a non-linear transform, or an output node that
                cannot take the picture.
        """
        require_node(volume, "vtkMRMLScalarVolumeNode", "CT volume")
        self.center(volume)
        radiographs.require_output(output, volume, parameters.quantity)

    def prepare(self, volume: Any, parameters: RenderParameters, output: Any = None) -> Image:
        """Copy the CT for :func:`meddl.deepdrr.render` in a worker, after :meth:`check`."""
        self.check(volume, parameters, output)
        return image_from_volume(volume)

    def finish(self, radiograph: Image, volume: Any, output: Any = None) -> Any:
        """Put a rendered radiograph of ``volume`` into ``output`` or into a new volume node."""
        return radiographs.radiograph_to_node(radiograph, volume, output)

    def showGeometry(
        self, volume: Any, carm: CArm, radiograph: Any = None, transform: Any = None
    ) -> carmnodes.CArmNodes:
        """Show source, detector, beam, central ray and isocentre of a C-arm in 3-D.

        Args:
            volume: the CT; its centre is the isocentre if ``carm`` names none.
            radiograph: volume node whose picture is put on the detector plane, if it was taken
                from this very pose.
            transform: the linear transform of an earlier call, to move that C-arm; None makes
                new nodes.

        Returns:
            The nodes; ``transform`` holds ``world_from_carm``, the others lie under it.

        Raises:
            InputError: no volume, no voxels, or a transform that is not linear.
        """
        center = self.center(volume)
        picture = None
        if radiograph is not None:
            picture = radiographs.detector_picture(radiograph, carm.camera(center))
        return carmnodes.show_carm(carm, center, transform, picture)

    def center(self, volume: Any) -> tuple[float, float, float]:
        """The middle of a volume in RAS mm, parent transforms included; copies no voxels."""
        require_node(volume, "vtkMRMLVolumeNode", "CT volume")
        world_from_node(volume)  # refuses what is not linear
        if volume.GetImageData() is None:
            raise InputError(f"{describe(volume)} holds no voxels; load or create its image first")
        bounds = [0.0] * 6
        volume.GetRASBounds(bounds)
        r, a, s = ((low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True))
        return r, a, s

    def checkCT(self, volume: Any, parameters: RenderParameters) -> CTCheck:
        """Look at values and orientation of a CT; see :func:`DeepDRRModuleLib.ctcheck.check_ct`."""
        return check_ct(image_from_volume(volume), parameters)

    def show(self, radiograph: Any, radiologicalView: bool = False) -> None:
        """Show a radiograph in the Red slice view, on request mirrored left to right."""
        radiographs.show(radiograph, radiologicalView)

    def projectMarkups(self, markups: Any, radiograph: Any) -> Any:
        """Mark where the control points of a markups node appear on a radiograph.

        Returns:
            A new ``vtkMRMLMarkupsFiducialNode`` with the same labels, on the radiograph as the
            slice views show it. Points behind the source are left out.

        Raises:
            InputError: no markups, no radiograph of this module, or no point before the source.
        """
        labels, ras = points_from_markups(markups)
        positions, depth = radiographs.points_on_radiograph(ras, radiograph)
        seen = depth > 0
        if not seen.any():
            raise InputError(f"{describe(markups)} has no point in front of the X-ray source")
        return markups_from_points(
            positions[seen],
            [label for label, visible in zip(labels, seen, strict=True) if visible],
            f"{markups.GetName()} on radiograph",
        )


class DeepDRRModuleWidget(MedDLModuleWidget):
    """The panel: CT, C-arm, radiograph."""

    logicClass = DeepDRRModuleLogic
    usesDevice = False  # the projector runs on the processor

    def connectPanel(self) -> None:
        """Connect what the parameter node does not."""
        self._check: CTCheck | None = None
        self._checkedState: Any = None
        self._carmState: Any = None
        self._isocenter: Any = None
        self.ui.ctVolumeSelector.connect("nodeActivated(vtkMRMLNode*)", self.onVolumeChosen)
        self.ui.mendButton.connect("clicked(bool)", self.onMend)
        self.ui.checkButton.connect("contentsCollapsed(bool)", self.drawCheck)
        self.ui.radiologicalViewCheckBox.connect("clicked(bool)", self.onRadiologicalView)

    def initializeParameterNode(self) -> None:
        """Bind the parameter node; the scene's first CT is selected if none is."""
        parameters = self.logic.getParameterNode()
        if parameters.ctVolume is None:
            parameters.ctVolume = self.logic.firstCT()
        self._carmState = None
        super().initializeParameterNode()

    def obstacle(self) -> str:
        """Why Apply cannot run now."""
        node = self.parameterNode
        try:
            carm_from(node)
            self.logic.check(node.ctVolume, render_parameters_from(node), node.radiograph)
        except MedDLError as error:
            return one_line(error)
        return ""

    def apply(self) -> None:
        """Render in the worker; the result enters the scene when it is whole."""
        node = self.parameterNode
        carm, parameters = carm_from(node), render_parameters_from(node)
        volume, output = node.ctVolume, node.radiograph
        ct = self.logic.prepare(volume, parameters, output)

        def done(radiograph: Image) -> None:
            node.radiograph = self.logic.finish(radiograph, volume, output)
            self.logic.show(node.radiograph, node.radiologicalView)
            self.drawCArm(node)

        self.start(
            render, ct, carm, parameters, on_done=done, watch=[n for n in (volume, output) if n]
        )

    def parametersChanged(self) -> None:
        """Let check, C-arm and noise settings follow the parameters."""
        node = self.parameterNode
        if node.isocenter is not self._isocenter:
            self.removeObservers(self.onIsocenterMoved)
            self._isocenter = node.isocenter
            if self._isocenter is not None:
                moved = slicer.vtkMRMLMarkupsNode.PointModifiedEvent
                self.addObserver(self._isocenter, moved, self.onIsocenterMoved)
        self.updateCheck()
        self.updateCArm()
        takesNoise = node.quantity.value not in ("path", "integral")
        self.ui.noiseCheckBox.enabled = takesNoise
        self.ui.photonsSpinBox.enabled = self.ui.seedSpinBox.enabled = takesNoise and node.noise

    def onVolumeChosen(self, volume: Any) -> None:
        """The radiograph of another CT is kept: the next one goes into a new node."""
        node = self.parameterNode
        radiograph = node.radiograph if node is not None else None
        if radiograph is not None and radiographs.ct_of(radiograph) is not volume:
            node.radiograph = None

    def onIsocenterMoved(self, caller: Any, event: Any) -> None:
        """The user placed or dragged the isocentre."""
        if self.parameterNode is not None:
            self.updateCArm()
            self.updateApply()

    # C-arm in 3-D

    def updateCArm(self) -> None:
        """Let the C-arm follow; it is first drawn when the user changes something."""
        node = self.parameterNode
        try:
            state = (carm_from(node), node.ctVolume, node.showCArm)
        except MedDLError:  # the Apply button says why; the C-arm stays where it was
            return
        previous, self._carmState = self._carmState, state
        if previous is not None and previous != state:
            self.drawCArm(node)

    def drawCArm(self, node: DeepDRRParameterNode) -> None:
        """Draw, move or hide the C-arm, with the radiograph if it was taken from this pose."""
        if node.showCArm and node.ctVolume is not None:
            known = node.radiograph is not None and radiographs.is_radiograph(node.radiograph)
            try:
                nodes = self.logic.showGeometry(
                    node.ctVolume,
                    carm_from(node),
                    node.radiograph if known else None,
                    node.carmTransform,
                )
            except MedDLError as error:
                self.showStatus(one_line(error))
                return
            node.carmTransform = nodes.transform
        if node.carmTransform is not None:
            carmnodes.set_visible(node.carmTransform, node.showCArm)

    def onRadiologicalView(self, checked: bool) -> None:
        """Flip the slice view that shows the radiograph."""
        if self.parameterNode is not None and self.parameterNode.radiograph is not None:
            self.logic.show(self.parameterNode.radiograph, checked)

    # CT check

    def updateCheck(self) -> None:
        """Check the CT again if it, or the correction of its values, changed."""
        node = self.parameterNode
        volume = node.ctVolume
        data = volume.GetImageData() if volume is not None else None
        state = (volume, data.GetMTime() if data is not None else 0, node.huOffset, node.huBelow)
        if state == self._checkedState:
            return
        self._checkedState = state
        self._check, warning = None, ""
        if data is not None:
            try:
                self._check = self.logic.checkCT(volume, render_parameters_from(node))
                warning = " ".join(self._check.findings)
            except MedDLError as error:
                warning = one_line(error)
        self.showFindings(warning)
        self.drawCheck()

    def showFindings(self, warning: str) -> None:
        """Say what the check found, and offer what mends it."""
        label, check = self.ui.checkStatusLabel, self._check
        label.text = warning[:1].upper() + warning[1:] or _(
            "The values look like Hounsfield units."
        )
        label.styleSheet = "color: #c77700" if warning else ""
        label.visible = bool(warning) or check is not None
        mending = check.mending if check is not None else {}
        texts = {
            "hu_offset": _("Set HU offset to {value:g}"),
            "hu_below": _("Set HU below to {value}"),
        }
        self.ui.mendButton.visible = bool(mending)
        self.ui.mendButton.text = ", ".join(
            texts[name].format(value=value) for name, value in mending.items()
        )

    def onMend(self, checked: bool = False) -> None:
        """Set the proposed correction."""
        if self._check is None:
            return
        node, mending = self.parameterNode, self._check.mending
        with slicer.util.NodeModify(node):
            node.huOffset = mending.get("hu_offset", node.huOffset)
            node.huBelow = mending.get("hu_below", node.huBelow)

    def drawCheck(self, collapsed: bool = False) -> None:
        """Draw histogram and slices, once the section is open."""
        from DeepDRRModuleLib import pictures

        if self.ui.checkButton.collapsed:
            return
        check = self._check
        for label in (self.ui.histogramLabel, self.ui.orientationLabel):
            label.visible = check is not None
        if check is None:
            return
        width = max(280, self.ui.checkButton.width - 30)
        for label, pixmap in (
            (
                self.ui.histogramLabel,
                pictures.histogram_pixmap(check.counts, check.edges, width, 130),
            ),
            (
                self.ui.orientationLabel,
                pictures.orientation_pixmap(check.slices, width, width // 3),
            ),
        ):
            label.setPixmap(pixmap)
            label.setFixedHeight(pixmap.height())


class DeepDRRModuleTest(ScriptedLoadableModuleTest):
    """The self-test of Slicer's developer panel; Testing/Python holds the others."""

    def runTest(self) -> None:
        """A water slab attenuates as the law of Beer and Lambert says."""
        self.setUp()
        slab = np.full((40, 50, 60), -1000, np.int16)
        slab[:, 15:35] = 0
        volume = volume_from_image(Image(slab, np.diag([2.0, 2.0, 2.0, 1.0])), "Slab")
        radiograph = DeepDRRModuleLogic().render(
            volume, CArm(detector_size=(9, 9)), quantity="integral", hu_offset=1000
        )
        center = slicer.util.arrayFromVolume(radiograph)[0, 4, 4]
        np.testing.assert_allclose(center, 1000 * 40, rtol=1e-5)  # 20 voxels of 2 mm
        self.delayDisplay(_("Test passed"))
