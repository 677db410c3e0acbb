"""Section *Tube and detector*: shows of its fields those that the choices ask for."""

from __future__ import annotations

from slicer.i18n import tr as _

from DeepDRRModuleLib.parameternode import COMPUTED, Exposure
from DeepDRRModuleLib.records import WITHOUT_READING
from meddl.core.optional import is_installed
from SlicerMedDLLib.section import Section


class TubeSection(Section):
    """Spectrum, detector, exposure and scatter; all are bound to the parameter node."""

    button = "tubeButton"

    def needsSpekPy(self) -> bool:
        """Whether the spectrum or the heel effect must be computed."""
        return self.node.spectrum == COMPUTED or self.node.heel != "none"

    def follow(self) -> None:
        """Enable what the quantity has, show what the choices need."""
        node, ui = self.node, self.ui
        read = node.quantity.value not in WITHOUT_READING
        for widget in (ui.kvpSpinBox, ui.anodeAngleSpinBox):
            widget.visible = node.spectrum == COMPUTED
        ui.binEdgesEdit.visible = node.detector == "bins"
        ui.scatterPhotonsSpinBox.visible = node.scatter == "montecarlo"
        for exposure, widget in (
            (Exposure.PHOTONS, ui.photonsSpinBox),
            (Exposure.MAS, ui.masSpinBox),
            (Exposure.AIR_KERMA, ui.airKermaSpinBox),
        ):
            widget.visible = node.exposure is exposure
            widget.enabled = read and node.noise
        ui.noiseCheckBox.enabled = ui.scatterSelector.enabled = read
        for widget in (ui.exposureSelector, ui.electronicNoiseSpinBox, ui.seedSpinBox):
            widget.enabled = read and node.noise
        missing = self.needsSpekPy() and not is_installed("spekpy")
        ui.tubeStatusLabel.visible = missing
        if missing:
            ui.tubeStatusLabel.text = _(
                "Needs the package SpekPy: MedDL Home, Install, X-ray spectra of any tube."
            )
            ui.tubeStatusLabel.styleSheet = "color: #c77700"
