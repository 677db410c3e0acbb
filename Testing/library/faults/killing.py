"""Work in a forked process that is killed at a chosen moment, without any timing."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from library.faults.command_server import count_changes


def killed(prepare: Callable[[], object], work: Callable[[], object]) -> bool:
    """Do both in a process of their own; says whether a signal ended it."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            prepare()
            work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_at_each_change(folder: Path, work: Callable[[], object]) -> Iterator[int]:
    """Numbers of changes; at each, a process that did ``work`` up to there has been killed."""
    for number in range(1000):
        # Bound as an argument: the next round has another number.
        ended = killed(lambda at=number: count_changes(str(folder), at), work)
        yield number
        if not ended:  # it came to its end
            return
    pytest.fail("the work never ends")


def killed_at_byte(size: int, work: Callable[[], object]) -> bool:
    """Let the kernel end ``work`` where a file would grow beyond ``size`` bytes, also in C++."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return killed(prepare, work)
