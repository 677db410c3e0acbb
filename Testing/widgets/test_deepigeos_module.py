"""DeepIGeoSModule's panel: the same session as the effect, scribbles, comparison, training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import qt
import slicer

import host
from DeepIGeoSModuleLib import scribbles
from DeepIGeoSModuleLib.livesession import LiveSession
from DeepIGeoSModuleLib.parameternode import TRAININGS
from meddl.core.image import Image
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib import curves
from SlicerMedDLLib.runs import CONFIG, train_arguments
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from SlicerMedDLLib.volumes import volume_from_image
from waiting import until
from widgets.deepigeos_editor import METHOD, ROOT, Editing, editing
from widgets.processes import Process, started

__all__ = ["started"]  # a fixture

INSIDE = ((14, 18, 10), (18, 18, 10))


@pytest.fixture
def work(scene: Any) -> Any:
    """The phantom with views; the editor of the fixture is off, the module's is on."""
    with editing() as found:
        found.editor.setActiveEffect(None)
        module = host.load_module(ROOT / "DeepIGeoSModule" / "DeepIGeoSModule.py")
        module.enter()
        state = module.logic.getParameterNode()
        with slicer.util.NodeModify(state):
            state.volume, state.segmentation = found.volume, found.segmentation
        own = Editing(
            module.widget.segments.editor,
            module.logic.editorNode(),
            found.volume,
            found.segmentation,
            found.truth,
            found.layout,
        )
        own.module, own.panel_ui = module, module.widget.ui
        yield own
        module.exit()
        module.cleanup()


def text(work: Any) -> str:
    return str(work.module.widget._runUi.statusLabel.text)


def apply_button(work: Any) -> Any:
    return work.module.widget._runUi.applyButton


def test_it_drives_the_session_of_the_effect(work: Any) -> None:
    assert work.effect is not None and work.session is work.module.widget.inputs.session
    assert "Draw a stroke" in apply_button(work).toolTip
    work.stroke(*INSIDE)
    work.wait()
    assert (work.preview() == work.truth).all()
    apply_button(work).click()
    assert (work.mask() == work.truth).all()
    assert "voxels changed" in text(work)


def test_scribbles_are_listed_and_deleted(work: Any) -> None:
    ui = work.panel_ui
    ui.strokesButton.collapsed = False
    work.stroke(*INSIDE)
    work.stroke((3, 3, 10), button="right")
    assert ui.strokesTable.rowCount == 2
    assert ui.strokesTable.item(0, 1).text() == "organ"
    ui.strokesTable.selectRow(1)
    ui.deleteStrokesButton.click()
    [left] = scribbles.strokes(work.segmentation)
    assert left.kind == "foreground" and ui.strokesTable.rowCount == 1
    work.wait()
    ui.clearStrokesButton.click()
    work.wait()
    assert not scribbles.strokes(work.segmentation) and not work.preview().any()


def test_before_and_after_and_the_metrics(work: Any) -> None:
    reference = segmentation_from_labels(
        Image(work.truth.astype(np.uint8), work.session.image().ras_from_ijk),
        [Segment(1, "organ", (1, 0, 0))],
        "Truth",
    )
    work.stroke(*INSIDE)
    work.wait()
    apply_button(work).click()
    work.module.logic.getParameterNode().reference = reference
    ui = work.panel_ui
    ui.compareNowButton.click()
    until(lambda: not work.module.widget.runner.busy)
    row = [ui.scoresTable.item(0, column).text() for column in range(4)]
    assert row == ["organ", "1.000", "1.000", "0.00"]


def test_channels_become_one_image(work: Any) -> None:
    other = volume_from_image(
        Image(np.zeros_like(work.session.image().array), work.session.image().ras_from_ijk), "T2"
    )
    work.session.set_channels([other])
    assert work.session.image().components == 2
    wrong = volume_from_image(Image(np.zeros((3, 4, 5), np.float32), np.eye(4)), "small")
    work.session.set_channels([wrong])
    work.stroke(*INSIDE)
    assert "'small' has (5, 4, 3) voxels" in work.ui.statusLabel.text


def test_a_new_segmentation_is_ready_to_draw(work: Any) -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "New")
    work.module.widget.inputs.onSegmentationAdded(node)
    work.module.logic.getParameterNode().segmentation = node
    work.segmentation = node
    assert work.editor.segmentationNode() is node and work.editor.currentSegmentID()
    assert isinstance(work.session, LiveSession) and work.session.segmentation is node


def test_leaving_the_module_gives_the_mouse_back(work: Any) -> None:
    work.module.exit()
    assert not host.drag(work.view(), [(100, 100), (120, 120)])
    work.module.enter()
    slicer.app.processEvents()
    assert work.stroke(*INSIDE)
    work.wait()


def test_closing_the_scene(work: Any) -> None:
    work.stroke(*INSIDE)
    slicer.mrmlScene.Clear(0)
    slicer.app.processEvents()
    assert work.module.widget.inputs.session is None
    assert apply_button(work).toolTip == "Select a volume"


def test_the_method_is_kept_with_the_segmentation(work: Any) -> None:
    ui = work.panel_ui
    ui.methodSelector.currentIndex = ui.methodSelector.findData("geodesic")
    assert work.session.method == "geodesic"
    assert work.ui.methodSelector.currentData == "geodesic"  # the effect's follows
    assert "no weights" in ui.cardLabel.text


