"""The stand-ins behave as ctk's and MRML's widgets do, and have no attribute that those lack."""

from __future__ import annotations

import gc
import weakref

import ctk
import numpy as np
import pytest
import qt
import slicer

import host
from host import api
from host.classes import registry

VIRTUAL = {"paintEvent", "childEvent", "hitButton", "staticMetaObject"}
STAND_INS = [
    (module, name)
    for module, group in registry.items()
    for name in sorted(group)
    if api.interface(f"{module}.{name}") is not None  # recorded in Slicer
]
WIDGETS = [
    (module, name)
    for module, name in STAND_INS
    if issubclass(registry[module][name], qt.QWidget)
    and not name.startswith("qSlicerScripted")
    and name not in ("qMRMLPlotWidget", "qMRMLSliceWidget")  # the layout makes them
]


def signals_of(widget, signature):
    """Arguments of each emission of a signal, from now on."""
    seen = []
    widget.connect(signature, lambda *values: seen.append(values))
    return seen


@pytest.mark.parametrize(("module", "name"), STAND_INS)
def test_stand_in_has_nothing_of_its_own(module, name):
    cls = registry[module][name]
    known = set(VIRTUAL)
    for key in (f"{module}.{name}", "qt.QWidget", "qt.QObject"):
        known |= api.interface(key).names()
    assert {item for item in vars(cls) if not item.startswith("_")} <= known


@pytest.mark.parametrize(("module", "name"), WIDGETS)
def test_stand_in_can_be_made_and_painted(module, name):
    widget = registry[module][name]()
    widget.resize(200, 40)
    assert widget.className() == name
    assert widget.grab().width() >= 200


def panel_let_go(scene):
    """Weak reference to a panel that only a garbage collection ends: the next node brings one."""
    panel = qt.QWidget()
    cycle = [panel]
    cycle.append(cycle)
    selector = slicer.qMRMLNodeComboBox()
    selector.setParent(panel)
    selector.nodeTypes = ["vtkMRMLModelNode"]
    selector.setMRMLScene(scene)
    look = selector._look_at_new_nodes
    selector._look_at_new_nodes = lambda: (gc.collect(), look())
    return weakref.ref(panel)


def test_a_panel_let_go_lives_until_its_observer_is_done(scene):
    gc.collect()
    panel = panel_let_go(scene)
    scene.AddNewNodeByClass("vtkMRMLModelNode")  # an error in the observer fails the test
    gc.collect()
    assert panel() is None


