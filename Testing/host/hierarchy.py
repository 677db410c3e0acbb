"""Subject hierarchy items of data nodes: Slicer makes them in Qt plugins, slicer-core has none."""

from __future__ import annotations

from typing import Any

import slicer

_DATA = (
    "vtkMRMLVolumeNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLPlotChartNode",
)


def keep_hierarchy(scene: Any) -> None:
    """Add an item for each data node that joins the scene and drop it when the node leaves."""
    owned: dict[int, str] = {}  # item -> ID of its node

    def add(node: Any) -> None:
        if node.GetHideFromEditors() or not any(node.IsA(kind) for kind in _DATA):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node)
        item = item or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
        owned[item] = node.GetID()

    def node_added(*_: Any) -> None:
        if not scene.IsImporting():  # the items of a file come with the file
            add(scene.GetNthNode(scene.GetNumberOfNodes() - 1))

    def imported(*_: Any) -> None:
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
        for node in [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]:
            add(node)

    def node_removed(*_: Any) -> None:
        if scene.IsClosing():
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        for item in [key for key, node_id in owned.items() if not scene.GetNodeByID(node_id)]:
            del owned[item]
            hierarchy.RemoveItem(item, False, False)

    scene.AddObserver(scene.NodeAddedEvent, node_added)
    scene.AddObserver(scene.NodeRemovedEvent, node_removed)
    scene.AddObserver(scene.EndImportEvent, imported)
    scene.AddObserver(scene.EndCloseEvent, lambda *_: owned.clear())
