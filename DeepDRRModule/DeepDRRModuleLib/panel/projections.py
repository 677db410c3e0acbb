"""Section *Projections*: markups, segments and models drawn on the output volume."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from DeepDRRModuleLib import projections, radiographs
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.volumes import view_of_volume


class ProjectionsSection(Section):
    """Three selectors with a button each."""

    button = "projectionsButton"

    def connect(self) -> None:
        """The buttons."""
        self.ui.projectMarkupsButton.connect("clicked(bool)", self.onMarkups)
        self.ui.projectSegmentsButton.connect("clicked(bool)", self.onSegments)
        self.ui.projectModelButton.connect("clicked(bool)", self.onModel)

    def follow(self) -> None:
        """A button needs a radiograph and what is to be drawn."""
        node = self.node
        ours = node.radiograph is not None and radiographs.is_radiograph(node.radiograph)
        for button, subject in (
            (self.ui.projectMarkupsButton, node.markups),
            (self.ui.projectSegmentsButton, node.shadowed),
            (self.ui.projectModelButton, node.outlined),
        ):
            button.enabled = ours and subject is not None

    def onMarkups(self, checked: bool = False) -> None:
        """Draw the chosen markups."""
        self._said(self.attempt(self.logic.projectMarkups, self.node.markups, self.node.radiograph))

    def onModel(self, checked: bool = False) -> None:
        """Draw the outline of the chosen model."""
        self._said(self.attempt(self.logic.projectModel, self.node.outlined, self.node.radiograph))

    def _said(self, made: Any) -> None:
        if made is not None:
            self.widget.showStatus(_("Made {name}").format(name=made.GetName()))

    def onSegments(self, checked: bool = False) -> None:
        """Make the shadows of the chosen segmentation in the worker."""
        self.attempt(self.startSegments)

    def startSegments(self) -> None:
        """Copy the segments and start.

        Raises:
            InputError: nothing to project, or a task is running.
        """
        node = self.node
        segmentation, radiograph = node.shadowed, node.radiograph
        camera = radiographs.camera_of(radiograph)
        reference = view_of_volume(projections.reference_of(radiograph, node.ctVolume))
        bodies = projections.bodies_of(segmentation, reference)

        def done(masks: Any) -> None:
            projections.shadows_to_node(bodies, masks, radiograph, segmentation.GetName())

        self.widget.start(
            projections.shadows, bodies, camera, on_done=done, watch=[segmentation, radiograph]
        )