@pytest.mark.parametrize("cls", [ctk.ctkSliderWidget, slicer.qMRMLSliderWidget])
def test_slider_widget(cls):
    slider = cls()
    seen = signals_of(slider, "valueChanged(double)")
    assert (slider.minimum, slider.maximum, slider.value) == (0, 99, 0)
    slider.maximum = 10
    slider.decimals = 1
    slider.value = 2.26
    slider.setValue(50)
    assert seen == [(2.3,), (10.0,)]
    slider.maximum = 5
    assert slider.value == 5
    spin, bar = slider.findChild(qt.QDoubleSpinBox), slider.findChild(qt.QSlider)
    spin.value = 2.5
    assert (slider.value, bar.value) == (2.5, bar.maximum // 2)
    bar.value = 0
    assert (slider.value, spin.value) == (0, 0)


def test_double_spin_box_and_slider():
    spin = ctk.ctkDoubleSpinBox()
    seen = signals_of(spin, "valueChanged(double)")
    spin.maximum, spin.suffix = 8, " mm"
    spin.value = 9
    assert (spin.value, seen) == (8, [(8.0,)])
    slider = ctk.ctkDoubleSlider()
    slider.maximum = 2
    slider.value = 1.5
    assert (slider.value, slider.minimum) == (1.5, 0)


@pytest.mark.parametrize("cls", [ctk.ctkRangeWidget, slicer.qMRMLRangeWidget])
def test_range_widget(cls):
    widget = cls()
    seen = signals_of(widget, "valuesChanged(double,double)")
    lows = signals_of(widget, "minimumValueChanged(double)")
    widget.setValues(30, 20)
    assert (widget.minimumValue, widget.maximumValue) == (20, 30)
    widget.maximumValue = 10
    assert (widget.minimumValue, widget.maximumValue) == (10, 10)
    widget.setRange(15, 40)
    assert (widget.minimumValue, widget.maximumValue) == (15, 15)
    assert seen == [(20, 30), (10, 10), (15, 15)]
    assert lows == [(20,), (10,), (15,)]


def test_coordinates_widget():
    widget = ctk.ctkCoordinatesWidget()
    seen = signals_of(widget, "coordinatesChanged(double*)")
    widget.coordinates = "1,2.5,-3"
    assert (widget.coordinates, len(seen)) == ("1,2.5,-3", 1)
    widget.dimension = 2
    assert widget.coordinates == "1,2.5"


def test_collapsible_button_folds_its_contents():
    button = ctk.ctkCollapsibleButton("Advanced")
    layout = qt.QVBoxLayout(button)
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.hide()
    seen = signals_of(button, "contentsCollapsed(bool)")
    button.collapsed = True
    assert (shown.isHidden(), button.checked) == (True, False)
    late = qt.QLabel("late")
    layout.addWidget(late)
    assert late.isHidden()
    button.click()
    assert [item.isHidden() for item in (shown, hidden, late)] == [False, True, False]
    assert seen == [(True,), (False,)]


def test_path_widgets(tmp_path):
    edit, button = ctk.ctkPathLineEdit(), ctk.ctkDirectoryButton()
    paths = signals_of(edit, "currentPathChanged(QString)")
    folders = signals_of(button, "directoryChanged(QString)")
    edit.currentPath = "/data/ct.nrrd"
    assert edit.currentPath == "/data/ct.nrrd" and paths[-1] == ("/data/ct.nrrd",)
    host.answer(str(tmp_path), "/other.nrrd")
    button.browse()
    edit.browse()
    assert (button.directory, folders) == (str(tmp_path), [(str(tmp_path),)])
    assert edit.currentPath == "/other.nrrd"
    host.clear()
    edit.browse()  # cancelled
    assert edit.currentPath == "/other.nrrd"
    edit.settingKey = "HostTest"
    edit.currentPath = str(tmp_path)
    edit.addCurrentPathToHistory()
    again = ctk.ctkPathLineEdit()
    again.settingKey = "HostTest"
    assert again.currentPath == str(tmp_path)
    host.clear()


def test_colour_button():
    button = ctk.ctkColorPickerButton()
    seen = signals_of(button, "colorChanged(QColor)")
    host.answer(qt.QColor(255, 0, 0))
    button.click()
    assert button.color == qt.QColor(255, 0, 0) and len(seen) == 1
    assert button.colorName == "#ff0000"
    host.clear()


@pytest.fixture
def selector(scene):
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    widget.setMRMLScene(scene)
    return widget


def texts(widget):
    combo = widget.findChild(qt.QComboBox)
    return [combo.itemText(index) for index in range(combo.count)]


def test_node_selector_follows_the_scene(selector, scene):
    seen = signals_of(selector, "currentNodeChanged(vtkMRMLNode*)")
    truth = signals_of(selector, "currentNodeChanged(bool)")
    first = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "one")
    second = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "two")
    scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    assert selector.currentNode() is first  # without "None" the first node is selected
    assert texts(selector)[:2] == ["one", "two"]
    second.SetName("renamed")
    assert texts(selector)[1] == "renamed"
    selector.setCurrentNode(second)
    scene.RemoveNode(second)
    assert selector.currentNode() is first
    scene.RemoveNode(first)
    assert selector.currentNode() is None and selector.currentNodeID == ""
    assert seen == [(first,), (second,), (first,), (None,)]
    assert truth == [(True,), (True,), (True,), (False,)]


def test_node_selector_filters(selector, scene):
    label = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "label")
    hidden = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hidden")
    hidden.SetHideFromEditors(True)
    selector.setMRMLScene(None)
    selector.setMRMLScene(scene)
    assert selector.currentNode() is label
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 0
    selector.showHidden = True
    assert selector.nodeFromIndex(0) is hidden
    selector.addAttribute("vtkMRMLScalarVolumeNode", "role", "ct")
    assert selector.nodeCount() == 0
    hidden.SetAttribute("role", "ct")
    selector.removeAttribute("vtkMRMLScalarVolumeNode", "other")
    assert selector.nodeCount() == 1


def test_node_selector_none_create_and_delete(selector, scene):
    selector.noneEnabled = True
    selector.baseName = "Radiograph"
    added = signals_of(selector, "nodeAddedByUser(vtkMRMLNode*)")
    assert texts(selector)[0] == "None"
    combo = selector.findChild(qt.QComboBox)
    combo.activated(next(i for i, text in enumerate(texts(selector)) if "Create" in text))
    node = selector.currentNode()
    assert node.GetName() == "Radiograph" and added == [(node,)]
    combo.activated(texts(selector).index("Delete current node"))
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert selector.currentNode() is None
    selector.addEnabled = selector.removeEnabled = False
    assert texts(selector) == ["None"]


def test_node_selector_of_an_abstract_type(scene):
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLVolumeNode"]
    widget.setMRMLScene(scene)
    label = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert widget.currentNode() is label


def test_stand_in_property_refuses_wrong_type():
    widget = slicer.qMRMLNodeComboBox()
    for name, value in {"nodeTypes": 3, "noneEnabled": "yes", "baseName": 5}.items():
        with pytest.raises(ValueError, match=name):
            setattr(widget, name, value)
    with pytest.raises(ValueError, match="value"):
        ctk.ctkSliderWidget().value = "much"


