"""Shows the frame that a video's browser selects: by a slider, a script or playback."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from slicer.i18n import tr as _

from EndoDepthModuleLib import textures, video
from meddl.core.errors import FileError, MedDLError
from meddl.endodepth.sequence import EndoscopicSequence, read_sequence
from SlicerMedDLLib.followers import Follower
from SlicerMedDLLib.sequences import image_from_frame
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.volumes import volume_from_image

KEPT_FRAMES = 8  # decoded ones; 50 MB of full HD


class Player(Follower):
    """Follows the browsers of the scene's videos; :func:`player` gives the only one.

    Frames are decoded in the main thread, so that the picture is always that of the slider: a JPEG
    of full HD takes 15 ms.

    Attributes:
        listeners: called with the browser after another frame was asked for.
        decorators: each may draw on a copy of the frame: ``(browser, sequence, number, frame) ->
            frame``.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[Any], None]] = []
        self.decorators: list[Callable[..., NDArray[Any]]] = []
        self._sequences: OrderedDict[Path, tuple[int, EndoscopicSequence]] = OrderedDict()
        self._frames: OrderedDict[tuple[Path, int], NDArray[Any]] = OrderedDict()
        self._shown: dict[str, tuple[Path, int]] = {}
        self._problems: dict[str, str] = {}
        super().__init__()

    def follow(self, browser: Any) -> None:
        """Show the frames of a video from now on."""
        super().follow(browser)
        self.refresh(browser)

    def sequence(self, browser: Any) -> EndoscopicSequence:
        """The sequence of a video as it lies in its folder now.

        Raises:
            FileError: the folder or one of its files is missing or damaged.
        """
        folder = video.folder_of(browser)
        state = _state(folder)
        known = self._sequences.get(folder)
        if known is None or known[0] != state:
            known = self._sequences[folder] = (state, read_sequence(folder))
            while len(self._sequences) > 2:
                self._sequences.popitem(last=False)
        return known[1]

    def frame(self, browser: Any, number: int) -> NDArray[Any]:
        """A frame (H, W, 3) uint8 of a video, from the last ones if it is among them; read-only.

        Raises:
            MedDLError: no such frame, or its file is missing or damaged.
        """
        key = (video.folder_of(browser), number)
        frame = self._frames.get(key)
        if frame is None:
            frame = self.sequence(browser).frame(number)
            frame.flags.writeable = False
            self._frames[key] = frame
            while len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        self._frames.move_to_end(key)
        return frame

    def problem(self, browser: Any) -> str:
        """Why the selected frame is not shown; empty if it is."""
        return self._problems.get(browser.GetID(), "")

    def refresh(self, browser: Any) -> None:
        """Show the selected frame, also if it is shown already."""
        number = video.frame_number(browser)
        key = browser.GetID()
        self._shown[key] = (video.folder_of(browser), number)
        try:
            frame = self.frame(browser, number)
            for decorate in self.decorators:
                frame = decorate(browser, self.sequence(browser), number, frame)
        except MedDLError as error:
            self._problems[key] = said(error)
        else:
            self._problems.pop(key, None)
            volume_from_image(image_from_frame(frame), node=video.frame_volume(browser))
        for listener in list(self.listeners):
            listener(browser)

    def forget(self) -> None:
        """Drop what was decoded and read."""
        self._frames.clear()
        self._sequences.clear()

    def changed(self, browser: Any) -> None:
        """Show another frame if another one is selected."""
        if browser.GetMasterSequenceNode() is None or not browser.GetAttribute(video.FOLDER):
            return
        seen = (video.folder_of(browser), video.frame_number(browser))
        if seen != self._shown.get(browser.GetID()):
            self.refresh(browser)

    def arrived(self) -> None:
        """Show the videos of a loaded scene."""
        textures.connect_all()
        for browser in video.videos():
            self.follow(browser)

    def closed(self) -> None:
        """Drop what belonged to the closed scene."""
        self.forget()
        self._shown.clear()
        self._problems.clear()

    def removed(self, browser: Any) -> None:
        """Drop what belonged to a removed video."""
        self._shown.pop(browser.GetID(), None)
        self._problems.pop(browser.GetID(), None)


@cache
def player() -> Player:
    """The application's only player."""
    return Player()


def _state(folder: Path) -> int:
    """Changes when a command has written into the folder: all of them write by renaming.

    Raises:
        FileError: the folder is not there.
    """
    try:
        return folder.stat().st_mtime_ns
    except OSError as error:
        raise FileError(
            _("the frames are not in {folder} ({reason}); say where they are with Relocate").format(
                folder=folder, reason=error.strerror
            )
        ) from error
