"""Registers the Segment Editor effect "DeepIGeoS"; it has no panel of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class SegmentEditorDeepIGeoS(ScriptedLoadableModule):
    """The effect's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("SegmentEditorDeepIGeoS")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "SlicerMedDL"]
        parent.contributors = ["SlicerMedDL contributors"]
        parent.hidden = True
        parent.helpText = _(
            "Makes the Segment Editor effect DeepIGeoS available. Research software, not for "
            "clinical use."
        )
        parent.acknowledgementText = _(
            "After G. Wang et al., DeepIGeoS: A Deep Interactive Geodesic Framework for Medical "
            "Image Segmentation, IEEE TPAMI 2018."
        )
        slicer.app.connect("startupCompleted()", self.register)

    def register(self) -> None:
        """Give every Segment Editor the effect."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        from DeepIGeoSModuleLib import sessions

        effect = effects.qSlicerSegmentEditorScriptedEffect(None)
        path = Path(__file__).parent / "SegmentEditorDeepIGeoSLib" / "SegmentEditorEffect.py"
        effect.setPythonSource(str(path))
        effect.self().register()
        sessions.follow_scene()