def test_prediction_of_many_volumes(work: Any) -> None:
    class Bright:
        needs_seeds = False

        def __init__(self, image: Any, spacing: Any, **_: Any) -> None:
            self.image = image

        def __call__(
            self, seeds: Any, previous: Any = None, progress: Any = None, cancel: Any = None
        ):
            return (self.image[..., 0] > 60).astype(np.float32)

    second = volume_from_image(
        Image(work.session.image().array[::-1].copy(), work.session.image().ras_from_ijk), "Second"
    )
    ui = work.panel_ui
    ui.batchButton.collapsed = False
    until(lambda: "needs a stroke" in ui.batchReasonLabel.text)
    METHODS["bright test"] = Bright
    try:
        work.session.method = "bright test"
        for node in (work.volume, second):
            ui.batchSelector.setCheckState(node, slicer_checked())
        work.module.widget.parametersChanged()
        until(lambda: ui.predictButton.enabled)
        ui.predictButton.click()
        until(lambda: not work.module.widget.runner.busy)
        node = slicer.util.getNode("Second segmentation")
        key = node.GetSegmentation().GetNthSegmentID(0)
        assert (work.mask(key, node) == work.truth[::-1]).all()
    finally:
        del METHODS["bright test"]


def slicer_checked() -> Any:
    import qt

    return qt.Qt.Checked


# Training


def test_training_runs_in_a_process(work: Any, tmp_path: Any, started: list[Process]) -> None:
    ui = work.panel_ui
    ui.trainingButton.collapsed = False
    assert not ui.trainButton.enabled
    run = tmp_path / "run"
    run.mkdir()
    (run / CONFIG).write_text("x: 1\n")
    ui.runFolderEdit.currentPath = str(run)
    assert ui.trainButton.text == "Start training"
    ui.trainButton.click()
    process = started[0]
    assert process.arguments == [
        "deepigeos",
        "train",
        str(run / "config.yaml"),
        "--output",
        str(run),
    ]
    process.on_output("  42 %  epoch 3 of 7\n")
    assert text(work) == "epoch 3 of 7" and ui.trainButton.text == "Stop"
    (run / "run.json").write_text("{}")
    ui.trainButton.click()
    assert process.cancelled
    process.on_done(130)
    assert ui.trainButton.text == "Continue" and "Stopped" in text(work)
    assert train_arguments("deepigeos", run)[-1] == "--resume"
    ui.trainButton.click()
    started[1].on_output("the file a.nii.gz is missing\n")
    started[1].on_done(2)
    assert text(work) == "the file a.nii.gz is missing"
    assert host.messages("error")
    host.clear()


@pytest.mark.parametrize("kind", TRAININGS)
def test_the_written_configuration_is_one_that_trains(
    work: Any, tmp_path: Any, kind: str, monkeypatch: Any
) -> None:
    from meddl.core.image_io import write_image
    from meddl.deepigeos.training_config import read_plan

    data, run = tmp_path / "my cases", tmp_path / "run"
    for part in ("images", "labels"):
        (data / part).mkdir(parents=True)
        for number in range(5):
            values = np.zeros((4, 5, 6), np.uint8)
            values[1:3, 1:3, 1:3] = 1
            write_image(data / part / f"case{number}.nii.gz", Image(values, np.eye(4)))
    opened: list[Any] = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", opened.append)
    ui = work.panel_ui
    ui.trainingButton.collapsed = False
    work.module.logic.getParameterNode().training = kind
    ui.dataFolderEdit.currentPath, ui.runFolderEdit.currentPath = str(data), str(run)
    ui.writeConfigButton.click()
    assert opened and ui.trainButton.enabled
    plan = read_plan(run / CONFIG)
    assert len(plan.training) + len(plan.validation) == 5


def test_the_curve_grows_with_the_history(work: Any, tmp_path: Any) -> None:
    rows = [
        {
            "epoch": n,
            "step": 10 * n,
            "train/loss": 1 / n,
            "validation/dice": 1 - 1 / n,
            "seconds": 1,
        }
        for n in (1, 2, 3)
    ]
    lines = [json.dumps(row) for row in rows] + ['{"epoch": 4, "st']  # is being written
    path = tmp_path / curves.HISTORY
    path.write_text("\n".join(lines))
    history = curves.History()
    known = [(10, 1.0), (20, 0.5), (30, pytest.approx(1 / 3))]
    assert history.read(tmp_path)["train/loss"] == known
    path.write_text("\n".join(lines) + 'ep": 40, "train/loss": 0.25}\n')
    assert history.read(tmp_path)["train/loss"] == [*known, (40, 0.25)]
    ui = work.panel_ui
    ui.trainingButton.collapsed = False
    ui.runFolderEdit.currentPath = str(tmp_path)
    assert not ui.curveLabel.isHidden()
    colours = {ui.curveLabel.pixmap.toImage().pixel(x, y) for x in range(280) for y in range(120)}
    assert len(colours) > 3  # background, axis, two curves
    assert not ui.useResultButton.enabled


def test_a_trained_result_becomes_the_method(work: Any, tmp_path: Any) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "pnet.safetensors").write_bytes(b"")
    ui = work.panel_ui
    ui.trainingButton.collapsed = False
    ui.runFolderEdit.currentPath = str(tmp_path)
    ui.useResultButton.click()
    assert work.session.method == f"trained:{tmp_path}"
    assert ui.methodSelector.currentText == f"trained: {tmp_path.name}"
    assert "no card" in ui.cardLabel.text  # an empty file: said, not raised
    work.session.method = METHOD
