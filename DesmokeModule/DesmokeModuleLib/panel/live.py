"""Section *Live*: a volume of the scene that changes by itself."""

from __future__ import annotations

from slicer.i18n import tr as _

from DesmokeModuleLib.live import LiveDesmoke
from SlicerMedDLLib.newest import POLL
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.tasks import TaskRunner


class LiveSection(Section):
    """Starts and stops; says how fast it is."""

    button = "liveButton"

    def connect(self) -> None:
        """A runner of its own: it looks often."""
        runner = TaskRunner(self.widget.showError, poll=POLL)
        self.live = LiveDesmoke(runner, self.onShown, self.onEnded)
        self.ui.startLiveButton.connect("clicked(bool)", self.onStart)

    def leave(self) -> None:
        """The scene closes or the module is unloaded."""
        self.live.stop()

    def disconnect(self) -> None:
        """The panel is gone for good."""
        self.live.stop()
        self.live.removeObservers()

    def follow(self) -> None:
        """The button, and changed settings for what runs."""
        ui, running = self.ui, self.live.volume is not None
        ui.startLiveButton.enabled = running or self.node.liveInput is not None
        ui.startLiveButton.text = _("Stop") if running else _("Start live")
        if running and self.node.liveInput is self.live.volume:
            self.live.change(self.widget.settings())

    def onStart(self, checked: bool = False) -> None:
        """Start with the chosen volume, or stop."""
        if self.live.volume is not None:
            self.live.stop()
            self.follow()
            self.ui.liveLabel.text = _("Stopped; the last picture stays")
            return
        self.attempt(self.live.start, self.node.liveInput, self.widget.settings())
        self.follow()

    def onShown(self) -> None:
        """Another picture was cleared."""
        live = self.live
        self.ui.levelBar.value = round(100 * live.level)
        self.ui.liveLabel.text = _(
            "{rate:.1f} pictures per second, {delay:.0f} ms behind, {dropped} of {count} dropped"
        ).format(
            rate=live.rate,
            delay=1000 * live.delay,
            dropped=max(live.received - live.shown, 0),
            count=live.received,
        )
        if live.shown == 1 and self.node is not None:
            self.widget.views.start()

    def onEnded(self, reason: str) -> None:
        """The volume was removed, or clearing it failed."""
        self.ui.liveLabel.text = reason or _("Stopped by an error")
        if reason:
            self.widget.showStatus(reason)
        if self.node is not None:
            self.follow()
