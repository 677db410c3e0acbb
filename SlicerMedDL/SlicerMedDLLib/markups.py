"""Markups: MRML point lists, lines and curves <-> labels and positions in world RAS, mm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from numpy.typing import ArrayLike
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, corners_of_box
from SlicerMedDLLib.nodes import describe, new_node, require_node

POINTS = "vtkMRMLMarkupsFiducialNode"
LINE = "vtkMRMLMarkupsLineNode"
CURVE = "vtkMRMLMarkupsCurveNode"
CLOSED_CURVE = "vtkMRMLMarkupsClosedCurveNode"
ROI = "vtkMRMLMarkupsROINode"


def points_from_markups(node: Any) -> tuple[list[str], Matrix]:
    """Labels and world positions (N, 3) of the control points that have been placed.

    Parent transforms, linear or not, are honoured. Points that are skipped or being placed are
    left out.

    Raises:
        InputError: no markups node, or no point has been placed.
    """
    require_node(node, "vtkMRMLMarkupsNode", _("markups node"))
    placed = [
        n
        for n in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointPositionStatus(n) == slicer.vtkMRMLMarkupsNode.PositionDefined
    ]
    if not placed:
        raise InputError(
            _("{node} has no points; place one in a view first").format(node=describe(node))
        )
    labels = [node.GetNthControlPointLabel(n) for n in placed]
    return labels, np.array([node.GetNthControlPointPositionWorld(n) for n in placed])


def curve_from_markups(node: Any) -> Matrix:
    """World positions (N, 3) along a line or curve as it is drawn, denser than its control points.

    Raises:
        InputError: no line or curve, or fewer than two points.
    """
    require_node(node, "vtkMRMLMarkupsNode", _("line or curve"))
    if not (node.IsA(CURVE) or node.IsA(LINE)):
        raise InputError(
            _("{node} was given, a line or curve was expected").format(node=describe(node))
        )
    points = node.GetCurvePointsWorld()
    if points is None or points.GetNumberOfPoints() < 2:
        raise InputError(
            _("{node} has fewer than two points; place them first").format(node=describe(node))
        )
    return np.array([points.GetPoint(n) for n in range(points.GetNumberOfPoints())])


def corners_of_roi(node: Any) -> Matrix:
    """World positions (8, 3) of the corners of an ROI box; linear parent transforms are honoured.

    Raises:
        InputError: no ROI node, or one without extent.
    """
    require_node(node, ROI, _("ROI"))
    size = np.array(node.GetSize())
    if not (size > 0).all():
        raise InputError(
            _("{node} has no extent; draw it about the target").format(node=describe(node))
        )
    return corners_of_box(slicer.util.arrayFromVTKMatrix(node.GetObjectToWorldMatrix()), size)


def markups_from_points(
    ras: ArrayLike,
    labels: Sequence[str] | None = None,
    name: str = "Points",
    node: Any = None,
    class_name: str = POINTS,
) -> Any:
    """Put points into a markups node and return it.

    Args:
        ras: (N, 3) world positions, mm.
        labels: N names; by default Slicer names them after the node.
        name: of a new node.
        node: an existing markups node to refill; its parent transform stays and is allowed for.
        class_name: of a new node: :data:`POINTS`, :data:`LINE`, :data:`CURVE` or
            :data:`CLOSED_CURVE`.

    Raises:
        InputError: wrong shape, NaN, another number of labels, or more points than a line takes.
    """
    ras = np.asarray(ras, dtype=np.float64)
    if ras.ndim != 2 or ras.shape[1] != 3 or not np.isfinite(ras).all():
        raise InputError(
            _("points of shape {shape}: finite numbers (N, 3) were expected").format(
                shape=ras.shape
            )
        )
    if labels is not None and len(labels) != len(ras):
        raise InputError(
            _("{count} labels were given for {others} points").format(
                count=len(labels), others=len(ras)
            )
        )
    if node is not None:
        class_name = require_node(node, "vtkMRMLMarkupsNode", _("markups node")).GetClassName()
    if class_name == LINE and len(ras) > 2:
        raise InputError(_("a line has 2 points, {count} were given").format(count=len(ras)))
    if node is None:
        node = new_node(class_name, name)
    with slicer.util.NodeModify(node):
        slicer.util.updateMarkupsControlPointsFromArray(node, ras, world=True)
        for number, label in enumerate(labels or ()):
            node.SetNthControlPointLabel(number, label)
    return node
