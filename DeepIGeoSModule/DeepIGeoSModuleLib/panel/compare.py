"""Section *Compare*: the segmentation against a reference."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from DeepIGeoSModuleLib.logic import Score, scores
from SlicerMedDLLib.section import Section


class CompareSection(Section):
    """Dice, surface distances and volumes of each segment, computed in the worker."""

    button = "compareButton"

    def connect(self) -> None:
        """The table and its button."""
        table = self.ui.scoresTable
        table.setColumnCount(5)
        table.setHorizontalHeaderLabels(
            [_("Segment"), _("Dice"), _("NSD, 2 mm"), _("HD95, mm"), _("Volume, ml")]
        )
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.horizontalHeader().setStretchLastSection(True)
        self.ui.compareNowButton.connect("clicked(bool)", self.onCompare)

    def bind(self) -> None:
        """Figures belong to the state that they were computed in."""
        self.ui.scoresTable.setRowCount(0)

    def follow(self) -> None:
        """The button needs both segmentations."""
        node = self.node
        self.ui.compareNowButton.enabled = None not in (
            node.volume,
            node.segmentation,
            node.reference,
        )

    def onCompare(self, checked: bool = False) -> None:
        """Compare what is there now."""
        self.attempt(self.start)

    def start(self) -> None:
        """Copy the masks and compare them.

        Raises:
            MedDLError: a segmentation without segments, or a task is running.
        """
        node = self.node
        pairs, spacing = self.logic.comparison(node.segmentation, node.reference, node.volume)
        self.widget.start(
            scores, pairs, spacing, on_done=self.show, watch=[node.segmentation, node.reference]
        )

    def show(self, found: list[Score]) -> None:
        """Fill the table."""
        table = self.ui.scoresTable
        table.setRowCount(len(found))
        for row, one in enumerate(found):
            volumes = f"{one.volume:.1f} / {one.reference_volume:.1f}"
            for column, text in enumerate(
                (one.name, f"{one.dice:.3f}", f"{one.nsd:.3f}", f"{one.hd95:.2f}", volumes)
            ):
                table.setItem(row, column, qt.QTableWidgetItem(text))
            self.widget.log(
                _(
                    "{name}: Dice {dice:.3f}, NSD {nsd:.3f}, HD95 {hd95:.2f} mm, {volumes} ml"
                ).format(name=one.name, dice=one.dice, nsd=one.nsd, hd95=one.hd95, volumes=volumes)
            )
