"""What the views show of a desmoked video: the output at a strength, both halves of a divider."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from DesmokeModuleLib import clips, smokecurve
from DesmokeModuleLib.filtering import Frame, mix
from meddl.core.image import Image
from SlicerMedDLLib.followers import Follower
from SlicerMedDLLib.nodes import part, set_part
from SlicerMedDLLib.sequences import upright
from SlicerMedDLLib.volumes import view_of_volume, volume_from_image

LINE = 2  # pixels; of the divider


def divided(picture: Frame, output: Frame, divider: float) -> Frame:
    """The picture at the left of ``divider`` (0..1 of the width), the output at the right of it."""
    column = round(divider * picture.shape[1])
    both = output.copy()
    both[:, :column] = picture[:, :column]
    both[:, max(column - LINE // 2, 0) : column + LINE // 2] = 255
    return both


class Showing(Follower):
    """Follows the scene's desmoked videos; :func:`showing` gives the only one.

    The output is kept at full strength; the volume that shows it is mixed with the input, in a
    millisecond for 640x480, so that nothing is estimated anew when the strength changes.

    Attributes:
        listeners: called with the owner after another frame is shown.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[Any], None]] = []
        self._live: dict[str, tuple[Image, Frame]] = {}
        self._browsers: dict[str, Any] = {}  # by the volume that shows the output
        self._stamp: tuple[Any, ...] = ()
        self._last: tuple[Image, Frame] | None = None  # the pair with that stamp
        self._writing = False
        super().__init__()

    def set_strength(self, owner: Any, strength: float) -> None:
        """Show the output of a video or live volume at a strength 0..1 from now on."""
        self._keep(owner, clips.STRENGTH, strength)

    def set_divider(self, owner: Any, divider: float) -> None:
        """Place the divider, 0 (all output) to 1 (all input) of the width."""
        self._keep(owner, clips.DIVIDER, divider)

    def _keep(self, owner: Any, attribute: str, value: float) -> None:
        # Told of a change, the browser would copy all of its frames into their volumes again.
        owner.DisableModifiedEventOn()
        owner.SetAttribute(attribute, repr(float(value)))
        owner.DisableModifiedEventOff()
        self.refresh(owner)

    def divide(self, owner: Any) -> Any:
        """The volume with input and output at either side of the divider, made if need be.

        Returns:
            It, or None before there is an output.
        """
        pair = self._pair(owner)
        node = part(owner, clips.DIVIDED)
        if node is None and pair is not None:
            name = f"{clips.before(owner).GetName()} before and after"
            node = volume_from_image(pair[0], name)
            set_part(owner, clips.DIVIDED, node)
        self.refresh(owner)
        return node

    def add(self, browser: Any) -> None:
        """Follow the output of a video from now on."""
        proxy = clips.shown(browser, clips.OUTPUT)
        if proxy is not None:
            self._browsers[proxy.GetID()] = browser
            self.follow(proxy)
            self.refresh(browser)
            self._tell(browser)

    def show_live(self, volume: Any, frame: Image, output: Frame) -> None:
        """Show what was made of a live volume's picture."""
        self._live[volume.GetID()] = (frame, output)
        self.follow(volume)  # until it is removed
        self.refresh(volume)

    def refresh(self, owner: Any) -> None:
        """Show the shown frame's output at the owner's strength, and both halves."""
        pair, output = self._pair(owner), clips.shown(owner, clips.OUTPUT)
        if pair is None or output is None:
            return
        frame, full = pair
        mixed = mix(frame.array[0], full, clips.number(owner, clips.STRENGTH, 1.0))
        self._writing = True
        try:
            volume_from_image(frame.with_array(mixed[np.newaxis]), node=output)
            both = part(owner, clips.DIVIDED)
            if both is not None:
                divider = clips.number(owner, clips.DIVIDER, 0.5)
                halves = divided(frame.array[0], mixed, divider)
                volume_from_image(frame.with_array(halves[np.newaxis]), node=both)
        finally:
            self._writing = False

    def _tell(self, browser: Any) -> None:
        smokecurve.mark_shown(browser)
        for listener in list(self.listeners):
            listener(browser)

    def _pair(self, owner: Any) -> tuple[Image, Frame] | None:
        """The shown picture and its output at full strength."""
        if not owner.IsA(clips.BROWSER):
            return self._live.get(owner.GetID())
        item = owner.GetSelectedItemNumber()
        sequences = [part(owner, role) for role in (clips.INPUT, clips.OUTPUT)]
        if item < 0 or None in sequences:
            return None
        nodes = [sequence.GetNthDataNode(item) for sequence in sequences]
        if None in nodes:
            return None
        stamp = (owner.GetID(), *(node.GetImageData().GetMTime() for node in nodes))
        if stamp != self._stamp:  # while a slider moves, the frames stay
            frame, output = (upright(view_of_volume(node)) for node in nodes)
            self._stamp, self._last = stamp, (frame, output.array[0])
        return self._last

    # As a follower

    def arrived(self) -> None:
        """Follow the videos of a loaded scene."""
        for browser in clips.clips():
            self.add(browser)

    def changed(self, proxy: Any) -> None:
        """The browser shows another frame."""
        browser = self._browsers.get(proxy.GetID())
        if browser is not None and not self._writing:
            whole = clips.number(browser, clips.STRENGTH, 1.0) >= 1
            if not whole or part(browser, clips.DIVIDED) is not None:
                self.refresh(browser)  # else the browser has shown it already
            self._tell(browser)

    def removed(self, volume: Any) -> None:
        """An output or a live volume was removed."""
        self._browsers.pop(volume.GetID(), None)
        self._live.pop(volume.GetID(), None)

    def closed(self) -> None:
        """Forget the closed scene."""
        self._live.clear()
        self._browsers.clear()
        self._stamp, self._last = (), None


@cache
def showing() -> Showing:
    """The application's only one."""
    return Showing()
