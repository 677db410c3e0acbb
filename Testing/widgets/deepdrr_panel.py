"""What the tests of DeepDRRModule's panel share: the opened module, a CT, waiting."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import slicer

import host
from meddl.core import Image
from SlicerMedDLLib.volumes import volume_from_image

MODULE = Path(__file__).parents[2] / "DeepDRRModule/DeepDRRModule.py"
GEOMETRY = np.diag([2.0, 2.0, 2.0, 1.0])


def body() -> Image:
    """A water cylinder in air with some noise, HU."""
    _k, j, i = np.mgrid[-12:12, -16:16, -20:20]
    hu = np.where((i / 17) ** 2 + (j / 13) ** 2 < 1, 20, -1000)
    return Image((hu + np.random.default_rng(1).normal(0, 15, hu.shape)).astype(np.int16), GEOMETRY)


@pytest.fixture
def module(scene):
    """The module, opened by the user; without a CT."""
    loaded = host.load_module(MODULE)
    loaded.enter()
    yield loaded
    loaded.exit()
    loaded.cleanup()


@pytest.fixture
def ct(module):
    """A CT, selected in the panel, and a small detector; the live preview is off."""
    node = volume_from_image(body(), "CT")
    ui = module.widget.ui
    ui.livePreviewCheckBox.checked = False
    ui.ctVolumeSelector.setCurrentNode(node)
    ui.columnsSpinBox.value = 40
    ui.rowsSpinBox.value = 30
    ui.pixelSpacingSpinBox.value = 5
    return node


def button(module):
    """The Apply button."""
    return module.widget._runUi.applyButton


def status(module):
    """The line under the button."""
    return module.widget._runUi.statusLabel.text


def wait(module, until=None, seconds=60.0):
    """Let events happen until the runner is idle (or ``until`` holds)."""
    end = time.monotonic() + seconds
    while not until() if until is not None else module.widget.runner.busy:
        assert time.monotonic() < end, "the panel did not finish"
        slicer.app.processEvents()
        time.sleep(0.005)
