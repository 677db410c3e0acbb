"""The logic of DesmokeModule: nodes in, nodes out, no dialog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from DesmokeModuleLib import clips, layouts
from DesmokeModuleLib.filtering import Settings, clear_frames, read_video
from DesmokeModuleLib.live import LiveDesmoke
from DesmokeModuleLib.parameternode import DesmokeParameterNode
from DesmokeModuleLib.recorded import adding_frames, adding_results
from DesmokeModuleLib.showing import showing
from meddl.core.errors import InputError
from meddl.core.progress import CancelToken, Progress, no_progress
from SlicerMedDLLib.display import show_picture
from SlicerMedDLLib.newest import POLL
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.sequences import views_of_frames
from SlicerMedDLLib.tasks import TaskRunner


class DesmokeLogic(ScriptedLoadableModuleLogic):
    """Videos and live volumes without smoke."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        showing()  # it follows the scene's videos from now on

    def getParameterNode(self) -> DesmokeParameterNode:
        """The state of the panel, kept in the scene."""
        # The decorator of the class gives it this constructor.
        return DesmokeParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def loadVideo(
        self,
        path: str | Path,
        name: str = "",
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Put the frames of a video into the scene; returns their sequence node.

        Args:
            path: a video file or a folder of pictures.
            name: of the nodes; by default the file's.

        Raises:
            MedDLError: no video, more than the memory takes, or cancelled; nothing is left.
        """
        frames, rate = read_video(path, progress, cancel)
        added: list[Any] = []
        _finish(adding_frames(frames, name or Path(path).stem, rate, added.append))
        return self.showFrames(added[0])

    def showFrames(self, sequence: Any) -> Any:
        """Show a sequence of frames in the first slice view; returns the sequence."""
        browser = clips.browser_of(clips.require_frames(sequence))
        show_picture(clips.before(browser))
        return sequence

    def desmoke(
        self,
        sequence: Any,
        settings: Settings | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Any:
        """Clear all frames of a sequence; returns the sequence of the output.

        It plays in the browser of the input, holds the frames at full strength, and its volume
        shows them at the strength of :meth:`setStrength`. Smoke levels become a table and a chart.

        Args:
            sequence: of colour frames.
            settings: method, weights, device, and what else is wanted.

        Raises:
            MedDLError: no frames, no such weights, or cancelled; the scene is as before.
        """
        images = views_of_frames(clips.require_frames(sequence))
        results = clear_frames(images, len(images), settings or Settings(), progress, cancel)
        _finish(adding_results(sequence, results))
        return self.showOutput(sequence)

    def showOutput(self, sequence: Any) -> Any:
        """Follow what was made of a sequence; returns the sequence of the output."""
        browser = clips.browser_of(sequence)
        showing().add(browser)
        return part(browser, clips.OUTPUT)

    def liveDesmoke(self, volume: Any, settings: Settings | None = None) -> LiveDesmoke:
        """Clear a colour volume whenever it changes, until ``stop()`` of what is returned.

        Args:
            volume: of a video stream, a screen capture, or filled by a script.
            settings: as for :meth:`desmoke`.

        Raises:
            InputError: no colour volume, or it holds no frame.
        """
        live = LiveDesmoke(TaskRunner(poll=POLL))
        live.start(volume, settings or Settings())
        return live

    def setStrength(self, node: Any, strength: float) -> None:
        """Show the output of a sequence or live volume at a strength 0..1, at once."""
        showing().set_strength(owner_of(node), strength)

    def setDivider(self, node: Any, divider: float) -> None:
        """Place the divider at 0..1 of the width; the input is at its left."""
        showing().set_divider(owner_of(node), divider)

    def showViews(self, node: Any, view: str) -> None:
        """Choose one of :data:`DesmokeModuleLib.layouts.VIEWS` for a sequence or live volume.

        Raises:
            InputError: maps are to be shown that were not made.
        """
        layouts.arrange(view)
        owner = owner_of(node)
        output = clips.shown(owner, clips.OUTPUT) if owner is not None else None
        if output is None or view == layouts.AS_BEFORE:
            return
        layouts.show_chart(part(owner, clips.CHART))
        if view == layouts.DIVIDER:
            show_picture(showing().divide(owner), layouts.DIVIDED_VIEW)
        elif view == layouts.MAPS:
            maps = [clips.shown(owner, role) for role in (clips.DARK, clips.TRANSMISSION)]
            if None in maps:
                raise InputError(_("tick Transmission and Dark channel first, and clear again"))
            layouts.show_linked(clips.before(owner), *maps)
        else:
            layouts.show_linked(clips.before(owner), output)


def owner_of(node: Any) -> Any:
    """The browser of a sequence; a browser or a volume is its own owner."""
    is_sequence = node is not None and node.IsA("vtkMRMLSequenceNode")
    return clips.browser_of(node) if is_sequence else node


def _finish(steps: Any) -> None:
    for _step in steps:
        pass