def test_node_selector_remembers_a_node_until_it_has_the_scene(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    scene.AddNewNodeByClass("vtkMRMLModelNode")
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLModelNode"]
    widget.setCurrentNode(node)
    assert widget.currentNode() is None
    widget.setMRMLScene(scene)
    assert widget.currentNode() is node


def test_checkable_node_selector(scene):
    widget = slicer.qMRMLCheckableNodeComboBox()
    widget.nodeTypes = ["vtkMRMLModelNode"]
    widget.setMRMLScene(scene)
    seen = signals_of(widget, "checkedNodesChanged()")
    first = scene.AddNewNodeByClass("vtkMRMLModelNode", "one")
    second = scene.AddNewNodeByClass("vtkMRMLModelNode", "two")
    widget.setCheckState(second, qt.Qt.Checked)
    assert widget.checkedNodes() == (second,) and widget.uncheckedNodes() == (first,)
    scene.AddNewNodeByClass("vtkMRMLModelNode", "three")
    assert widget.checkedNodes() == (second,)
    widget.uncheck(second)
    assert widget.noneChecked() and len(seen) == 2


@pytest.fixture
def segmentation(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "organs")
    node.CreateDefaultDisplayNodes()
    node.GetSegmentation().AddEmptySegment("liver", "Liver", [1.0, 0.0, 0.0])
    node.GetSegmentation().AddEmptySegment("spleen", "Spleen", [0.0, 0.0, 1.0])
    return node


def test_segment_selector(scene, segmentation):
    widget = slicer.qMRMLSegmentSelectorWidget()
    widget.setMRMLScene(scene)
    seen = signals_of(widget, "currentSegmentChanged(QString)")
    assert widget.currentNode() is segmentation
    assert (widget.segmentIDs(), widget.currentSegmentID()) == (("liver", "spleen"), "liver")
    widget.setCurrentSegmentID("spleen")
    segmentation.GetSegmentation().RemoveSegment("spleen")
    assert (widget.currentSegmentID(), seen) == ("liver", [("spleen",), ("liver",)])
    widget.multiSelection = True
    widget.setSelectedSegmentIDs(["liver"])
    assert widget.selectedSegmentIDs() == ("liver",)


def test_segments_table(segmentation):
    table = slicer.qMRMLSegmentsTableView()
    table.setSegmentationNode(segmentation)
    assert table.segmentCount == 2
    table.setSelectedSegmentIDs(["spleen"])
    segmentation.GetSegmentation().AddEmptySegment("kidney", "Kidney")
    assert table.selectedSegmentIDs() == ("spleen",)
    assert [table.segmentIDForRow(row) for row in range(3)] == ["liver", "spleen", "kidney"]


def test_markups_widgets(scene):
    widget = slicer.qSlicerSimpleMarkupsWidget()
    widget.setMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    widget.setCurrentNode(node)
    node.AddControlPoint([1.0, 2.0, 3.0], "tip")
    table = widget.tableWidget()
    assert [table.item(0, column).text() for column in range(4)] == [
        "tip",
        "1.000",
        "2.000",
        "3.000",
    ]
    place = widget.markupsPlaceWidget()
    place.setPlaceModeEnabled(True)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    place.setPlaceModeEnabled(False)
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    place.deleteLastPoint()
    assert (node.GetNumberOfControlPoints(), table.rowCount) == (0, 0)


def test_sequence_widgets(scene):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    text = slicer.vtkMRMLTextNode()
    for index in range(4):
        sequence.SetDataNodeAtValue(text, str(index))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    seek, play = slicer.qMRMLSequenceBrowserSeekWidget(), slicer.qMRMLSequenceBrowserPlayWidget()
    for widget in (seek, play):
        widget.setMRMLSequenceBrowserNode(browser)
    assert seek.slider().maximum == 3
    seek.slider().value = 2
    assert browser.GetSelectedItemNumber() == 2
    play.onVcrNext()
    play.onVcrNext()
    assert browser.GetSelectedItemNumber() == (0 if browser.GetPlaybackLooped() else 3)
    play.onVcrLast()
    play.onVcrPrevious()
    assert seek.slider().value == 2


def test_subject_hierarchy_selector(scene):
    widget = slicer.qMRMLSubjectHierarchyComboBox()
    widget.nodeTypes = ["vtkMRMLModelNode"]
    widget.setMRMLScene(scene)
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    widget.setCurrentNode(model)
    assert widget.currentNode() is model
    assert widget.currentText.startswith("surface")


def test_threshold_and_window_level_widgets(scene):
    volume = slicer.util.addVolumeFromArray(np.arange(101, dtype=np.int16).reshape(1, 1, 101))
    volume.CreateDefaultDisplayNodes()
    threshold, window = slicer.qMRMLVolumeThresholdWidget(), slicer.qMRMLWindowLevelWidget()
    threshold.setMRMLVolumeNode(volume)
    threshold.setThreshold(20, 60)
    assert (threshold.lowerThreshold, threshold.upperThreshold) == (20, 60)
    assert volume.GetDisplayNode().GetLowerThreshold() == 20
    window.setMRMLVolumeNode(volume)
    window.setWindowLevel(40, 50)
    display = volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (40, 50)
