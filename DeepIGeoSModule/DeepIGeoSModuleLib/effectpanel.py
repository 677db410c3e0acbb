"""The options of the effect: its widgets, its parameters, and the session behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import qt
import slicer
from slicer.i18n import tr as _

from DeepIGeoSModuleLib import livesession, preview, sessions
from DeepIGeoSModuleLib.brush import stroke_voxels
from DeepIGeoSModuleLib.livesession import LiveSession
from DeepIGeoSModuleLib.methods import fill_methods, initialising
from DeepIGeoSModuleLib.scribbles import BACKGROUND, FOREGROUND, strokes
from meddl.core.errors import MedDLError
from SlicerMedDLLib.translation import said

LARGEST_BRUSH = 50.0  # mm


class EffectPanel:
    """Widgets, parameters and session of one effect.

    Args:
        effect: the effect's ``scriptedEffect``.
        ui: the named widgets.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "BrushDiameter": 5.0,  # mm
        "BrushBall": 0,
        "LeftMarks": FOREGROUND,
        "AutoUpdate": 1,
        "Balance": 1.0,
        "Show3D": 0,
        "ShowRegion": 0,
    }

    def __init__(self, effect: Any, ui: Any) -> None:
        self.effect, self.ui = effect, ui
        self.session: LiveSession | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(livesession.DEBOUNCE_MILLISECONDS)
        self._timer.connect("timeout()", self.on_update)
        fill_methods(ui.methodSelector)
        ui.boxSelector.setMRMLScene(slicer.mrmlScene)
        self._connect()

    def _connect(self) -> None:
        ui = self.ui
        ui.methodSelector.connect("currentIndexChanged(int)", self._on_method)
        ui.boxSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._on_box)
        ui.boxSelector.connect("nodeAddedByUser(vtkMRMLNode*)", self._on_box_added)
        ui.foregroundButton.connect("toggled(bool)", self._on_kind)
        ui.brushSlider.connect("valueChanged(double)", self._on_brush)
        for box, name in (
            (ui.ballCheckBox, "BrushBall"),
            (ui.autoUpdateCheckBox, "AutoUpdate"),
            (ui.show3DCheckBox, "Show3D"),
            (ui.regionCheckBox, "ShowRegion"),
        ):
            box.connect("toggled(bool)", self._writer(name))
        ui.balanceSlider.connect("valueChanged(double)", self._on_balance)
        ui.keepOthersCheckBox.connect("toggled(bool)", self._on_keep_others)
        for button, act in (
            (ui.initialiseButton, self.on_initialise),
            (ui.updateButton, self.on_update),
            (ui.undoStrokeButton, self.on_undo),
            (ui.redoStrokeButton, self.on_redo),
            (ui.cancelButton, self.on_cancel),
            (ui.applyButton, self.on_apply),
        ):
            button.connect("clicked()", act)

    def _writer(self, name: str) -> Any:
        def write(on: bool) -> None:
            self._set(name, int(on))
            self._show_preview()

        return write

    def _set(self, name: str, value: Any) -> None:
        if self.effect.parameterSetNode() is not None:
            self.effect.setParameter(name, value)

    # Life

    def bind(self) -> None:
        """Take up the session of the editor's segmentation."""
        node = self.effect.parameterSetNode()
        session = sessions.session_of(node.GetSegmentationNode() if node is not None else None)
        if session is not self.session:
            self._drop()
            self.session = session
            if session is not None:
                session.listeners.append(self.on_event)
        if session is not None:
            session.editor = self.effect
            session.resume()
            if session.pending and not session.has_preview and self._parameter("AutoUpdate"):
                self._timer.start()
        self.follow()

    def leave(self) -> None:
        """Another effect is chosen, or none."""
        if self.session is not None:
            self.session.hide()
        self._drop()

    def _drop(self) -> None:
        self._timer.stop()
        if self.session is not None and self.on_event in self.session.listeners:
            self.session.listeners.remove(self.on_event)
        self.session = None

    def ready(self) -> LiveSession | None:
        """The session that strokes go to, or None; says what is missing."""
        if self.session is None or self.session.volume is None:
            self.say(_("Select a segmentation and a source volume"))
            return None
        if not self.effect.parameterSetNode().GetSelectedSegmentID():
            self.say(_("Select a segment"))
            return None
        return self.session

    # Parameters

    def _parameter(self, name: str) -> float:
        return float(self.effect.doubleParameter(name))

    @property
    def radius(self) -> float:
        """Of the brush, mm."""
        return self._parameter("BrushDiameter") / 2

    @property
    def kind(self) -> str:
        """What the left button marks."""
        return str(self.effect.parameter("LeftMarks"))

    def scale_brush(self, factor: float) -> None:
        """Make the brush larger or smaller."""
        diameter = min(max(self._parameter("BrushDiameter") * factor, 0.5), LARGEST_BRUSH)
        self._set("BrushDiameter", diameter)

    def swap_kind(self) -> None:
        """The left button marks the other kind."""
        self._set("LeftMarks", FOREGROUND if self.kind == BACKGROUND else BACKGROUND)

    def flip_balance(self) -> None:
        """Change between before and after."""
        self._set("Balance", 0.0 if self._parameter("Balance") > 0.5 else 1.0)
        self._show_preview()

    def _on_method(self, index: int) -> None:
        if self.session is not None:
            self.session.method = str(self.ui.methodSelector.itemData(index))
            self.follow()

    def _on_box(self, roi: Any) -> None:
        if self.session is not None:
            self.session.box = roi

    def _on_box_added(self, roi: Any) -> None:
        """A new box is half as wide as the volume, in its middle, with handles."""
        if self.session is not None and self.session.volume is not None:
            preview.fit_box(roi, self.session.volume, 0.5)

    def _on_kind(self, foreground: bool) -> None:
        self._set("LeftMarks", FOREGROUND if foreground else BACKGROUND)

    def _on_brush(self, diameter: float) -> None:
        self._set("BrushDiameter", diameter)

    def _on_balance(self, after: float) -> None:
        self._set("Balance", after)
        self._show_preview()

    def _on_keep_others(self, keep: bool) -> None:
        if self.session is not None:
            self.session.keep_others = keep

    # Actions

    def add_stroke(
        self,
        session: LiveSession,
        points: Sequence[Sequence[float]],
        normal: Sequence[float],
        kind: str,
    ) -> None:
        """Store in a session a stroke through RAS points (mm) of a slice with this normal.

        Raises:
            MedDLError: as :meth:`LiveSession.add_stroke`.
        """
        plane = None if self._parameter("BrushBall") else normal
        voxels = stroke_voxels(session.image(), points, self.radius, plane)
        session.add_stroke(voxels, kind, self.effect.parameterSetNode().GetSelectedSegmentID())

    def on_initialise(self) -> None:
        """Predict the selected segment without strokes."""
        session = self.ready() if self.ui.initialiseButton.enabled else None
        if session is not None:
            self._attempt(session.initialise, self.effect.parameterSetNode().GetSelectedSegmentID())
            self._timer.stop()  # it is being computed

    def on_update(self) -> None:
        """Compute the preview from the strokes."""
        self._timer.stop()
        if self.session is not None:
            self.session.update()

    def on_undo(self) -> None:
        """Take back the last stroke."""
        if self.session is not None:
            self._attempt(self.session.undo)

    def on_redo(self) -> None:
        """Draw the stroke again."""
        if self.session is not None:
            self._attempt(self.session.redo)

    def on_cancel(self) -> None:
        """Stop what runs; if nothing does, forget the preview."""
        self._timer.stop()
        if self.session is None:
            return
        if self.session.runner.busy:
            self.session.stop()
        else:
            self.session.cancel()

    def on_apply(self) -> None:
        """Write the preview into the segment."""
        if self.session is not None:
            changed = self._attempt(self.session.apply)
            if changed is not None:
                self.say(_("{count} voxels changed").format(count=changed))

    def _attempt(self, action: Any, *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except MedDLError as error:
            self.say(said(error))
            return None

    def say(self, text: str) -> None:
        """One line under the options."""
        self.ui.statusLabel.text = text

    # Following the session

    def on_event(self, event: str) -> None:
        """The session has changed."""
        if event == "closed":
            self._drop()
            return
        if event == "strokes" and self._parameter("AutoUpdate"):
            self._timer.start()
        if event == "preview":
            self._show_preview()
        if event == "status" and self.session is not None:
            self.say(self.session.status)
        self.follow()

    def _show_preview(self) -> None:
        session = self.session
        if session is None or session.volume is None:
            return
        preview.set_balance(session.segmentation, self._parameter("Balance"))
        preview.set_3d(session.segmentation, bool(self._parameter("Show3D")))
        box = session.region(self.effect.parameterSetNode().GetSelectedSegmentID() or "")
        preview.show_region(
            session.segmentation, session.volume, box, bool(self._parameter("ShowRegion"))
        )

    def follow(self) -> None:
        """Show parameters and state."""
        node, session, ui = self.effect.parameterSetNode(), self.session, self.ui
        if node is None or session is None:
            return
        for widget, name in (
            (ui.ballCheckBox, "BrushBall"),
            (ui.autoUpdateCheckBox, "AutoUpdate"),
            (ui.show3DCheckBox, "Show3D"),
            (ui.regionCheckBox, "ShowRegion"),
        ):
            _quietly(widget, "checked", bool(self._parameter(name)))
        _quietly(ui.brushSlider, "value", self._parameter("BrushDiameter"))
        _quietly(ui.balanceSlider, "value", self._parameter("Balance"))
        _quietly(ui.keepOthersCheckBox, "checked", session.keep_others)
        _quietly(ui.foregroundButton, "checked", self.kind == FOREGROUND)
        _quietly(ui.backgroundButton, "checked", self.kind == BACKGROUND)
        blocked = ui.methodSelector.blockSignals(True)
        fill_methods(ui.methodSelector, session.method)
        ui.methodSelector.blockSignals(blocked)
        _quietly(ui.methodSelector, "currentIndex", ui.methodSelector.findData(session.method))
        blocked = ui.boxSelector.blockSignals(True)
        ui.boxSelector.setCurrentNode(session.box)
        ui.boxSelector.blockSignals(blocked)
        busy = session.runner.busy
        ui.progressBar.visible = busy
        ui.progressBar.value = round(100 * session.fraction)
        ui.cancelButton.text = _("Stop") if busy else _("Cancel")
        ui.cancelButton.enabled = busy or session.has_preview or session.can_undo
        ui.applyButton.enabled = session.has_preview and not busy
        ui.undoStrokeButton.enabled = session.can_undo
        ui.redoStrokeButton.enabled = session.can_redo
        ui.updateButton.enabled = session.can_undo
        for widget in (ui.balanceSlider, ui.show3DCheckBox):
            widget.enabled = session.has_preview
        drawn = strokes(session.segmentation)
        ui.strokesLabel.text = _("{foreground} foreground, {background} background").format(
            foreground=sum(one.kind == FOREGROUND for one in drawn),
            background=sum(one.kind == BACKGROUND for one in drawn),
        )
        boxed = session.box is not None
        reason = initialising(session.method, session.device, self.follow, boxed)
        ui.initialiseButton.enabled = not reason and session.volume is not None
        ui.initialiseButton.toolTip = reason or (
            _("Predict the segment in the box, without strokes (key P).")
            if boxed
            else _("Predict the segment without strokes (key P).")
        )


def _quietly(widget: Any, name: str, value: Any) -> None:
    """Set a property without telling anybody."""
    blocked = widget.blockSignals(True)
    setattr(widget, name, value)
    widget.blockSignals(blocked)
