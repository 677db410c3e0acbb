"""The module's state in the scene. What belongs to a video is kept with its browser."""

from __future__ import annotations

from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from DesmokeModuleLib.layouts import VIEWS
from DesmokeModuleLib.training import TRAININGS
from meddl.desmoke.desmoker import METHODS


@parameterNodeWrapper
class DesmokeParameterNode:
    """What the panel shows. ``weights`` is a name or a path, empty for the shipped ones."""

    frames: slicer.vtkMRMLSequenceNode
    liveInput: slicer.vtkMRMLVectorVolumeNode
    method: Annotated[str, Choice(list(METHODS))] = METHODS[0]
    weights: str = ""
    strength: Annotated[float, WithinRange(0, 1), Default(1.0)]
    transmission: bool = False
    darkChannel: bool = False
    view: Annotated[str, Choice(list(VIEWS))] = VIEWS[0]
    divider: Annotated[float, WithinRange(0, 1), Default(0.5)]
    training: Annotated[str, Choice(list(TRAININGS))] = TRAININGS[0]


def choice_texts() -> dict[str, str]:
    """What the selectors show of the choices that are words."""
    return {
        "auto": _("auto"),
        "classical": _("classical"),
        "network": _("network"),
        "unchanged": _("unchanged"),
        "side by side": _("side by side"),
        "divider": _("divider"),
        "dark channel": _("dark channel"),
        "light network": _("light network"),
        "published": _("published"),
    }
