"""The panel of DeepDRRModule, driven by its own widgets: real renders, real scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

import host
from meddl.core import Image
from meddl.deepdrr import CArm, render
from SlicerMedDLLib.volumes import volume_from_image
from widgets.deepdrr_panel import GEOMETRY, body, button, ct, module, wait

__all__ = ["ct", "module"]  # fixtures


def state():
    """What the scene holds and when it changed, without the panel's own parameters."""
    nodes = slicer.util.getNodesByClass("vtkMRMLNode")
    return {n.GetID(): n.GetMTime() for n in nodes if not n.IsA("vtkMRMLScriptedModuleNode")}


def start_long_render(module):
    """Press Apply for a render of some seconds, and wait until it has begun."""
    ui = module.widget.ui
    ui.showCArmCheckBox.checked = False
    ui.columnsSpinBox.value = ui.rowsSpinBox.value = 4000
    before = state()
    button(module).click()
    assert button(module).text == "Cancel"
    bar = module.widget._runUi.progressBar
    wait(module, until=lambda: bar.value > 0)
    assert module.widget.runner.busy
    return before


def test_apply_renders_what_the_library_renders(module, ct):
    ui = module.widget.ui
    ui.primaryAngleSlider.value = 30
    ui.secondaryAngleSlider.value = -10
    ui.noiseCheckBox.click()
    ui.seedSpinBox.value = 7
    ui.spectrumSelector.currentIndex = 2
    button(module).click()
    wait(module)
    view = CArm(30, -10, detector_size=(40, 30), pixel_spacing=5)
    expected = render(body(), view, quantity="neglog", noise=True, seed=7, spectrum="120kV")
    node = ui.radiographSelector.currentNode()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), expected.array)
    assert node.GetName() == "CT radiograph"
    assert button(module).text == "Apply"
    assert "Done" in module.widget._runUi.statusLabel.text
    assert host.messages("error") == []
    # The second render replaces the first and makes no nodes.
    before = set(state())
    ui.quantitySelector.currentIndex = 1
    button(module).click()
    wait(module)
    assert set(state()) == before
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(node),
        render(body(), view, quantity="intensity", noise=True, seed=7, spectrum="120kV").array,
    )


def test_without_ct_apply_says_why(module):
    assert not button(module).isEnabled()
    assert button(module).toolTip == "no CT volume is selected; load or select one"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ui, ct: setattr(ui.sourceIsocenterSlider, "value", 1500), "behind the detector"),
        (lambda ui, ct: ui.huBelowEdit.setText("everything"), "V:REPLACEMENT"),
        (lambda ui, ct: ui.radiographSelector.setCurrentNode(ct), "the CT 'CT' itself"),
        (lambda ui, ct: slicer.mrmlScene.RemoveNode(ct), "no CT volume is selected"),
    ],
)
def test_impossible_settings_disable_apply_and_say_why(module, ct, change, words):
    assert button(module).isEnabled()
    change(module.widget.ui, ct)
    assert not button(module).isEnabled()
    assert words in button(module).toolTip


def test_cancel_leaves_the_scene_as_it_was(module, ct):
    before = start_long_render(module)
    button(module).click()
    wait(module)
    assert state() == before
    assert module.widget._runUi.statusLabel.text == "Cancelled"
    assert button(module).text == "Apply"
    assert button(module).isEnabled()
    assert host.messages("error") == []


def test_ct_removed_while_running(module, ct):
    start_long_render(module)
    slicer.mrmlScene.RemoveNode(ct)
    wait(module)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert not button(module).isEnabled()
    assert host.messages("error") == []


def test_output_removed_while_running(module, ct):
    button(module).click()
    wait(module)
    start_long_render(module)
    slicer.mrmlScene.RemoveNode(module.widget.ui.radiographSelector.currentNode())
    wait(module)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [ct]
    assert host.messages("error") == []


def test_scene_closed_while_running(module, ct):
    start_long_render(module)
    host.clear_scene()
    wait(module)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    assert button(module).text == "Apply"
    assert not button(module).isEnabled()
    assert host.messages("error") == []


def test_user_leaves_the_module_while_running(module, ct):
    module.widget.ui.columnsSpinBox.value = 2000
    button(module).click()
    module.exit()
    wait(module)
    module.enter()
    assert module.widget.ui.radiographSelector.currentNode().GetName() == "CT radiograph"


def test_nan_is_reported_once(module):
    holes = body().array.astype(np.float32)
    holes[1, 2, 3] = np.inf
    node = volume_from_image(Image(holes, GEOMETRY), "Holes")
    ui = module.widget.ui
    ui.ctVolumeSelector.setCurrentNode(node)
    assert "NaN or infinite" in ui.checkStatusLabel.text
    before = state()
    button(module).click()
    wait(module)
    errors = host.messages("error")
    assert len(errors) == 1
    assert "NaN or infinite, the first at ijk (3, 2, 1)" in errors[0].text
    assert state() == before


