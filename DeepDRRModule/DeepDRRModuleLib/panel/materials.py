"""Section *Materials*: how voxels become materials, and what segments and models are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib import materials
from DeepDRRModuleLib.panel.materialtable import MaterialTable
from DeepDRRModuleLib.parameternode import SEGMENTATION
from meddl.core.errors import MedDLError
from meddl.deepdrr.solids import Solid
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.translation import said


class MaterialsSection(Section):
    """Two tables with a selector of the material in each row."""

    button = "materialsButton"

    def connect(self) -> None:
        """The tables; they are filled when the section is open."""
        self._bodies: tuple[Any, list[Solid]] = ((), [])
        self._segments = MaterialTable(
            self.ui.segmentsTable,
            materials.materials_for_segments(),
            _("by terminology or name"),
            self.onSegment,
        )
        self._models = MaterialTable(
            self.ui.modelsTable,
            ("", *materials.materials_for_models()),
            _("not in the beam"),
            self.onModel,
        )

    def segmentation(self) -> Any:
        """The segmentation that decides the materials; None without one."""
        return self.node.segmentation if self.node.materials == SEGMENTATION else None

    def models(self) -> list[Any]:
        """The models in the beam."""
        return [node for node in materials.surface_models() if materials.model_material(node)]

    def bodiesKey(self) -> tuple[Any, ...]:
        """Changes with the models in the beam, their places and their materials."""
        return tuple(
            (*materials.placed(model, model.GetMesh()), materials.model_material(model))
            for model in self.models()
        )

    def solids(self) -> Sequence[Solid]:
        """The models in the beam as bodies; made anew only when one of them has changed.

        Raises:
            InputError: an open surface.
        """
        key = self.bodiesKey()
        if key != self._bodies[0]:
            self._bodies = (key, materials.solids_of(self.models()))
        return self._bodies[1]

    def follow(self) -> None:
        """Show what the chosen method needs."""
        by_segments = self.node.materials == SEGMENTATION
        for widget in (
            self.ui.segmentationSelectorLabel,
            self.ui.segmentationSelector,
            self.ui.segmentsTable,
        ):
            widget.visible = by_segments
        self.ui.densityCurveSelector.enabled = self.node.materials != "water"
        self.fill()

    def fill(self) -> None:
        """List segments and models with their materials, while the tables can be seen."""
        if self.ui.materialsButton.collapsed:
            return
        segmentation, models = self.segmentation(), materials.surface_models()
        segments = []
        if segmentation is not None:
            own = segmentation.GetSegmentation()
            for one in own.GetSegmentIDs():
                material = materials.segment_material(segmentation, one)
                segments.append((one, own.GetSegment(one).GetName(), material))
        self._segments.show(segments)
        self._models.show(
            [(m.GetID(), m.GetName(), materials.model_material(m)) for m in models],
        )
        for widget in (self.ui.modelsTable, self.ui.modelsTableLabel):
            widget.visible = bool(models)

    def onSegment(self, segment_id: str, material: str) -> None:
        """The user chose the material of a segment."""
        self._choose(materials.set_segment_material, self.segmentation(), segment_id, material)

    def onModel(self, model_id: str, material: str) -> None:
        """The user chose the material of a model."""
        self._choose(materials.set_model_material, slicer.mrmlScene.GetNodeByID(model_id), material)

    def _choose(self, choose: Callable[..., None], subject: Any, *arguments: str) -> None:
        """Set a material; one that cannot be is refused, and the table says what it was."""
        if subject is None:
            return
        try:
            choose(subject, *arguments)
        except MedDLError as error:
            self.widget.showStatus(said(error))
        self.widget.parametersChanged()
        self.widget.updateApply()
