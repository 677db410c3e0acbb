"""MedDL Home: packages, devices, weights, modules, sample data, diagnostics."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
import slicer.packaging

import host
import meddl
from meddl.core import FileError
from meddl.core.optional import is_installed
from SlicerMedDLLib import install, sampledata
from waiting import until

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def absent(monkeypatch):
    """A set of import names that pretend to be absent."""
    names: set[str] = set()
    monkeypatch.setattr(install, "is_installed", lambda n: n not in names and is_installed(n))
    return names


@pytest.fixture
def module(scene, tmp_path, monkeypatch, absent):
    monkeypatch.setenv("MEDDL_WEIGHTS", str(tmp_path / "weights"))
    loaded = host.load_module(REPOSITORY / "SlicerMedDL" / "SlicerMedDL.py")
    loaded.enter()
    yield loaded
    until(lambda: not loaded.widget.deviceRunner.busy)
    loaded.cleanup()


@pytest.fixture
def widget(module, monkeypatch):
    shown = []
    monkeypatch.setattr(module.widget, "showError", shown.append)
    module.widget.shown = shown
    return module.widget


@pytest.fixture
def ui(widget):
    return widget.ui


def texts(tree) -> list[list[str]]:
    """What a table shows."""
    rows = [tree.topLevelItem(n) for n in range(tree.topLevelItemCount)]
    return [[row.text(column) for column in range(tree.columnCount)] for row in rows]


SPECTRA, RADIOGRAPHS = "X-ray spectra of any tube", "Radiographs, geometry, weights"


def choose(tree, name: str) -> None:
    tree.setCurrentItem(tree.topLevelItem([row[0] for row in texts(tree)].index(name)))


def test_installed_and_missing_packages_are_told_apart(widget, ui, absent):
    absent |= {"spekpy"}
    ui.refreshButton.click()
    rows = {row[0]: row[1:] for row in texts(ui.packagesTree)}
    assert rows[SPECTRA] == ["157 MB", "missing: spekpy"]
    assert rows[RADIOGRAPHS] == ["", "installed"]
    assert not ui.installButton.enabled


def test_install_button_explains_and_installs_the_chosen_row(widget, ui, absent, monkeypatch):
    calls = []

    def pip_ensure(requirements, **kwargs):
        calls.append(requirements)
        absent.clear()

    monkeypatch.setattr(slicer.packaging, "pip_ensure", pip_ensure)
    absent |= {"spekpy"}
    widget.refresh()
    choose(ui.packagesTree, RADIOGRAPHS)
    assert not ui.installButton.enabled  # nothing is missing there
    choose(ui.packagesTree, SPECTRA)
    assert "spekpy: about 157 MB" in ui.packagesLabel.text
    host.answer(qt.QMessageBox.Ok)
    ui.installButton.click()
    assert calls == [["spekpy"]]
    assert ui.statusLabel.text == f"Installed: {SPECTRA}"
    assert [row[-1] for row in texts(ui.packagesTree) if row[0] == SPECTRA] == ["installed"]


def test_declining_is_no_error(widget, ui, absent):
    absent |= {"spekpy"}
    widget.refresh()
    choose(ui.packagesTree, SPECTRA)
    host.answer(qt.QMessageBox.Cancel)
    ui.installButton.click()
    assert widget.shown == []
    assert ui.statusLabel.text == "nothing was installed"


def test_devices_are_listed_without_freezing(widget, ui):
    until(lambda: ui.devicesTree.topLevelItemCount > 0)
    name, _description, memory = texts(ui.devicesTree)[-1]
    assert name == "cpu"
    assert " of " in memory


def test_a_slicer_without_the_base_packages_is_told_what_to_do(module, widget, ui, monkeypatch):
    until(lambda: not widget.deviceRunner.busy)
    monkeypatch.setitem(sys.modules, "psutil", None)
    widget.refresh()
    until(lambda: not widget.deviceRunner.busy)
    assert "psutil" in ui.statusLabel.text
    assert "MedDL Home, Install" in ui.statusLabel.text
    ui.diagnosticsButton.click()
    until(lambda: not widget.diagnosticsRunner.busy)
    assert "psutil" in slicer.app.clipboard().text()
    assert widget.shown == []


def test_modules_that_are_not_installed_are_not_offered(widget, ui, monkeypatch):
    monkeypatch.delattr(slicer.modules, "deepdrrmodule", raising=False)
    widget.refresh()
    assert not ui.deepDRRButton.enabled
    assert ui.deepDRRButton.toolTip == "DeepDRRModule is not installed with this version"
    host.load_module(REPOSITORY / "DeepDRRModule" / "DeepDRRModule.py")
    widget.refresh()
    assert ui.deepDRRButton.enabled
    assert ui.deepDRRButton.toolTip == "Open DeepDRRModule"
    opened = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    ui.deepDRRButton.click()
    assert opened == ["DeepDRRModule"]


@pytest.fixture
def received(tmp_path):
    """A weights file as somebody might send it."""
    torch = pytest.importorskip("torch")
    from meddl.core.weights import Card, save_weights

    card = Card("smoke-1", "removes <smoke>", "UNet", metrics={"clip 12": {"SSIM": 0.81}})
    path = tmp_path / "smoke-1.safetensors"
    save_weights(torch.nn.Linear(3, 2), path, card)
    return path


def test_weights_are_imported_shown_and_deleted(widget, ui, received):
    bundled = texts(ui.weightsTree)
    assert all(row[3] == "bundled" for row in bundled)
    host.answer(str(received))
    ui.importWeightsButton.click()
    assert widget.shown == []
    (row,) = (n for n, row in enumerate(texts(ui.weightsTree)) if row not in bundled)
    name, task, _size, origin = texts(ui.weightsTree)[row]
    assert (name, task, origin) == ("smoke-1", "removes <smoke>", "imported")
    choose(ui.weightsTree, name)
    card = ui.cardTextBrowser.plainText
    assert "removes <smoke>" in card
    assert "SSIM 0.81" in card
    host.answer(qt.QMessageBox.Cancel)
    ui.deleteWeightsButton.click()
    assert len(texts(ui.weightsTree)) == len(bundled) + 1
    host.answer(qt.QMessageBox.Ok)
    ui.deleteWeightsButton.click()
    assert texts(ui.weightsTree) == bundled
    assert not ui.deleteWeightsButton.enabled
    assert received.exists()


def test_a_damaged_file_is_one_message_and_no_row(widget, ui, received):
    before = texts(ui.weightsTree)
    received.write_bytes(b"no safetensors")
    host.answer(str(received))
    ui.importWeightsButton.click()
    assert len(widget.shown) == 1
    assert "\n" not in widget.shown[0]
    assert texts(ui.weightsTree) == before


def test_sample_data_load_into_the_scene(widget, ui, scene):
    ui.sampleComboBox.currentIndex = ui.sampleComboBox.findData("StrokeFLAIR")
    ui.sampleButton.click()
    node = slicer.util.getNode("StrokeFLAIR")
    assert np.ptp(slicer.util.arrayFromVolume(node)) > 0
    assert ui.statusLabel.text == "Loaded StrokeFLAIR"


def test_sample_data_that_cannot_be_had_are_one_message(widget, ui, monkeypatch):
    def offline(sample):
        raise FileError("no connection; try again")

    monkeypatch.setattr(sampledata, "fetch", offline)
    ui.sampleButton.click()
    assert widget.shown == ["no connection; try again"]


def test_diagnostics_reach_the_clipboard(widget, ui):
    ui.diagnosticsButton.click()
    until(lambda: not widget.diagnosticsRunner.busy)
    text = slicer.app.clipboard().text()
    assert meddl.__version__ in text
    assert "numba" in text
    assert ui.statusLabel.text == "Diagnostics are on the clipboard"


def test_start_up_registers_the_sample_data(module):
    import SampleData

    host.finish_startup()
    assert SampleData.SampleDataLogic.sampleDataSourcesByCategory("MedDL")


def test_the_module_passes_its_own_self_test(module, scene):
    module.module.runTest()
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1


def test_panel_can_be_looked_at(module, widget, ui, tmp_path):
    until(lambda: ui.devicesTree.topLevelItemCount > 0)
    image = qt.QImage(str(host.grab(module, tmp_path / "hub.png")))
    assert image.height() > 500
