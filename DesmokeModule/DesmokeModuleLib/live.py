"""A volume that changes by itself, cleared as it changes: the newest picture wins.

The smoke levels of the latest pictures are the volume's table and chart, as those of a video are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from DesmokeModuleLib import clips, filtering, smokecurve
from DesmokeModuleLib.recorded import NAMES, pictures, show_unit_range
from DesmokeModuleLib.showing import showing
from meddl.core.errors import MedDLError
from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress, no_progress
from SlicerMedDLLib.followers import Follower
from SlicerMedDLLib.newest import NewestWins
from SlicerMedDLLib.nodes import describe, part, require_node, set_part
from SlicerMedDLLib.sequences import require_frame
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.volumes import VECTOR, image_from_volume, view_of_volume, volume_from_image

# Translated here: a worker must not (see tasks).
PICTURE = _("picture")

WINDOW = 50  # pictures over which the rate is counted


@dataclass(frozen=True, eq=False)
class Request:
    """A picture that is to be cleared.

    Attributes:
        volume: the live node.
        image: a copy of its picture.
        settings: how.
        time: when it came, s.
    """

    volume: Any
    image: Image
    settings: filtering.Settings
    time: float


class _LiveFilter:
    """The filter with its memory of the pictures before; lives on the worker."""

    def __init__(self) -> None:
        self._settings: filtering.Settings | None = None
        self._desmoker: Any = None

    def __call__(
        self, request: Request, progress: Progress = no_progress, cancel: CancelToken | None = None
    ) -> filtering.Cleared:
        settings = request.settings
        if settings != self._settings:
            self._desmoker = filtering.make_desmoker(settings)
            self._settings = settings
        return filtering.clear(self._desmoker, request.image, settings, PICTURE)


class LiveDesmoke(Follower):
    """Clears a vector volume whenever it changes.

    Args:
        runner: a :class:`SlicerMedDLLib.tasks.TaskRunner` of its own, polled every few ms.
        on_shown: called after a cleared picture has entered the scene.
        on_ended: called with the reason when it has ended by itself.

    Attributes:
        volume: the live node; None while nothing is followed.
        received, shown: pictures that came, and that were cleared; the others were dropped.
        level: smoke level of the last one, 0..1.
        delay: seconds from its arrival to its being shown.
    """

    events = (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)

    def __init__(
        self,
        runner: Any,
        on_shown: Callable[[], None] = lambda: None,
        on_ended: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.volume: Any = None
        self.received = self.shown = 0
        self.level = self.delay = 0.0
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._begun = 0.0
        self._levels: deque[tuple[float, float]] = deque(maxlen=smokecurve.LATEST)  # s, level
        self._settings = filtering.Settings()
        self._seen: Any = None
        self._on_shown, self._on_ended = on_shown, on_ended
        self._newest = NewestWins(runner, _LiveFilter(), self._show, self._failed)
        super().__init__()

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._newest.busy

    @property
    def rate(self) -> float:
        """Cleared pictures per second lately; 0 at first."""
        span = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0

    def start(self, volume: Any, settings: filtering.Settings) -> None:
        """Clear ``volume`` now and after each change, or go on with other settings.

        Raises:
            InputError: no vector volume, an empty one, or one that holds no frame.
        """
        require_live(volume)
        if volume is not self.volume:
            self.stop()
            self.volume, self.received, self.shown = volume, 0, 0
            self._times.clear()
            self._begun = time.monotonic()
            self._levels.clear()
            self.follow(volume)
        self._settings, self._seen = settings, None
        self.changed(volume)

    def change(self, settings: filtering.Settings) -> None:
        """Clear by other settings from now on; nothing happens if they are the same."""
        if self.volume is not None and settings != self._settings:
            self._settings, self._seen = settings, None
            self.changed(self.volume)

    def stop(self) -> None:
        """Follow no longer; the last output stays."""
        volume, self.volume = self.volume, None
        if volume is not None:
            self.unfollow(volume)
        self._newest.stop()

    def changed(self, volume: Any) -> None:
        """The volume has a new picture, or something else of it has changed."""
        data = volume.GetImageData()
        # A name or a reference is a change of the node, too, but not of its picture.
        stamp = data.GetMTime() if data is not None else -1
        if volume is not self.volume or stamp == self._seen or _between_sizes(data):
            return
        self._seen = stamp
        try:
            image = image_from_volume(volume)
        except MedDLError as error:
            self._end(said(error))
            return
        self.received += 1
        self._newest.request(Request(volume, image, self._settings, time.monotonic()), volume)

    def removed(self, volume: Any) -> None:
        """The volume leaves the scene."""
        self._end(_("{volume} was removed").format(volume=describe(volume)))

    def closed(self) -> None:
        """The scene is closed."""
        self.stop()

    def _end(self, reason: str) -> None:
        self.stop()
        self._on_ended(reason)

    def _failed(self) -> None:
        self.stop()
        self._on_ended("")

    def _show(self, request: Request, cleared: filtering.Cleared) -> None:
        if request.volume is not self.volume:
            return
        show_live(request.volume, cleared)
        self.shown += 1
        self.level, self.delay = cleared.level, time.monotonic() - request.time
        self._times.append(time.monotonic())
        self._levels.append((request.time - self._begun, cleared.level))
        smokecurve.show_latest(request.volume, *zip(*self._levels, strict=True))
        self._on_shown()


def _between_sizes(data: Any) -> bool:
    """Whether an image has its new size but not yet its new pixels, which are another change."""
    scalars = data.GetPointData().GetScalars() if data is not None else None
    return scalars is not None and scalars.GetNumberOfTuples() != data.GetNumberOfPoints()


def require_live(volume: Any) -> Any:
    """Return ``volume`` if it holds a colour frame.

    Raises:
        InputError: none, a scalar volume, an empty one, or one of several slices.
    """
    require_node(volume, VECTOR, _("colour volume"))
    require_frame(view_of_volume(volume), _("picture of {node}").format(node=describe(volume)))
    return volume


def show_live(volume: Any, cleared: filtering.Cleared) -> None:
    """Put what was made of a live volume's picture into the scene."""
    for role, picture in pictures(cleared).items():
        image = cleared.frame.with_array(picture[np.newaxis])
        node = part(volume, role)
        if node is None:
            node = volume_from_image(image, f"{volume.GetName()} {NAMES[role]}")
            set_part(volume, role, node)
            if role != clips.OUTPUT:
                show_unit_range(node)
        elif role != clips.OUTPUT:
            volume_from_image(image, node=node)
    showing().show_live(volume, cleared.frame, cleared.clear)
