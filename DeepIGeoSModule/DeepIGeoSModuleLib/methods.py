"""The methods of the library for selectors, and whether they can start without scribbles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from meddl.core.errors import MedDLError
from meddl.core.image import Image
from meddl.core.progress import no_progress
from meddl.core.weights import Card, list_weights, read_card
from meddl.deepigeos import InteractiveSession
from meddl.deepigeos.methods import METHODS, P_NET, R_NET, automatic
from SlicerMedDLLib.runs import weights_of_run
from SlicerMedDLLib.tasks import TaskRunner
from SlicerMedDLLib.translation import said

TRAINED = "trained:"  # a method's name that is followed by the folder of a training run
NOTHING, BOX, STROKE = "nothing", "box", "stroke"  # what a method needs to start from
_needs: dict[tuple[str, str], str] = {}  # one of these, or the line of an error
_waiting: dict[tuple[str, str], list[Callable[[], None]]] = {}
_runners: list[Any] = []


def method_names() -> list[str]:
    """All methods, and "auto" before them."""
    return ["auto", *METHODS]


def method_label(name: str) -> str:
    """What a selector shows."""
    if name.startswith(TRAINED):
        return _("trained: {name}").format(name=Path(name.removeprefix(TRAINED)).name)
    if name == "auto":
        return _("automatic ({name})").format(name=method_label(automatic()))
    labels = {
        "network": _("network"),
        "geodesic": _("geodesic distances"),
        "crf": _("graph cut (CRF)"),
        "randomwalker": _("random walks"),
    }
    return labels.get(name, name)


def fill_methods(selector: Any, more: str = "") -> None:
    """List all methods in a combo box, and one that is no part of the library.

    The data of an entry is the method's name.
    """
    wanted = method_names() + ([more] if more and more not in method_names() else [])
    present = [selector.itemData(index) for index in range(selector.count)]
    for name in wanted:
        if name not in present:
            selector.addItem(method_label(name), name)


def cards_of(method: str) -> list[Card]:
    """The cards of the weights that a method uses; none for methods without weights.

    Raises:
        FileError: the weights of a training run are gone.
    """
    if method.startswith(TRAINED):
        return [read_card(path) for path in weights_of_run(method.removeprefix(TRAINED))]
    name = automatic() if method == "auto" else method
    if "network" not in name:
        return []
    return [card for card in list_weights() if card.name in (P_NET, R_NET)]


def class_names(method: str) -> list[str]:
    """The classes of a training run, by which its result has names; one for other methods.

    Raises:
        FileError: the weights of the training run are gone.
    """
    if method.startswith(TRAINED):
        for card in cards_of(method):
            if classes := card.arguments.get("use", {}).get("classes"):
                return list(classes[1:])
    return ["Segment"]


def session_options(method: str) -> dict[str, Any]:
    """What :class:`meddl.deepigeos.InteractiveSession` takes for a method of a selector.

    Raises:
        FileError: the weights of a training run are gone.
    """
    if not method.startswith(TRAINED):
        return {"method": method}
    paths = weights_of_run(method.removeprefix(TRAINED))
    return {"method": "network", "weights": ",".join(str(path) for path in paths)}


def what_starts(
    method: str, device: str = "auto", *, progress: Any = None, cancel: Any = None
) -> str:
    """What a method needs to predict: :data:`NOTHING`, a :data:`BOX` or a :data:`STROKE`.

    Draws two strokes on a small picture, so that the user's first ones find the weights loaded and
    the code compiled (seconds).
    """
    image = Image(np.indices((16, 16, 16), np.float32)[0], np.eye(4))
    session = InteractiveSession(image, device=device, **session_options(method))
    for place in (4, 12):
        session.add(
            [[8, 8, place]], [[2, 2, place]], progress=progress or no_progress, cancel=cancel
        )
    if session.can_predict:
        return NOTHING
    return BOX if session.can_start_in_box else STROKE


def initialising(
    method: str, device: str, when_known: Callable[[], None], box: bool = False
) -> str:
    """Why a method cannot start without scribbles; "" if it can.

    ``box`` says whether there is one about the target.

    The first call for a method looks in the worker, says so, and calls ``when_known`` later.
    """
    key = method, device
    if key in _needs:
        return _reason(_needs[key], box)
    if key in _waiting:
        if when_known not in _waiting[key]:
            _waiting[key].append(when_known)
        return _("Looking whether this method can start without strokes…")
    _waiting[key] = [when_known]

    def known(needs: str) -> None:
        _needs[key] = needs
        for tell in _waiting.pop(key):
            tell()

    def forget() -> None:  # the scene was closed: asked again later
        del _waiting[key]

    runner = TaskRunner(lambda line: None)
    runner.run(
        what_starts,
        method,
        device,
        on_done=known,
        on_error=known,
        on_cancelled=forget,
    )
    _runners[:] = [one for one in _runners if one.busy] + [runner]
    return _("Looking whether this method can start without strokes…")


def _reason(needs: str, box: bool) -> str:
    if needs == NOTHING or (needs == BOX and box):
        return ""
    if needs == BOX:
        return _("Draw a box about the target and choose it under Box, or draw a stroke.")
    if needs == STROKE:
        return _("This method needs a stroke to start from; draw one, or choose another method.")
    return needs


def card_text(method: str) -> str:
    """What is known about a method's weights, as text for a label."""
    try:
        cards = cards_of(method)
    except MedDLError as error:
        return said(error)
    lines = []
    for card in cards:
        lines.append(f"<b>{card.name}</b>: {card.task}")
        lines += [
            f"{title}: {text}"
            for title, text in (
                (_("Input"), card.units or card.input_range),
                (_("Training data"), card.training_data),
                (_("Licence"), card.licence),
            )
            if text
        ]
        for data, values in card.metrics.items():
            figures = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
            lines.append(f"{data}: {figures}")
    return "<br>".join(lines) or _("This method has no weights: it uses the image alone.")
