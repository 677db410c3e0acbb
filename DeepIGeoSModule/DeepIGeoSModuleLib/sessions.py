"""One live session for each edited segmentation, shared by the effect and the module."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import vtk

from DeepIGeoSModuleLib import preview
from DeepIGeoSModuleLib.livesession import LiveSession
from SlicerMedDLLib.tasks import TaskRunner, show_error
from SlicerMedDLLib.widgets import DEVICE_SETTING

_sessions: dict[str, LiveSession] = {}


def session_of(segmentation: Any) -> LiveSession | None:
    """The session of an edited segmentation, made on the first call; None without one.

    Strokes that a loaded scene brings are part of it from the start.
    """
    if segmentation is None:
        return None
    name = segmentation.GetID()
    known = _sessions.get(name)
    if known is None or known.segmentation is not segmentation:
        if known is not None:
            known.close()
        known = _sessions[name] = LiveSession(segmentation, TaskRunner(show_error))
    known.device = str(qt.QSettings().value(DEVICE_SETTING, "auto"))
    return known


def follow_scene() -> None:
    """End the sessions with their scene; called once, when the application has started."""
    scene = slicer.mrmlScene
    scene.AddObserver(scene.StartCloseEvent, _on_start_close)
    scene.AddObserver(scene.EndImportEvent, _on_end_import)
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, _on_node_removed)


def _on_start_close(caller: Any, event: Any) -> None:
    for session in _sessions.values():
        session.close()
    _sessions.clear()


@vtk.calldata_type(vtk.VTK_OBJECT)
def _on_node_removed(caller: Any, event: Any, node: Any) -> None:
    """A preview goes with its segmentation; the strokes are the user's and stay."""
    session = _sessions.get(node.GetID()) if node is not None else None
    if session is None or session.segmentation is not node:
        return
    del _sessions[node.GetID()]
    session.close()
    left = [preview.preview_of(node), node.GetNodeReference(preview.REGION_ROLE)]

    def remove() -> None:
        for one in left:
            if one is not None and one.GetScene() is not None:
                one.GetScene().RemoveNode(one)

    qt.QTimer.singleShot(0, remove)  # not while the scene removes another node


def _on_end_import(caller: Any, event: Any) -> None:
    """A scene that was saved during a session holds faded segments and no preview."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if preview.preview_of(node) is None:
            preview.restore_edited(node)