def test_state_returns_with_the_scene(module, ct, tmp_path):
    ui = module.widget.ui
    ui.primaryAngleSlider.value = -42
    ui.quantitySelector.currentIndex = 2
    ui.huBelowEdit.setText("-900:-1000")
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Hip")
    slicer.util.updateMarkupsControlPointsFromArray(points, np.array([[9.0, 8.0, 7.0]]))
    ui.isocenterSelector.setCurrentNode(points)
    button(module).click()
    wait(module)
    path = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(path))
    expected = slicer.util.arrayFromVolume(ui.radiographSelector.currentNode()).copy()
    host.clear_scene()
    assert ui.primaryAngleSlider.value == 0
    slicer.util.loadScene(str(path))
    module.enter()
    assert ui.primaryAngleSlider.value == -42
    assert ui.quantitySelector.currentText == "Deposited energy, keV per photon"
    assert ui.huBelowEdit.text == "-900:-1000"
    assert ui.ctVolumeSelector.currentNode().GetName() == "CT"
    assert ui.isocenterSelector.currentNode().GetName() == "Hip"
    assert module.widget.parameterNode.carmTransform.GetName() == "C-arm"
    radiograph = ui.radiographSelector.currentNode()
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(radiograph), expected)
    # The restored radiograph still knows its camera, so the C-arm takes its picture back.
    nodes = module.logic.showGeometry(
        ui.ctVolumeSelector.currentNode(),
        CArm(-42, isocenter=(9, 8, 7), detector_size=(40, 30), pixel_spacing=5),
        radiograph,
        module.widget.parameterNode.carmTransform,
    )
    assert nodes.detector.GetPolyData().GetCellData().GetScalars().GetNumberOfTuples() == 1200


def test_check_warns_and_mends(module):
    hu = body().array
    ui = module.widget.ui
    ui.checkButton.collapsed = False
    ui.ctVolumeSelector.setCurrentNode(volume_from_image(body(), "Whole"))
    assert ui.checkStatusLabel.text == "The values look like Hounsfield units."
    assert not ui.mendButton.isVisibleTo(module.panel)
    blanked = volume_from_image(Image(np.where(hu > -500, 900, 0).astype(np.int16)), "Blanked")
    ui.ctVolumeSelector.setCurrentNode(blanked)
    assert "soft tissue and air were blanked" in ui.checkStatusLabel.text
    assert ui.mendButton.isVisibleTo(module.panel)
    assert ui.mendButton.text == "Set HU below to 1:-1000"
    ui.mendButton.click()
    assert ui.huBelowEdit.text == "1:-1000"
    assert ui.checkStatusLabel.text == "The values look like Hounsfield units."
    assert not ui.mendButton.isVisibleTo(module.panel)
    for label in (ui.histogramLabel, ui.orientationLabel):
        assert label.pixmap.width() >= 280
    ui.ctVolumeSelector.setCurrentNode(None)
    assert not ui.histogramLabel.isVisibleTo(module.panel)


def test_histogram_picture_is_as_high_as_the_counts(module):
    from DeepDRRModuleLib.pictures import MARK, histogram_pixmap

    counts, edges = np.array([0, 1, 1000, 0]), np.linspace(-1000, 1000, 5)
    picture = histogram_pixmap(counts, edges, 208, 138).toImage()  # bars of 50, 100 rows high
    heights = [
        sum(picture.pixelColor(4 + 50 * bar + 25, row).name() == MARK for row in range(18, 118))
        for bar in range(4)
    ]
    assert heights == [0, round(98 * np.log(2) / np.log(1001)), 98, 0]


def test_slices_picture_shows_the_grey_values_in_place(module):
    from DeepDRRModuleLib.ctcheck import Slice
    from DeepDRRModuleLib.pictures import orientation_pixmap

    grey = np.zeros((40, 40), np.uint8)
    grey[:20, :20] = 200  # top left
    picture = orientation_pixmap([Slice(grey, (1.0, 1.0), "RLAP")] * 3, 300, 100).toImage()
    for cell in range(3):
        assert picture.pixelColor(100 * cell + 30, 30).red() == 200
        assert picture.pixelColor(100 * cell + 70, 30).red() == 0
        assert picture.pixelColor(100 * cell + 30, 70).red() == 0


