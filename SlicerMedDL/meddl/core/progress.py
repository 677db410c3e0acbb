"""Progress and cancel: the two arguments that everything over a second takes.

A progress callback gets the fraction done (0..1) and a short message; a :class:`CancelToken` is
checked between tiles, views, frames or steps. Both are plain objects, so that the command line, a
worker thread of a Slicer module and a training process use the same functions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from meddl.core.errors import Cancelled

Progress = Callable[[float, str], None]
Item = TypeVar("Item")


class CancelToken:
    """A thread-safe flag: :meth:`cancel` sets it, :meth:`check` raises :class:`Cancelled` then."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work that holds this token to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if :meth:`cancel` was called."""
        if self._event.is_set():
            raise Cancelled("cancelled")


def no_progress(fraction: float, message: str) -> None:
    """The progress callback of a caller who does not listen."""


def subprogress(progress: Progress, start: float, stop: float) -> Progress:
    """A callback that maps a part's 0..1 to ``start``..``stop`` of the whole."""
    return lambda fraction, message: progress(start + (stop - start) * fraction, message)


def steps(
    items: Iterable[Item],
    total: int,
    message: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Iterator[Item]:
    """Yield ``items``, checking ``cancel`` before each and reporting the count after each.

    Args:
        items: what to work through; may be an iterator longer than memory.
        total: number of items, for the fraction (at least 1 is assumed).
        message: what is being done, for example ``"rendering view"``.

    Raises:
        Cancelled: when the token was cancelled.
    """
    total = max(total, 1)
    for count, item in enumerate(items, start=1):
        if cancel is not None:
            cancel.check()
        yield item
        progress(min(count / total, 1.0), f"{message} {count}/{total}")
