"""Views of a video above its curve: before and after, one picture with a divider, maps of smoke."""

from __future__ import annotations

from typing import Any

import slicer

from SlicerMedDLLib.display import show_picture

AS_BEFORE, SIDE_BY_SIDE, DIVIDER, MAPS = "unchanged", "side by side", "divider", "dark channel"
VIEWS = (AS_BEFORE, SIDE_BY_SIDE, DIVIDER, MAPS)
LINKED = ("Red", "Green", "Yellow")  # slice views in the order of their pictures
FORMER = "MedDL.Desmoke.FormerLayout"  # attribute of the layout node
PLOT = "PlotView1"
DIVIDED_VIEW = "Red"

_SLICE = """
   <item><view class="vtkMRMLSliceNode" singletontag="{name}">
    <property name="orientation" action="default">Axial</property>
    <property name="viewlabel" action="default">{letter}</property>
    <property name="viewcolor" action="default">{color}</property>
   </view></item>"""
_PAGE = """
<layout type="vertical" split="true">
 <item splitSize="720"><layout type="horizontal">{slices}
 </layout></item>
 <item splitSize="280"><view class="vtkMRMLPlotViewNode" singletontag="PlotView1">
  <property name="viewlabel" action="default">P</property>
 </view></item>
</layout>"""
_RED = _SLICE.format(name="Red", letter="R", color="#F34A33")
_GREEN = _SLICE.format(name="Green", letter="G", color="#6EB04B")
_YELLOW = _SLICE.format(name="Yellow", letter="Y", color="#EDD54C")
# Numbers of custom layouts are free above 500; these are unlikely to be another extension's.
_LAYOUTS = {
    SIDE_BY_SIDE: (57301, _PAGE.format(slices=_RED + _GREEN)),
    DIVIDER: (57302, _PAGE.format(slices=_RED)),
    MAPS: (57303, _PAGE.format(slices=_RED + _GREEN + _YELLOW)),
}


def layout_node() -> Any:
    """The node of the application's layout; None without a main window."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def register() -> None:
    """Tell the layout node of the layouts; scenes keep only their numbers."""
    node = layout_node()
    if node is not None:
        for number, description in _LAYOUTS.values():
            if not node.IsLayoutDescription(number):
                node.AddLayoutDescription(number, description)


def arrange(view: str) -> None:
    """Choose the layout for one of :data:`VIEWS`; the first brings back what there was before."""
    node = layout_node()
    if node is None:
        return
    register()
    ours = [number for number, _description in _LAYOUTS.values()]
    if view == AS_BEFORE:
        if node.GetViewArrangement() in ours:
            node.SetViewArrangement(int(node.GetAttribute(FORMER) or node.SlicerLayoutFourUpView))
        return
    if node.GetViewArrangement() not in ours:
        node.SetAttribute(FORMER, str(node.GetViewArrangement()))
    node.SetViewArrangement(_LAYOUTS[view][0])


def show_linked(*pictures: Any) -> None:
    """Show two or three pictures in the slice views, which pan and zoom together."""
    views = LINKED[: len(pictures)]
    for picture, view in zip(pictures, views, strict=True):
        show_picture(picture, view)
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if composite.GetLayoutName() in views:
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)


def show_chart(chart: Any) -> None:
    """Show a chart in the layouts' plot view, where there is one; None changes nothing."""
    node = slicer.mrmlScene.GetSingletonNode(PLOT, "vtkMRMLPlotViewNode")
    if node is not None and chart is not None:
        node.SetPlotChartNodeID(chart.GetID())
