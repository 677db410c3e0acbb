"""The mouse moves the divider in the slice view that shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer

from DesmokeModuleLib.layouts import DIVIDED_VIEW
from SlicerMedDLLib.volumes import view_of_volume

NEAR = 8  # pixels; how far from the divider a press may be


class DividerDrag:
    """Watches one slice view.

    Args:
        find: gives the volume with the divider and the divider's place, 0..1 of the width; None
            while none is shown.
        on_move: called with the new place.
    """

    def __init__(
        self, find: Callable[[], tuple[Any, float] | None], on_move: Callable[[float], None]
    ) -> None:
        self._find, self._on_move = find, on_move
        self._volume: Any = None  # while it is dragged
        self._tags: dict[str, int] = {}
        manager = slicer.app.layoutManager()
        self._widget: Any = manager.sliceWidget(DIVIDED_VIEW) if manager is not None else None
        if self._widget is not None:
            interactor = self._widget.sliceView().interactor()
            for event, slot in (
                ("LeftButtonPressEvent", self._on_press),
                ("MouseMoveEvent", self._on_drag),
                ("LeftButtonReleaseEvent", self._on_release),
            ):
                # Before the view's own style, which would take the drag for itself.
                self._tags[event] = interactor.AddObserver(event, slot, 10.0)

    def stop(self) -> None:
        """Watch no longer."""
        for tag in self._tags.values():
            self._widget.sliceView().interactor().RemoveObserver(tag)
        self._tags.clear()

    def _on_press(self, interactor: Any, event: str) -> None:
        found = self._find()
        shown = self._widget.mrmlSliceCompositeNode().GetBackgroundVolumeID()
        if found is None or found[0].GetID() != shown:
            return
        volume, divider = found
        x, y = interactor.GetEventPosition()
        left, right = (self._place(volume, x + step, y) for step in (-NEAR, NEAR))
        if min(left, right) <= divider <= max(left, right):
            self._volume = volume
            self._keep(interactor, event)

    def _on_drag(self, interactor: Any, event: str) -> None:
        if self._volume is not None:
            place = self._place(self._volume, *interactor.GetEventPosition())
            self._on_move(float(np.clip(place, 0, 1)))
            self._keep(interactor, event)

    def _on_release(self, interactor: Any, event: str) -> None:
        if self._volume is not None:
            self._volume = None
            self._keep(interactor, event)

    def _keep(self, interactor: Any, event: str) -> None:
        """Nobody else gets this event."""
        interactor.GetCommand(self._tags[event]).SetAbortFlag(1)

    def _place(self, volume: Any, x: float, y: float) -> float:
        """Where a pixel of the view lies in a picture, 0..1 of its width."""
        matrix = self._widget.mrmlSliceNode().GetXYToRAS()
        ras = slicer.util.arrayFromVTKMatrix(matrix) @ (x, y, 0, 1)
        image = view_of_volume(volume)
        column = (np.linalg.inv(image.ras_from_ijk) @ ras)[0]
        return float((column + 0.5) / image.size[0])
