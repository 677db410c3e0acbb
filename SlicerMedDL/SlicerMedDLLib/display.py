"""Showing results: volumes in slice views, fixed windows. Works without a main window, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from meddl.core.errors import InputError
from SlicerMedDLLib.nodes import describe


def set_window(node: Any, low: float, high: float) -> None:
    """Show values from ``low`` (black) to ``high`` (white), and keep that when voxels change.

    Raises:
        InputError: ``low`` is not below ``high``, or the volume has no window.
    """
    if not low < high:
        raise InputError(
            _("a display window from {low} to {high}: the first must be smaller").format(
                low=low, high=high
            )
        )
    display = node.GetDisplayNode()
    if display is None or not display.IsA("vtkMRMLScalarVolumeDisplayNode"):
        raise InputError(_("{node} has no grey-value window").format(node=describe(node)))
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)


def _slice_views(views: Sequence[str] | None) -> list[tuple[Any, Any, Any]]:
    """(name, slice node, composite node) of the scene's slice views, also without their widgets."""
    scene = slicer.mrmlScene
    slices = {n.GetLayoutName(): n for n in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene)}
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
    return [
        (name, slices[name], composite)
        for composite in composites
        if (name := composite.GetLayoutName()) in slices and (views is None or name in views)
    ]


def show_volume(
    node: Any,
    views: Sequence[str] | None = None,
    foreground: bool = False,
    opacity: float = 0.5,
    fit: bool = True,
) -> None:
    """Show a volume in slice views: label maps as label, others as background or foreground.

    Args:
        node: a volume in the scene.
        views: names such as ``["Red"]``; all slice views by default.
        foreground: over the background, with ``opacity`` 0..1.
        fit: turn the views to the volume's planes and zoom to it (backgrounds only).
    """
    for name, slice_node, composite in _slice_views(views):
        if node.IsA("vtkMRMLLabelMapVolumeNode"):
            composite.SetLabelVolumeID(node.GetID())
        elif foreground:
            composite.SetForegroundVolumeID(node.GetID())
            composite.SetForegroundOpacity(opacity)
        else:
            composite.SetBackgroundVolumeID(node.GetID())
            if fit:
                slice_node.RotateToVolumePlane(node)
                logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(name)
                if logic is not None:
                    logic.FitSliceToBackground()


def show_picture(node: Any, view: str = "Red") -> None:
    """Show a one-slice volume (radiograph, video frame) upright and whole in one axial view."""
    for name, slice_node, composite in _slice_views([view]):
        slice_node.SetOrientationToAxial()
        composite.SetBackgroundVolumeID(node.GetID())
        logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(name)
        if logic is not None:
            logic.FitSliceToBackground()
            logic.SnapSliceOffsetToIJK()
