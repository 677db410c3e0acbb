"""The module's state in the scene. What belongs to a session is kept with its segmentation."""

from __future__ import annotations

from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper

TRAININGS = ("pnet", "rnet", "end-to-end")


@parameterNodeWrapper
class DeepIGeoSParameterNode:
    """What the panel shows.

    ``editor`` holds the rules of the embedded Segment Editor: masking, overwriting, brush.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    editor: slicer.vtkMRMLSegmentEditorNode
    reference: slicer.vtkMRMLSegmentationNode
    training: Annotated[str, Choice(list(TRAININGS))] = TRAININGS[0]


def choice_texts() -> dict[str, str]:
    """What the selectors show of the choices that are words."""
    return {
        "pnet": _("pnet"),
        "rnet": _("rnet"),
        "end-to-end": _("end-to-end"),
    }
