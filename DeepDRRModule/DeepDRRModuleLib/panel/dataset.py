"""Section *Data set*: many views of the CT, rendered by a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
from slicer.i18n import tr as _

from DeepDRRModuleLib import datasets, materials
from DeepDRRModuleLib.records import carm_from, render_parameters_from
from meddl.core.errors import InputError
from meddl.core.optional import require_installed
from meddl.deepdrr.dataset import OutputParameters
from meddl.deepdrr.views import ViewRanges
from SlicerMedDLLib.processes import PanelProcess
from SlicerMedDLLib.section import Section


class DatasetSection(Section):
    """Writes CT and configuration in the worker, then runs ``meddl drr dataset``."""

    button = "datasetButton"

    def connect(self) -> None:
        """The button starts and cancels. The folder is this machine's, not the scene's."""
        self._process = PanelProcess(self.widget, self.onEnd)
        self.ui.datasetFolderEdit.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.exportDatasetButton.connect("clicked(bool)", self.onExport)
        self.ui.datasetFolderEdit.connect("currentPathChanged(QString)", self.onFolder)

    @property
    def busy(self) -> bool:
        """Whether views are being rendered."""
        return self._process.busy

    def leave(self) -> None:
        """The views that are done stay, and are not done again."""
        self._process.stop()

    def onFolder(self, path: str) -> None:
        """The button needs a folder."""
        if self.node is not None:
            self.follow()

    def follow(self) -> None:
        """The button is there with a CT and a folder."""
        button = self.ui.exportDatasetButton
        button.text = _("Cancel") if self.busy else _("Render the data set")
        ready = self.busy or (self.node.ctVolume is not None and bool(self._folder()))
        self.allow("exportDatasetButton", "" if ready else _("Choose a CT and a folder"))

    def _folder(self) -> str:
        return self.ui.datasetFolderEdit.currentPath.strip()

    def onExport(self, checked: bool = False) -> None:
        """Start, or cancel what runs."""
        if self.busy:
            self._process.stop()
            self.ui.exportDatasetButton.enabled = False
            return
        self.attempt(self.start)

    def plan(self) -> datasets.DatasetPlan:
        """What the panel asks for.

        Raises:
            MedDLError: no CT, ranges whose ends are swapped, or parameters that exclude each other.
        """
        node = self.node
        carm, render = carm_from(node), render_parameters_from(node)
        ct = self.logic.prepare(node.ctVolume, render)
        segmentation = self.widget.materials.segmentation()
        if self.widget.materials.models():
            raise InputError(
                _(
                    "a data set has no models of the scene in the beam; take their materials "
                    "out, or use the instruments of meddl drr dataset"
                )
            )
        labels, names = None, None
        if segmentation is not None:
            labels, names = materials.labels_from_segmentation(segmentation, ct)
        ranges = ViewRanges(
            primary_angle=_ends(node.primaryRange),
            secondary_angle=_ends(node.secondaryRange),
            rotation=_ends(node.rotationRange),
            source_detector=(carm.source_detector, carm.source_detector),
            source_isocenter=(carm.source_isocenter, carm.source_isocenter),
            isocenter_jitter=(node.jitter,) * 3,
        )
        output = OutputParameters(seed=node.datasetSeed, views=node.views, format=node.format)
        return datasets.DatasetPlan(ct, carm, ranges, output, render, labels, names)

    def start(self) -> None:
        """Write the input in the worker, then start the process.

        Raises:
            MedDLError: as :meth:`plan`, Dask is missing, or a task is running.
        """
        require_installed("distributed", _("a data set"))
        self.widget.start(
            datasets.write_plan,
            self._folder(),
            self.plan(),
            on_done=self.run,
            watch=[self.node.ctVolume],
        )

    def run(self, config: Path) -> None:
        """Render what was written."""
        self._process.start(datasets.arguments(config, self.node.workers))
        self.follow()

    def onEnd(self, code: int | None) -> str:
        """The process has ended."""
        if self.node is not None:
            self.follow()
        if code is None:
            return _("Cancelled; the same folder continues the data set")
        views = Path(self._folder()) / datasets.VIEWS
        return _("Data set written to {folder}").format(folder=views) if code == 0 else ""


def _ends(span: Any) -> tuple[float, float]:
    return span.minimum, span.maximum
