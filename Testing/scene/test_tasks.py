"""The task runner: one task at a time, progress, cancel, errors once, scene events, processes."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path

import pytest

import meddl
from meddl.core import CancelToken, InputError, steps
from SlicerMedDLLib.tasks import SynchronousRunner, TaskRunner, run_process
from waiting import until


class Outcome:
    """Collects the callbacks."""

    def __init__(self):
        self.calls: list[tuple[str, object]] = []
        self.shown: list[str] = []
        self.progress: list[tuple[float, str]] = []
        self.log: list[str] = []
        self.runner = TaskRunner(self.shown.append)

    def run(self, function, *args, **kwargs):
        kwargs.setdefault("on_done", lambda result: self.calls.append(("done", result)))
        self.runner.run(
            function,
            *args,
            on_progress=lambda *step: self.progress.append(step),
            on_log=self.log.append,
            on_error=lambda line: self.calls.append(("error", line)),
            on_cancelled=lambda: self.calls.append(("cancelled", None)),
            **kwargs,
        )

    def wait(self):
        until(lambda: not self.runner.busy)
        return self.calls


@pytest.fixture
def outcome(scene):
    return Outcome()


def work(count, progress, cancel, until_cancelled=False):
    """Add up 0..count-1 off the main thread."""
    assert threading.current_thread() is not threading.main_thread()
    total = 0
    for number in steps(range(count), count, "adding", progress, cancel):
        total += number
    while until_cancelled:
        cancel.check()
        time.sleep(0.005)
    return total


def test_result_arrives_in_the_main_thread(outcome):
    threads = []
    outcome.run(work, 5, on_done=lambda r: threads.append((r, threading.current_thread())))
    assert outcome.runner.busy
    outcome.wait()
    assert threads == [(10, threading.main_thread())]
    assert outcome.progress[-1] == (1.0, "adding 5/5")
    assert outcome.shown == []


def test_the_worker_thread_is_the_same_for_all_tasks(scene):
    names = []
    for one in (Outcome(), Outcome()):
        one.run(lambda progress, cancel: threading.get_ident(), on_done=names.append)
        one.wait()
    assert names[0] == names[1]


def test_a_second_task_is_refused_and_the_first_goes_on(outcome):
    outcome.run(work, 3, until_cancelled=True)
    with pytest.raises(InputError, match="running already; cancel it or wait"):
        outcome.run(work, 3)
    outcome.runner.cancel()
    assert outcome.wait() == [("cancelled", None)]


def test_two_runners_take_turns(scene):
    first, second = Outcome(), Outcome()
    first.run(work, 3, until_cancelled=True)
    second.run(work, 4)
    until(lambda: first.progress)
    assert second.calls == []
    first.runner.cancel()
    assert second.wait() == [("done", 6)]
    assert first.wait() == [("cancelled", None)]


def test_a_task_cancelled_while_it_waits_never_starts(scene):
    first, second = Outcome(), Outcome()
    started = []
    first.run(work, 3, until_cancelled=True)
    second.run(lambda progress, cancel: started.append(1))
    second.runner.cancel()
    first.runner.cancel()
    assert second.wait() == [("cancelled", None)]
    assert started == []
    first.wait()


def fail(error, progress, cancel):
    raise error


def test_a_foreseen_error_is_shown_once_in_one_line(outcome):
    outcome.run(fail, InputError("the CT is\nempty; load one"))
    assert outcome.wait() == [("error", "the CT is empty; load one")]
    assert outcome.shown == ["the CT is empty; load one"]


def test_a_defect_is_shown_once_and_logged_with_its_traceback(outcome, caplog):
    outcome.run(fail, ZeroDivisionError("division by zero"))
    outcome.wait()
    assert len(outcome.shown) == 1
    assert outcome.shown[0].startswith("Unexpected ZeroDivisionError: division by zero.")
    assert "in fail" in caplog.text


def test_an_error_while_writing_to_the_scene_is_shown_too(outcome):
    def done(result):
        raise InputError("the output node is gone")

    outcome.run(work, 2, on_done=done)
    assert outcome.wait() == [("error", "the output node is gone")]
    assert outcome.shown == ["the output node is gone"]


def test_a_result_that_arrives_after_cancel_is_dropped(outcome):
    finish = threading.Event()
    outcome.run(lambda progress, cancel: finish.wait(20))  # never looks at its token
    outcome.runner.cancel()
    finish.set()
    assert outcome.wait() == [("cancelled", None)]


def test_the_next_task_may_start_from_a_callback(outcome):
    results = []

    def first_done(result):
        outcome.run(work, 4, on_done=results.append)

    outcome.run(work, 3, on_done=first_done)
    until(lambda: results)
    assert results == [6]


def test_library_messages_reach_the_panel_only_from_the_worker(outcome):
    def noisy(progress, cancel):
        logging.getLogger("meddl.test").info("computing on %s", "cpu")

    outcome.run(noisy)
    logging.getLogger("meddl.test").info("from the main thread")
    outcome.wait()
    assert outcome.log == ["computing on cpu"]


@pytest.mark.parametrize("event", ["remove", "close"])
def test_scene_events_cancel_cleanly(outcome, scene, event):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    outcome.run(work, 3, until_cancelled=True, watch=[node])
    until(lambda: outcome.progress)
    if event == "remove":
        scene.RemoveNode(node)
    else:
        scene.Clear(0)
    assert outcome.wait() == [("cancelled", None)]
    assert outcome.shown == []


def test_other_nodes_may_go(outcome, scene):
    node, other = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2))
    go = threading.Event()
    outcome.run(lambda progress, cancel: go.wait(20), watch=[node])
    scene.RemoveNode(other)
    go.set()
    assert outcome.wait() == [("done", True)]


def test_observers_are_gone_afterwards(outcome):
    outcome.run(work, 2)
    outcome.wait()
    assert outcome.runner.Observations == []


def test_synchronous_runner_returns_when_done_and_raises(scene):
    runner, results, seen = SynchronousRunner(), [], []

    def add(count, progress, cancel):
        progress(0.5, "half")
        return sum(range(count))

    runner.run(add, 4, on_done=results.append, on_progress=lambda *step: seen.append(step))
    assert results == [6]
    assert seen == [(0.5, "half")]
    with pytest.raises(InputError, match="no"):
        runner.run(fail, InputError("no"), on_done=results.append)
    token = CancelToken()
    token.cancel()
    cancelled = []
    runner.run(
        add, 4, on_done=results.append, cancel=token, on_cancelled=lambda: cancelled.append(1)
    )
    assert results == [6]
    assert cancelled == [1]


@pytest.fixture
def library_elsewhere(tmp_path, monkeypatch):
    """A copy of the library in a folder with spaces, from which this process imports meddl."""
    folder = tmp_path / "Program Files" / "MedDL extension"
    source = Path(meddl.__file__).parent
    shutil.copytree(source, folder / "meddl", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(meddl, "__file__", str(folder / "meddl" / "__init__.py"))
    return folder


def test_process_finds_the_library_where_it_lies(scene, library_elsewhere):
    lines, codes = [], []
    run_process(["doctor", "--json"], on_output=lines.append, on_done=codes.append)
    until(lambda: codes, 60)
    assert codes == [0]
    assert str(library_elsewhere) in "\n".join(lines)


def test_process_reports_bad_input(scene):
    lines, codes = [], []
    run_process(["no such command"], on_output=lines.append, on_done=codes.append)
    until(lambda: codes, 60)
    assert codes == [2]
    assert any("no such command" in line for line in lines)


def test_cancelled_process_ends(scene, tmp_path, monkeypatch):
    package = tmp_path / "meddl"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import time\nprint('ready')\ntime.sleep(60)\n")
    monkeypatch.setattr(meddl, "__file__", str(package / "__init__.py"))
    lines, codes = [], []
    process = run_process([], on_output=lines.append, on_done=codes.append)
    until(lambda: lines == ["ready"])
    assert process.busy
    process.cancel()
    until(lambda: codes)
    assert process.cancelled
    assert codes[0] != 0
    assert not process.busy
