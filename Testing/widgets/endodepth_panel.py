"""What the tests of EndoDepthModule share: the opened module, and a small exact sequence."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import host
from EndoDepthModuleLib import phantom, video
from SlicerMedDLLib.volumes import image_from_volume

MODULE = Path(__file__).parents[2] / "EndoDepthModule/EndoDepthModule.py"
UNIT_MM = 5.0  # of the phantom's structure from motion


@pytest.fixture(scope="session")
def original(tmp_path_factory: Any) -> Path:
    """The phantom's folder; not to be changed."""
    folder = tmp_path_factory.mktemp("endodepth") / "phantom"
    phantom.write_phantom(folder, UNIT_MM)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of the phantom's folder."""
    return Path(shutil.copytree(original, tmp_path / "phantom"))


@pytest.fixture
def module(scene: Any) -> Iterator[Any]:
    """The module, opened by the user."""
    loaded = host.load_module(MODULE)
    loaded.enter()
    yield loaded
    loaded.exit()
    loaded.cleanup()


@pytest.fixture
def browser(module: Any, folder: Path) -> Any:
    """The phantom, loaded through the panel."""
    ui = module.widget.ui
    ui.videoPathEdit.currentPath = str(folder)
    ui.loadButton.click()
    return module.widget.parameterNode.video


def apply_button(module: Any) -> Any:
    """The Apply button."""
    return module.widget._runUi.applyButton


def loads(module: Any) -> bool:
    """Whether a task runs, or frames of the scene are looked at for one."""
    return bool(module.widget.busy)


def status(module: Any) -> str:
    """The line under the button."""
    return str(module.widget._runUi.statusLabel.text)


def shown(browser: Any) -> np.ndarray:
    """The frame (H, W, 3) that the scene shows."""
    return image_from_volume(video.frame_volume(browser)).array[0]
