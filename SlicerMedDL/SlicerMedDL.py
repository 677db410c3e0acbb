"""MedDL Home: what is installed, devices, weights, sample data, and the way into the modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

import meddl
from meddl.core.errors import Cancelled, MedDLError
from SlicerMedDLLib import install, sampledata
from SlicerMedDLLib.tasks import TaskRunner, show_error
from SlicerMedDLLib.translation import said

# Button of the panel -> module that it opens.
MODULES = {
    "deepDRRButton": "DeepDRRModule",
    "deepIGeoSButton": "DeepIGeoSModule",
    "endoDepthButton": "EndoDepthModule",
    "desmokeButton": "DesmokeModule",
}


class SlicerMedDL(ScriptedLoadableModule):
    """The module's entry in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = _("MedDL Home")
        parent.categories = [translate("qSlicerAbstractCoreModule", "MedDL")]
        parent.dependencies = []
        parent.contributors = ["SlicerMedDL contributors"]
        parent.helpText = _(
            "Shows what MedDL's modules need and have: Python packages, compute devices, trained "
            "weights, sample data. Research software, not for clinical use."
        )
        parent.acknowledgementText = _("Each module names the papers that it follows.")
        slicer.app.connect("startupCompleted()", sampledata.register)


class SlicerMedDLLogic(ScriptedLoadableModuleLogic):
    """What the panel shows, for scripts as well. In Slicer's Python console::

    logic = slicer.util.getModuleLogic("SlicerMedDL")
    print(logic.diagnostics())
    volume, segmentation = logic.loadSample("AbdomenPelvisCT")
    """

    def diagnostics(self, **callbacks: Any) -> str:
        """Versions, devices, weights and what is missing, as text; may take seconds (torch)."""
        from meddl.core.diagnostics import as_text, collect

        return as_text(collect())

    def devices(self, **callbacks: Any) -> list[Any]:
        """``meddl.core.devices.list_devices()``; may take seconds (torch)."""
        from meddl.core.devices import list_devices

        return list_devices()

    def weights(self) -> list[Any]:
        """Cards of all weights, bundled and imported."""
        from meddl.core.weights import list_weights

        return list_weights()

    def importWeights(self, path: str) -> Any:
        """Copy a ``.safetensors`` file and its card into the user's folder; returns the card.

        Raises:
            FileError: no card beside it, a damaged file, or not safetensors.
        """
        from meddl.core.weights import import_weights

        return import_weights(path)

    def deleteWeights(self, name: str) -> None:
        """Delete imported weights.

        Raises:
            InputError: unknown weights, or bundled ones.
        """
        from meddl.core.weights import delete_weights

        delete_weights(name)

    def cardText(self, card: Any) -> str:
        """A card as HTML: what the weights do, what they were trained on, how well they do."""
        rows = [
            (_("Task"), card.task),
            (_("Network"), card.architecture),
            (_("Input"), ", ".join(text for text in (card.input_range, card.units) if text)),
            (_("Training data"), card.training_data),
            (_("Licence"), card.licence),
            ("SHA-256", card.sha256),
        ]
        for data, metrics in card.metrics.items():
            values = ", ".join(f"{name} {value:g}" for name, value in metrics.items())
            rows.append((_("On {data}").format(data=data), values))
        cells = "".join(
            f"<tr><td><b>{escape(name)}</b>&nbsp;</td><td>{escape(value)}</td></tr>"
            for name, value in rows
            if value
        )
        return f"<table>{cells}</table>"

    def loadSample(self, name: str) -> list[Any]:
        """Load a data set of :func:`SlicerMedDLLib.sampledata.samples`; returns its nodes.

        Raises:
            FileError: an unknown name, no connection, or a damaged file.
        """
        return sampledata.load_sample(name)


