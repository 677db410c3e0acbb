"""Section *Scribbles*: the strokes as a list, to be deleted."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from DeepIGeoSModuleLib import scribbles
from SlicerMedDLLib.section import Section


class StrokesSection(Section):
    """A table of strokes: what they mark, of which segment, how many voxels."""

    button = "strokesButton"

    def connect(self) -> None:
        """The table and its buttons."""
        self._shown: list[str] = []
        table = self.ui.strokesTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Stroke"), _("Segment"), _("Voxels")])
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.horizontalHeader().setStretchLastSection(True)
        self.ui.deleteStrokesButton.connect("clicked(bool)", self.onDelete)
        self.ui.clearStrokesButton.connect("clicked(bool)", self.onClear)

    def onDelete(self, checked: bool = False) -> None:
        """Delete the selected strokes; the preview follows."""
        rows = {index.row() for index in self.ui.strokesTable.selectionModel().selectedRows()}
        self._remove([self._shown[row] for row in sorted(rows)])

    def onClear(self, checked: bool = False) -> None:
        """Delete all strokes."""
        self._remove(list(self._shown))

    def _remove(self, ids: list[str]) -> None:
        session = self.widget.inputs.session
        if session is not None and ids:
            session.remove_strokes(ids)

    def follow(self) -> None:
        """List the strokes, while the section is open."""
        if self.ui.strokesButton.collapsed:
            return
        segmentation = self.node.segmentation
        found = scribbles.strokes(segmentation)
        self._shown = [one.id for one in found]
        table = self.ui.strokesTable
        table.setRowCount(len(found))
        for row, one in enumerate(found):
            for column, text in enumerate(
                (one.name, self._segment(segmentation, one.segment), str(self._size(one.id)))
            ):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        for button in (self.ui.deleteStrokesButton, self.ui.clearStrokesButton):
            button.enabled = bool(found)

    def _segment(self, segmentation: Any, name: str) -> str:
        segment = segmentation.GetSegmentation().GetSegment(name) if name else None
        return segment.GetName() if segment is not None else "-"

    def _size(self, stroke: str) -> int:
        return scribbles.stroke_size(self.node.segmentation, stroke)
