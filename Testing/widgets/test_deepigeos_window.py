"""DeepIGeoSModule: no long task holds the window up for 100 ms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import qt
import slicer

import host
from meddl.deepigeos.methods import METHODS
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from waiting import BLOCK, longest_block, until
from widgets import deepigeos_editor
from widgets.deepigeos_editor import IN_BALL
from widgets.test_deepigeos_module import work

__all__ = ["work"]  # a fixture


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
