"""The Segment Editor effect DeepIGeoS: strokes in the slice views, a preview, Apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from DeepIGeoSModuleLib.brushview import BrushView
from DeepIGeoSModuleLib.effectpanel import EffectPanel
from DeepIGeoSModuleLib.scribbles import BACKGROUND, FOREGROUND
from meddl.core.errors import MedDLError
from SlicerMedDLLib.translation import said

MODULE_FOLDER = Path(__file__).resolve().parents[1]
PRESS = {
    vtk.vtkCommand.LeftButtonPressEvent: False,
    vtk.vtkCommand.RightButtonPressEvent: True,  # whether it marks the other kind
}
RELEASE = (vtk.vtkCommand.LeftButtonReleaseEvent, vtk.vtkCommand.RightButtonReleaseEvent)
DOUBLE = (vtk.vtkCommand.LeftButtonDoubleClickEvent, vtk.vtkCommand.RightButtonDoubleClickEvent)
WHEEL = {
    vtk.vtkCommand.MouseWheelForwardEvent: 1.2,
    vtk.vtkCommand.MouseWheelBackwardEvent: 1 / 1.2,
}
LARGER, SMALLER = ("plus", "equal", "KP_Add"), ("minus", "underscore", "KP_Subtract")


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect, VTKObservationMixin):
    """Turns mouse and keys into strokes; the panel and the session do the rest."""

    def __init__(self, scriptedEffect: Any) -> None:
        scriptedEffect.name = "DeepIGeoS"  # in scenes: not translated
        scriptedEffect.title = _("DeepIGeoS")
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        VTKObservationMixin.__init__(self)
        self._panel: EffectPanel | None = None
        self._brushes: dict[Any, BrushView] = {}
        self._way: list[tuple[int, int]] = []
        self._points: list[list[float]] = []
        self._drawn_in: Any = None
        self._kind = FOREGROUND

    @property
    def panel(self) -> EffectPanel:
        """The options, which the editor asks for before it lets anyone choose the effect."""
        assert self._panel is not None
        return self._panel

    # What the editor asks for

    def clone(self) -> Any:
        """Another one, for another editor."""
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        made = effects.qSlicerSegmentEditorScriptedEffect(None)
        made.setPythonSource(__file__)
        return made

    def icon(self) -> Any:
        """The picture on the effect's button."""
        return qt.QIcon(str(MODULE_FOLDER / "Resources/Icons/SegmentEditorDeepIGeoS.png"))

    def helpText(self) -> str:
        """What the editor shows above the options."""
        return "<html>" + "<br>".join(
            (
                _("Scribble on the structure and around it; the rest is found."),
                _("Left button: foreground. Right button, or left with Ctrl: background."),
                _(
                    "Keys over a slice: X other marks, + and - brush, P initialise, U update, "
                    "Backspace undo stroke (with Shift redo), H before or after, Return apply."
                ),
            )
        )

    def createCursor(self, viewWidget: Any) -> Any:
        """The brush itself is drawn into the view."""
        return qt.QCursor(qt.Qt.CrossCursor)

    def setMRMLDefaults(self) -> None:
        """Parameters of a new editor node."""
        for name, value in EffectPanel.DEFAULTS.items():
            self.scriptedEffect.setParameterDefault(name, value)

    def setupOptionsFrame(self) -> None:
        """Make the options."""
        path = MODULE_FOLDER / "Resources/UI/SegmentEditorDeepIGeoS.ui"
        widget = slicer.util.loadUI(str(path))
        self.scriptedEffect.addOptionsWidget(widget)
        self._panel = EffectPanel(self.scriptedEffect, slicer.util.childWidgetVariables(widget))

    def activate(self) -> None:
        """The user has chosen the effect."""
        node = self.scriptedEffect.parameterSetNode()
        self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._onNodeModified)
        self.panel.bind()

    def deactivate(self) -> None:
        """Another effect is chosen: preview and brush go, the session stays."""
        self.removeObservers()
        for brush in self._brushes.values():
            brush.remove()
        self._brushes.clear()
        self._forget()
        self.panel.leave()

    def cleanup(self) -> None:
        """The editor is deleted."""
        self.removeObservers()
        if self._panel is not None:
            self._panel.leave()

    def updateGUIFromMRML(self) -> None:
        """Follow the parameters."""
        if self._panel is not None:
            self._panel.follow()

    def updateMRMLFromGUI(self) -> None:
        """The panel writes each parameter when it changes."""

    def sourceVolumeNodeChanged(self) -> None:
        """Another volume is segmented."""
        if self._panel is not None and self.scriptedEffect.active():
            self._panel.bind()

    def _onNodeModified(self, caller: Any, event: Any) -> None:
        self.panel.bind()

    # Mouse and keys

    def processInteractionEvents(
        self, callerInteractor: Any, eventId: int, viewWidget: Any
    ) -> bool:
        """Draw with the mouse in slice views; True where the view must not see the event."""
        if viewWidget.className() != "qMRMLSliceWidget":
            return False
        if eventId == vtk.vtkCommand.KeyPressEvent:
            return self._key(callerInteractor)
        if eventId in WHEEL:
            if callerInteractor.GetShiftKey():
                self.panel.scale_brush(WHEEL[eventId])
                return True
            return False
        if eventId in PRESS:
            return self._press(callerInteractor, PRESS[eventId], viewWidget)
        if eventId == vtk.vtkCommand.MouseMoveEvent:
            return self._move(callerInteractor, viewWidget)
        if eventId in RELEASE:
            return self._release(callerInteractor, viewWidget)
        if eventId == vtk.vtkCommand.LeaveEvent and viewWidget in self._brushes:
            self._brushes[viewWidget].hide()
        return eventId in DOUBLE  # a quick second click is a stroke, too: no change of the layout

    def _key(self, interactor: Any) -> bool:
        key = interactor.GetKeySym() or ""
        if interactor.GetControlKey() or interactor.GetAltKey():
            return False
        actions = {
            "x": self.panel.swap_kind,
            "p": self.panel.on_initialise,
            "u": self.panel.on_update,
            "h": self.panel.flip_balance,
            "Return": self.panel.on_apply,
            "BackSpace": self.panel.on_redo if interactor.GetShiftKey() else self.panel.on_undo,
            **dict.fromkeys(LARGER, lambda: self.panel.scale_brush(1.2)),
            **dict.fromkeys(SMALLER, lambda: self.panel.scale_brush(1 / 1.2)),
        }
        action = actions.get(key if len(key) > 1 else key.lower())
        if action is None:
            return False
        action()
        return True

    def _press(self, interactor: Any, other: bool, view: Any) -> bool:
        if interactor.GetShiftKey() or interactor.GetAltKey():
            return False
        if self.panel.ready() is None:
            return False
        confirmed = self.scriptedEffect.confirmCurrentSegmentVisible()
        if confirmed != self.scriptedEffect.ConfirmedWithoutDialog:
            return True  # the button was released in the dialog
        other = other or bool(interactor.GetControlKey())
        self._kind = BACKGROUND if other != (self.panel.kind == BACKGROUND) else FOREGROUND
        self._drawn_in, self._way, self._points = view, [], []
        self._add(interactor, view)
        return True

    def _move(self, interactor: Any, view: Any) -> bool:
        drawing = self._drawn_in == view and bool(self._way)
        if drawing:
            self._add(interactor, view)
        kind = self._kind if drawing else self.panel.kind
        self._brush(view).move(interactor.GetEventPosition(), self.panel.radius, kind)
        return drawing

    def _release(self, interactor: Any, view: Any) -> bool:
        if self._drawn_in != view or not self._way:
            return False
        self._add(interactor, view)
        points, kind = self._points, self._kind
        self._brush(view).clear_way()
        self._forget()
        session = self.panel.ready()
        if session is None:  # the scene was closed meanwhile
            return True
        slice_to_ras = self.scriptedEffect.viewNode(view).GetSliceToRAS()
        normal = [slice_to_ras.GetElement(row, 2) for row in range(3)]
        try:
            self.panel.add_stroke(session, points, normal, kind)
        except MedDLError as error:
            self.panel.say(said(error))
        return True

    def _add(self, interactor: Any, view: Any) -> None:
        position = tuple(interactor.GetEventPosition())
        if self._way and position == self._way[-1]:
            return
        self._way.append(position)
        self._points.append(self.xyToRas(position, view))
        self._brush(view).draw(self._way, self.panel.radius, self._kind)

    def _forget(self) -> None:
        self._way, self._points, self._drawn_in = [], [], None

    def _brush(self, view: Any) -> BrushView:
        if view not in self._brushes:
            self._brushes[view] = BrushView(self.scriptedEffect, view)
        return self._brushes[view]