class SlicerMedDLWidget(ScriptedLoadableModuleWidget):
    """The panel."""

    def setup(self) -> None:
        """Build the panel; what it lists is read when it is entered."""
        super().setup()
        panel = slicer.util.loadUI(self.resourcePath("UI/SlicerMedDL.ui"))
        self.layout.addWidget(panel)
        self.layout.addStretch(1)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = SlicerMedDLLogic()
        self.deviceRunner = TaskRunner(self.showStatus)
        self.diagnosticsRunner = TaskRunner(self.showError)
        self.features: list[install.Feature] = []
        self.cards: list[Any] = []
        self.ui.iconLabel.pixmap = qt.QPixmap(self.resourcePath("Icons/SlicerMedDL.png"))
        self.ui.titleLabel.text = _(
            "<b>MedDL {version}</b><br>Research software, not for clinical use."
        ).format(version=meddl.__version__)
        for button, module in MODULES.items():
            getattr(self.ui, button).connect(
                "clicked(bool)", lambda checked, name=module: slicer.util.selectModule(name)
            )
        for sample in sampledata.samples():
            self.ui.sampleComboBox.addItem(sample.title, sample.name)
        self.ui.sampleButton.connect("clicked(bool)", self.onLoadSample)
        self.ui.packagesTree.connect("itemSelectionChanged()", self.onFeatureSelected)
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self.ui.weightsTree.connect("itemSelectionChanged()", self.onWeightsSelected)
        self.ui.importWeightsButton.connect("clicked(bool)", self.onImportWeights)
        self.ui.deleteWeightsButton.connect("clicked(bool)", self.onDeleteWeights)
        self.ui.diagnosticsButton.connect("clicked(bool)", self.onCopyDiagnostics)
        self.ui.refreshButton.connect("clicked(bool)", self.refresh)

    def enter(self) -> None:
        """The user opens the module."""
        self.refresh()

    def cleanup(self) -> None:
        """The module is unloaded or the application quits."""
        self.deviceRunner.cancel()
        self.diagnosticsRunner.cancel()

    def refresh(self, checked: bool = False) -> None:
        """Read everything again."""
        self.showModules()
        self.showPackages()
        self.showWeights()
        if not self.deviceRunner.busy:
            # In the worker: asking for graphics cards may import torch, which takes seconds.
            self.deviceRunner.run(self.logic.devices, on_done=self.showDevices)

    # Modules and samples

    def showModules(self) -> None:
        """Enable the buttons of the modules that are installed."""
        for button, name in MODULES.items():
            module = getattr(slicer.modules, name.lower(), None)
            widget = getattr(self.ui, button)
            widget.enabled = module is not None
            widget.toolTip = (
                _("Open {name}").format(name=name)
                if module is not None
                else _("{name} is not installed with this version").format(name=name)
            )
            if module is not None:
                widget.icon = module.icon

    def onLoadSample(self, checked: bool = False) -> None:
        """Load the chosen data set."""
        name = str(self.ui.sampleComboBox.currentData)
        with self.errorsShown(), slicer.util.WaitCursor():
            nodes = self.logic.loadSample(name)
            self.showStatus(_("Loaded {names}").format(names=", ".join(n.GetName() for n in nodes)))

    # Packages

    def showPackages(self) -> None:
        """List what is installed and what is missing."""
        self.features = install.features()
        rows = []
        for feature in self.features:
            missing = install.missing(feature)
            if missing:
                state = _("missing: {names}").format(names=", ".join(missing))
                rows.append([feature.purpose, _("{n} MB").format(n=feature.megabytes), state])
            else:
                rows.append([feature.purpose, "", _("installed")])
        _fill(self.ui.packagesTree, rows)
        self.onFeatureSelected()

    def onFeatureSelected(self) -> None:
        """Offer to install the chosen row."""
        row = _selected(self.ui.packagesTree)
        offered = row >= 0 and bool(install.missing(self.features[row]))
        self.ui.installButton.enabled = offered
        self.ui.packagesLabel.text = install.explain(self.features[row]) if offered else ""

    def onInstall(self, checked: bool = False) -> None:
        """Install the chosen row."""
        feature = self.features[_selected(self.ui.packagesTree)]
        with self.errorsShown():
            install.install(feature)
            self.showStatus(_("Installed: {purpose}").format(purpose=feature.purpose))
        self.refresh()

    # Devices

    def showDevices(self, devices: list[Any]) -> None:
        """List devices with their memory."""
        from meddl.core.devices import megabytes

        rows = [
            [
                device.name,
                device.description,
                _("{free} of {total}").format(
                    free=megabytes(device.free_bytes), total=megabytes(device.total_bytes)
                ),
            ]
            for device in devices
        ]
        _fill(self.ui.devicesTree, rows)

    # Weights

    def showWeights(self) -> None:
        """List the weights that are there."""
        from meddl.core.devices import megabytes

        self.cards = []
        with self.errorsShown(box=False):
            self.cards = self.logic.weights()
        rows = []
        for card in self.cards:
            origin = _("bundled") if card.bundled else _("imported")
            rows.append([card.name, card.task, megabytes(card.size_bytes), origin])
        _fill(self.ui.weightsTree, rows)
        self.ui.weightsTree.visible = bool(rows)
        self.ui.noWeightsLabel.visible = not rows
        self.onWeightsSelected()

    def onWeightsSelected(self) -> None:
        """Show the card of the chosen row."""
        row = _selected(self.ui.weightsTree)
        card = self.cards[row] if row >= 0 else None
        self.ui.cardTextBrowser.visible = card is not None
        self.ui.cardTextBrowser.html = self.logic.cardText(card) if card is not None else ""
        self.ui.deleteWeightsButton.enabled = card is not None and not card.bundled

    def onImportWeights(self, checked: bool = False) -> None:
        """Let the user choose a file and import it."""
        path = qt.QFileDialog.getOpenFileName(
            self.parent, _("Import weights"), "", _("Weights") + " (*.safetensors)"
        )
        if not path:
            return
        with self.errorsShown():
            card = self.logic.importWeights(path)
            self.showStatus(_("Imported {name}").format(name=card.name))
        self.showWeights()

    def onDeleteWeights(self, checked: bool = False) -> None:
        """Delete the chosen weights, after asking."""
        card = self.cards[_selected(self.ui.weightsTree)]
        question = _("Delete the weights {name} from {path}?").format(
            name=card.name, path=card.path
        )
        if not slicer.util.confirmOkCancelDisplay(question, windowTitle="MedDL"):
            return
        with self.errorsShown():
            self.logic.deleteWeights(card.name)
            self.showStatus(_("Deleted {name}").format(name=card.name))
        self.showWeights()

    # Diagnostics

    def onCopyDiagnostics(self, checked: bool = False) -> None:
        """Put the diagnostics on the clipboard."""

        def done(text: str) -> None:
            slicer.app.clipboard().setText(text)
            self.showStatus(_("Diagnostics are on the clipboard"))

        if not self.diagnosticsRunner.busy:
            self.showStatus(_("Collecting…"))
            self.diagnosticsRunner.run(self.logic.diagnostics, on_done=done)

    @contextmanager
    def errorsShown(self, box: bool = True) -> Iterator[None]:
        """Show a foreseen error of the block once, in the status line and in a box."""
        try:
            yield
        except MedDLError as error:
            self.showStatus(said(error))
            if box and not isinstance(error, Cancelled):
                self.showError(said(error))

    def showStatus(self, text: str) -> None:
        """One line at the bottom."""
        self.ui.statusLabel.text = text

    def showError(self, text: str) -> None:
        """One error box."""
        show_error(text)


def _fill(tree: Any, rows: list[list[str]]) -> None:
    """Replace the rows of a table; each cell's full text is its tooltip."""
    tree.clear()
    for row in rows:
        item = qt.QTreeWidgetItem()
        for column, text in enumerate(row):
            item.setText(column, text)
            item.setToolTip(column, text)
        tree.addTopLevelItem(item)
    for column in range(tree.columnCount):
        tree.resizeColumnToContents(column)


def _selected(tree: Any) -> int:
    """The chosen row; -1 for none."""
    chosen = tree.selectedItems()
    return tree.indexOfTopLevelItem(chosen[0]) if chosen else -1


class SlicerMedDLTest(ScriptedLoadableModuleTest):
    """Run by Slicer's self-test button and by ctest; the cases are in Testing/Python."""

    def runTest(self) -> None:
        """Load a sample into an empty scene and look at it."""
        slicer.mrmlScene.Clear()
        volume, segmentation = SlicerMedDLLogic().loadSample("AbdomenPelvisCT")
        assert volume.GetImageData().GetDimensions() == (122, 101, 112)
        assert segmentation.GetSegmentation().GetNumberOfSegments() == 61
