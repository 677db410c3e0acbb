"""Section *Before and after*: strength, views, divider, the click in the curve."""

from __future__ import annotations

from typing import Any

from DesmokeModuleLib import clips, smokecurve
from DesmokeModuleLib.dividerdrag import DividerDrag
from DesmokeModuleLib.plotclicks import PlotClicks
from DesmokeModuleLib.showing import showing
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.section import Section


class ViewsSection(Section):
    """What the views show of the owner that is worked on: the live volume or the video."""

    button = "viewsButton"

    def connect(self) -> None:
        """Sliders and choices are bound to the parameter node; the plot is Slicer's."""
        self._shown: tuple[Any, ...] = ()
        self._clicks = PlotClicks(self.onClick)
        self._drag = DividerDrag(self.divided, self.onDrag)
        showing().listeners.append(self.onShown)

    def disconnect(self) -> None:
        """The panel is gone for good."""
        self._clicks.stop()
        self._drag.stop()
        if self.onShown in showing().listeners:
            showing().listeners.remove(self.onShown)

    def bind(self) -> None:
        """Nothing has been shown of this scene."""
        self._shown = ()

    def owner(self) -> Any:
        """What has an output and is worked on: the running live volume, else the video, else the
        live volume that has been stopped; None without one."""
        node, running = self.node, self.widget.live.live.volume
        video = clips.player_of(node.frames) if node.frames is not None else None
        for owner in (running, video, node.liveInput):
            if owner is not None and clips.shown(owner, clips.OUTPUT) is not None:
                return owner
        return None

    def follow(self) -> None:
        """Show what has changed: it is a matter of milliseconds."""
        node, before = self.node, self._shown
        self._shown = (node.view, node.strength, node.divider)
        if before and node.view != before[0]:
            self.arrange()
        if before and node.strength != before[1]:
            self.showStrength()
        if before and node.divider != before[2]:
            self.showDivider()
        self.showLevel()
        self.ui.dividerSlider.enabled = node.view == "divider"

    def arrange(self) -> None:
        """The chosen views of the owner."""
        self.attempt(self.logic.showViews, self.owner(), self.node.view)

    def showStrength(self) -> None:
        """The chosen strength."""
        owner = self.owner()
        if owner is not None:
            showing().set_strength(owner, self.node.strength)

    def showDivider(self) -> None:
        """The chosen place of the divider."""
        owner = self.owner()
        if owner is not None:
            showing().set_divider(owner, self.node.divider)

    def start(self) -> None:
        """Something has got its first output: show it as the panel says."""
        self.showStrength()
        self.showDivider()
        self.arrange()

    def onShown(self, browser: Any) -> None:
        """A video shows another frame."""
        if self.node is not None:
            self.showLevel()

    def showLevel(self) -> None:
        """The smoke level of the shown frame."""
        owner = self.owner()
        if owner is None or not owner.IsA(clips.BROWSER):
            return
        levels, item = smokecurve.levels_of(owner), owner.GetSelectedItemNumber()
        if 0 <= item < len(levels):
            self.ui.levelBar.value = round(100 * float(levels[item]))

    def divided(self) -> tuple[Any, float] | None:
        """The volume with the divider, and its place."""
        owner = self.owner() if self.node is not None else None
        volume = part(owner, clips.DIVIDED) if owner is not None else None
        return None if volume is None else (volume, self.node.divider)

    def onDrag(self, place: float) -> None:
        """The mouse moves the divider."""
        self.node.divider = place

    def onClick(self, chart: Any, value: float) -> None:
        """Select the frame that was clicked in the curve of a video."""
        for browser in clips.clips():
            if part(browser, clips.CHART) is chart:
                smokecurve.jump(browser, value)
