"""Plot views: real charts of real series with an interactor; nothing is drawn."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from .classes import standin
from .qmrml_nodes import Observers, qMRMLWidget

SIZE, MARGIN = (400, 200), 40  # pixels of a view; from its border to the axes


@standin("slicer")
class qMRMLPlotView(qMRMLWidget):
    """The view inside a plot widget: a chart of the series of the view node's chart node."""

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: Any = None
        self._chart = vtk.vtkChartXY()
        self._window = vtk.vtkGenericOpenGLRenderWindow()  # needs no display
        self._window.SetSize(*SIZE)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetSize(*SIZE)
        self._observers = Observers(self)

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._observers.clear()
        self._node = node
        if node is not None:
            self._observers.add(node, "ModifiedEvent", "fitToContent")
        self.fitToContent()

    def chart(self) -> Any:
        return self._chart

    def renderWindow(self) -> Any:
        return self._window

    def fitToContent(self) -> None:
        """Chart the series; the axes span the view but for a margin, and the series' values."""
        self._chart.ClearPlots()
        chart_node = self._node.GetPlotChartNode() if self._node is not None else None
        count = chart_node.GetNumberOfPlotSeriesNodes() if chart_node is not None else 0
        for number in range(count):
            series = chart_node.GetNthPlotSeriesNode(number)
            columns = series.GetXColumnName(), series.GetYColumnName()
            table = series.GetTableNode() and series.GetTableNode().GetTable()
            if table is None or None in map(table.GetColumnByName, columns):
                continue  # a scene that is being loaded
            plot = vtk.vtkPlotLine()
            plot.SetInputData(table, *columns)
            plot.Update()
            self._chart.AddPlot(plot)
        box = vtk.vtkBoundingBox()
        for number in range(self._chart.GetNumberOfPlots()):
            bounds = [0.0] * 4
            self._chart.GetPlot(number).GetBounds(bounds)
            box.AddBounds([*bounds, 0, 0])
        # VTK lays a chart out when it is painted, which never happens here.
        for name, end, low in (
            (vtk.vtkAxis.BOTTOM, (SIZE[0] - MARGIN, MARGIN), 0),
            (vtk.vtkAxis.LEFT, (MARGIN, SIZE[1] - MARGIN), 1),
        ):
            axis = self._chart.GetAxis(name)
            axis.SetPoint1(MARGIN, MARGIN)
            axis.SetPoint2(*end)
            if box.IsValid():
                axis.SetRange(box.GetBound(2 * low), box.GetBound(2 * low + 1))


@standin("slicer")
class qMRMLPlotWidget(qMRMLWidget):
    """A plot view of a layout."""

    def __init__(self, node: Any):
        super().__init__()
        self._view = qMRMLPlotView(self)
        self._view.setMRMLPlotViewNode(node)
        self._view_node = node
        self.setMRMLScene(slicer.mrmlScene)

    def plotView(self) -> qMRMLPlotView:
        return self._view

    viewWidget = plotView

    def mrmlPlotViewNode(self) -> Any:
        return self._view_node

    mrmlAbstractViewNode = mrmlPlotViewNode


def click_plot(widget: Any, value: float, y: float = 0.5, slip: int = 0) -> None:
    """Click in a plot widget at a value of its x axis.

    Args:
        y: part of the height of the axes.
        slip: pixels that the mouse moves to the right before the button is released.
    """
    view = widget.plotView()
    view.fitToContent()
    axis = view.chart().GetAxis(vtk.vtkAxis.BOTTOM)
    part = (value - axis.GetMinimum()) / (axis.GetMaximum() - axis.GetMinimum())
    width, height = SIZE[0] - 2 * MARGIN, SIZE[1] - 2 * MARGIN
    x, y = round(MARGIN + part * width), round(MARGIN + y * height)
    interactor = view.renderWindow().GetInteractor()
    for place, event in (
        ((x, y), "LeftButtonPressEvent"),
        ((x + slip, y), "LeftButtonReleaseEvent"),
    ):
        interactor.SetEventInformation(*place, 0, 0, "\0", 0, None)
        interactor.InvokeEvent(event)
