"""The host's attribute and signal rules: what PythonQt allows, and nothing else."""

from __future__ import annotations

import functools
import threading

import ctk
import pytest
import qt
import slicer

import host


@pytest.fixture
def button():
    return qt.QPushButton("go")


def test_property_is_a_value(button):
    assert button.text == "go"
    assert button.enabled is True
    button.text = "stop"
    button.enabled = False
    assert (button.text, button.isEnabled()) == ("stop", False)
    with pytest.raises(TypeError):
        button.text()


def test_setters_and_getters_are_calls(button):
    button.setText("x")
    button.setEnabled(False)
    button.setCheckable(True)
    button.setChecked(True)
    assert (button.text, button.enabled, button.isChecked()) == ("x", False, True)


@pytest.mark.parametrize("name", ["foo", "currentText", "setTextt", "minimumValue"])
def test_unknown_attribute_raises(button, name):
    with pytest.raises(AttributeError, match=name):
        getattr(button, name)
    with pytest.raises(AttributeError, match=name):
        setattr(button, name, 1)


def test_attribute_of_qt_6_alone_raises(button):
    with pytest.raises(AttributeError):
        button.setScreen(None)  # QWidget.setScreen is new in Qt 6


def test_methods_and_read_only_properties_cannot_be_set(button):
    with pytest.raises(AttributeError, match="setText"):
        button.setText = None
    with pytest.raises(AttributeError, match="read-only"):
        button.width = 3


@pytest.mark.parametrize("value", [None, object()])
def test_property_refuses_wrong_type(button, value):
    with pytest.raises(ValueError, match="text"):
        button.text = value


def test_stand_in_is_as_strict_as_qt():
    slider = ctk.ctkSliderWidget()
    slider.maximum = 10
    with pytest.raises(AttributeError, match="setMaximum"):
        slider.setMaximum(20)  # not a slot in ctk
    with pytest.raises(AttributeError, match="foo"):
        slider.foo = 1
    with pytest.raises(TypeError):
        slider.value()


def test_python_subclass_has_its_own_attributes():
    class Panel(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.count = 3
            self.text = "mine"

        def double(self):
            return 2 * self.count

    panel = Panel()
    assert (panel.double(), panel.text, panel.enabled) == (6, "mine", True)
    panel.toolTip = "tip"
    assert panel.toolTip == "tip"


def test_dynamic_property_child_and_name():
    parent = qt.QWidget()
    label = qt.QLabel("inner", parent)
    label.name = "inner"
    parent.setProperty("answer", 42)
    assert parent.answer == 42
    assert parent.inner is label
    assert label.objectName == "inner"
    assert parent.findChild(qt.QLabel, "inner") is label
    assert parent.findChildren("QLabel") == [label]
    assert (label.className(), slicer.qMRMLWidget().className()) == ("QLabel", "qMRMLWidget")


def test_enums_are_unscoped_integers():
    assert qt.Qt.Checked == 2
    assert qt.QMessageBox.Yes | qt.QMessageBox.No == 0x4000 | 0x10000
    box = qt.QCheckBox()
    box.setCheckState(qt.Qt.Checked)
    assert box.checkState() == 2
    with pytest.raises(AttributeError, match="NoSuchEnum"):
        qt.Qt.NoSuchEnum  # noqa: B018


def test_value_types_are_strict_too():
    colour = qt.QColor(10, 20, 30)
    assert (colour.red(), colour.name()) == (10, "#0a141e")
    with pytest.raises(AttributeError, match="getRgbF"):
        colour.getRgbF()  # PySide6 has it, PythonQt has not


def test_class_without_stand_in_says_so():
    with pytest.raises(NotImplementedError, match=r"no stand-in for slicer.qMRMLPlotView|ctk"):
        ctk.ctkWorkflow  # noqa: B018
    with pytest.raises(AttributeError, match="ctkNoSuchWidget"):
        ctk.ctkNoSuchWidget  # noqa: B018


def test_connect_needs_an_exact_signature(button):
    assert button.connect("clicked(bool)", print) is True
    assert button.connect("clicked( bool )", print) is True
    for signature in ("clicked", "clickd()", "clicked(int)", "textChanged(QString)"):
        with pytest.raises(ValueError, match=r"does not exist on QPushButton"):
            button.connect(signature, print)
    with pytest.raises(ValueError, match="gone in Qt 6"):
        qt.QComboBox().connect("currentIndexChanged(QString)", print)
    with pytest.raises(ValueError, match="does not exist"):
        slicer.qMRMLNodeComboBox().connect("currentNodeChanged(vtkMRMLNode)", print)


def test_surplus_arguments_are_dropped(button):
    got = []
    button.connect("clicked(bool)", lambda: got.append("none"))
    button.connect("clicked(bool)", lambda checked: got.append(checked))
    button.connect("clicked(bool)", lambda *all_: got.append(all_))
    button.connect("clicked()", lambda *all_: got.append(all_))
    button.connect("clicked(bool)", lambda kept="trap": got.append(kept))
    button.connect("clicked(bool)", functools.partial(got.append))
    button.clicked.connect(lambda checked: got.append(checked))
    button.click()
    # PythonQt passes the bool over a default value too: the usual trap of lambdas in loops
    assert got == ["none", False, (False,), (), False, False, False]


def test_disconnect(button):
    got = []

    def slot():
        got.append(1)

    button.connect("clicked()", slot)
    assert button.disconnect("clicked()", slot) is True
    assert button.disconnect("clicked()", slot) is False
    button.click()
    assert got == []


def test_connect_to_receiver_and_slot():
    box, label = qt.QCheckBox(), qt.QLabel("shown")
    box.connect("toggled(bool)", label, "setEnabled(bool)")
    box.setChecked(True)
    box.setChecked(False)
    assert label.enabled is False


def test_slot_that_raises_is_recorded(button):
    host.clear()
    after = []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda: after.append(1))
    button.click()
    qt.QTimer.singleShot(0, lambda: [][1])
    slicer.app.processEvents()
    assert after == [1]
    assert len(host.errors()) == 2
    assert "ZeroDivisionError" in host.errors()[0] and "IndexError" in host.errors()[1]
    host.clear()


