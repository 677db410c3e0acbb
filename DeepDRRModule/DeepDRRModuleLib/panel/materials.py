"""Section *Materials*: how voxels become materials, and what segments and models are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib import materials
from DeepDRRModuleLib.panel.section import Section
from DeepDRRModuleLib.parameternode import SEGMENTATION
from meddl.core.errors import MedDLError, one_line
from meddl.deepdrr.solids import Solid

ROWS = 8  # shown of a table; the rest is scrolled to
ROW_HEIGHT = 24  # pixels


class MaterialsSection(Section):
    """Two tables with a selector of the material in each row."""

    button = "materialsButton"

    def connect(self) -> None:
        """The table of models is filled when the section is opened."""
        self._bodies: tuple[Any, list[Solid]] = ((), [])
        self._listed: Any = None
        for table in (self.ui.segmentsTable, self.ui.modelsTable):
            table.setColumnCount(2)
            table.horizontalHeader().setStretchLastSection(True)
            table.horizontalHeader().setVisible(False)
            table.verticalHeader().setVisible(False)
            table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)

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

    def bind(self) -> None:
        """List the nodes of this scene."""
        self._listed = None

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
        """Fill the tables if what they list has changed, and only while they can be seen."""
        if self.ui.materialsButton.collapsed:
            return
        segmentation, models = self.segmentation(), materials.surface_models()
        listed = (
            segmentation and (segmentation.GetID(), _names(segmentation)),
            [(model.GetID(), model.GetName(), materials.model_material(model)) for model in models],
        )
        for widget in (self.ui.modelsTable, self.ui.modelsTableLabel):
            widget.visible = bool(models)
        if listed == self._listed:
            return
        self._listed = listed
        rows = []
        if segmentation is not None:
            for segment_id, name, material in _names(segmentation):
                rows.append((name, material, self._segment_chosen(segmentation, segment_id)))
        _fill(self.ui.segmentsTable, rows, materials.materials_for_segments())
        _fill(
            self.ui.modelsTable,
            [(m.GetName(), materials.model_material(m), self._model_chosen(m)) for m in models],
            ("", *materials.materials_for_models()),
        )

    def _segment_chosen(self, segmentation: Any, segment_id: str) -> Callable[[str], None]:
        def choose(material: str) -> None:
            materials.set_segment_material(segmentation, segment_id, material)

        return lambda material: self._choose(choose, material)

    def _model_chosen(self, model: Any) -> Callable[[str], None]:
        model_id = model.GetID()

        def choose(material: str) -> None:
            chosen = slicer.mrmlScene.GetNodeByID(model_id)
            if chosen is not None:
                materials.set_model_material(chosen, material)

        return lambda material: self._choose(choose, material)

    def _choose(self, choose: Callable[[str], None], material: str) -> None:
        """Set a material; one that cannot be is refused and the table says what it was."""
        try:
            choose(material.strip())
        except MedDLError as error:
            self.widget.showStatus(one_line(error))
            self._listed = None
        self.widget.parametersChanged()
        self.widget.updateApply()


def _names(segmentation: Any) -> list[tuple[str, str, str]]:
    """(id, name, material) of each segment."""
    own = segmentation.GetSegmentation()
    return [
        (one, own.GetSegment(one).GetName(), materials.segment_material(segmentation, one))
        for one in own.GetSegmentIDs()
    ]


def _fill(
    table: Any, rows: Sequence[tuple[str, str, Callable[[str], None]]], choices: Sequence[str]
) -> None:
    """Rows of a name and an editable selector; what is typed counts once it is finished."""
    table.setRowCount(len(rows))
    for number, (name, material, chosen) in enumerate(rows):
        table.setItem(number, 0, qt.QTableWidgetItem(name))
        combo = qt.QComboBox()
        combo.setEditable(True)
        combo.setInsertPolicy(qt.QComboBox.NoInsert)
        combo.addItems(list(choices))
        combo.setCurrentText(material)
        combo.lineEdit().placeholderText = _("not in the beam")
        combo.connect("activated(int)", _with_text(combo, chosen))
        combo.lineEdit().connect("editingFinished()", _with_text(combo, chosen))
        table.setCellWidget(number, 1, combo)
    table.setFixedHeight(ROW_HEIGHT * max(1, min(len(rows), ROWS)) + 4)
    table.resizeColumnToContents(0)


def _with_text(combo: Any, chosen: Callable[[str], None]) -> Callable[..., None]:
    return lambda *_arguments: chosen(combo.currentText)
