"""Loading .ui files: what Slicer could not load, or would not notice, fails in the host."""

from __future__ import annotations

import ctk
import pytest
import slicer

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Panel</class>
 <widget class="qMRMLWidget" name="Panel">
  <layout class="QVBoxLayout" name="column">
   <item><widget class="{cls}" name="first">{properties}</widget></item>
   <item><widget class="qMRMLNodeComboBox" name="selector">
     <property name="nodeTypes">
      <stringlist><string>vtkMRMLModelNode</string></stringlist>
     </property>
     <property name="noneEnabled"><bool>true</bool></property>
   </widget></item>
   <item><widget class="Line" name="line">
     <property name="orientation"><enum>Qt::Horizontal</enum></property>
   </widget></item>
  </layout>
 </widget>
 <connections><connection>
   <sender>{sender}</sender><signal>{signal}</signal>
   <receiver>selector</receiver><slot>{slot}</slot>
 </connection></connections>
</ui>
"""
GOOD = {
    "cls": "QPushButton",
    "properties": '<property name="text"><string>Go</string></property>',
    "sender": "Panel",
    "signal": "mrmlSceneChanged(vtkMRMLScene*)",
    "slot": "setMRMLScene(vtkMRMLScene*)",
}


def load(tmp_path, **changes):
    path = tmp_path / "panel.ui"
    path.write_text(UI.format(**(GOOD | changes)), encoding="utf-8")
    return slicer.util.loadUI(str(path))


def test_widgets_have_their_classes_and_values(tmp_path, scene):
    panel = load(tmp_path)
    ui = slicer.util.childWidgetVariables(panel)
    assert ui.first.text == "Go"
    assert type(ui.selector) is slicer.qMRMLNodeComboBox
    assert ui.selector.nodeTypes == ("vtkMRMLModelNode",)
    assert ui.selector.noneEnabled is True


def test_only_connected_widgets_get_the_scene(tmp_path, scene):
    panel = load(tmp_path)
    panel.setMRMLScene(scene)
    assert panel.selector.mrmlScene() is scene
    other = load(tmp_path, signal="windowTitleChanged(QString)", slot="setWindowTitle(QString)")
    other.setMRMLScene(scene)
    assert other.selector.mrmlScene() is None


def test_dynamic_properties_are_kept(tmp_path):
    text = '<property name="SlicerParameterName" stdset="0"><string>count</string></property>'
    assert load(tmp_path, properties=text).first.property("SlicerParameterName") == "count"


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"cls": "QFancyButton"}, ValueError, "QFancyButton"),
        ({"cls": "ctkWorkflowWidget"}, NotImplementedError, "no stand-in"),
        ({"cls": "ctkSliderWidget"}, ValueError, "'text'"),
        ({"signal": "mrmlSceneChanged(vtkMRMLScene)"}, ValueError, "does not exist"),
        ({"signal": "sceneChanged()"}, ValueError, "does not exist"),
        ({"slot": "setScene(vtkMRMLScene*)"}, ValueError, "no slot"),
        ({"sender": "Panle"}, ValueError, "Panle"),
    ],
)
def test_what_slicer_could_not_load_fails(tmp_path, changes, error, text):
    with pytest.raises(error, match=text):
        load(tmp_path, **changes)


def test_missing_empty_and_broken_files_fail(tmp_path):
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "absent.ui"))
    broken = tmp_path / "broken.ui"
    broken.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="empty"):
        slicer.util.loadUI(str(broken))


def test_container_holds_its_children(tmp_path):
    panel = load(tmp_path, cls="ctkCollapsibleButton")
    assert isinstance(panel.first, ctk.ctkCollapsibleButton)
    assert panel.first.collapsed is False