def test_observer_that_raises_is_recorded(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    node.AddObserver("ModifiedEvent", lambda *_: {}["missing"])
    node.SetName("changed")
    assert len(host.errors()) == 1 and "KeyError: 'missing'" in host.errors()[0]
    host.clear()


def test_worker_thread_may_not_touch_widgets(button):
    seen = []

    def work():
        try:
            seen.append(button.text)
        except RuntimeError as error:
            seen.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "outside the main thread" in seen[0]


def test_worker_thread_may_not_touch_the_scene(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")

    def work():
        node.SetName("renamed")
        scene.AddNewNodeByClass("vtkMRMLModelNode")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert any("vtkMRMLModelNode modified" in text for text in host.errors())
    assert any("vtkMRMLScene NodeAdded" in text for text in host.errors())
    host.clear()


def test_timer_ticks():
    timer, ticks = qt.QTimer(), []
    timer.setInterval(1)
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start()
    assert timer.active is True and timer.isActive()
    deadline = qt.QElapsedTimer()
    deadline.start()
    while not ticks and deadline.elapsed() < 2000:
        slicer.app.processEvents()
    timer.stop()
    assert ticks


def test_dialogs_do_not_block_and_are_recorded():
    host.clear()
    assert qt.QFileDialog.getOpenFileName(None, "Open a CT") == ""
    assert qt.QMessageBox.question(None, "Delete", "Really?") == qt.QMessageBox.No
    assert slicer.util.confirmYesNoDisplay("Sure?") is False
    host.answer("/data/ct.nrrd", qt.QMessageBox.Yes, qt.QMessageBox.Yes)
    assert qt.QFileDialog.getOpenFileName(None, "Open a CT") == "/data/ct.nrrd"
    assert qt.QMessageBox.question(None, "Delete", "Really?") == qt.QMessageBox.Yes
    assert slicer.util.confirmYesNoDisplay("Sure?") is True
    kinds = [message.kind for message in host.messages()]
    assert kinds == ["file", "question", "question"] * 2
    assert qt.QDialog().exec() == qt.QDialog.Rejected
    host.clear()


def test_settings_stay_in_a_temporary_folder(tmp_path):
    qt.QSettings().setValue("MedDL/key", "value")
    assert qt.QSettings().value("MedDL/key") == "value"
    assert slicer.util.settingsValue("MedDL/missing", 5, int) == 5
    assert "slicer_host_" in qt.QSettings().fileName()
