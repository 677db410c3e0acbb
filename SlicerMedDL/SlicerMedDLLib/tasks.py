"""Long work beside the window: a worker thread polled by a timer, or a process of its own.

The function that runs takes ``progress`` and ``cancel`` keyword arguments, as everything long in
``meddl`` does, works on arrays and touches neither MRML nor Qt. Nor does it translate, which asks
Qt's application: its texts are translated when its file is imported, in the language that Slicer
has until it is started again. All callbacks arrive in the main thread. A logic gets its runner as
an argument: :class:`TaskRunner` from a widget, :class:`SynchronousRunner` in scripts and tests.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from meddl.core.errors import Cancelled, InputError, MedDLError
from meddl.core.progress import CancelToken
from SlicerMedDLLib.translation import said, translated

logger = logging.getLogger(__name__)

POLL_MILLISECONDS = 100  # quick for the eye, and the worker keeps the interpreter lock meanwhile
KILL_MILLISECONDS = 5000  # what a process gets to write its checkpoint after a polite end

_jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
_worker: threading.Thread | None = None


def _serve() -> None:
    while True:
        _jobs.get()()


def _submit(job: Callable[[], None]) -> None:
    # One thread for the life of the application: cuDNN keeps its plans per thread, so a new
    # thread would pay for the first convolution again (about one second), and two tasks at once
    # would share the memory of one device. A daemon, so that quitting never waits for it.
    global _worker
    if _worker is None:
        _worker = threading.Thread(target=_serve, name="MedDL worker", daemon=True)
        _worker.start()
    _jobs.put(job)


def show_error(message: str) -> None:
    """Show one error box (only the log without a main window)."""
    slicer.util.errorDisplay(message, windowTitle="MedDL")


class _Log(logging.Handler):
    """Collects what the library says in the thread that made it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=1000)
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


