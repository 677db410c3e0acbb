"""DesmokeModule on a live volume: every change, the newest first, and a window that stays alive."""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pytest
import slicer

import host
from DesmokeModuleLib import clips, filtering, live, smokecurve
from meddl.desmoke.desmoker import VideoDesmoker
from SlicerMedDLLib.nodes import part
from SlicerMedDLLib.volumes import vtk_image
from waiting import until
from widgets.desmoke_panel import (
    SIZE,
    WAIT,
    add_clip,
    apply_button,
    idle,
    module,
    pixels,
    smoky_frames,
    status,
)

__all__ = ["module"]  # a fixture


def send(volume: Any, frame: np.ndarray) -> None:
    """Another picture comes in, as a capture device writes it: into the same memory."""
    slicer.util.arrayFromVolume(volume)[0] = frame
    slicer.util.arrayFromVolumeModified(volume)


@pytest.fixture
def camera(module: Any) -> Any:
    """A live volume, and the panel that clears it."""
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Camera")
    slicer.util.updateVolumeFromArray(volume, smoky_frames()[0][None])
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1, 1, 1])))
    module.widget.parameterNode.liveInput = volume
    module.widget.ui.startLiveButton.click()
    until(lambda: part(volume, clips.OUTPUT) is not None, WAIT)
    return volume


def test_every_change_is_cleared_as_the_library_does(module: Any, camera: Any) -> None:
    desmoker, running = VideoDesmoker("classical"), module.widget.live.live
    for number, frame in enumerate(smoky_frames()):
        if number:
            send(camera, frame)
        until(lambda: not running.busy, WAIT)
        np.testing.assert_array_equal(pixels(part(camera, clips.OUTPUT)), desmoker(frame))
        assert module.widget.ui.levelBar.value == round(100 * desmoker.smoke_level)
    assert (running.received, running.shown) == (6, 6)
    assert "0 of 6 dropped" in module.widget.ui.liveLabel.text


def test_the_curve_shows_the_latest_levels(module: Any, camera: Any) -> None:
    running, desmoker = module.widget.live.live, VideoDesmoker("classical")
    running._levels = deque(maxlen=4)
    levels = []
    for frame in smoky_frames():
        until(lambda: not running.busy, WAIT)
        send(camera, frame)
        until(lambda: not running.busy, WAIT)
    desmoker(smoky_frames()[0])  # which was there when it began
    for frame in smoky_frames():
        desmoker(frame)
        levels.append(desmoker.smoke_level)
    np.testing.assert_allclose(smokecurve.levels_of(camera), levels[-4:])
    times = smokecurve.times_of(camera)
    assert (np.diff(times) > 0).all() and times[0] > 0 and times[-1] < WAIT
    module.widget.parameterNode.view = "side by side"
    view = slicer.mrmlScene.GetSingletonNode("PlotView1", "vtkMRMLPlotViewNode")
    chart = view.GetPlotChartNode()
    assert chart is part(camera, clips.CHART) and chart.GetXAxisTitle() == "time (s)"
    assert chart.GetNumberOfPlotSeriesNodes() == 1
    module.widget.ui.startLiveButton.click()
    module.widget.ui.startLiveButton.click()  # begins anew
    until(lambda: running.shown == 1 and not running.busy, WAIT)
    assert len(smokecurve.levels_of(camera)) == 1 and part(camera, clips.CHART) is chart


def test_the_curve_costs_little(module: Any, camera: Any) -> None:
    until(lambda: not module.widget.live.live.busy, WAIT)
    module.widget.parameterNode.view = "side by side"
    times, levels, spent = np.arange(300) / 25, np.linspace(0, 1, 300), []
    for _ in range(50):
        start = time.thread_time()
        smokecurve.show_latest(camera, times, levels)
        spent.append(time.thread_time() - start)
    np.testing.assert_allclose(smokecurve.levels_of(camera), levels)
    assert np.median(spent) < 1e-3


