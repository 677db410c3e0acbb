"""The layout, its slice and plot views: real nodes, logics and interactors; nothing is drawn.

Desktop Slicer has them from the start, a Slicer without main window has none: `host.show_views`
makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .classes import standin
from .plots import qMRMLPlotWidget
from .properties import computed
from .qmrml_nodes import Observers, qMRMLWidget

ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
SIZE = (256, 256)  # pixels of a view


@standin("slicer")
class qMRMLSliceView(qMRMLWidget):
    """The view inside a slice widget: a render window with its interactor."""

    resized = QtCore.Signal(QtCore.QSize)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._slice_node: Any = None
        self._window = vtk.vtkGenericOpenGLRenderWindow()  # needs no display
        self._window.SetSize(*SIZE)
        self._window.AddRenderer(vtk.vtkRenderer())
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetSize(*SIZE)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetInteractor(self._interactor)
        self._view_cursor = self._default_cursor = QtGui.QCursor()

    def setMRMLSliceNode(self, node: Any) -> None:
        self._slice_node = node

    def mrmlSliceNode(self) -> Any:
        return self._slice_node

    def renderWindow(self) -> Any:
        return self._window

    def interactor(self) -> Any:
        return self._interactor

    def interactorStyle(self) -> Any:
        return self._style

    sliceViewInteractorStyle = interactorStyle

    def scheduleRender(self) -> None:
        """Nothing is drawn."""

    forceRender = scheduleRender

    def setViewCursor(self, cursor: QtGui.QCursor) -> None:
        self._view_cursor = QtGui.QCursor(cursor)

    def unsetViewCursor(self) -> None:
        self._view_cursor = self._default_cursor

    def setDefaultViewCursor(self, cursor: QtGui.QCursor) -> None:
        self._default_cursor = QtGui.QCursor(cursor)


@standin("slicer")
class qMRMLSliceWidget(qMRMLWidget):
    """A slice view with its logic."""

    def __init__(self, name: str, scene: Any):
        super().__init__()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(scene)
        self._logic.AddSliceNode(name)
        self._view = qMRMLSliceView(self)
        self._view.setMRMLSliceNode(self.mrmlSliceNode())
        self.mrmlSliceNode().SetOrientation(ORIENTATIONS[name])
        self.mrmlSliceNode().SetDimensions(*SIZE, 1)
        self.setMRMLScene(scene)

    sliceViewName = computed(str, lambda self: self._logic.GetSliceNode().GetLayoutName())

    def sliceLogic(self) -> Any:
        return self._logic

    logic = sliceLogic

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    mrmlAbstractViewNode = mrmlSliceNode

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def sliceView(self) -> qMRMLSliceView:
        return self._view

    viewWidget = sliceView

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground(*SIZE)


@standin("slicer")
class qMRMLLayoutManager(QtCore.QObject):
    """The three slice views of Slicer's default layout, and plot views where a layout has them.

    The layout node is real, with the views of the chosen layout; no 3-D view is shown.
    """

    layoutChanged = QtCore.Signal(int)

    def __init__(self, scene: Any):
        super().__init__(slicer.app)
        self._slices = {name: qMRMLSliceWidget(name, scene) for name in ORIENTATIONS}
        logics = vtk.vtkCollection()
        for widget in self._slices.values():
            logics.AddItem(widget.sliceLogic())
        self._logics = logics
        slicer.app.applicationLogic().SetSliceLogics(logics)
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._plots: dict[str, qMRMLPlotWidget] = {}
        self._observers = Observers(self)
        self._observers.add(self._layout_logic.GetLayoutNode(), "ModifiedEvent", "_on_layout")
        self._arrangement = 0
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def _on_layout(self) -> None:
        if self.layout == self._arrangement:
            return
        self._arrangement = self.layout
        views = self._layout_logic.GetViewNodes()
        nodes = [views.GetItemAsObject(n) for n in range(views.GetNumberOfItems())]
        plots = [node for node in nodes if node.IsA("vtkMRMLPlotViewNode")]
        for node in plots:
            self._plots.setdefault(node.GetID(), qMRMLPlotWidget(node))
        self._visible_plots = [node.GetID() for node in plots]
        self.layoutChanged.emit(self.layout)

    def layoutLogic(self) -> Any:
        return self._layout_logic

    def setLayout(self, number: int) -> None:
        self._layout_logic.GetLayoutNode().SetViewArrangement(number)

    layout = computed(
        int, lambda self: self._layout_logic.GetLayoutNode().GetViewArrangement(), setLayout
    )
    plotViewCount = computed(int, lambda self: len(self._visible_plots))

    def plotWidget(self, number: int) -> qMRMLPlotWidget | None:
        shown = self._visible_plots
        return self._plots[shown[number]] if 0 <= number < len(shown) else None

    threeDViewCount = computed(int, lambda self: 0)

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._slices.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._logics

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()


def show_views() -> qMRMLLayoutManager:
    """Give the application its slice views. Idempotent."""
    if slicer.app._layout is None:
        slicer.app._layout = qMRMLLayoutManager(slicer.mrmlScene)
    return slicer.app._layout


def hide_views() -> None:
    """Take the slice views away again."""
    layout, slicer.app._layout = slicer.app._layout, None
    if layout is None:
        return
    slicer.app.applicationLogic().SetSliceLogics(None)
    layout._observers.clear()
    layout.layoutLogic().SetMRMLScene(None)
    for kind in ("vtkMRMLLayoutNode", "vtkMRMLPlotViewNode"):
        for node in slicer.util.getNodesByClass(kind):
            slicer.mrmlScene.RemoveNode(node)
    for name in layout.sliceViewNames():
        layout.sliceWidget(name).sliceLogic().SetMRMLScene(None)
        # By their name: a scene that was loaded may have brought nodes of its own.
        for kind in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
            node = slicer.mrmlScene.GetSingletonNode(name, kind)
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)


_BUTTONS = {"left": "LeftButton", "right": "RightButton", "middle": "MiddleButton"}


def _place(view: Any, position: Sequence[float], shift: bool, control: bool, key: str = "") -> Any:
    interactor = view.sliceView().interactor()
    x, y = (round(value) for value in position)
    interactor.SetEventInformation(x, y, int(control), int(shift), "\0", 0, key or None)
    return interactor


def drag(
    view: Any,
    positions: Sequence[Sequence[float]],
    button: str = "left",
    *,
    shift: bool = False,
    control: bool = False,
) -> bool:
    """Press a mouse button in a slice widget, move and release; one position is a click.

    Args:
        positions: (x, y) in pixels, y upwards.

    Returns:
        Whether the view itself never saw the press, since something before it took the event.
    """
    seen: list[str] = []
    interactor = view.sliceView().interactor()
    tag = interactor.AddObserver(f"{_BUTTONS[button]}PressEvent", lambda *_: seen.append("seen"))
    _place(view, positions[0], shift, control).InvokeEvent(f"{_BUTTONS[button]}PressEvent")
    for position in positions[1:]:
        _place(view, position, shift, control).InvokeEvent("MouseMoveEvent")
    _place(view, positions[-1], shift, control).InvokeEvent(f"{_BUTTONS[button]}ReleaseEvent")
    interactor.RemoveObserver(tag)
    return not seen


def press_key(view: Any, key: str, *, shift: bool = False, control: bool = False) -> None:
    """Press a key over a slice widget; `key` is VTK's name, such as "Return" or "plus"."""
    place = (SIZE[0] // 2, SIZE[1] // 2)
    _place(view, place, shift, control, key).InvokeEvent("KeyPressEvent")
    _place(view, place, shift, control, key).InvokeEvent("KeyReleaseEvent")


def turn_wheel(view: Any, steps: int, *, shift: bool = False, control: bool = False) -> None:
    """Turn the wheel over a slice widget; positive steps are forward."""
    name = "MouseWheelForwardEvent" if steps > 0 else "MouseWheelBackwardEvent"
    for _ in range(abs(steps)):
        _place(view, (SIZE[0] // 2, SIZE[1] // 2), shift, control).InvokeEvent(name)


def xy_of(view: Any, ras: Sequence[float]) -> tuple[float, float]:
    """Pixel of a slice widget at which a RAS point (mm) lies."""
    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(view.mrmlSliceNode().GetXYToRAS(), inverse)
    x, y, *_ = inverse.MultiplyPoint((*ras, 1.0))
    return x, y
