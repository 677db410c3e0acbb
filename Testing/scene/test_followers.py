"""Nodes that are followed, and the worker that follows what is faster than itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from meddl.core.errors import InputError
from SlicerMedDLLib.followers import Follower
from SlicerMedDLLib.newest import NewestWins


class Named(Follower):
    """Follows text nodes whose name begins with F."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__()

    def arrived(self) -> None:
        for node in slicer.util.getNodesByClass("vtkMRMLTextNode"):
            if node.GetName().startswith("F"):
                self.follow(node)

    def changed(self, node: Any) -> None:
        self.seen.append(node.GetName())

    def removed(self, node: Any) -> None:
        self.seen.append(f"-{node.GetName()}")

    def closed(self) -> None:
        self.seen.append("closed")


def test_followed_nodes_are_those_of_a_loaded_scene_too(scene: Any, tmp_path: Any) -> None:
    for name in ("F1", "G1"):
        scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    follower = Named()
    for node in slicer.util.getNodesByClass("vtkMRMLTextNode"):
        node.SetText("new")
    assert set(follower.seen) == {"F1"}
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    follower.seen.clear()
    slicer.mrmlScene.Clear(0)
    assert follower.seen == ["-F1", "closed"]
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    follower.seen.clear()
    [loaded] = [n for n in slicer.util.getNodesByClass("vtkMRMLTextNode") if n.GetName() == "F1"]
    loaded.SetText("newer")
    assert set(follower.seen) == {"F1"} and follower.follows(loaded)
    follower.seen.clear()
    follower.unfollow(loaded)
    loaded.SetText("newest")
    slicer.mrmlScene.RemoveNode(loaded)
    assert follower.seen == []
    follower.removeObservers()


class Runner:
    """A runner whose task the test ends."""

    busy = False

    def run(self, function: Any, request: Any, **callbacks: Any) -> None:
        self.busy, self.function, self.request, self.callbacks = True, function, request, callbacks

    def cancel(self) -> None:
        self.busy = False
        self.callbacks["on_cancelled"]()

    def end(self, error: str = "") -> None:
        self.busy = False
        if error:
            self.callbacks["on_error"](error)
        else:
            self.callbacks["on_done"](self.function(self.request))


def test_what_waits_is_replaced_by_what_is_newer(scene: Any) -> None:
    runner, done, failed = Runner(), [], []
    newest = NewestWins(
        runner, lambda n: n * n, lambda *both: done.append(both), lambda: failed.append(1)
    )
    for number in range(1, 6):
        newest.request(number)
    runner.end()
    assert done == [(1, 1)] and newest.busy
    runner.end()
    assert done == [(1, 1), (5, 25)] and not newest.busy
    newest.request(6)
    newest.request(7)
    runner.end("it failed")  # the one that waits would fail as well
    assert failed == [1] and not newest.busy
    newest.request(8)
    newest.request(9)
    newest.stop()
    assert not newest.busy and len(done) == 2


def test_a_removed_node_takes_its_request_along(scene: Any) -> None:
    """With the real worker: the result of a node that is gone never arrives."""
    from SlicerMedDLLib.tasks import TaskRunner
    from waiting import until

    done: list[Any] = []

    def slow(request: np.ndarray, progress: Any, cancel: Any) -> float:
        if request is None:
            raise InputError("nothing")
        return float(request.sum())

    newest = NewestWins(TaskRunner(poll=1), slow, lambda *both: done.append(both))
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", "camera")
    newest.request(np.ones(3), node)
    scene.RemoveNode(node)
    until(lambda: not newest.busy)
    assert done == []
    newest.request(np.ones(4))
    until(lambda: not newest.busy)
    assert [result for _request, result in done] == [4.0]
