"""The base of all panels: binding, Apply turned Cancel, progress, errors, scene events, device."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import qt
import slicer
from PySide6.QtTest import QTest

import host
from meddl.core import devices
from meddl.core.devices import Device
from SlicerMedDLLib.widgets import DEVICE_SETTING
from waiting import until

MODULE = Path(__file__).parent / "base_module" / "BaseModule.py"


@pytest.fixture
def module(scene):
    loaded = host.load_module(MODULE)
    loaded.enter()
    yield loaded
    widget = loaded.widget
    widget.go.set()
    loaded.cleanup()
    until(lambda: not widget.runner.busy)


@pytest.fixture
def widget(module, scene):
    module.widget.parameterNode.input = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    return module.widget


@pytest.fixture
def run(widget):
    """The widgets under the module's own."""
    return widget._runUi


def test_panel_follows_the_parameter_node_and_back(widget):
    widget.parameterNode.count = 8
    assert widget.ui.countSpinBox.value == 8
    widget.ui.countSpinBox.value = 3
    assert widget.parameterNode.count == 3
    assert widget.ui.inputSelector.currentNode().GetName() == "CT"
    assert widget.changes > 0


def test_apply_is_possible_only_without_obstacle(widget, run):
    assert run.applyButton.enabled
    widget.parameterNode.input = None
    assert not run.applyButton.enabled
    assert run.applyButton.toolTip == "Select an input"


def test_apply_shows_progress_and_delivers(widget, run):
    run.applyButton.click()
    assert run.applyButton.text == "Cancel"
    assert run.applyButton.enabled
    until(lambda: run.progressBar.value == 20)
    assert run.statusLabel.text == "adding 1/5"
    widget.go.set()
    until(lambda: not widget.runner.busy)
    assert widget.results == [10]
    assert run.applyButton.text == "Apply"
    assert run.statusLabel.text.startswith("Done in ")
    log = run.logTextEdit.plainText
    assert "Running…" in log
    assert "Done in" in log
    assert not run.progressBar.isVisibleTo(widget.parent)


def test_the_same_button_cancels(widget, run):
    run.applyButton.click()
    until(lambda: run.progressBar.value == 20)
    run.applyButton.click()
    assert run.statusLabel.text == "Cancelling…"
    assert not run.applyButton.enabled
    until(lambda: not widget.runner.busy)
    assert run.statusLabel.text == "Cancelled"
    assert widget.results == []
    assert run.applyButton.text == "Apply"
    assert run.applyButton.enabled


def test_the_keys_of_the_button_stay_when_its_text_changes(module, widget, run):
    """Ctrl+Enter is Apply, then Cancel, where the panel is shown, and nowhere else."""
    window = module.widget.parent.window()
    window.show()
    window.activateWindow()
    until(lambda: window.isActiveWindow)

    def press():
        QTest.keyClick(window, qt.Qt.Key_Return, qt.Qt.ControlModifier)

    assert "Ctrl+Return" in run.applyButton.toolTip
    press()
    until(lambda: widget.runner.busy)  # Qt shows the button pressed for 0.1 s
    assert run.applyButton.text == "Cancel"
    assert "Ctrl+Return" in run.applyButton.toolTip
    until(lambda: run.progressBar.value == 20)
    press()
    until(lambda: not widget.runner.busy)
    assert run.statusLabel.text == "Cancelled"
    window.hide()
    press()
    for _ in range(20):
        slicer.app.processEvents()
        time.sleep(0.01)
    assert not widget.runner.busy


@pytest.mark.parametrize(("count", "message"), [(7, "7 is no number"), (9, "9 cannot be prepared")])
def test_errors_are_shown_once_and_stay_readable(widget, run, count, message):
    widget.parameterNode.count = count
    widget.go.set()
    run.applyButton.click()
    until(lambda: not widget.runner.busy)
    assert len(widget.shown) == 1
    assert widget.shown[0].startswith(message)
    assert run.statusLabel.text == widget.shown[0]
    assert run.applyButton.text == "Apply"


@pytest.mark.parametrize("event", ["close", "remove"])
def test_scene_changes_while_running_end_idle(widget, run, scene, event):
    run.applyButton.click()
    until(lambda: run.progressBar.value == 20)
    if event == "close":
        scene.Clear(0)
    else:
        scene.RemoveNode(widget.parameterNode.input)
    until(lambda: not widget.runner.busy)
    assert widget.results == []
    assert widget.shown == []
    assert run.applyButton.text == "Apply"
    assert not run.applyButton.enabled
    assert run.applyButton.toolTip == "Select an input"


def test_closing_the_scene_gives_a_fresh_parameter_node(module, widget, scene):
    widget.parameterNode.count = 8
    scene.Clear(0)
    assert widget.parameterNode.count == 5
    assert widget.ui.countSpinBox.value == 5


def test_closing_the_scene_in_another_module_unbinds_until_the_panel_opens(module, widget, scene):
    widget.parameterNode.count = 8
    module.exit()
    scene.Clear(0)
    assert widget.parameterNode is None
    module.enter()
    assert widget.parameterNode.count == 5


def test_a_task_goes_on_while_another_module_is_open(module, widget, run):
    run.applyButton.click()
    module.exit()
    widget.ui.countSpinBox.value = 2  # no longer bound
    assert widget.parameterNode.count == 5
    widget.go.set()
    until(lambda: not widget.runner.busy)
    assert widget.results == [10]
    module.enter()
    assert widget.ui.countSpinBox.value == 5


def test_cleanup_cancels_and_removes_observers(scene):
    loaded = host.load_module(MODULE)
    loaded.enter()
    widget = loaded.widget
    widget.parameterNode.input = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    widget._runUi.applyButton.click()
    loaded.cleanup()
    until(lambda: not widget.runner.busy)
    assert widget.results == []
    assert widget.Observations == []


@pytest.fixture
def two_cards(monkeypatch):
    cards = [Device(f"cuda:{n}", "Test card", 8 * 10**9, 6 * 10**9) for n in (0, 1)]
    cpu = Device("cpu", "Test processor", 16 * 10**9, 9 * 10**9)
    monkeypatch.setattr(devices, "list_devices", lambda: [*cards, cpu])
    qt.QSettings().remove(DEVICE_SETTING)


def test_devices_are_listed_and_the_choice_is_remembered(two_cards, module, widget, run):
    combo = run.deviceComboBox
    until(lambda: combo.count == 4)
    assert widget.device == "auto"
    assert [combo.itemData(n) for n in range(4)] == ["auto", "cuda:0", "cuda:1", "cpu"]
    assert combo.itemText(2) == "Test card (cuda:1)"
    combo.currentIndex = 2
    assert widget.device == "cuda:1"
    again = host.load_module(MODULE)
    until(lambda: again.widget._runUi.deviceComboBox.count == 4)
    assert again.widget.device == "cuda:1"
    again.cleanup()


def test_panel_looks_like_a_panel(widget, module, run, tmp_path):
    picture = host.grab(module, tmp_path / "panel.png")
    image = qt.QImage(str(picture))
    assert image.width() == 480
    assert image.height() > 120
