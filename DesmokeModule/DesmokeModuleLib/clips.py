"""A video in the scene: a sequence of colour frames, its browser, and what was made of it.

What belongs to a video is referred to by its browser, what belongs to a live volume by that volume:
one role for each. Both are called its *owner*. The output holds the frames at full strength; the
volumes that show them are at the owner's strength (:mod:`showing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import slicer
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from SlicerMedDLLib.nodes import describe, part, require_node, set_part
from SlicerMedDLLib.sequences import browse, frame_rate, require_frame, views_of_frames

BROWSER = "vtkMRMLSequenceBrowserNode"
# Roles. Of a browser the first four are sequences, of a live volume they are volumes.
INPUT, OUTPUT = "MedDL.Desmoke.input", "MedDL.Desmoke.output"
TRANSMISSION, DARK = "MedDL.Desmoke.transmission", "MedDL.Desmoke.darkChannel"
DIVIDED, CHART = "MedDL.Desmoke.divided", "MedDL.Desmoke.chart"
STRENGTH, DIVIDER = "MedDL.Desmoke.Strength", "MedDL.Desmoke.Divider"  # attributes of an owner


def require_frames(sequence: Any) -> Any:
    """Return ``sequence`` if it holds colour frames; the first one is looked at.

    Raises:
        InputError: no sequence, an empty one, one of something else, or one that was made here.
    """
    require_node(sequence, "vtkMRMLSequenceNode", _("video"))
    for browser in clips():
        if any(part(browser, role) is sequence for role in (OUTPUT, TRANSMISSION, DARK)):
            source = describe(part(browser, INPUT))
            raise InputError(
                _("{node} was made of {source}; choose that one").format(
                    node=describe(sequence), source=source
                )
            )
    [first] = views_of_frames(sequence, 1)
    require_frame(first, _("first item of {node}").format(node=describe(sequence)))
    return sequence


def player_of(sequence: Any) -> Any:
    """The browser that plays a sequence; None without one."""
    return slicer.modules.sequences.logic().GetFirstBrowserNodeForSequenceNode(sequence)


def browser_of(sequence: Any) -> Any:
    """The browser that plays a sequence, which is its input; made if there is none."""
    browser = player_of(sequence)
    if browser is None:
        browser = browse(sequence, rate=frame_rate(sequence) or 25.0)
    if part(browser, INPUT) is not sequence:
        set_part(browser, INPUT, sequence)
    return browser


def clips() -> Iterator[Any]:
    """The browsers of the scene's desmoked videos."""
    for browser in slicer.util.getNodesByClass(BROWSER):
        if part(browser, INPUT) is not None and part(browser, OUTPUT) is not None:
            yield browser


def shown(owner: Any, role: str) -> Any:
    """The volume that shows what plays ``role`` for an owner; None without one."""
    node = part(owner, role)
    if node is not None and node.IsA("vtkMRMLSequenceNode"):
        return owner.GetProxyNode(node)
    return node


def before(owner: Any) -> Any:
    """The volume that shows the smoky picture."""
    return shown(owner, INPUT) if owner.IsA(BROWSER) else owner


def number(owner: Any, attribute: str, default: float) -> float:
    """A number kept as an attribute of an owner."""
    return float(owner.GetAttribute(attribute) or default)
