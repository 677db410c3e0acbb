"""Videos shared out to processes, which count frames and bytes and hear of a cancel."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_EXCEPTION,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from meddl.core.errors import Cancelled, DeviceError, FileError, InputError, one_line
from meddl.core.progress import CancelToken, Progress
from meddl.desmoke.prepare_parameters import Source

GB = 1e9
_POLL = 0.2  # s between two looks at the counters


class UnreadableVideo(FileError):
    """A video that does not decode: it is left out, the others go on."""


class Ledger:
    """Frames looked at and bytes written by all workers, and whether they are to stop.

    Args:
        size: bytes that are there already.
        limit: bytes.
    """

    def __init__(self, size: int, limit: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._frames = context.Value("q", 0)
        self._bytes = context.Value("q", size)
        self._limit = limit
        self.stop = context.Event()

    @property
    def frames(self) -> int:
        """How many frames were looked at."""
        return int(self._frames.value)

    def count_frame(self) -> None:
        """One more frame.

        Raises:
            Cancelled: the workers are to stop.
        """
        with self._frames.get_lock():
            self._frames.value += 1
        if self.stop.is_set():
            raise Cancelled("cancelled")

    def count_bytes(self, count: int) -> None:
        """So many more bytes.

        Raises:
            InputError: they are over the limit.
        """
        with self._bytes.get_lock():
            self._bytes.value += count
            total = self._bytes.value
        if total > self._limit:
            raise InputError(
                f"the frames take more than the limit of {self._limit / GB:g} GB; take fewer "
                "(--step), smaller (--size) or .jpg ones into another folder"
            )


# Shared memory reaches a process when it starts, not with its tasks.
_local = threading.local()


def _begin(ledger: Ledger) -> None:
    _local.ledger = ledger


def _begin_process(ledger: Ledger) -> None:
    """In a new process, which ends with its parent, also when that is killed."""
    _begin(ledger)
    logging.getLogger("meddl").addHandler(logging.NullHandler())  # what matters is in the rows
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _run(function: Callable[..., None], source: Source, arguments: tuple[Any, ...]) -> None:
    function(source, *arguments, _local.ledger)


def run_workers(
    function: Callable[..., None],
    sources: Sequence[Source],
    arguments: tuple[Any, ...],
    ledger: Ledger,
    workers: int,
    frames: int,
    progress: Progress,
    cancel: CancelToken | None,
) -> dict[str, str]:
    """``function(source, *arguments, ledger)`` for every video; returns why some were left out.

    Args:
        workers: processes; 1 is a thread of this one.
        frames: expected in all videos, for the progress.

    Raises:
        DeviceError: a worker died.
        Cancelled, InputError, FileError: the first that a worker raised, when all have stopped.
    """
    pool: Executor
    if workers == 1:
        pool = ThreadPoolExecutor(1, initializer=_begin, initargs=(ledger,))
    else:
        context = multiprocessing.get_context("spawn")
        workers = min(workers, max(len(sources), 1))
        pool = ProcessPoolExecutor(workers, context, initializer=_begin_process, initargs=(ledger,))
    with pool:
        tasks = {pool.submit(_run, function, source, arguments): source for source in sources}
        waiting: set[Future[None]] = set(tasks)
        while waiting:
            _, waiting = wait(waiting, _POLL, FIRST_EXCEPTION)
            progress(min(ledger.frames / frames, 1.0), f"looking at frame {ledger.frames}/{frames}")
            fatal = [task for task in tasks if task.done() and _is_fatal(task)]
            if fatal or (cancel is not None and cancel.cancelled):
                ledger.stop.set()
                pool.shutdown(cancel_futures=True)
                break
    if cancel is not None:
        cancel.check()
    failed = {}
    for task, source in tasks.items():
        error = None if task.cancelled() else task.exception()
        if isinstance(error, UnreadableVideo):
            failed[source.name] = one_line(error)
        elif isinstance(error, BrokenProcessPool):
            raise DeviceError(
                "a worker process died, perhaps for want of memory; resume with fewer workers"
            ) from error
        elif error is not None and not isinstance(error, Cancelled):
            raise error
    return failed


def _is_fatal(task: Future[None]) -> bool:
    error = None if task.cancelled() else task.exception()
    return error is not None and not isinstance(error, UnreadableVideo)
