"""Section *Registration*: the pose of a radiograph, found from the panel's C-arm on."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from DeepDRRModuleLib import registration
from DeepDRRModuleLib.records import carm_from, registration_parameters_from
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.volumes import view_of_volume


class RegistrationSection(Section):
    """Starts the search in the worker and moves the C-arm to what it found."""

    button = "registrationButton"

    def connect(self) -> None:
        """The button."""
        self.ui.registerButton.connect("clicked(bool)", self.onRegister)

    def bind(self) -> None:
        """A result belongs to the state that it was found in."""
        self.ui.registrationLabel.text = ""

    def follow(self) -> None:
        """A radiograph of this module knows what it holds."""
        node = self.node
        known = registration.known_quantity(node.fixed)
        self.ui.fixedQuantitySelector.enabled = known is None
        self.ui.fixedMirroredCheckBox.enabled = known is None
        if known in ("neglog", "intensity") and node.fixedQuantity != known:
            node.fixedQuantity = known
        self.ui.registrationLabel.visible = bool(self.ui.registrationLabel.text)
        self.ui.registerButton.enabled = node.ctVolume is not None and node.fixed is not None

    def onRegister(self, checked: bool = False) -> None:
        """Search from here."""
        self.attempt(self.start)

    def start(self) -> None:
        """Copy CT and radiograph and start the search.

        Raises:
            MedDLError: another size than the detector's, no CT, or a task is running.
        """
        node = self.node
        carm, parameters = carm_from(node), registration_parameters_from(node)
        volume, fixed = node.ctVolume, node.fixed
        start = registration.start_camera(fixed, carm, self.logic.center(volume))
        ct = view_of_volume(volume)
        picture = registration.fixed_picture(fixed, node.fixedMirrored)

        def done(result: Any) -> None:
            found, comparison = result
            self.widget.carm.moveTo(registration.carm_at(found.camera, carm))
            registration.comparison_to_node(comparison, fixed)
            self.show(found)

        self.widget.start(
            registration.find_and_compare,
            ct,
            picture,
            start,
            parameters,
            on_done=done,
            watch=[volume, fixed],
        )

    def show(self, found: Any) -> None:
        """Say how good the pose is and how far it lies from the start."""
        angle, shift = found.motion[:3], found.motion[3:]
        text = _("Score {score:.3f}, {state}. Turned by {angle:.1f}°, moved by {shift:.1f} mm.")
        label = self.ui.registrationLabel
        label.text = text.format(
            score=found.score,
            state=_("converged") if found.converged else _("NOT converged: do not rely on it"),
            angle=float((angle**2).sum() ** 0.5),
            shift=float((shift**2).sum() ** 0.5),
        )
        label.styleSheet = "" if found.converged else "color: #c77700"
        label.visible = True
        self.widget.log(label.text)