class _Task:
    """One call and what became of it. The worker writes, the main thread reads."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.cancel = CancelToken()
        self.finished = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.progress: tuple[float, str] | None = None
        self.log: deque[str] = deque()
        self._call = (function, args, kwargs)

    def report_progress(self, fraction: float, message: str) -> None:
        self.progress = (fraction, message)

    def execute(self) -> None:
        function, args, kwargs = self._call
        handler, library = _Log(), logging.getLogger("meddl")
        self.log = handler.lines
        library.addHandler(handler)
        if library.level == logging.NOTSET:
            library.setLevel(logging.INFO)
        try:
            self.cancel.check()  # it may have been cancelled while it waited for the worker
            self.result = function(
                *args, progress=self.report_progress, cancel=self.cancel, **kwargs
            )
        except BaseException as error:  # handed to the main thread, which shows it
            self.error = error
        finally:
            library.removeHandler(handler)
            self.finished.set()


def _message(error: BaseException) -> str:
    if isinstance(error, MedDLError):
        return said(error)
    logger.error("a task failed unexpectedly", exc_info=error)
    return _("Unexpected {kind}: {text}. The log has the details; please report this.").format(
        kind=type(error).__name__, text=said(error)
    )


class TaskRunner(VTKObservationMixin):
    """Runs one task at a time on the shared worker thread.

    Args:
        report: shows an error's one line to the user; called once per failed task.
        poll: milliseconds between two looks at the task.
    """

    def __init__(
        self, report: Callable[[str], None] = show_error, poll: int = POLL_MILLISECONDS
    ) -> None:
        super().__init__()
        import qt

        self._report = report
        self._task: _Task | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(poll)
        self._timer.connect("timeout()", self._poll)

    @property
    def busy(self) -> bool:
        """Whether a task runs or is about to stop after a cancel."""
        return self._task is not None

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_done: Callable[[Any], None],
        on_progress: Callable[[float, str], None] | None = None,
        on_log: Callable[[str], None] | None = None,
        on_error: Callable[[str], None] | None = None,
        on_cancelled: Callable[[], None] | None = None,
        watch: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        """Call ``function(*args, progress=…, cancel=…, **kwargs)`` on the worker.

        Args:
            function: the work; gets copies, touches neither MRML nor Qt.
            on_done: gets the result; may write to the scene. Its errors are shown as well.
            on_progress: fraction 0..1 and message, at most every 100 ms.
            on_log: messages that ``meddl`` logs meanwhile.
            on_error: after the error was shown, with its line.
            on_cancelled: after a cancel, once the work has stopped.
            watch: nodes without which the result is useless; if one is removed, or the scene is
                closed, the task is cancelled and its result dropped.

        Exactly one of ``on_done``, ``on_error`` and ``on_cancelled`` ends the task (``on_error``
        also after ``on_done`` raised).

        Raises:
            InputError: a task is running.
        """
        if self.busy:
            raise InputError(_("a task is running already; cancel it or wait until it is done"))
        self._task = _Task(function, args, kwargs)
        self._callbacks = (on_done, on_progress, on_log, on_error, on_cancelled)
        self._watched = {node.GetID() for node in watch}
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_close)
        self.addObserver(
            slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._on_node_removed
        )
        _submit(self._task.execute)
        self._timer.start()

    def cancel(self) -> None:
        """Ask the running task to stop; ``on_cancelled`` follows when it has."""
        if self._task is not None:
            self._task.cancel.cancel()

    def _on_close(self, caller: Any, event: Any) -> None:
        self.cancel()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _on_node_removed(self, caller: Any, event: Any, node: Any) -> None:
        if node is not None and node.GetID() in self._watched:
            self.cancel()

    def _poll(self) -> None:
        task = self._task
        if task is None:
            return
        on_done, on_progress, on_log, on_error, on_cancelled = self._callbacks
        finished = task.finished.is_set()  # read first, so that no last message is missed
        while task.log and on_log is not None:
            on_log(translated(task.log.popleft()))
        if task.progress is not None and on_progress is not None:
            (fraction, message), task.progress = task.progress, None
            on_progress(fraction, translated(message))
        if not finished:
            return
        self._timer.stop()
        self.removeObservers()
        self._task = None  # idle before the callbacks, which may start the next task
        settle(task, self._report, on_done, on_error, on_cancelled)


def settle(
    task: _Task,
    report: Callable[[str], None],
    on_done: Callable[[Any], None],
    on_error: Callable[[str], None] | None,
    on_cancelled: Callable[[], None] | None,
) -> None:
    """Call the one callback that a finished task earns."""
    error = task.error
    if task.cancel.cancelled or isinstance(error, Cancelled):
        if on_cancelled is not None:
            on_cancelled()
        return
    if error is None:
        try:
            on_done(task.result)
        except Exception as failure:  # writing to the scene failed: shown like any other error
            error = failure
    if error is not None:
        line = _message(error)
        report(line)
        if on_error is not None:
            on_error(line)


class SynchronousRunner:
    """The same call without threads, timers or Qt, for scripts and tests; errors are raised."""

    busy = False

    def run(
        self,
        function: Callable[..., Any],
        *args: Any,
        on_done: Callable[[Any], None],
        on_progress: Callable[[float, str], None] | None = None,
        on_cancelled: Callable[[], None] | None = None,
        cancel: CancelToken | None = None,
        on_log: Callable[[str], None] | None = None,
        on_error: Callable[[str], None] | None = None,
        watch: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        """As :meth:`TaskRunner.run`; returns when everything is done.

        Raises:
            MedDLError: what ``function`` or ``on_done`` raises, except for a cancel.
        """
        cancel = cancel or CancelToken()
        progress = on_progress or (lambda fraction, message: None)
        try:
            result = function(*args, progress=progress, cancel=cancel, **kwargs)
            cancel.check()
        except Cancelled:
            if on_cancelled is not None:
                on_cancelled()
            return
        on_done(result)


class ProcessTask:
    """A running ``python -m meddl …``; made by :func:`run_process`."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.cancelled = False

    @property
    def busy(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def cancel(self) -> None:
        """End the process: politely first (it may write a checkpoint), by force after 5 s."""
        import qt

        if self.busy:
            self.cancelled = True
            self._process.terminate()
            qt.QTimer.singleShot(KILL_MILLISECONDS, self._kill)

    def _kill(self) -> None:
        if self.busy:
            logger.warning("process %d did not end by itself, killing it", self._process.pid)
            self._process.kill()


def run_process(
    arguments: Sequence[str],
    on_output: Callable[[str], None] | None = None,
    on_done: Callable[[int], None] | None = None,
) -> ProcessTask:
    """Run ``python -m meddl ARGUMENTS`` in a process of its own (training, batches).

    Args:
        arguments: the command line, each argument on its own, unquoted.
        on_output: gets each line of stdout and stderr.
        on_done: gets the exit code: 0 done, 2 bad input, 130 cancelled.
    """
    import meddl

    environment = {
        # The library lies where this copy of it was imported from, not where pip looks.
        "PYTHONPATH": str(Path(meddl.__file__).resolve().parents[1]),
        "PYTHONUNBUFFERED": "1",  # lines arrive as they are written
    }
    process = slicer.util.launchConsoleProcess(
        [sys.executable, "-m", "meddl", *arguments],
        updateEnvironment=environment,
        blocking=False,
        logCallback=on_output or logger.info,
        completedCallback=on_done or (lambda code: logger.info("process ended with code %d", code)),
    )
    return ProcessTask(process)
