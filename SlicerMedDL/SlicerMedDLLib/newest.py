"""Work that follows something that changes faster than it can be worked on: the newest wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

POLL = 5  # ms between two looks at the worker; half of that is what a picture waits on average


class NewestWins:
    """Works on the newest request on the runner's worker, one after the other.

    Work that runs is not interrupted: it takes some ten milliseconds, and its picture is better
    than none. What is requested meanwhile replaces what was waiting.

    Args:
        runner: a :class:`SlicerMedDLLib.tasks.TaskRunner` of its own, polled every :data:`POLL` ms.
        function: called as ``function(request, progress=…, cancel=…)`` on the worker.
        on_done: gets request and result, in the main thread.
        on_failed: after the error was shown; the next request would fail in the same way.
    """

    def __init__(
        self,
        runner: Any,
        function: Callable[..., Any],
        on_done: Callable[[Any, Any], None],
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._runner, self._function = runner, function
        self._on_done, self._on_failed = on_done, on_failed
        self._wanted: tuple[Any, tuple[Any, ...]] | None = None

    @property
    def busy(self) -> bool:
        """Whether a result is on its way."""
        return self._runner.busy or self._wanted is not None

    def request(self, request: Any, *nodes: Any) -> None:
        """Work on this soon; what waits is dropped.

        Args:
            request: what the function gets.
            nodes: without which the result is useless.
        """
        self._wanted = (request, nodes)
        self._advance()

    def stop(self) -> None:
        """Drop everything."""
        self._wanted = None
        if self._runner.busy:
            self._runner.cancel()

    def _advance(self) -> None:
        if self._wanted is None or self._runner.busy:
            return
        (request, nodes), self._wanted = self._wanted, None

        def done(result: Any) -> None:
            self._on_done(request, result)
            self._advance()

        def failed(message: str) -> None:
            self._wanted = None
            self._on_failed()

        self._runner.run(
            self._function,
            request,
            on_done=done,
            on_error=failed,
            on_cancelled=self._advance,
            watch=nodes,
        )
