"""DeepDRRModule: no long task holds the window up for 100 ms.

Registration and data sets are measured where they are tested (``test_deepdrr_sections.py``), the
preview in ``test_deepdrr_preview.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import slicer

import host
from SlicerMedDLLib.segmentations import Segment, segmentation_from_labels
from SlicerMedDLLib.volumes import image_from_volume
from waiting import BLOCK, longest_block
from widgets.deepdrr_panel import body, button, ct, module

__all__ = ["ct", "module"]  # fixtures


@pytest.fixture
def patient(ct: Any) -> Any:
    """A CT of 48x64x80 voxels."""
    slicer.util.updateVolumeFromArray(ct, np.tile(body().array, (2, 2, 2)))
    return ct


@pytest.fixture
def segmentation(patient: Any) -> Any:
    """The body in two halves."""
    image = image_from_volume(patient)
    labels = (image.array > -500).astype(np.uint8)
    labels[..., : labels.shape[2] // 2] *= 2
    halves = [Segment(1, "Femur", (1, 0, 0)), Segment(2, "Liver", (0, 0, 1))]
    return segmentation_from_labels(image.with_array(labels), halves, "Halves")


def block(module: Any, start: Callable[[], object], busy: Callable[[], object]) -> float:
    longest = longest_block(start, busy, 600)
    assert host.messages("error") == []
    return longest


def runs(module: Any) -> bool:
    return bool(module.widget.runner.busy)


def test_a_radiograph(module: Any, patient: Any) -> None:
    assert block(module, button(module).click, lambda: runs(module)) < BLOCK
    assert module.widget.parameterNode.radiograph is not None


def test_materials_of_segments_and_their_shadows(module: Any, segmentation: Any) -> None:
    ui = module.widget.ui
    ui.materialMethodSelector.currentText = "segmentation"
    ui.segmentationSelector.setCurrentNode(segmentation)
    assert block(module, button(module).click, lambda: runs(module)) < BLOCK
    ui.shadowSelector.setCurrentNode(segmentation)
    assert block(module, ui.projectSegmentsButton.click, lambda: runs(module)) < BLOCK
    assert slicer.util.getNode("Halves on radiograph") is not None
