"""The host's layouts and plot views: real charts of the layout's view nodes, as Slicer has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import slicer
import vtk

import host

NUMBER = 57399
PAGE = """<layout type="vertical"><item><view class="vtkMRMLSliceNode" singletontag="Red"/></item>
<item><view class="vtkMRMLPlotViewNode" singletontag="PlotView1"/></item></layout>"""


@pytest.fixture
def manager(scene: Any) -> Iterator[Any]:
    """The layout manager of a Slicer with views."""
    yield host.show_views()
    host.hide_views()


def a_chart() -> Any:
    """A chart node of one series: y = 2 x for x from 10 to 20."""
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, np.array([[10, 20], [20, 40.0]]), ["x", "y"])
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetPlotType(series.PlotTypeScatter)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def test_plot_views_come_and_go_with_the_layout(manager: Any) -> None:
    seen: list[int] = []
    manager.connect("layoutChanged(int)", seen.append)
    former = manager.layout
    assert former == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert manager.plotViewCount == 0 and manager.plotWidget(0) is None
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(NUMBER, PAGE)
    manager.setLayout(NUMBER)
    widget = manager.plotWidget(0)
    assert manager.plotViewCount == 1 and widget.mrmlPlotViewNode().GetLayoutName() == "PlotView1"
    manager.layout = former
    assert seen == [NUMBER, former] and manager.plotViewCount == 0
    manager.setLayout(NUMBER)
    assert manager.plotWidget(0) is widget  # Slicer keeps its view widgets, too
    with pytest.raises(AttributeError):
        widget.plotViews()


def test_a_click_arrives_where_the_value_is_drawn(manager: Any) -> None:
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(NUMBER, PAGE)
    manager.setLayout(NUMBER)
    widget, seen = manager.plotWidget(0), []
    widget.mrmlPlotViewNode().SetPlotChartNodeID(a_chart().GetID())
    interactor = widget.plotView().renderWindow().GetInteractor()
    for name in ("LeftButtonPressEvent", "LeftButtonReleaseEvent"):
        interactor.AddObserver(name, lambda caller, event: seen.append(caller.GetEventPosition()))
    host.click_plot(widget, 15, slip=7)
    (x, y), released = seen
    chart = widget.plotView().chart()
    axis = chart.GetAxis(vtk.vtkAxis.BOTTOM)
    assert (axis.GetMinimum(), axis.GetMaximum()) == (10, 20) and chart.GetNumberOfPlots() == 1
    middle = (axis.GetPoint1()[0] + axis.GetPoint2()[0]) / 2
    assert x == pytest.approx(middle, abs=1) and released == (x + 7, y)
