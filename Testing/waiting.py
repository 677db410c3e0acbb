"""Waiting in tests for what timers and worker threads bring."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Let Qt's events run until ``condition()`` holds.

    Raises:
        AssertionError: it does not within ``seconds``.
    """
    import slicer

    end = time.monotonic() + seconds
    while not condition():
        slicer.app.processEvents()
        time.sleep(0.005)
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