def test_the_newest_picture_wins(module: Any, camera: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    running, plain, go_on = module.widget.live.live, filtering.clear, threading.Event()

    def clear(*arguments: Any) -> Any:
        go_on.wait(WAIT)
        return plain(*arguments)

    until(lambda: not running.busy, WAIT)
    monkeypatch.setattr(filtering, "clear", clear)
    before = running.shown
    for number in range(30):
        send(camera, np.full((*SIZE, 3), number, np.uint8))
        slicer.app.processEvents()
    go_on.set()
    until(lambda: not running.busy, WAIT)
    shown = running.shown
    assert running.received == 31 and shown == before + 2  # the one at work, and the newest
    np.testing.assert_array_equal(pixels(camera), 29)
    monkeypatch.undo()
    frame = smoky_frames()[3]
    send(camera, frame)
    until(lambda: not running.busy, WAIT)
    assert running.shown == shown + 1


def test_the_window_lives_while_the_worker_works(
    module: Any, camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a slow filter nor a stream of pictures holds the events up for 100 ms."""
    running, worker = module.widget.live.live, filtering.clear
    until(lambda: not running.busy, WAIT)
    threads: set[int] = set()

    def clear(*arguments: Any) -> Any:
        threads.add(threading.get_ident())
        time.sleep(0.3)
        return worker(*arguments)

    monkeypatch.setattr(filtering, "clear", clear)
    longest, rounds, end = 0.0, 0, time.monotonic() + 1
    while time.monotonic() < end:
        start, rounds = time.thread_time(), rounds + 1
        send(camera, smoky_frames(1)[0])
        slicer.app.processEvents()
        # The processor time of this thread: others use the processors of a test machine as well.
        longest = max(longest, time.thread_time() - start)
        time.sleep(0.01)
    assert threads and threading.get_ident() not in threads
    assert longest < 0.1 and rounds > 10  # who waits for the worker gets round three times
    until(lambda: not running.busy, WAIT)


def test_strength_and_divider_act_on_the_last_picture(module: Any, camera: Any) -> None:
    ui, running = module.widget.ui, module.widget.live.live
    until(lambda: not running.busy, WAIT)
    shown, full = running.shown, pixels(part(camera, clips.OUTPUT))
    ui.strengthSlider.value = 0
    np.testing.assert_array_equal(pixels(part(camera, clips.OUTPUT)), smoky_frames()[0])
    module.widget.parameterNode.view = "divider"
    ui.strengthSlider.value, ui.dividerSlider.value = 1, 0
    np.testing.assert_array_equal(pixels(part(camera, clips.DIVIDED))[:, 1:], full[:, 1:])
    assert running.shown == shown


def test_what_is_wanted_besides_and_other_sizes(module: Any, camera: Any) -> None:
    node, running = module.widget.parameterNode, module.widget.live.live
    node.transmission = node.darkChannel = True
    until(lambda: part(camera, clips.DARK) is not None and not running.busy, WAIT)
    assert 0 < pixels(part(camera, clips.TRANSMISSION)).min() <= 1
    larger = smoky_frames(1, (60, 90))[0]
    slicer.util.updateVolumeFromArray(camera, larger[None])
    until(lambda: not running.busy, WAIT)
    for role in (clips.OUTPUT, clips.TRANSMISSION, clips.DARK):
        assert pixels(part(camera, role)).shape[:2] == (60, 90)
    np.testing.assert_array_equal(
        pixels(part(camera, clips.OUTPUT)), VideoDesmoker("classical")(larger)
    )


def test_a_compressed_stream_is_decoded_and_cleared(module: Any) -> None:
    """The node that OpenIGTLink's video messages fill, with the codec that every Slicer has."""
    stream = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLStreamingVolumeNode", "Stream")
    codec = slicer.vtkRawRGBVolumeCodec()

    def receive(picture: np.ndarray) -> None:
        frame = slicer.vtkStreamingVolumeFrame()
        assert codec.EncodeImageData(vtk_image(picture[None]), frame)
        stream.SetAndObserveFrame(frame)

    receive(smoky_frames()[0])
    running, desmoker = module.widget.live.live, VideoDesmoker("classical")
    module.widget.parameterNode.liveInput = stream
    module.widget.ui.startLiveButton.click()
    for number, picture in enumerate(smoky_frames()[:3]):
        if number:
            receive(picture)
        until(lambda: not running.busy, WAIT)
        # The stream's matrix shows its last row on top.
        np.testing.assert_array_equal(
            pixels(part(stream, clips.OUTPUT)), desmoker(picture[::-1, ::-1])
        )
    assert running.shown == 3


def test_only_a_new_picture_counts(module: Any, camera: Any) -> None:
    running = module.widget.live.live
    until(lambda: not running.busy, WAIT)
    camera.SetName("Endoscope")
    camera.Modified()
    slicer.app.processEvents()
    assert running.received == 1


def test_stop_and_start(module: Any, camera: Any) -> None:
    ui, running = module.widget.ui, module.widget.live.live
    until(lambda: not running.busy, WAIT)
    last = pixels(part(camera, clips.OUTPUT))
    ui.startLiveButton.click()
    assert ui.startLiveButton.text == "Start live"
    ui.strengthSlider.value = 0  # acts on the last picture still
    np.testing.assert_array_equal(pixels(part(camera, clips.OUTPUT)), smoky_frames()[0])
    ui.strengthSlider.value = 1
    send(camera, smoky_frames()[5])
    slicer.app.processEvents()
    np.testing.assert_array_equal(pixels(part(camera, clips.OUTPUT)), last)
    ui.startLiveButton.click()
    until(lambda: running.shown == 1 and not running.busy, WAIT)
    assert (pixels(part(camera, clips.OUTPUT)) != last).any()


@pytest.mark.parametrize("how", ["removed", "closed"])
def test_a_camera_that_goes_away(module: Any, camera: Any, how: str) -> None:
    send(camera, smoky_frames()[5])
    if how == "removed":
        slicer.mrmlScene.RemoveNode(camera)
        assert "removed" in module.widget.ui.liveLabel.text
    else:
        slicer.mrmlScene.Clear(0)
    until(lambda: not module.widget.live.live.busy, WAIT)
    assert module.widget.live.live.volume is None and host.messages("error") == []


def test_a_picture_that_becomes_something_else_ends_it(module: Any, camera: Any) -> None:
    slicer.util.updateVolumeFromArray(camera, np.zeros((4, *SIZE, 3), np.uint8))
    until(lambda: module.widget.live.live.volume is None, WAIT)
    [message] = host.messages("error")
    assert f"{SIZE[1]}x{SIZE[0]}x4" in str(message)
    assert module.widget.ui.startLiveButton.text == "Start live"


@pytest.mark.parametrize("kind", ["none", "empty", "scalar", "float"])
def test_what_is_no_live_picture_is_refused(module: Any, kind: str) -> None:
    name = "vtkMRMLScalarVolumeNode" if kind == "scalar" else "vtkMRMLVectorVolumeNode"
    volume = None if kind == "none" else slicer.mrmlScene.AddNewNodeByClass(name, "Wrong")
    if kind == "scalar":
        slicer.util.updateVolumeFromArray(volume, np.zeros((1, *SIZE), np.uint8))
    elif kind == "float":
        slicer.util.updateVolumeFromArray(volume, np.zeros((1, *SIZE, 3), np.float32))
    expected = {"none": "no colour volume", "empty": "no voxels", "scalar": "colour volume was"}
    with pytest.raises(ValueError, match=expected.get(kind, "float32")):
        live.require_live(volume)


def test_in_the_console(module: Any, camera: Any) -> None:
    module.widget.ui.startLiveButton.click()
    running = module.logic.liveDesmoke(camera, filtering.Settings("classical"))
    send(camera, smoky_frames()[2])
    until(lambda: running.received == 2 and not running.busy, WAIT)
    assert running.rate >= 0 and running.delay > 0
    running.stop()


def test_a_long_video_holds_nothing_up(module: Any) -> None:
    """Loading results into the scene goes in slices; the timer of a window goes on meanwhile."""
    module.widget.parameterNode.frames = add_clip(frames=smoky_frames(150))
    gc.freeze()  # a collection over the objects of all tests before takes 0.12 s
    apply_button(module).click()
    longest = 0.0
    while not idle(module):
        start = time.thread_time()
        slicer.app.processEvents()
        longest = max(longest, time.thread_time() - start)
        time.sleep(0.002)
    gc.unfreeze()
    assert longest < 0.1 and "Done" in status(module)
