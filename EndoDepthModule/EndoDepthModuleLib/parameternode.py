"""The module's state in the scene. What belongs to a video is kept with its browser."""

from __future__ import annotations

from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper

from EndoDepthModuleLib.training import TRAININGS


@parameterNodeWrapper
class EndoDepthParameterNode:
    """What the panel shows. ``weights`` is a name or a path, empty for the shipped ones."""

    video: slicer.vtkMRMLSequenceBrowserNode
    weights: str = ""
    training: Annotated[str, Choice(list(TRAININGS))] = TRAININGS[0]
    liveDepth: bool = False
    texture: bool = False
    surface: slicer.vtkMRMLModelNode
    surfacePoints: slicer.vtkMRMLMarkupsFiducialNode
    meshPoints: slicer.vtkMRMLMarkupsFiducialNode
    keepScale: bool = False


def choice_texts() -> dict[str, str]:
    """What the selectors show of the choices that are words."""
    return {
        "fine-tune": _("fine-tune"),
        "light network": _("light network"),
        "published": _("published"),
        "pairs": _("pairs"),
    }
