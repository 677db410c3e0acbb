"""What the brush looks like in a slice view: its outline, and the stroke while it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk

from DeepIGeoSModuleLib.scribbles import COLORS

SIDES = 48


class BrushView:
    """The brush in one slice view.

    Args:
        effect: the effect's ``scriptedEffect``, which knows the view's renderer.
        view: the slice widget.
    """

    def __init__(self, effect: Any, view: Any) -> None:
        self._effect, self._view = effect, view
        self._outline, self._way = _Line(), _Line()
        for line in (self._outline, self._way):
            effect.addActor2D(view, line.actor)

    def move(self, xy: Sequence[float], radius: float, kind: str) -> None:
        """Show the outline at a pixel; ``radius`` in mm."""
        pixels = radius / self._millimetres()
        angles = np.linspace(0, 2 * np.pi, SIDES + 1)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) * max(pixels, 1.5) + xy[:2]
        self._outline.show(circle, COLORS[kind], 1.5)
        self._effect.scheduleRender(self._view)

    def draw(self, way: Sequence[Sequence[float]], radius: float, kind: str) -> None:
        """Show a stroke through pixels, as wide as the brush."""
        points = np.array([point[:2] for point in way], dtype=float)
        if len(points) == 1:
            points = np.repeat(points, 2, axis=0)
        self._way.show(points, COLORS[kind], max(2 * radius / self._millimetres(), 2.0), 0.5)
        self._effect.scheduleRender(self._view)

    def clear_way(self) -> None:
        """The stroke is done."""
        self._way.actor.VisibilityOff()
        self._effect.scheduleRender(self._view)

    def hide(self) -> None:
        """The mouse has left the view."""
        self._outline.actor.VisibilityOff()
        self.clear_way()

    def remove(self) -> None:
        """Take everything out of the view."""
        for line in (self._outline, self._way):
            self._effect.removeActor2D(self._view, line.actor)

    def _millimetres(self) -> float:
        """Size of a pixel in mm."""
        matrix = slicer.util.arrayFromVTKMatrix(self._effect.viewNode(self._view).GetXYToRAS())
        return float(np.linalg.norm(matrix[:3, 0])) or 1.0


class _Line:
    """A polyline in pixels."""

    def __init__(self) -> None:
        self._data = vtk.vtkPolyData()
        mapper = vtk.vtkPolyDataMapper2D()
        mapper.SetInputData(self._data)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(mapper)
        self.actor.VisibilityOff()

    def show(self, points: Any, color: Sequence[float], width: float, opacity: float = 1.0) -> None:
        chain = vtk.vtkPoints()
        for x, y in points:
            chain.InsertNextPoint(x, y, 0.0)
        cells = vtk.vtkCellArray()
        cells.InsertNextCell(len(points))
        for number in range(len(points)):
            cells.InsertCellPoint(number)
        self._data.SetPoints(chain)
        self._data.SetLines(cells)
        style = self.actor.GetProperty()
        style.SetColor(*color)
        style.SetLineWidth(width)
        style.SetOpacity(opacity)
        self.actor.VisibilityOn()
