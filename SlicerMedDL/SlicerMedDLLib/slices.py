"""Long work that must touch the scene: done in slices between the events of the window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import qt
from slicer.i18n import tr as _

from meddl.core.errors import MedDLError
from SlicerMedDLLib.translation import said

SLICE = 0.03  # s; longer and a dragged slider is felt to stick


class SlicedWork:
    """Steps through an iterator of (fraction, message) in the main thread, shown in a panel.

    Nodes may only be touched in the main thread, so a thousand of them are made a few at a time.

    Args:
        widget: the module's widget.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._steps: Iterator[tuple[float, str]] | None = None
        self._done: Callable[[], None] | None = None
        self._first = False
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._advance)

    @property
    def busy(self) -> bool:
        """Whether there is something left to do."""
        return self._done is not None

    @property
    def _all_done(self) -> bool:
        """Whether ``on_done`` alone is left."""
        return self._steps is None and self.busy

    def start(
        self, steps: Iterator[tuple[float, str]], on_done: Callable[[], None], first: bool = False
    ) -> None:
        """Step through ``steps`` from now on, then call ``on_done``; earlier ones are abandoned.

        Args:
            steps: the fraction done and a message, after each step.
            on_done: called in a turn of its own.
            first: other work follows in ``on_done``, which will say how it ended. What takes less
                than a slice is then done, ``on_done`` included, when this returns.
        """
        self.stop()
        self._steps, self._done, self._first = steps, on_done, first
        self._timer.start()
        if first:
            self._advance()
            if self._all_done:
                self._advance()
        self._widget.updateApply()

    def stop(self) -> None:
        """Abandon the work; a generator undoes what it has begun."""
        steps, self._steps = self._steps, None
        if self.busy:
            getattr(steps, "close", lambda: None)()
            self._end(_("Cancelled"))

    def _advance(self) -> None:
        steps, end = self._steps, time.monotonic() + SLICE
        if steps is None and self._done is not None:  # the final update has a turn of its own
            done = self._done
            self._end("" if self._first else _("Done"))
            done()
            self._widget.updateApply()
            return
        step: tuple[float, str] | None = None
        try:
            while steps is not None and time.monotonic() < end:
                step = next(steps)
        except StopIteration:
            self._steps = None
        except MedDLError as error:
            self._end(said(error))
            self._widget.showError(said(error))
            return
        if step is not None:
            self._widget.showProgress(*step)

    def _end(self, status: str) -> None:
        self._steps = self._done = None
        self._timer.stop()
        if status:
            self._widget.finishProgress(status)
