"""A table of names, each with a selector of its material."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

ROWS = 8  # shown at most; the rest is scrolled to
ROW_HEIGHT = 24  # pixels


class MaterialTable:
    """Rows of a name and an editable selector; what is typed counts once it is finished.

    Args:
        table: the QTableWidget.
        choices: what the selectors offer.
        empty: what a selector shows in the place of an empty text.
        choose: gets the id of a row and the text that the user chose for it.
    """

    def __init__(
        self, table: Any, choices: Sequence[str], empty: str, choose: Callable[[str, str], None]
    ) -> None:
        self._table, self._choices, self._empty, self._choose = table, choices, empty, choose
        self._listed: list[tuple[str, str]] = []
        table.setColumnCount(2)
        table.horizontalHeader().setStretchLastSection(True)
        table.horizontalHeader().setVisible(False)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)

    def show(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """List (id, name, material); the selectors stay while ids and names do."""
        listed = [(row_id, name) for row_id, name, _material in rows]
        if listed != self._listed:
            self._listed = listed
            self._make()
        for number, (_row_id, _name, material) in enumerate(rows):
            self._table.cellWidget(number, 1).setCurrentText(material)

    def _make(self) -> None:
        table = self._table
        table.setRowCount(0)
        table.setRowCount(len(self._listed))
        for number, (row_id, name) in enumerate(self._listed):
            table.setItem(number, 0, qt.QTableWidgetItem(name))
            combo = qt.QComboBox()
            combo.setEditable(True)
            combo.setInsertPolicy(qt.QComboBox.NoInsert)
            combo.addItems(list(self._choices))
            combo.lineEdit().placeholderText = self._empty
            chosen = self._chosen(row_id, combo)
            combo.connect("activated(int)", chosen)
            combo.lineEdit().connect("editingFinished()", chosen)
            table.setCellWidget(number, 1, combo)
        table.setFixedHeight(ROW_HEIGHT * max(1, min(len(self._listed), ROWS)) + 4)
        table.resizeColumnToContents(0)

    def _chosen(self, row_id: str, combo: Any) -> Callable[..., None]:
        return lambda *_arguments: self._choose(row_id, combo.currentText.strip())
