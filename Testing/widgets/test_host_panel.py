"""The host loads a scripted module as Slicer does and drives its panel by real signals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer

import host

FIXTURE = Path(__file__).parent / "fixture_module" / "HostFixture.py"


@pytest.fixture
def fixture_module(scene):
    module = host.load_module(FIXTURE)
    module.enter()
    yield module
    module.cleanup()


def add_volume(values, name="CT"):
    return slicer.util.addVolumeFromArray(np.asarray(values, np.int16), name=name)


def test_module_is_registered(fixture_module):
    assert slicer.modules.hostfixture.title == "Host Fixture"
    assert slicer.modules.hostfixture.categories == ("Testing",)
    assert slicer.util.modulePath("HostFixture") == str(FIXTURE)
    assert slicer.util.getModuleWidget("HostFixture") is fixture_module.widget
    assert slicer.util.getModuleLogic("HostFixture") is fixture_module.logic
    assert slicer.modules.HostFixtureWidget is fixture_module.widget
    assert slicer.modules.HostFixtureInstance is fixture_module.module
    assert slicer.util.getModuleLogic("Volumes").IsA("vtkSlicerVolumesLogic")
    with pytest.raises(RuntimeError, match="NoSuchModule"):
        slicer.util.getModule("NoSuchModule")


def test_panel_computes(fixture_module):
    volume = add_volume([[[1, 200, 300]]])
    ui = fixture_module.widget.ui
    assert ui.applyButton.enabled is False
    ui.inputSelector.setCurrentNode(volume)
    assert ui.applyButton.enabled is True
    ui.thresholdSlider.value = 250
    ui.applyButton.click()
    assert ui.resultLabel.text == "1"
    ui.invertCheckBox.click()
    ui.applyButton.click()
    assert ui.resultLabel.text == "2"


def test_error_of_a_slot_is_shown_and_recorded(fixture_module):
    fixture_module.widget.ui.inputSelector.setCurrentNode(add_volume([[[-1, -2]]]))
    fixture_module.widget.ui.applyButton.click()
    (message,) = host.messages("error")
    assert message.text == "Counting failed.\n\nvolume is all negative"
    assert "ValueError" in message.detail
    assert len(host.errors()) == 1
    host.clear()


def test_gui_and_parameter_node_follow_each_other(fixture_module):
    ui, node = fixture_module.widget.ui, fixture_module.widget._parameterNode
    ui.countSpinBox.value = 7
    ui.methodComboBox.currentIndex = 1
    ui.deviceComboBox.currentText = "cpu"
    ui.titleEdit.text = "liver"
    ui.boxWidthSpinBox.value = 4.5
    ui.windowRange.setValues(5, 20)
    assert (node.count, node.method.name, node.device) == (7, "MAXIMUM", "cpu")
    assert (node.title, node.box.width) == ("liver", 4.5)
    assert (node.window.minimum, node.window.maximum) == (5, 20)
    node.invert = True
    node.threshold = 12.5
    node.folder = Path("/data")
    node.box.width = 1.5
    assert ui.invertCheckBox.checked is True
    assert ui.thresholdSlider.value == 12.5
    assert ui.folderEdit.currentPath == str(Path("/data"))
    assert ui.boxWidthSpinBox.value == 1.5


def test_ranges_of_annotations_reach_the_widgets(fixture_module):
    ui = fixture_module.widget.ui
    slider, spin = ui.thresholdSlider, ui.countSpinBox
    assert (slider.minimum, slider.maximum, slider.decimals) == (-100, 500, 1)
    assert (spin.minimum, spin.maximum) == (1, 9)
    spin.value = 50
    assert fixture_module.widget._parameterNode.count == 9


def test_closing_the_scene_resets_and_rebinds(fixture_module, scene):
    widget = fixture_module.widget
    widget.ui.inputSelector.setCurrentNode(add_volume([[[1]]]))
    widget.ui.thresholdSlider.value = 77
    scene.Clear(0)
    assert widget.ui.inputSelector.currentNode() is None
    assert widget._parameterNode.threshold == 100
    assert widget.ui.thresholdSlider.value == 100
    fixture_module.exit()
    scene.Clear(0)
    assert widget._parameterNode is None


def test_values_are_saved_and_restored_with_the_scene(fixture_module, scene, tmp_path):
    node = fixture_module.widget._parameterNode
    node.inputVolume = add_volume([[[1, 2]]], "kept")
    node.threshold, node.names, node.sizes = 42.5, ["a", "b"], {"x": 3}
    node.pair, node.maybe, node.folder = (4, 0.5), 9, Path("/somewhere")
    path = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(path))
    scene.Clear(0)
    assert fixture_module.widget._parameterNode.threshold == 100
    assert slicer.app.coreIOManager().loadScene(str(path), True)
    restored = fixture_module.logic.getParameterNode()
    assert restored.inputVolume.GetName() == "kept"
    assert (restored.threshold, restored.names, restored.sizes) == (42.5, ["a", "b"], {"x": 3})
    assert (restored.pair, restored.maybe) == ((4, 0.5), 9)
    assert restored.folder == Path("/somewhere")


def test_enter_exit_cleanup_as_slicer_calls_them(scene):
    module = host.load_module(FIXTURE)
    assert module.widget.parent.isEntered is False
    module.enter()
    assert module.widget.parent.isEntered is True
    module.exit()
    widget = module.widget
    module.cleanup()
    assert widget.calls == ["enter", "exit", "cleanup"]


def test_reload_makes_the_panel_anew(fixture_module):
    before = fixture_module.widget
    slicer.util.reloadScriptedModule("HostFixture")
    assert fixture_module.widget is not before
    assert before.calls[-1] == "cleanup"
    assert fixture_module.widget.ui.applyButton.text == "Apply"


def test_self_test_of_the_module_runs(fixture_module):
    slicer.selfTests["HostFixture"]()
    assert type(fixture_module.module).__module__ == "HostFixture"
    import HostFixture

    assert HostFixture.HostFixtureTest.ran == ["first"]


def test_startup_handlers_run_once(scene):
    ran = []
    slicer.app.connect("startupCompleted()", lambda: ran.append(1))
    host.finish_startup()
    assert ran == [1]


def test_grab_shows_the_panel(fixture_module, tmp_path):
    add_volume([[[1, 2]]], "abdomen")
    path = host.grab(fixture_module, tmp_path / "panel.png")
    picture = qt.QImage(str(path))
    assert picture.width() == 480 and picture.height() > 300
    colours = {picture.pixel(x, y) for x in range(0, 480, 3) for y in range(0, 300, 3)}
    assert len(colours) > 20  # an unpainted panel has one colour
    button = fixture_module.widget.ui.inputsButton
    button.collapsed = True
    folded = qt.QImage(str(host.grab(fixture_module, tmp_path / "folded.png")))
    assert folded.height() < picture.height() / 2


@pytest.mark.skipif(
    not os.environ.get("MEDDL_SLICER_SOURCE"),
    reason="MEDDL_SLICER_SOURCE names no checkout of Slicer's sources",
)
def test_slicers_own_python_files_are_used():
    import slicer.packaging
    import slicer.parameterNodeWrapper
    import slicer.ScriptedLoadableModule

    source = os.environ["MEDDL_SLICER_SOURCE"]
    for module in (slicer.packaging, slicer.parameterNodeWrapper, slicer.ScriptedLoadableModule):
        assert module.__file__.startswith(source)
    assert slicer.util.__file__.startswith(source)