def test_carm_follows_the_sliders(module, ct):
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.primaryAngleSlider.value = 90
    transform = node.carmTransform
    count = len(state())
    for angle in (60.0, -30.0):
        ui.primaryAngleSlider.value = angle
        z = slicer.util.arrayFromTransformMatrix(transform)[:3, 2]
        a = np.deg2rad(angle)
        np.testing.assert_allclose(z, [-np.sin(a), np.cos(a), 0], atol=1e-9)
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Hip")
    slicer.util.updateMarkupsControlPointsFromArray(points, np.array([[9.0, 8.0, 7.0]]))
    ui.isocenterSelector.setCurrentNode(points)
    points.SetNthControlPointPositionWorld(0, 1, 2, 3)
    np.testing.assert_allclose(slicer.util.arrayFromTransformMatrix(transform)[:3, 3], [1, 2, 3])
    assert len(state()) == count + 2  # the point list and its display
    detector = transform.GetNodeReference("MedDL.detector")
    assert detector.GetDisplayVisibility()
    ui.showCArmCheckBox.click()
    assert not detector.GetDisplayVisibility()
    ui.showCArmCheckBox.click()
    assert detector.GetDisplayVisibility()


def test_carm_shows_the_picture_of_its_own_pose_only(module, ct):
    ui, node = module.widget.ui, module.widget.parameterNode
    button(module).click()
    wait(module)
    detector = node.carmTransform.GetNodeReference("MedDL.detector")
    assert detector.GetPolyData().GetCellData().GetScalars() is not None
    button(module).click()
    ui.primaryAngleSlider.value = 20  # while it renders
    wait(module)
    assert detector.GetPolyData().GetCellData().GetScalars() is None
    z = slicer.util.arrayFromTransformMatrix(node.carmTransform)[:3, 2]
    np.testing.assert_allclose(z[0], -np.sin(np.deg2rad(20)))


def test_carm_stays_when_the_ct_cannot_be_placed(module, ct):
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.radiographSelector.setCurrentNode(volume_from_image(body(), "No radiograph"))
    ui.primaryAngleSlider.value = 20
    transform = node.carmTransform
    before = slicer.util.arrayFromTransformMatrix(transform)
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    ct.SetAndObserveTransformNodeID(warp.GetID())
    ui.primaryAngleSlider.value = 30
    np.testing.assert_array_equal(slicer.util.arrayFromTransformMatrix(transform), before)
    assert "non-linear" in module.widget._runUi.statusLabel.text
    assert "non-linear" in button(module).toolTip
    assert host.messages("error") == []


def test_opening_the_module_selects_the_ct_and_adds_nothing(module):
    module.exit()
    node = volume_from_image(body(), "CT")
    before = set(state())
    module.enter()
    assert module.widget.ui.ctVolumeSelector.currentNode() is node
    assert set(state()) == before


def test_another_ct_gets_a_radiograph_of_its_own(module, ct):
    ui = module.widget.ui
    button(module).click()
    wait(module)
    first = ui.radiographSelector.currentNode()
    ui.ctVolumeSelector.nodeActivated.emit(ct)  # the same again
    assert ui.radiographSelector.currentNode() is first
    other = volume_from_image(body(), "Other")
    ui.ctVolumeSelector.setCurrentNode(other)
    ui.ctVolumeSelector.nodeActivated.emit(other)
    button(module).click()
    wait(module)
    assert ui.radiographSelector.currentNode().GetName() == "Other radiograph"
    assert first.GetName() == "CT radiograph"


def test_noise_settings_follow_the_quantity(module, ct):
    ui = module.widget.ui
    assert ui.noiseCheckBox.isEnabled()
    assert not ui.photonsSpinBox.isEnabled()
    ui.noiseCheckBox.click()
    assert ui.photonsSpinBox.isEnabled()
    ui.quantitySelector.currentIndex = 4  # the plain line integral
    assert not ui.noiseCheckBox.isEnabled()
    button(module).click()
    wait(module)
    np.testing.assert_array_equal(
        slicer.util.arrayFromVolume(ui.radiographSelector.currentNode()),
        render(body(), CArm(detector_size=(40, 30), pixel_spacing=5), quantity="integral").array,
    )


def test_self_test_of_the_module_passes(module):
    import DeepDRRModule

    DeepDRRModule.DeepDRRModuleTest().runTest()


def test_the_example_of_the_help_runs(module):
    import DeepDRRModule

    assert DeepDRRModule.CONSOLE in module.module.parent.helpText
    volume_from_image(body(), "AbdomenPelvisCT")
    names = {"slicer": slicer}
    exec(DeepDRRModule.CONSOLE, names)
    assert names["radiograph"].GetName() == "AbdomenPelvisCT radiograph"
    detector = names["carm"].detector.GetPolyData().GetCellData()
    assert detector.GetScalars().GetNumberOfTuples() == 256**2
