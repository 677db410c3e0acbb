"""Section *Radiograph*: live preview, restoring an acquisition, DICOM."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib import materials, preview, radiographs
from DeepDRRModuleLib.materials import placed
from DeepDRRModuleLib.parameternode import SEGMENTATION
from DeepDRRModuleLib.records import (
    reachable_carm_from,
    render_parameters_from,
    show_carm_in,
    show_render_parameters_in,
)
from meddl.core.errors import InputError, MedDLError
from meddl.core.image import Image
from SlicerMedDLLib.nodes import describe
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.tasks import TaskRunner


class RadiographSection(Section):
    """The output volume: what it shows while the C-arm moves, and what it knows."""

    button = "radiographButton"

    def connect(self) -> None:
        """The buttons; the preview has a runner of its own, polled often."""
        self._seen: Any = None
        self.preview = preview.Preview(
            TaskRunner(self.widget.showStatus, preview.POLL), self.onPicture, self.widget.catchUp
        )
        self.ui.radiologicalViewCheckBox.connect("clicked(bool)", self.onRadiologicalView)
        self.ui.livePreviewCheckBox.connect("clicked(bool)", self.onLivePreview)
        self.ui.restoreButton.connect("clicked(bool)", self.onRestore)
        self.ui.dicomButton.connect("clicked(bool)", self.onDicom)
        self.ui.ctVolumeSelector.connect("nodeActivated(vtkMRMLNode*)", self.onVolumeChosen)

    def bind(self) -> None:
        """Nothing is rendered until the user changes something."""
        self._seen = None

    def leave(self) -> None:
        """Free the prepared CT."""
        self.preview.forget()

    def onVolumeChosen(self, volume: Any) -> None:
        """The preview is on by itself for a CT that it takes little memory for."""
        data = volume.GetImageData() if volume is not None else None
        if data is not None and self.node is not None:
            self.node.livePreview = data.GetNumberOfPoints() <= preview.LARGEST

    def follow(self) -> None:
        """Enable what makes sense, and preview what has changed."""
        node = self.node
        ours = node.radiograph is not None and radiographs.is_radiograph(node.radiograph)
        self.ui.restoreButton.enabled = self.ui.dicomButton.enabled = ours
        self.previewIfChanged()

    # Live preview

    def previewIfChanged(self) -> None:
        """Ask for a picture if what decides it is not what it was."""
        try:
            request = self.request()
        except MedDLError:  # the Apply button says why
            (self.preview.stop if self.node.ctVolume is not None else self.preview.forget)()
            if self._seen is not None:
                self._seen = ()  # what comes next is another state, also if it was seen before
                self.widget.carm.draw()  # without the picture of another pose
            return
        state = (request.carm, request.parameters, request.key, self.widget.materials.bodiesKey())
        previous, self._seen = self._seen, state
        if previous is None or previous == state or not self.node.livePreview:
            return
        if self.widget.runner.busy:  # the picture comes after the task: until then there is none
            self.widget.carm.draw()
        self.preview.request(request)

    def request(self) -> preview.Request:
        """The radiograph that the panel describes.

        Raises:
            MedDLError: it describes none.
        """
        node, logic = self.node, self.logic
        volume, segmentation = node.ctVolume, self.widget.materials.segmentation()
        parameters = render_parameters_from(node)
        logic.check(volume, parameters, node.radiograph)
        carm = reachable_carm_from(node)

        def load() -> tuple[Image, Any]:
            ct = logic.prepare(volume, parameters)
            return ct, logic.labels(segmentation, ct)

        return preview.Request(
            key=(
                volume.GetID(),
                *placed(volume, volume.GetImageData()),
                materials.state_of(segmentation) if segmentation is not None else None,
                *preview.preparation(parameters),
            ),
            load=load,
            carm=carm,
            parameters=parameters,
            solids=self.widget.materials.solids(),
            volume=volume,
        )

    def onPicture(self, request: preview.Request, radiograph: Image, factor: int) -> None:
        """Put a picture into the output volume and onto the detector."""
        node = self.node
        if node is None or not node.livePreview or node.ctVolume is not request.volume:
            return
        first = node.radiograph is None
        radiographs.require_output(node.radiograph, request.volume, request.parameters)
        radiograph = radiographs.over_the_pixels_of(radiograph, request.carm, factor)
        output = self.logic.finish(
            radiograph, request.volume, node.radiograph, self.widget.materials.segmentation()
        )
        if first:
            node.radiograph = output
            self.logic.show(output, node.radiologicalView)
        self.widget.carm.showPicture(output, request.carm)

    def onLivePreview(self, checked: bool) -> None:
        """Render what the panel shows as soon as the preview is on."""
        if self.node is None:
            return
        if checked:
            request = self.attempt(self.request)
            if request is not None:
                self.preview.request(request)
        else:
            self.preview.forget()

    def onRadiologicalView(self, checked: bool) -> None:
        """Flip the slice view that shows the radiograph."""
        if self.node is not None and self.node.radiograph is not None:
            self.logic.show(self.node.radiograph, checked)

    # What a radiograph knows

    def onRestore(self, checked: bool = False) -> None:
        """Bring the panel back to the acquisition of the output volume."""
        if self.node is not None:
            self.attempt(self.restore, self.node.radiograph)

    def restore(self, radiograph: Any) -> None:
        """Bring the panel back to the acquisition of a radiograph.

        Raises:
            InputError: no record, or one that the panel has no place for; nothing has changed.
        """
        node = self.node
        carm, parameters = self.logic.acquisition(radiograph)
        middle = tuple((n - 1) / 2 for n in carm.detector_size)
        if carm.principal_point not in (None, middle):
            raise InputError(
                _(
                    "{node} was taken with the principal point {principal_point}, the "
                    "panel has the middle {middle}; use the Python console"
                ).format(
                    node=describe(radiograph),
                    principal_point=carm.principal_point,
                    middle=middle,
                )
            )
        ct = radiographs.ct_of(radiograph)
        segmentation = radiograph.GetNodeReference(radiographs.SEGMENTATION)
        with slicer.util.NodeModify(node):
            show_render_parameters_in(node, parameters)
            show_carm_in(node, carm)
            if ct is not None:
                node.ctVolume = ct
            if segmentation is not None:
                node.materials, node.segmentation = SEGMENTATION, segmentation
            node.radiograph = radiograph
            if carm.isocenter is None:
                node.isocenter = None
        if carm.isocenter is not None and node.ctVolume is not None:
            self.widget.carm.moveTo(carm)
        self.widget.showStatus(
            _("Restored the acquisition of {name}").format(name=radiograph.GetName())
        )

    def onDicom(self, checked: bool = False) -> None:
        """Ask for a file and write the output volume."""
        if self.node is None or self.node.radiograph is None:
            return
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            _("Export the radiograph"),
            f"{self.node.radiograph.GetName()}.dcm",
            _("DICOM (*.dcm)"),
        )
        if path:
            self.attempt(self.exportDicom, path)

    def exportDicom(self, path: str) -> None:
        """Write the output volume and say so."""
        self.logic.exportDicom(self.node.radiograph, path)
        self.widget.showStatus(_("Wrote {path}").format(path=path))
