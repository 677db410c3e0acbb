"""Section *C-arm*: sliders and a linear transform that follow each other, presets, the 3-D view."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from DeepDRRModuleLib import carmnodes, radiographs
from DeepDRRModuleLib.parameternode import NO_PRESET
from DeepDRRModuleLib.records import carm_from, show_carm_in
from meddl.core.errors import MedDLError
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.presets import load_preset
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.translation import said


class CArmSection(Section):
    """Draws the C-arm where the panel has it, and moves the panel to where a user put it."""

    button = "carmButton"

    def connect(self) -> None:
        """Presets and handles; transform, isocentre and CT are observed in :meth:`follow`."""
        self._drawn: Any = None
        self._observed: dict[str, Any] = {}
        self._writing = False
        self.ui.presetSelector.connect("activated(int)", self.onPreset)
        self.ui.handlesCheckBox.connect("clicked(bool)", self.onHandles)

    def bind(self) -> None:
        """The next state is taken as it is; it is drawn when the user changes something."""
        self._drawn = None

    def leave(self) -> None:
        """Observe nothing."""
        for role in self._observed:
            self._observe(role, None, "", None)
        self._observed.clear()
        self._drawn = None

    def follow(self) -> None:
        """Observe the chosen nodes and let the C-arm follow the parameters."""
        node = self.node
        known = "transform" in self._observed
        transform = node.carmTransform
        if self._observe("transform", transform, "TransformModifiedEvent", self.onMoved) and known:
            if transform is None:
                carmnodes.remove_orphans()
            elif not self._writing:
                self.onTransformChosen()
        self._observe("isocenter", node.isocenter, "PointModifiedEvent", self.onIsocenterMoved)
        own = self._own_isocenter()
        self._observe("own isocenter", own, "PointModifiedEvent", self.onOwnIsocenterMoved)
        self._observe("ct", node.ctVolume, "TransformModifiedEvent", self.onCTMoved)
        self.updatePreset()
        self.ui.handlesCheckBox.enabled = node.carmTransform is not None or node.showCArm
        self.update()

    def _observe(self, role: str, subject: Any, event: str, callback: Any) -> bool:
        """Let ``callback`` follow one node in a role; whether that is another node than before."""
        before = self._observed.get(role, (None, 0, None))
        if role in self._observed and before[0] is subject:
            return False
        if before[0] is not None:
            self.widget.removeObserver(*before)
        if subject is not None:
            code = getattr(subject, event)
            self.widget.addObserver(subject, code, callback)
            self._observed[role] = (subject, code, callback)
        else:
            self._observed[role] = (None, 0, None)
        return True

    def _own_isocenter(self) -> Any:
        transform = self.node.carmTransform
        return transform.GetNodeReference("MedDL.isocenter") if transform is not None else None

    # From the panel to the scene

    def update(self) -> None:
        """Draw if the panel's C-arm has changed since the last time."""
        node = self.node
        try:
            center = self.logic.center(node.ctVolume) if node.ctVolume is not None else None
            state = (carm_from(node), node.ctVolume, center, node.carmTransform, node.showCArm)
        except MedDLError as error:  # the Apply button says it; the C-arm stays where it was
            if self._drawn is not None:
                self.widget.showStatus(said(error))
            return
        previous, self._drawn = self._drawn, state
        if previous is None or previous == state:
            return
        drawn = carmnodes.is_drawn(node.carmTransform, state[0])
        if node.livePreview and center is not None and drawn:
            self._writing = True
            try:  # the next picture takes 0.1 s; the detector keeps the last one so long
                carmnodes.move(node.carmTransform, state[0], center)
                carmnodes.set_visible(node.carmTransform, node.showCArm)
            finally:
                self._writing = False
        else:
            self.draw()

    def draw(self) -> None:
        """Draw, move or hide the C-arm, with the radiograph if it was taken from this pose."""
        node = self.node
        transform = node.carmTransform
        if node.ctVolume is not None and (node.showCArm or transform is not None):
            known = node.radiograph is not None and radiographs.is_radiograph(node.radiograph)
            self._writing = True
            try:
                nodes = self.logic.showGeometry(
                    node.ctVolume, carm_from(node), node.radiograph if known else None, transform
                )
                node.carmTransform = transform = nodes.transform
            except MedDLError as error:
                self.widget.showStatus(said(error))
                return
            finally:
                self._writing = False
        if transform is not None:
            carmnodes.set_visible(transform, node.showCArm)
            self.ui.handlesCheckBox.checked = carmnodes.handles_visible(transform)

    def showPicture(self, radiograph: Any, carm: CArm) -> None:
        """Put the newest picture of a moving C-arm onto its detector; the pose stays."""
        transform = self.node.carmTransform
        if carmnodes.is_drawn(transform, carm):
            carmnodes.put_picture(transform, carm, radiographs.grey_picture(radiograph))
        else:
            self.draw()

    def onIsocenterMoved(self, caller: Any, event: Any) -> None:
        """The user placed or dragged the isocentre."""
        if self.node is not None and not self._writing:
            self.widget.parametersChanged()
            self.widget.updateApply()

    def onOwnIsocenterMoved(self, caller: Any, event: Any) -> None:
        """The user dragged the C-arm by its isocentre, which is chosen by that."""
        node = self.node
        if node is not None and not self._writing and node.isocenter is not caller:
            node.isocenter = caller

    def onCTMoved(self, caller: Any, event: Any) -> None:
        """The centre of the CT may be the isocentre."""
        if self.node is not None:
            self.widget.parametersChanged()
            self.widget.updateApply()

    # From the scene to the panel

    def onMoved(self, caller: Any, event: Any) -> None:
        """Somebody moved the transform: in the views, by another module, from Python."""
        if self.node is not None and not self._writing:
            self.adopt(caller)

    def onTransformChosen(self) -> None:
        """The user bound another transform; a new one takes the panel's pose."""
        transform = self.node.carmTransform
        previous = self._drawn[3] if self._drawn is not None else None
        if carmnodes.is_new(transform):
            self.update()
        elif not self.adopt(transform):
            self.node.carmTransform = previous
            return
        else:
            self.draw()
        if previous is not None and previous is not transform:
            carmnodes.set_visible(previous, False)

    def adopt(self, transform: Any) -> bool:
        """Move the panel to the pose of a transform; False, and the scene as before, if it cannot.

        Its own isocentre is chosen: a landmark that was the isocentre stays in the patient.
        """
        try:
            carm = carm_from(self.node)
            center = self.logic.center(self.node.ctVolume) if self.node.ctVolume else (0, 0, 0)
            if carmnodes.is_at(transform, carm, center):
                return True
            moved = self.logic.carmAt(transform, carm)
        except MedDLError as error:
            self.widget.showStatus(said(error))
            self._refuse(transform)
            return False
        self.moveTo(moved, transform)
        return True

    def _refuse(self, transform: Any) -> None:
        """Take back what made the bound transform no pose; one just chosen stays as it is."""
        if self._drawn is not None and self._drawn[3] is transform:
            self.draw()

    def moveTo(self, carm: CArm, transform: Any = None) -> None:
        """Let panel, transform and drawing take a pose with an isocentre of its own."""
        node = self.node
        transform = transform or node.carmTransform
        self._writing = True
        try:
            if transform is None:
                transform = self.logic.showGeometry(node.ctVolume, carm).transform
            isocenter = carmnodes.isocenter_node(transform)
            center = self.logic.center(node.ctVolume) if node.ctVolume is not None else (0, 0, 0)
            carmnodes.show_carm(carm, center, transform)
            with slicer.util.NodeModify(node):
                show_carm_in(node, carm)
                node.isocenter = isocenter
                node.carmTransform = transform
        finally:
            self._writing = False
        self.widget.parametersChanged()

    def onHandles(self, checked: bool) -> None:
        """Show or hide the handles of the transform."""
        if self.node is None:
            return
        if self.node.carmTransform is None:
            self.draw()
        if self.node.carmTransform is not None:
            carmnodes.set_handles(self.node.carmTransform, checked)
        self.ui.handlesCheckBox.checked = checked and self.node.carmTransform is not None

    # Presets

    def onPreset(self, index: int) -> None:
        """Take neutral pose, distances and detector of a preset; the isocentre stays."""
        if self.node is not None and self.node.preset != NO_PRESET:
            show_carm_in(self.node, load_preset(self.node.preset).carm)

    def updatePreset(self) -> None:
        """Say what the chosen device is and how far it moves."""
        label = self.ui.presetLabel
        label.visible = self.node.preset != NO_PRESET
        if self.node.preset == NO_PRESET:
            return
        preset = load_preset(self.node.preset)
        texts = {
            "primary_angle": _("primary {low:g} to {high:g}°"),
            "secondary_angle": _("secondary {low:g} to {high:g}°"),
            "rotation": _("rotation {low:g} to {high:g}°"),
            "source_detector": _("source to detector {low:g} to {high:g} mm"),
            "source_isocenter": _("source to isocentre {low:g} to {high:g} mm"),
        }
        limits = [
            texts[name].format(low=low, high=high)
            for name, (low, high) in preset.limits.items()
            if low < high
        ]
        label.text = f"{preset.description[:1].upper()}{preset.description[1:]}: " + ", ".join(
            limits
        )
        label.toolTip = preset.source
