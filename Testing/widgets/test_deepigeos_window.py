"""DeepIGeoSModule: no long task holds the window up for 100 ms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

import host
from DeepIGeoSModuleLib.scribbles import labelmap_at
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from waiting import BLOCK, longest_block, until
from widgets import deepigeos_editor
from widgets.deepigeos_editor import IN_BALL
from widgets.processes import longest_block_of_training, training_command
from widgets.test_deepigeos_module import work

__all__ = ["training_command", "work"]  # fixtures


@pytest.fixture(autouse=True)
def larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger volume than the other tests have."""
    monkeypatch.setattr(deepigeos_editor, "SHAPE", (40, 100, 120))


def runs(work: Any) -> bool:
    panel = work.effect.panel
    return bool(
        panel._timer.isActive() or work.session.runner.busy or work.module.widget.runner.busy
    )


def block(work: Any, start: Any) -> float:
    longest = longest_block(start, lambda: runs(work), 600)
    assert host.messages("error") == []
    return longest


def test_a_stroke_and_the_comparison(work: Any) -> None:
    work.session.method = "geodesic"
    assert block(work, lambda: work.stroke(*IN_BALL)) < BLOCK
    assert work.preview().any()
    assert block(work, lambda: work.stroke((3, 3, 10), button="right")) < BLOCK
    work.ui.applyButton.click()
    truth = work.session.image().with_array(work.truth.astype(np.uint8))
    reference = segmentation_from_labels(truth, [Segment(1, "organ", (1, 0, 0))], "Truth")
    work.module.logic.getParameterNode().reference = reference
    assert block(work, work.panel_ui.compareNowButton.click) < BLOCK
    assert work.panel_ui.scoresTable.rowCount == 1


def paint_box(work: Any, segment: str, low: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Another tool adds a box, from voxel ``low`` (i, j, k), to a segment."""
    mask = np.ones(size[::-1], np.uint8)
    work.effect.scriptedEffect.modifySegmentByLabelmap(
        work.segmentation,
        segment,
        labelmap_at(mask, np.array(low), work.volume),
        work.effect.scriptedEffect.ModificationModeAdd,
    )


def test_a_stroke_after_another_tool_in_many_voxels(work: Any) -> None:
    """In 128x320x320 voxels segments are compared and painted in the worker."""
    voxels = np.zeros((128, 320, 320), np.float32)
    voxels[60:100, 100:300, 100:300] = 100
    slicer.util.updateVolumeFromArray(work.volume, voxels)
    work.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(work.volume)
    for name, k in (("liver", 30), ("spleen", 104)):
        deepigeos_editor.add_segment(work.segmentation, name, None, work.volume)
        paint_box(work, name, (20, 20, k), (280, 280, 20))
    assert block(work, lambda: work.stroke((150, 150, 80), (160, 150, 80))) < BLOCK
    paint_box(work, "organ", (50, 50, 62), (260, 260, 36))
    assert block(work, lambda: work.stroke((150, 160, 80), (160, 160, 80))) < BLOCK
    assert work.session._initial().sum() == 260 * 260 * 36
    assert work.preview()[60:100, 100:300, 100:300].all()
    assert not work.preview()[30:50].any()


def test_prediction_of_a_volume(work: Any) -> None:
    bright = type(
        "Bright",
        (deepigeos_editor.NearestMean,),
        {
            "needs_seeds": False,
            "__call__": lambda self, *_, **__: (self._values > 60).astype(np.float32),
        },
    )
    METHODS["bright test"] = bright
    try:
        work.session.method = "bright test"
        ui = work.panel_ui
        ui.batchButton.collapsed = False
        ui.batchSelector.setCheckState(work.volume, qt.Qt.Checked)
        work.module.widget.parametersChanged()
        until(lambda: ui.predictButton.enabled)
        assert block(work, ui.predictButton.click) < BLOCK
        assert slicer.util.getNode("CT segmentation") is not None
    finally:
        del METHODS["bright test"]


def test_a_training(work: Any, training_command: None, tmp_path: Path) -> None:
    work.panel_ui.trainingButton.collapsed = False
    assert longest_block_of_training(work.panel_ui, tmp_path) < BLOCK
    assert work.session.method == f"trained:{tmp_path}" and host.messages("error") == []
