"""Radiographs while the C-arm moves: the newest pose is rendered, the ones before are dropped.

A CT is decomposed into materials once; each view then takes milliseconds. While requests come in,
pictures have at most :data:`COARSE` pixels a side; when none has come for :data:`PAUSE`
milliseconds, the last one is rendered whole.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from slicer.i18n import tr as _

from meddl.core.image import Image
from meddl.core.progress import CancelToken, Progress
from meddl.deepdrr.carm import CArm
from meddl.deepdrr.labels import Labels
from meddl.deepdrr.prepared import READING_FIELDS, prepare
from meddl.deepdrr.radiograph import RenderParameters, render_prepared
from meddl.deepdrr.solids import Solid

# Translated here: a worker must not (see tasks).
PREPARING_MATERIALS = _("preparing materials")

COARSE = 256  # pixels
PAUSE = 300  # ms; longer than between two steps of a dragged slider
POLL = 5  # ms
LARGEST = 150_000_000  # voxels up to which the preview is on by itself: 1.2 GB with three materials
# The exact projector needs 0.7 s for 256x256 of the bundled CT, this one 0.04 s (two cores).
BACKEND = "numba"


@dataclass(frozen=True, eq=False)
class Request:
    """A radiograph that is wanted.

    Attributes:
        key: of what is prepared: CT, labels, and :func:`preparation` of the parameters.
        load: gives CT and labels, in the main thread, if the key is a new one.
        volume: the CT's node; if it is removed, the picture is dropped.
    """

    key: Hashable
    load: Callable[[], tuple[Image, Labels | None]]
    carm: CArm
    parameters: RenderParameters
    solids: Sequence[Solid]
    volume: Any


def preparation(parameters: RenderParameters) -> tuple[Hashable, ...]:
    """The parameters that decide what :func:`meddl.deepdrr.prepared.prepare` makes of a CT."""
    return tuple(
        parameters.quantity == "integral" if item.name == "quantity" else value
        for item in fields(parameters)
        if item.name not in READING_FIELDS
        for value in (getattr(parameters, item.name),)
    )


def binning(carm: CArm) -> int:
    """How many pixels one of a coarse picture covers along each side."""
    return -(-max(carm.detector_size) // COARSE)


@lru_cache(maxsize=8)  # the same for all pictures of a movement
def for_preview(parameters: RenderParameters, coarse: bool) -> RenderParameters:
    """What of the parameters a preview keeps: no Monte Carlo; no scatter and noise while moving."""
    changes: dict[str, Any] = {}
    if parameters.backend == "auto":
        changes["backend"] = BACKEND
    if coarse or parameters.scatter == "montecarlo":
        changes["scatter"] = "none"
    if coarse:
        changes["noise"] = False
    return replace(parameters, **changes)


def prepare_whole(
    ct: Image,
    parameters: RenderParameters,
    labels: Labels | None,
    progress: Progress,
    cancel: CancelToken,
) -> Any:
    """:func:`meddl.deepdrr.prepared.prepare` as a task.

    Raises:
        InputError: no CT, NaN, or values out of bounds.
    """
    progress(0.0, PREPARING_MATERIALS)
    cancel.check()
    return prepare(ct.require_volume("CT").require_finite("CT"), parameters, labels)


class Preview:
    """Keeps one prepared CT and renders the newest request on the runner's worker.

    Args:
        runner: a :class:`SlicerMedDLLib.tasks.TaskRunner` of its own, polled every :data:`POLL` ms.
        on_picture: gets request, radiograph and binning (1: the whole picture), in the main thread.
        on_free: called before that, once the worker is free: the next request is rendered while
            the picture is put into the scene.
    """

    def __init__(
        self,
        runner: Any,
        on_picture: Callable[[Request, Image, int], None],
        on_free: Callable[[], None],
    ) -> None:
        import qt

        self._runner, self._on_picture, self._on_free = runner, on_picture, on_free
        self._moving = False
        self._wanted: Request | None = None
        self._last: Request | None = None
        self._whole = False  # whether the wanted or running picture is the whole one
        self._key: Hashable = None
        self._running_key: Hashable = None
        self._prepared: Any = None
        self._pause = qt.QTimer()
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.connect("timeout()", self._refine)

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._runner.busy or self._wanted is not None or self._pause.isActive()

    @property
    def moving(self) -> bool:
        """Whether a coarse picture is being rendered, after which ``on_free`` is called."""
        return self._moving

    def request(self, request: Request) -> None:
        """Render this soon; what was requested before and has not begun is dropped."""
        if self._runner.busy and (self._whole or self._running_key != request.key):
            self._runner.cancel()
        self._wanted, self._last, self._whole = request, request, False
        self._pause.start()
        self._advance()

    def stop(self) -> None:
        """Drop everything; the prepared CT stays."""
        self._pause.stop()
        self._wanted = None
        self._runner.cancel()

    def forget(self) -> None:
        """:meth:`stop`, and free the prepared CT."""
        self.stop()
        self._last, self._key, self._prepared = None, None, None

    def _refine(self) -> None:
        if self._last is None or (binning(self._last.carm) == 1 and not self._differs(self._last)):
            return
        if self._runner.busy:  # preparing, or a slow picture: whole once that is done
            self._pause.start()
            return
        self._wanted, self._whole = self._last, True
        self._advance()

    @staticmethod
    def _differs(request: Request) -> bool:
        return for_preview(request.parameters, True) != for_preview(request.parameters, False)

    def _advance(self) -> None:
        request = self._wanted
        if self._runner.busy or request is None:
            return
        self._running_key = request.key
        if request.key != self._key:
            self._prepare(request)
        else:
            self._wanted = None
            self._render(request, 1 if self._whole else binning(request.carm))

    def _prepare(self, request: Request) -> None:
        # The old one is freed first: two CTs at once may not fit.
        self._key, self._prepared = None, None
        ct, labels = request.load()

        def done(prepared: Any) -> None:
            self._key, self._prepared = request.key, prepared
            self._advance()

        self._runner.run(
            prepare_whole,
            ct,
            for_preview(request.parameters, True),
            labels,
            on_done=done,
            on_error=self._failed,
            on_cancelled=self._advance,
            watch=[request.volume],
        )

    def _render(self, request: Request, factor: int) -> None:
        def done(radiograph: Image) -> None:
            self._ended()
            self._on_picture(request, radiograph, factor)

        self._moving = not self._whole
        self._runner.run(
            render_prepared,
            self._prepared,
            request.carm.binned(factor) if factor > 1 else request.carm,
            for_preview(request.parameters, not self._whole),
            solids=request.solids,
            on_done=done,
            on_error=self._failed,
            on_cancelled=self._ended,
            watch=[request.volume],
        )

    def _ended(self) -> None:
        self._moving = False
        self._on_free()
        self._advance()

    def _failed(self, message: str) -> None:
        """The same request would fail again: wait for another one."""
        self._wanted = None
        self._pause.stop()
        self._ended()
