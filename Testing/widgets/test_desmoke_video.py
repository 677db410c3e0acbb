"""DesmokeModule on recorded video: values, strength, divider, curve, saved scenes, cancelling."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

import host
from DesmokeModuleLib import clips, layouts, smokecurve
from DesmokeModuleLib.showing import showing
from host.layout import xy_of
from meddl.core import devices
from meddl.core.image import Image
from meddl.core.pictures import write_picture
from meddl.desmoke.desmoker import VideoDesmoker
from SlicerMedDLLib.nodes import part
from waiting import until
from widgets.desmoke_panel import (
    FRAMES,
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


def expected() -> list[tuple[np.ndarray, float, np.ndarray]]:
    """Output, smoke level and transmission of each frame by the library alone."""
    desmoker = VideoDesmoker("classical")
    return [(desmoker(f), desmoker.smoke_level, desmoker.transmission) for f in smoky_frames()]


def shown_in(*views: str) -> list[Any]:
    """The volumes in some slice views."""
    widgets = map(slicer.app.layoutManager().sliceWidget, views)
    composites = [widget.mrmlSliceCompositeNode() for widget in widgets]
    return [slicer.mrmlScene.GetNodeByID(one.GetBackgroundVolumeID()) for one in composites]


def write_frames(folder: Path) -> str:
    """Write the smoky frames as pictures; returns the folder."""
    for number, frame in enumerate(smoky_frames()):
        write_picture(folder / f"{number}.png", Image(frame[None]))
    return str(folder)


@pytest.fixture
def browser(module: Any) -> Any:
    """The browser of the clip, cleared through the panel."""
    node = module.widget.parameterNode
    node.frames = add_clip()
    node.transmission = node.darkChannel = True
    apply_button(module).click()
    until(lambda: idle(module), WAIT)
    assert host.messages("error") == []
    return clips.browser_of(node.frames)


def test_apply_gives_what_the_library_gives(module: Any, browser: Any) -> None:
    levels = smokecurve.levels_of(browser)
    for item, (clear, level, transmission) in enumerate(expected()):
        browser.SetSelectedItemNumber(item)
        np.testing.assert_array_equal(pixels(clips.shown(browser, clips.OUTPUT)), clear)
        shown = pixels(clips.shown(browser, clips.TRANSMISSION))
        np.testing.assert_allclose(shown, transmission, atol=1e-6)
        darkest = smoky_frames()[item].min(axis=2) / 255
        dark = pixels(clips.shown(browser, clips.DARK))
        assert (dark <= darkest + 1e-6).all() and dark.max() > 0.1
        assert levels[item] == pytest.approx(level)
    assert browser.GetNumberOfItems() == FRAMES == len(levels)
    sequences = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert all(browser.IsSynchronizedSequenceNodeID(node.GetID(), True) for node in sequences)


def test_strength_acts_at_once(module: Any, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    browser.SetSelectedItemNumber(2)
    monkeypatch.setattr(VideoDesmoker, "__call__", None)  # nothing is estimated anew
    smoky, output = smoky_frames()[2], clips.shown(browser, clips.OUTPUT)
    full = pixels(output)
    for strength in (0.3, 0.0, 1.0):
        module.widget.ui.strengthSlider.value = strength
        if strength == 0.3:
            error = pixels(output) - (smoky + 0.3 * (full.astype(float) - smoky))
            assert np.abs(error).max() <= 0.5 + 1e-5
        else:
            np.testing.assert_array_equal(pixels(output), smoky if strength == 0 else full)
    module.widget.ui.strengthSlider.value = 0
    browser.SetSelectedItemNumber(4)
    np.testing.assert_array_equal(pixels(output), smoky_frames()[4])
    # What is kept is the whole effect: a half-hearted view must not be what a scene saves.
    kept = part(browser, clips.OUTPUT).GetNthDataNode(4)
    assert not (pixels(kept) == smoky_frames()[4]).all()


def test_a_part_of_the_effect_is_the_librarys(module: Any, browser: Any) -> None:
    module.widget.ui.strengthSlider.value = 0.6
    partial = VideoDesmoker("classical", strength=0.6)
    for item, frame in enumerate(smoky_frames()):
        browser.SetSelectedItemNumber(item)
        error = pixels(clips.shown(browser, clips.OUTPUT)).astype(int) - partial(frame)
        assert np.abs(error).max() <= 1  # rounded twice


def test_the_divider_parts_before_and_after(module: Any, browser: Any) -> None:
    module.widget.parameterNode.view = layouts.DIVIDER
    both = part(browser, clips.DIVIDED)
    assert shown_in("Red") == [both]
    for divider, item in ((0.25, 0), (0.75, 3)):
        module.widget.ui.dividerSlider.value = divider
        browser.SetSelectedItemNumber(item)
        column = round(divider * SIZE[1])
        smoky, clear = smoky_frames()[item], pixels(clips.shown(browser, clips.OUTPUT))
        shown = pixels(both)
        np.testing.assert_array_equal(shown[:, : column - 1], smoky[:, : column - 1])
        np.testing.assert_array_equal(shown[:, column + 1 :], clear[:, column + 1 :])
        assert (shown[:, column - 1 : column + 1] == 255).all()


def test_the_mouse_moves_the_divider(module: Any, browser: Any) -> None:
    node, view = module.widget.parameterNode, slicer.app.layoutManager().sliceWidget("Red")

    def xy(column: float, row: float) -> tuple[float, float]:
        return xy_of(view, (-column, -row, 0))  # how frames lie

    host.drag(view, [xy(32, 10), xy(50, 10)])  # not shown yet
    node.view = layouts.DIVIDER
    host.drag(view, [xy(10, 10), xy(50, 10)])  # far from it
    assert node.divider == 0.5
    host.drag(view, [xy(32, 10), xy(40, 12), xy(47.5, 20)])
    assert node.divider == pytest.approx(0.75, abs=0.01)
    shown = pixels(part(browser, clips.DIVIDED))
    np.testing.assert_array_equal(shown[:, :46], smoky_frames()[0][:, :46])
    host.drag(view, [xy(48, 10), xy(200, 10)])
    assert node.divider == 1 and module.widget.ui.dividerSlider.value == 1
    host.drag(view, [xy(20, 10), xy(30, 10)])
    assert node.divider == 1


def test_the_layout_comes_and_goes(module: Any, browser: Any) -> None:
    manager, node = slicer.app.layoutManager(), module.widget.parameterNode
    former = manager.layout
    node.view = layouts.SIDE_BY_SIDE
    pair = [clips.before(browser), clips.shown(browser, clips.OUTPUT)]
    assert shown_in("Red", "Green") == pair
    assert manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is part(browser, clips.CHART)
    node.view = layouts.MAPS
    roles = (clips.INPUT, clips.DARK, clips.TRANSMISSION)
    assert shown_in("Red", "Green", "Yellow") == [clips.shown(browser, role) for role in roles]
    node.view = layouts.AS_BEFORE
    assert manager.layout == former and manager.plotViewCount == 0


def test_maps_that_were_not_made_are_named(module: Any) -> None:
    node = module.widget.parameterNode
    node.frames = add_clip()
    module.logic.desmoke(node.frames, module.widget.settings())
    node.view = layouts.MAPS
    [message] = host.messages("error")
    assert "tick Transmission and Dark channel" in str(message)


def test_a_click_in_the_curve_jumps(module: Any, browser: Any) -> None:
    module.widget.parameterNode.view = layouts.SIDE_BY_SIDE
    plot = slicer.app.layoutManager().plotWidget(0)
    host.click_plot(plot, 3.2 / 25)
    assert browser.GetSelectedItemNumber() == 3
    host.click_plot(plot, 4.6 / 25, y=0.1)
    assert browser.GetSelectedItemNumber() == 5
    np.testing.assert_array_equal(pixels(clips.before(browser)), smoky_frames()[5])
    line = slicer.util.arrayFromTableColumn(part(browser, smokecurve.NOW), "time")
    np.testing.assert_allclose(line, 5 / 25)
    host.click_plot(plot, 1 / 25, slip=20)  # Slicer's panning
    host.click_plot(plot, 1 / 25, y=1.4)  # above the axes
    assert browser.GetSelectedItemNumber() == 5


def test_a_saved_scene_goes_on(module: Any, browser: Any, tmp_path: Path) -> None:
    module.widget.parameterNode.view = layouts.DIVIDER
    module.widget.ui.strengthSlider.value = 0
    browser.SetSelectedItemNumber(1)
    full = pixels(part(browser, clips.OUTPUT).GetNthDataNode(4))
    levels = smokecurve.levels_of(browser)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    module.widget.initializeParameterNode()
    [again] = clips.clips()
    output = clips.shown(again, clips.OUTPUT)
    np.testing.assert_allclose(smokecurve.levels_of(again), levels, atol=1e-6)
    for item in (4, 2):
        again.SetSelectedItemNumber(item)
        np.testing.assert_array_equal(pixels(output), smoky_frames()[item])
    assert module.widget.ui.strengthSlider.value == 0
    module.widget.ui.strengthSlider.value = 1
    again.SetSelectedItemNumber(4)
    np.testing.assert_array_equal(pixels(output), full)
    np.testing.assert_array_equal(pixels(part(again, clips.DIVIDED))[:, 40:], full[:, 40:])
    assert len(slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")) == 3


def nodes() -> list[str]:
    """What is in the scene."""
    scene = slicer.mrmlScene
    return sorted(scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes()))


@pytest.mark.parametrize("moment", ["worker", "scene"])
def test_a_cancel_leaves_the_scene_as_it_was(module: Any, moment: str) -> None:
    module.widget.parameterNode.frames = add_clip(frames=smoky_frames(60))
    before = nodes()
    apply_button(module).click()
    work = module.widget.sliced if moment == "scene" else module.widget.runner
    until(lambda: work.busy, WAIT)
    apply_button(module).click()
    until(lambda: idle(module), WAIT)
    assert nodes() == before and status(module) == "Cancelled"


def test_clearing_again_replaces_the_output(module: Any, browser: Any) -> None:
    count = len(slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode"))
    module.widget.parameterNode.transmission = False
    apply_button(module).click()
    until(lambda: idle(module), WAIT)
    assert len(slicer.util.getNodesByClass("vtkMRMLVectorVolumeNode")) == count
    assert clips.shown(browser, clips.TRANSMISSION) is None
    assert clips.shown(browser, clips.DARK) is not None
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 1


def test_a_file_is_loaded_and_cleared_by_one_click(module: Any, tmp_path: Path) -> None:
    module.widget.ui.videoPathEdit.currentPath = write_frames(tmp_path)
    assert apply_button(module).enabled
    apply_button(module).click()
    sequence = module.widget.parameterNode
    until(lambda: idle(module) and next(clips.clips(), None) is not None, WAIT)
    browser = clips.browser_of(sequence.frames)
    for item, (clear, level, _t) in enumerate(expected()):
        browser.SetSelectedItemNumber(item)
        np.testing.assert_array_equal(pixels(clips.shown(browser, clips.OUTPUT)), clear)
        assert module.widget.ui.levelBar.value == round(100 * level)


def test_frames_of_a_changing_rate_keep_their_times(module: Any, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    times = [500, 520, 540, 700, 1000]  # ms
    with av.open(str(tmp_path / "uneven.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    sequence = module.logic.loadVideo(tmp_path / "uneven.mkv")
    found = smokecurve.index_values(sequence)
    np.testing.assert_allclose(found, (np.array(times) - times[0]) / 1000, atol=1e-6)


def test_an_input_that_lies_otherwise_keeps_its_place(module: Any) -> None:
    """Rows from below, 0.5 mm apart, off the origin: the output lies over the input."""
    matrix = np.array([[-0.5, 0, 0, 7], [0, 0.5, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1.0]])
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "From below")
    volume = slicer.vtkMRMLVectorVolumeNode()
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    for number, frame in enumerate(smoky_frames(2)):
        slicer.util.updateVolumeFromArray(volume, frame[None, ::-1].copy())
        sequence.SetDataNodeAtValue(volume, str(number))
    module.logic.desmoke(sequence, module.widget.settings())
    browser = clips.browser_of(sequence)
    output = clips.shown(browser, clips.OUTPUT)
    np.testing.assert_array_equal(pixels(output), expected()[0][0])
    bounds = np.zeros((2, 6))
    for row, node in enumerate((clips.before(browser), output)):
        node.GetRASBounds(bounds[row])
    np.testing.assert_allclose(bounds[0], bounds[1])


def test_bad_input_is_named(module: Any) -> None:
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.videoPathEdit.currentPath = __file__
    ui.loadButton.click()
    until(lambda: idle(module), WAIT)
    browsers = len(slicer.util.getNodesByClass(clips.BROWSER))
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Empty")
    texts = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Texts")
    texts.SetDataNodeAtValue(slicer.vtkMRMLTextNode(), "0")
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "CT")
    volume = slicer.vtkMRMLScalarVolumeNode()
    slicer.util.updateVolumeFromArray(volume, np.zeros((5, 6, 7), np.int16))
    ct.SetDataNodeAtValue(volume, "0")
    reasons = []
    for sequence in (empty, texts, ct):
        node.frames = sequence
        assert not apply_button(module).enabled
        reasons.append(apply_button(module).toolTip)
    [message] = host.messages("error")
    assert "is no video" in str(message)
    assert len(slicer.util.getNodesByClass(clips.BROWSER)) == browsers
    assert [
        word in reason
        for word, reason in zip(("no frames", "colour frames", "7x6x5"), reasons, strict=True)
    ] == [True] * 3


def test_what_the_memory_does_not_take_is_refused(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path)
    free = devices._cpu()
    small = replace(free, free_bytes=10 * smoky_frames()[0].nbytes)
    monkeypatch.setattr(devices, "_cpu", lambda: small)
    before = nodes()
    module.widget.ui.videoPathEdit.currentPath = str(tmp_path)
    module.widget.ui.loadButton.click()
    until(lambda: idle(module), WAIT)
    [message] = host.messages("error")
    assert str(tmp_path) in str(message) and "memory" in str(message) and nodes() == before


def test_an_output_is_no_input(module: Any, browser: Any) -> None:
    source = module.widget.parameterNode.frames
    module.widget.parameterNode.frames = part(browser, clips.OUTPUT)
    assert "was made of Sequence 'Laparoscopy'" in module.widget.ui.videoLabel.text
    assert not apply_button(module).enabled and part(browser, clips.INPUT) is source


def test_a_removed_video_or_a_closed_scene_leaves_nothing(module: Any, browser: Any) -> None:
    slicer.mrmlScene.RemoveNode(part(browser, clips.OUTPUT))
    browser.SetSelectedItemNumber(3)
    slicer.mrmlScene.RemoveNode(module.widget.parameterNode.frames)
    assert module.widget.parameterNode.frames is None
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert not showing()._browsers


def test_weights_of_ones_own_clear_the_video(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An untrained network: what it finds is no smoke, but always the same."""
    import torch

    # Making a network ready for the other engines takes ten seconds.
    monkeypatch.setattr("meddl.desmoke.network_estimator.installed_engines", lambda: ["torch"])
    from meddl.core.weights import Card, save_weights
    from meddl.desmoke.light_network import LightNetwork

    torch.manual_seed(0)
    path, network = tmp_path / "mine.safetensors", {"widths": [8, 8], "blocks": [1, 1]}
    card = Card("mine", "smoke", "desmoke-light", arguments={"network": network})
    save_weights(LightNetwork((8, 8), (1, 1)), path, card)
    node = module.widget.parameterNode
    node.method, node.weights, node.frames = "network", str(path), add_clip()
    assert module.widget.ui.weightsSelector.currentText == "mine"
    assert "mine" in module.widget.ui.cardLabel.text
    apply_button(module).click()
    until(lambda: idle(module), WAIT)
    assert host.messages("error") == []
    browser, desmoker = clips.browser_of(node.frames), VideoDesmoker("network", weights=path)
    for item, frame in enumerate(smoky_frames()):
        browser.SetSelectedItemNumber(item)
        error = pixels(clips.shown(browser, clips.OUTPUT)).astype(int) - desmoker(frame)
        assert np.abs(error).max() <= 1
    node.weights = str(tmp_path / "lost.safetensors")
    apply_button(module).click()
    until(lambda: idle(module), WAIT)
    [message] = host.messages("error")
    assert "lost.safetensors" in str(message)
