"""A click in a plot view selects the frame there.

Slicer's plot views select a point only after their mode was changed, and only within five pixels of
it; here a plain click anywhere selects the frame below it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.util import VTKObservationMixin

STILL = 3  # pixels; a press that moves further is Slicer's panning


class PlotClicks(VTKObservationMixin):
    """Watches the plot views of the layout.

    Args:
        on_click: called with the chart's node and the clicked value of its x axis.
    """

    def __init__(self, on_click: Callable[[Any, float], None]) -> None:
        super().__init__()
        self._on_click = on_click
        self._charts: dict[Any, Any] = {}  # interactor -> plot widget
        self._pressed = (0, 0)
        self._manager = slicer.app.layoutManager()
        if self._manager is not None:
            self._manager.connect("layoutChanged(int)", self.watch)
            self.watch()

    def watch(self, layout: int = 0) -> None:
        """Watch the plot views that there are now."""
        for number in range(self._manager.plotViewCount):
            widget = self._manager.plotWidget(number)
            interactor = widget.plotView().renderWindow().GetInteractor()
            if interactor not in self._charts:
                self._charts[interactor] = widget
                # Before the chart's own style, which ends the event.
                for event, slot in (
                    (vtk.vtkCommand.LeftButtonPressEvent, self._on_press),
                    (vtk.vtkCommand.LeftButtonReleaseEvent, self._on_release),
                ):
                    self.addObserver(interactor, event, slot, priority=10.0)

    def stop(self) -> None:
        """Watch no longer."""
        self.removeObservers()
        self._charts.clear()
        if self._manager is not None:
            self._manager.disconnect("layoutChanged(int)", self.watch)
            self._manager = None

    def _on_press(self, interactor: Any, event: Any) -> None:
        self._pressed = interactor.GetEventPosition()

    def _on_release(self, interactor: Any, event: Any) -> None:
        x, y = interactor.GetEventPosition()
        if max(abs(x - self._pressed[0]), abs(y - self._pressed[1])) > STILL:
            return
        widget = self._charts[interactor]
        chart = widget.mrmlPlotViewNode().GetPlotChartNode()
        value = clicked_value(widget.plotView().chart(), x, y)
        if chart is not None and value is not None:
            self._on_click(chart, value)


def clicked_value(chart: Any, x: float, y: float) -> float | None:
    """The value of a vtkChartXY's bottom axis at a pixel; None outside of its axes."""
    bottom, left = chart.GetAxis(vtk.vtkAxis.BOTTOM), chart.GetAxis(vtk.vtkAxis.LEFT)
    (x0, y0), (x1, _y) = bottom.GetPoint1(), bottom.GetPoint2()
    if not (x0 <= x <= x1 and x0 < x1 and y0 <= y <= left.GetPoint2()[1]):
        return None
    low, high = bottom.GetMinimum(), bottom.GetMaximum()
    return float(low + (x - x0) / (x1 - x0) * (high - low))
