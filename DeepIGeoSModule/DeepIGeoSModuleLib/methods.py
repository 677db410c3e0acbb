"""The methods of the library for selectors, and whether they can start without scribbles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from DeepIGeoSModuleLib.livesession import starts_without_seeds
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.tasks import TaskRunner

_reasons: dict[tuple[str, str], str] = {}
_runners: list[Any] = []


def fill_methods(selector: Any) -> None:
    """List "auto" and all methods in a combo box; the data of an entry is the method's name."""
    for name in ("auto", *METHODS):
        selector.addItem(_("automatic") if name == "auto" else name, name)


def initialising(method: str, device: str, when_known: Callable[[], None]) -> str:
    """Why a method cannot start without scribbles; "" if it can.

    The first call for a method looks in the worker, says so, and calls ``when_known`` later.
    """
    key = method, device
    if key in _reasons:
        return _reasons[key]
    _reasons[key] = _("Looking whether this method can start without strokes…")

    def known(can: bool) -> None:
        _reasons[key] = (
            ""
            if can
            else _("This method needs a stroke to start from; draw one, or choose another method.")
        )
        when_known()

    def failed(line: str) -> None:
        _reasons[key] = line
        when_known()

    runner = TaskRunner(lambda line: None)
    runner.run(starts_without_seeds, method, device, on_done=known, on_error=failed)
    _runners[:] = [one for one in _runners if one.busy] + [runner]
    return _reasons[key]
