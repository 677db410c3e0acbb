"""Section *CT* and *CT check*: values and orientation, and what mends them."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib import radiographs
from DeepDRRModuleLib.ctcheck import CTCheck
from DeepDRRModuleLib.records import values_from
from meddl.core.errors import MedDLError
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.translation import said


class CTSection(Section):
    """Checks the chosen CT once for each change of it or of its correction."""

    button = "inputsButton"

    def connect(self) -> None:
        """Choosing, mending, and the pictures that are drawn once they are seen."""
        self._check: CTCheck | None = None
        self._warning = ""
        self._checked: Any = None
        self.ui.ctVolumeSelector.connect("nodeActivated(vtkMRMLNode*)", self.onVolumeChosen)
        self.ui.mendButton.connect("clicked(bool)", self.onMend)
        self.ui.checkButton.connect("contentsCollapsed(bool)", self.draw)

    def onVolumeChosen(self, volume: Any) -> None:
        """The radiograph of another CT is kept: the next one goes into a new node."""
        node = self.node
        radiograph = node.radiograph if node is not None else None
        if radiograph is not None and radiographs.ct_of(radiograph) is not volume:
            node.radiograph = None

    def follow(self) -> None:
        """Check the CT again if it, or the correction of its values, changed."""
        node = self.node
        volume = node.ctVolume
        data = volume.GetImageData() if volume is not None else None
        state = (volume, data.GetMTime() if data is not None else 0, node.huOffset, node.huBelow)
        if state == self._checked:
            self.show(self._warning)
            return
        self._checked = state
        self._check, self._warning = None, ""
        if data is not None:
            try:
                self._check = self.logic.checkCT(volume, values_from(node))
                self._warning = " ".join(self._check.findings)
            except MedDLError as error:
                self._warning = said(error)
        self.show(self._warning)
        self.draw()

    def show(self, warning: str) -> None:
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
        node, mending = self.node, self._check.mending
        with slicer.util.NodeModify(node):
            node.huOffset = mending.get("hu_offset", node.huOffset)
            node.huBelow = mending.get("hu_below", node.huBelow)

    def draw(self, collapsed: bool = False) -> None:
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
