"""Step *Depth and surface*: depths, points and surface of the video, and their unit."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from EndoDepthModuleLib import clouds, depths, placing, video
from EndoDepthModuleLib.player import player
from meddl.endodepth.depth_maps import read_depth_folder
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.slices import SlicedWork


class SurfaceSection(Section):
    """What is made of depths; Apply makes the depths of the whole video."""

    button = "surfaceButton"

    def connect(self) -> None:
        """The scale is that of the video, not of the parameter node."""
        ui = self.ui
        self._adding = SlicedWork(self.widget)
        ui.scaleButton.connect("clicked(bool)", self.onScale)
        ui.cloudButton.connect("clicked(bool)", self.onCloud)
        ui.fuseButton.connect("clicked(bool)", self.onFuse)

    def leave(self) -> None:
        """The scene closes: depths that are half in it go."""
        self._adding.stop()

    @property
    def busy(self) -> bool:
        """Whether depth maps are being put into the scene."""
        return self._adding.busy

    def follow(self) -> None:
        """Buttons for what there is, and the unit."""
        ui, browser = self.ui, self.node.video
        ours = browser is not None and bool(browser.GetAttribute(video.FOLDER))
        has_depths = ours and video.part(browser, depths.DEPTHS) is not None
        ui.scaleButton.enabled = ours
        ui.cloudButton.enabled = ui.fuseButton.enabled = has_depths
        ui.unitLabel.text = self._unit(browser) if ours else ""

    def _unit(self, browser: Any) -> str:
        scale = placing.mm_per_unit(browser)
        if scale is None:
            return _("Unit: relative")
        return _("Unit: mm (one of the poses' is {scale:.4g} mm)").format(scale=scale)

    def onScale(self, checked: bool = False) -> None:
        """Take the entered length of a unit."""
        self.attempt(self.logic.setScale, self.node.video, self.ui.scaleSpinBox.value)
        self.follow()

    def onCloud(self, checked: bool = False) -> None:
        """Show the points of the shown frame."""
        self.attempt(self.logic.showCloud, self.node.video)

    def onFuse(self, checked: bool = False) -> None:
        """Fuse in the worker."""
        self.attempt(self.startFuse)

    def startFuse(self) -> None:
        """Read the sequence and start.

        Raises:
            MedDLError: no depths, no poses, or a task is running.
        """
        from meddl.endodepth.fusion import fuse

        browser = self.node.video
        sequence = player().sequence(browser).require_structure()
        folder = read_depth_folder(video.folder_of(browser) / video.DEPTH)

        def done(surface: Any) -> None:
            clouds.show_mesh(browser, surface)
            self.follow()

        self.widget.start(fuse, sequence, folder, on_done=done, watch=[browser])

    def addDepths(self, browser: Any) -> None:
        """Put the depth maps of the video's folder into the scene, while the window lives."""

        def done() -> None:
            self.logic.showDepths(browser)
            self.follow()

        folder = video.folder_of(browser) / video.DEPTH
        self._adding.start(depths.adding_depths(browser, folder), done)
