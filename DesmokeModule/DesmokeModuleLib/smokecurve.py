"""The smoke level over time: a table, its curve as a plot, and a line at the shown frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from DesmokeModuleLib import clips
from SlicerMedDLLib.nodes import new_node, part, set_part

LEVELS, NOW = "MedDL.Desmoke.levels", "MedDL.Desmoke.now"  # roles of the two tables
LEVEL = "Smoke level"  # columns
LATEST = 300  # pictures in the curve of a live volume: 12 s at 25 per second
SMOKE_COLOR, NOW_COLOR = (0.95, 0.55, 0.15), (0.2, 0.6, 0.85)


def index_values(sequence: Any) -> NDArray[np.float64]:
    """The index of each item as a number; item numbers for an index of another kind."""
    count = sequence.GetNumberOfDataNodes()
    try:
        return np.array([float(sequence.GetNthIndexValue(n)) for n in range(count)])
    except ValueError:
        return np.arange(count, dtype=float)


def show_levels(browser: Any, levels: Sequence[float]) -> Any:
    """Put the smoke level 0..1 of all frames into the browser's table and chart; returns the chart.

    Args:
        browser: of a desmoked video.
        levels: of the frames in order.
    """
    sequence = part(browser, clips.INPUT)
    axis = sequence.GetIndexName() or _("frame")
    times = index_values(sequence)[: len(levels)]
    table = _table(browser, LEVELS, _("{name} smoke level").format(name=sequence.GetName()))
    _fill(table, {axis: times, LEVEL: np.asarray(levels, float)})
    now = _table(browser, NOW, _("{name} shown frame").format(name=sequence.GetName()))
    _fill(now, {axis: np.zeros(2), LEVEL: np.array([0.0, 1.0])})
    lines = ((table, SMOKE_COLOR), (now, NOW_COLOR))
    chart = _chart(browser, sequence.GetName(), axis, sequence.GetIndexUnit(), lines)
    mark_shown(browser)
    return chart


def show_latest(volume: Any, times: Sequence[float], levels: Sequence[float]) -> Any:
    """Put the smoke level 0..1 of a live volume's latest pictures into its table and chart.

    Args:
        volume: the live node.
        times: of the pictures, s.
        levels: of the pictures.

    Returns:
        The chart.
    """
    axis = _("time")
    table = _table(volume, LEVELS, _("{name} smoke level").format(name=volume.GetName()))
    _fill(table, {axis: np.asarray(times, float), LEVEL: np.asarray(levels, float)})
    return _chart(volume, volume.GetName(), axis, "s", ((table, SMOKE_COLOR),))


def levels_of(browser: Any) -> NDArray[np.float64]:
    """The smoke level of all frames, (N,); empty before the video was desmoked."""
    return _values(part(browser, LEVELS), 1)


def times_of(browser: Any) -> NDArray[np.float64]:
    """The index of all frames that have a smoke level, (N,)."""
    return _values(part(browser, LEVELS), 0)


def mark_shown(browser: Any) -> None:
    """Let the line in the chart stand at the shown frame."""
    now, item = part(browser, NOW), browser.GetSelectedItemNumber()
    times = times_of(browser)
    if now is not None and 0 <= item < len(times) and (_values(now, 0) != times[item]).any():
        axis = now.GetTable().GetColumnName(0)
        _fill(now, {axis: np.full(2, times[item]), LEVEL: np.array([0.0, 1.0])})


def jump(browser: Any, value: float) -> None:
    """Select the frame whose index is nearest to ``value``."""
    times = times_of(browser)
    if len(times):
        browser.SetSelectedItemNumber(int(np.abs(times - value).argmin()))


def _table(owner: Any, role: str, name: str) -> Any:
    node = part(owner, role)
    if node is None:
        node = new_node("vtkMRMLTableNode", name)
        set_part(owner, role, node)
    return node


def _chart(
    owner: Any,
    name: str,
    axis: str,
    unit: str,
    lines: Sequence[tuple[Any, tuple[float, float, float]]],
) -> Any:
    """The owner's chart of ``lines``: tables and their colours."""
    chart = part(owner, clips.CHART)
    if chart is None:
        chart = new_node("vtkMRMLPlotChartNode", _("{name} smoke").format(name=name))
        set_part(owner, clips.CHART, chart)
        chart.SetTitle(_("Smoke level"))
        chart.SetYAxisTitle(_("mean opacity"))
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0, 1)
        chart.SetLegendVisibility(False)
        for table, color in lines:
            chart.AddAndObservePlotSeriesNodeID(_series(table, axis, color).GetID())
    chart.SetXAxisTitle(f"{axis} ({unit})" if unit else axis)
    return chart


def _fill(node: Any, columns: dict[str, NDArray[np.float64]]) -> None:
    table = vtk.vtkTable()
    for name, values in columns.items():
        column = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    node.SetAndObserveTable(table)


def _values(node: Any, column: int) -> NDArray[np.float64]:
    if node is None:
        return np.zeros(0)
    name = node.GetTable().GetColumnName(column)
    return np.array(slicer.util.arrayFromTableColumn(node, name), float)


def _series(table: Any, axis: str, color: tuple[float, float, float]) -> Any:
    series = new_node("vtkMRMLPlotSeriesNode", table.GetName())
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(axis)
    series.SetYColumnName(LEVEL)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleSolid)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    series.SetLineWidth(2)
    series.SetColor(*color)
    return series
