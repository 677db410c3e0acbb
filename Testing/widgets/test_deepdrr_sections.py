"""Materials, tube, projections, registration, data set and restoring, by the panel's widgets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer

import host
from DeepDRRModuleLib import materials
from meddl.core import Image, read_image
from meddl.core.optional import is_installed
from meddl.deepdrr import CArm, Labels, read_dicom_geometry, render
from meddl.deepdrr.instruments import ball
from meddl.deepdrr.solids import Solid
from SlicerMedDLLib.models import model_from_mesh
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from SlicerMedDLLib.volumes import volume_from_image
from waiting import BLOCK, longest_block
from widgets.deepdrr_panel import GEOMETRY, body, button, ct, module, status, wait

__all__ = ["ct", "module"]  # fixtures
VIEW = CArm(detector_size=(40, 30), pixel_spacing=5)


def rods() -> Image:
    """Labels 1 and 2: two rods in the body."""
    k, j, i = np.mgrid[-12:12, -16:16, -20:20]
    labels = np.zeros(k.shape, np.uint8)
    labels[(i + 8) ** 2 + j**2 < 9] = 1
    labels[(i - 8) ** 2 + j**2 < 9] = 2
    return Image(labels, GEOMETRY)


@pytest.fixture
def segmentation(module, ct):
    segments = [Segment(1, "Femur", (1, 0, 0)), Segment(2, "wire", (0, 0, 1))]
    return segmentation_from_labels(rods(), segments, "Rods")


def apply(module) -> np.ndarray:
    """Press Apply and wait; the pixels."""
    button(module).click()
    wait(module)
    assert host.messages("error") == []
    return slicer.util.arrayFromVolume(module.widget.parameterNode.radiograph)


def shown(module, widget) -> bool:
    return widget.isVisibleTo(module.panel)


def test_every_control_says_what_it_is(module):
    controls = {
        name: widget
        for name, widget in vars(module.widget.ui).items()
        if name.endswith(("Selector", "Slider", "SpinBox", "CheckBox", "Edit", "Widget", "Table"))
        or (name.endswith("Button") and widget.className() == "QPushButton")
    }
    assert len(controls) > 70
    assert [name for name, widget in controls.items() if not widget.toolTip] == []
    units = {
        "°": "degrees",
        " mm": "mm",
        " kV": "kV",
        " HU": "HU",
        " mAs": "mAs",
        " lp/mm": "per mm",
    }
    for name, widget in controls.items():
        suffix = getattr(widget, "suffix", "")
        assert units.get(suffix, "") in widget.toolTip, name


# Materials


def test_segments_are_listed_with_their_materials_and_rendered(module, segmentation):
    ui = module.widget.ui
    ui.materialsButton.collapsed = False
    assert not shown(module, ui.segmentsTable)
    ui.materialMethodSelector.currentText = "segmentation"
    assert "no segmentation is selected" in button(module).toolTip
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert shown(module, ui.segmentsTable)
    table = ui.segmentsTable
    rows = [(table.item(n, 0).text(), table.cellWidget(n, 1).currentText) for n in range(2)]
    assert rows == [("Femur", "skeleton"), ("wire", "titanium")]
    combo = table.cellWidget(1, 1)
    combo.setCurrentText("iron")
    combo.activated.emit(combo.findText("iron"))
    labels = Labels(rods(), {1: "skeleton", 2: "iron"})
    expected = render(body(), VIEW, quantity="neglog", labels=labels)
    np.testing.assert_array_equal(apply(module), expected.array)
    combo = table.cellWidget(1, 1)
    combo.setCurrentText("unobtainium")
    combo.activated.emit(-1)
    assert "unobtainium" in status(module)
    assert table.cellWidget(1, 1).currentText == "iron"


def test_models_are_put_into_the_beam(module, ct):
    ui = module.widget.ui
    mesh = ball(body().center, np.add(body().center, (0, 0, 12)))
    model_from_mesh(mesh, "Ball")
    ui.materialsButton.collapsed = False
    assert shown(module, ui.modelsTable)
    combo = ui.modelsTable.cellWidget(0, 1)
    combo.setCurrentText("titanium")
    combo.activated.emit(combo.findText("titanium"))
    expected = render(body(), VIEW, quantity="neglog", solids=[Solid(mesh, "titanium")])
    np.testing.assert_allclose(apply(module), expected.array, rtol=0, atol=1e-3)


def test_methods_and_curves_are_those_of_the_library(module, ct):
    from meddl.deepdrr.hounsfield import density_curves
    from meddl.deepdrr.materials import METHODS

    ui = module.widget.ui
    names = [
        [combo.itemText(n) for n in range(combo.count)]
        for combo in (ui.materialMethodSelector, ui.densityCurveSelector)
    ]
    assert names == [[*METHODS, "segmentation"], list(density_curves())]
    ui.materialMethodSelector.currentText = "water"
    expected = render(body(), VIEW, quantity="neglog", materials="water")
    np.testing.assert_array_equal(apply(module), expected.array)


# Tube and detector


def test_fields_appear_with_the_choices_that_need_them(module, ct):
    ui = module.widget.ui
    ui.tubeButton.collapsed = False
    for field, choose in (
        (ui.kvpSpinBox, lambda: setattr(ui.spectrumSelector, "currentText", "computed")),
        (ui.binEdgesEdit, lambda: setattr(ui.detectorSelector, "currentText", "bins")),
        (
            ui.scatterPhotonsSpinBox,
            lambda: setattr(ui.scatterSelector, "currentText", "montecarlo"),
        ),
        (ui.masSpinBox, lambda: setattr(ui.exposureSelector, "currentIndex", 1)),
        (ui.airKermaSpinBox, lambda: setattr(ui.exposureSelector, "currentIndex", 2)),
    ):
        assert not shown(module, field)
        choose()
        assert shown(module, field)
    assert not shown(module, ui.photonsSpinBox)
    assert not ui.airKermaSpinBox.isEnabled()
    ui.noiseCheckBox.click()
    assert ui.airKermaSpinBox.isEnabled()


def test_a_missing_spekpy_is_said_with_the_remedy(module, ct, monkeypatch):
    from DeepDRRModuleLib.panel import tube

    ui = module.widget.ui
    ui.tubeButton.collapsed = False
    monkeypatch.setattr(tube, "is_installed", lambda name: False)
    assert not shown(module, ui.tubeStatusLabel)
    ui.spectrumSelector.currentText = "computed"
    assert shown(module, ui.tubeStatusLabel)
    assert "MedDL Home" in ui.tubeStatusLabel.text


def test_detector_and_field_are_rendered(module, ct):
    ui = module.widget.ui
    ui.csiSpinBox.value = 400
    ui.mtf50SpinBox.value = 0.05
    ui.openColumnsSpinBox.value, ui.openRowsSpinBox.value = 20, 16
    ui.filtrationEdit.setText("Cu:0.1")
    ui.quantitySelector.currentIndex = 1
    options = {"csi": 400, "mtf50": 0.05, "collimation": (20, 16), "filtration": "Cu:0.1"}
    expected = render(body(), VIEW, quantity="intensity", **options)
    np.testing.assert_array_equal(apply(module), expected.array)
    ui.detectorSelector.currentText = "bins"
    ui.binEdgesEdit.setText("50,20")
    assert "increasing lower edges" in button(module).toolTip


# Restoring and DICOM


def test_an_acquisition_is_restored_after_reloading_the_scene(module, segmentation, tmp_path):
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.primaryAngleSlider.value, ui.secondaryAngleSlider.value = 22, -7
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Hip")
    slicer.util.updateMarkupsControlPointsFromArray(points, np.array([[3.0, 4.0, 5.0]]))
    ui.isocenterSelector.setCurrentNode(points)
    ui.materialMethodSelector.currentText = "segmentation"
    ui.segmentationSelector.setCurrentNode(segmentation)
    ui.noiseCheckBox.click()
    ui.seedSpinBox.value = 9
    pixels = apply(module).copy()
    path = tmp_path / "scene.mrb"
    ui.primaryAngleSlider.value = -60
    ui.seedSpinBox.value = 1
    ui.materialMethodSelector.currentText = "water"
    ui.isocenterSelector.setCurrentNode(None)
    assert slicer.util.saveScene(str(path))
    host.clear_scene()
    slicer.util.loadScene(str(path))
    module.enter()
    node = module.widget.parameterNode
    assert node.primaryAngle == -60
    ui.restoreButton.click()
    assert (node.primaryAngle, node.secondaryAngle, node.seed) == (22, -7, 9)
    assert node.segmentation.GetName() == "Rods"
    isocenter = slicer.util.arrayFromMarkupsControlPoints(node.isocenter, world=True)
    np.testing.assert_allclose(isocenter, [[3, 4, 5]], atol=1e-6)
    node.radiograph = None
    np.testing.assert_allclose(apply(module), pixels, atol=1e-5)


def test_a_radiograph_that_the_panel_cannot_show_changes_nothing(module, ct):
    view = CArm(principal_point=(3.0, 4.0), detector_size=(40, 30), pixel_spacing=5)
    node = module.logic.render(ct, view)
    module.widget.ui.radiographSelector.setCurrentNode(node)
    before = module.widget.parameterNode.primaryAngle
    module.widget.ui.restoreButton.click()
    assert "principal point" in host.messages("error")[0].text
    assert module.widget.parameterNode.primaryAngle == before


def test_dicom_is_written_where_the_user_says(module, ct, tmp_path):
    ui = module.widget.ui
    assert not ui.dicomButton.isEnabled()
    apply(module)
    host.answer("")
    ui.dicomButton.click()
    assert list(tmp_path.iterdir()) == []
    host.answer(str(tmp_path / "xray.dcm"))
    ui.dicomButton.click()
    assert read_dicom_geometry(tmp_path / "xray.dcm").view.detector_size == (40, 30)
    assert "xray.dcm" in status(module)
    host.answer(str(tmp_path / "missing" / "xray.dcm"))
    ui.dicomButton.click()
    assert len(host.messages("error")) == 1


# Projections


def test_markups_segments_and_models_are_projected(module, segmentation):
    ui = module.widget.ui
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Hip")
    slicer.util.updateMarkupsControlPointsFromArray(points, body().center[None])
    model = model_from_mesh(ball(body().center, np.add(body().center, (0, 0, 12))), "Ball")
    ui.markupsSelector.setCurrentNode(points)
    ui.shadowSelector.setCurrentNode(segmentation)
    ui.outlineSelector.setCurrentNode(model)
    assert not ui.projectMarkupsButton.isEnabled()
    apply(module)
    for press in (ui.projectMarkupsButton, ui.projectModelButton, ui.projectSegmentsButton):
        assert press.isEnabled()
        press.click()
        wait(module)
    marked = slicer.util.getNode("Hip on radiograph")
    spot = slicer.util.arrayFromMarkupsControlPoints(marked, world=True)[0]
    np.testing.assert_allclose(spot, [-19.5 * 5, -14.5 * 5, 0], atol=1e-6)  # the middle pixel
    assert slicer.util.getNode("Rods on radiograph").GetSegmentation().GetNumberOfSegments() == 2
    assert slicer.util.getNode("Ball on radiograph").GetPolyData().GetNumberOfLines() > 0
    assert host.messages("error") == []


# Registration


@pytest.mark.skipif(not is_installed("torch"), reason="registration needs PyTorch")
def test_registration_moves_the_c_arm_to_the_pose_of_the_radiograph(module, monkeypatch):
    from DeepDRRModuleLib.panel import registration

    original = registration.registration_parameters_from
    monkeypatch.setattr(
        registration,
        "registration_parameters_from",
        lambda node: replace(original(node), candidates=10, starts=2, rounds=1),
    )
    k, j, i = np.mgrid[-20:20, -20:20, -20:20]
    hu = np.where((i / 17) ** 2 + (j / 13) ** 2 + (k / 18) ** 2 < 1, 20, -1000)
    hu[((i + 6) / 4) ** 2 + ((j - 3) / 6) ** 2 + ((k + 5) / 9) ** 2 < 1] = 900
    hu[((i - 7) / 3) ** 2 + ((j + 4) / 3) ** 2 + ((k - 6) / 7) ** 2 < 1] = 700
    ct = volume_from_image(Image(hu.astype(np.int16), np.diag([3.0, 3.0, 3.0, 1.0])), "CT")
    ui, node = module.widget.ui, module.widget.parameterNode
    ui.livePreviewCheckBox.checked = False
    ui.ctVolumeSelector.setCurrentNode(ct)
    ui.columnsSpinBox.value = ui.rowsSpinBox.value = 64
    ui.pixelSpacingSpinBox.value = 4
    ui.primaryAngleSlider.value, ui.secondaryAngleSlider.value = 20, 5
    apply(module)
    ui.fixedSelector.setCurrentNode(node.radiograph)
    assert ui.fixedQuantitySelector.currentText == "neglog"
    assert not ui.fixedQuantitySelector.isEnabled()
    assert original(node).spectrum == node.spectrum and original(node).kvp is None
    true = slicer.util.arrayFromTransformMatrix(node.carmTransform).copy()
    ui.primaryAngleSlider.value, ui.secondaryAngleSlider.value = 16, 8
    ui.searchAngleSpinBox.value, ui.searchShiftSpinBox.value = 5, 5

    def press():
        ui.registerButton.click()
        assert button(module).text == "Cancel"

    assert longest_block(press, lambda: module.widget.runner.busy, 240) < BLOCK
    assert host.messages("error") == []
    found = slicer.util.arrayFromTransformMatrix(node.carmTransform)
    turn = np.rad2deg(np.arccos(np.clip((np.trace(found[:3, :3].T @ true[:3, :3]) - 1) / 2, -1, 1)))
    assert turn < 1  # from 5 degrees
    assert np.linalg.norm((found - true)[[0, 2], 3]) < 1  # depth is seen less well
    ui.registrationButton.collapsed = False
    assert "converged" in ui.registrationLabel.text
    assert node.primaryAngle == pytest.approx(20, abs=1)
    # Squares of the radiograph and of the CT's at the pose found: much the same.
    board = node.radiograph.GetNodeReference("MedDL.Comparison")
    squares = slicer.util.arrayFromVolume(board)[0]
    values = slicer.util.arrayFromVolume(node.radiograph)[0]
    low, high = np.percentile(values, (1, 99))
    alone = np.clip((values - low) / (high - low), 0, 1)
    np.testing.assert_allclose(squares[:8, :8], alone[:8, :8], atol=1e-5)
    assert (squares[24:32, 32:40] != alone[24:32, 32:40]).any()  # of the CT
    assert np.abs(squares - alone).mean() < 0.02


def test_a_mirrored_picture_is_turned_before_the_search(module, ct, monkeypatch):
    ui, started = module.widget.ui, []
    monkeypatch.setattr(module.widget, "start", lambda *given, **_: started.append(given))
    values = np.random.default_rng(0).random((1, 30, 40)).astype(np.float32)
    ui.fixedSelector.setCurrentNode(volume_from_image(Image(values), "Film"))
    for turned in (False, True):
        ui.fixedMirroredCheckBox.checked = turned
        ui.registerButton.click()
        expected = values[:, :, ::-1] if turned else values
        np.testing.assert_array_equal(started[-1][2].array, expected)


def test_a_picture_of_another_size_is_refused_with_both_sizes(module, ct):
    ui = module.widget.ui
    film = volume_from_image(Image(np.ones((1, 20, 24), np.float32)), "Film")
    ui.fixedSelector.setCurrentNode(film)
    assert ui.fixedQuantitySelector.isEnabled()
    ui.registerButton.click()
    message = host.messages("error")[0].text
    assert "24x20x1" in message and "40x30" in message


# Data set


@pytest.mark.skipif(not is_installed("distributed"), reason="data sets need Dask")
def test_a_data_set_is_rendered_by_a_process(module, segmentation, tmp_path):
    ui = module.widget.ui
    ui.viewsSpinBox.value = 2
    ui.workersSpinBox.value = 1
    ui.materialMethodSelector.currentText = "segmentation"
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert not ui.exportDatasetButton.isEnabled()
    ui.datasetFolderEdit.currentPath = str(tmp_path / "set")
    assert ui.exportDatasetButton.isEnabled()
    # Its input is written by the worker, its views are rendered by the process.
    part = module.widget.dataset
    written = longest_block(ui.exportDatasetButton.click, lambda: not part.busy, 60)
    assert ui.exportDatasetButton.text == "Cancel"
    rendered = longest_block(lambda: None, lambda: part.busy, 120)
    assert max(written, rendered) < BLOCK
    assert host.messages("error") == []
    assert "Data set written" in status(module)
    lines = (tmp_path / "set/views/manifest.jsonl").read_text().splitlines()
    assert len(lines) == 2
    line = json.loads(lines[0])
    assert read_image(Path(tmp_path / "set/views") / line["file"]).size == (40, 30, 1)
    assert ui.exportDatasetButton.text == "Render the data set"


@pytest.mark.long
@pytest.mark.skipif(not is_installed("distributed"), reason="data sets need Dask")
def test_a_cancelled_data_set_stays_and_is_continued(module, ct, tmp_path):
    ui = module.widget.ui
    ui.viewsSpinBox.value = 200
    ui.workersSpinBox.value = 1
    ui.datasetFolderEdit.currentPath = str(tmp_path / "set")
    ui.exportDatasetButton.click()
    wait(module, until=lambda: module.widget.dataset.busy)
    manifest = tmp_path / "set/views/manifest.jsonl"
    wait(module, until=lambda: manifest.exists() and manifest.stat().st_size > 0, seconds=120)
    ui.exportDatasetButton.click()
    wait(module, until=lambda: not module.widget.dataset.busy, seconds=60)
    assert "Cancelled" in status(module)
    assert 0 < len(manifest.read_text().splitlines()) < 200
    ui.exportDatasetButton.click()
    wait(module, until=lambda: module.widget.dataset.busy)
    wait(module, until=lambda: not module.widget.dataset.busy, seconds=240)
    assert host.messages("error") == []
    assert len(manifest.read_text().splitlines()) == 200


def test_what_a_data_set_cannot_have_is_said_before_anything_is_written(module, ct, tmp_path):
    ui = module.widget.ui
    ui.datasetFolderEdit.currentPath = str(tmp_path / "set")
    ui.quantitySelector.currentIndex = 3  # mass per area of each material
    ui.exportDatasetButton.click()
    wait(module)
    assert "one value per pixel" in host.messages("error")[0].text
    assert not (tmp_path / "set").exists()
    model = model_from_mesh(ball(body().center, np.add(body().center, (0, 0, 12))), "Ball")
    materials.set_model_material(model, "iron")
    ui.exportDatasetButton.click()
    assert "no models of the scene" in host.messages("error")[1].text
