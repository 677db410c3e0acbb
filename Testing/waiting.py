"""Waiting in tests for what timers and worker threads bring."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """A collection takes 0.12 s over what all tests before, and all imports, have made."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def turns(
    start: Callable[[], object], busy: Callable[[], object], seconds: float = 120
) -> list[float]:
    """Start a long task and let Qt's events run until it is done, as a window does.

    Returns:
        For ``start()`` and then each turn of the event loop the processor time that this thread
        used, s: so long does a click wait. Other work of the machine, and the worker's, is not in
        it. The last turn is the one that ended the task: its final update of the scene.

    Raises:
        AssertionError: the task is not done within ``seconds``.
    """
    import slicer

    end, used = time.monotonic() + seconds, []
    with no_garbage_collection():
        turn = start
        while True:
            begin = time.thread_time()
            turn()
            used.append(time.thread_time() - begin)
            if not busy():
                return used
            assert time.monotonic() < end, f"the task is not done within {seconds} s"
            turn = slicer.app.processEvents
            time.sleep(0.002)


BLOCK = 0.1  # s; what the eye takes for at once


def longest_block(
    start: Callable[[], object], busy: Callable[[], object], seconds: float = 120
) -> float:
    """How long a click waits at most while a task runs, s: see :func:`turns`, without the last."""
    *before, _last = turns(start, busy, seconds)
    assert before, "the task was not started"
    return max(before)
