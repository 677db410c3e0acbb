"""Step *Depth and surface*: depths, points and surface of the video, and their unit."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from EndoDepthModuleLib import clouds, depths, placing, predicting, registering, video
from EndoDepthModuleLib.live import LiveDepth
from EndoDepthModuleLib.player import player
from meddl.core.errors import MedDLError
from SlicerMedDLLib.newest import POLL
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.tasks import TaskRunner
from SlicerMedDLLib.translation import said


class SurfaceSection(Section):
    """What is made of depths; Apply makes the depths of the whole video."""

    button = "surfaceButton"

    def connect(self) -> None:
        """The scale is that of the video, not of the parameter node."""
        ui = self.ui
        runner = TaskRunner(self.widget.showError, poll=POLL)
        self.live = LiveDepth(runner, self.logic.showLive, self.endLive)
        ui.scaleButton.connect("clicked(bool)", self.onScale)
        ui.cloudButton.connect("clicked(bool)", self.onCloud)
        ui.fuseButton.connect("clicked(bool)", self.onFuse)
        ui.registerButton.connect("clicked(bool)", self.onRegister)
        ui.liveCheckBox.connect("toggled(bool)", self.onLiveToggled)
        player().listeners.append(self.onFrame)

    def disconnect(self) -> None:
        """The panel is gone for good."""
        if self.onFrame in player().listeners:
            player().listeners.remove(self.onFrame)

    def leave(self) -> None:
        """The scene closes."""
        self.live.stop()

    def follow(self) -> None:
        """Buttons for what there is, and the unit."""
        ui, browser = self.ui, self.node.video
        ours = browser is not None and bool(browser.GetAttribute(video.FOLDER))
        has_depths = ours and video.part(browser, depths.DEPTHS) is not None
        ui.scaleButton.enabled = ours
        ui.cloudButton.enabled = ui.fuseButton.enabled = has_depths
        ui.unitLabel.text = self._unit(browser) if ours else ""
        meshed = ours and video.part(browser, clouds.MESH) is not None
        ui.registerButton.enabled = meshed and self.node.surface is not None
        ui.registrationLabel.text = (
            browser.GetAttribute(registering.REGISTERED) or "" if ours else ""
        )

    def _unit(self, browser: Any) -> str:
        scale = placing.mm_per_unit(browser)
        if scale is None:
            return _("Unit: relative")
        return _("Unit: mm (one of the poses' is {scale:.4g} mm)").format(scale=scale)

    def onFrame(self, browser: Any) -> None:
        """Another frame is shown: its depth may be wanted, and a script may have made others."""
        if self.node is None or browser is not self.node.video:
            return
        self.follow()
        if self.node.liveDepth:
            self._requestLive()

    def onLiveToggled(self, checked: bool) -> None:
        """Begin with the shown frame, or end."""
        if not checked:
            self.live.stop()
        elif self.node is not None and self.node.video is not None:
            self._requestLive()

    def _requestLive(self) -> None:
        try:
            self.live.predict(self.node.video, self.widget.network.weights, self.widget.device)
        except MedDLError as error:
            self.endLive()
            self.widget.showError(said(error))

    def endLive(self) -> None:
        """One message is enough: not another one for each frame."""
        if self.node is not None:
            self.node.liveDepth = False

    def onScale(self, checked: bool = False) -> None:
        """Take the entered length of a unit."""
        self.attempt(self.logic.setScale, self.node.video, self.ui.scaleSpinBox.value)
        self.follow()

    def onCloud(self, checked: bool = False) -> None:
        """Show the points of the shown frame."""
        self.attempt(self.startCloud)

    def startCloud(self) -> None:
        """Copy the shown frame's depth and start.

        Raises:
            MedDLError: no depth, no pose, or a task is running.
        """
        browser = self.node.video
        view = clouds.shown_view(browser)

        def done(found: Any) -> None:
            clouds.show_cloud(browser, *found)

        self.widget.start(
            clouds.cloud_of, view, player().sequence(browser), on_done=done, watch=[browser]
        )

    def onFuse(self, checked: bool = False) -> None:
        """Fuse in the worker."""
        self.attempt(self.startFuse)

    def startFuse(self) -> None:
        """Read the sequence and start.

        Raises:
            MedDLError: no depths, no poses, or a task is running.
        """
        browser = self.node.video
        sequence = player().sequence(browser).require_structure()
        folder = depths.depth_folder(browser)

        def done(surface: Any) -> None:
            clouds.show_mesh(browser, surface)
            self.follow()

        parameters = clouds.fusion_parameters(browser, folder, self.node.texture)
        self.widget.start(
            clouds.surface_of, sequence, folder, parameters, on_done=done, watch=[browser]
        )

    def predict(self) -> None:
        """Predict the whole video in the worker, then show it.

        Raises:
            MedDLError: no video, no weights, or a task is running.
        """
        browser = video.require_video(self.node.video)
        self.widget.start(
            predicting.predict_video,
            player().sequence(browser),
            video.folder_of(browser) / video.PREDICTED,
            self.widget.network.weights,
            self.widget.device,
            on_done=lambda nothing: self.addDepths(browser),
            watch=[browser],
        )

    def onRegister(self, checked: bool = False) -> None:
        """Find the place of the mesh in the worker."""
        self.attempt(self.startRegistration)

    def startRegistration(self) -> None:
        """Copy mesh, surface and landmarks and start.

        Raises:
            MedDLError: no mesh or surface, landmarks that are no pairs, or a task is running.
        """
        node, browser = self.node, self.node.video
        job = registering.prepare(
            browser, node.surface, node.meshPoints, node.surfacePoints, node.keepScale
        )

        def done(found: Any) -> None:
            registering.show_registration(browser, found, job.scale, node.meshPoints)
            self.widget.log(registering.summary(found))
            self.follow()

        self.widget.start(
            registering.find_place,
            job,
            on_done=done,
            watch=[browser, node.surface],
        )

    def addDepths(self, browser: Any) -> None:
        """Put the predicted depth maps into the scene, while the window lives."""

        def done() -> None:
            self.logic.showDepths(browser)
            self.follow()

        folder = video.folder_of(browser) / video.PREDICTED
        self.widget.sliced.start(depths.adding_depths(browser, folder), done)
