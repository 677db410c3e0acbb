"""What the tests of DesmokeModule share: the opened module, and a short smoky clip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

import host
from SlicerMedDLLib.sequences import recording

MODULE = Path(__file__).parents[2] / "DesmokeModule/DesmokeModule.py"
SIZE, FRAMES = (48, 64), 6
WAIT = 120  # s; of a machine that does other work too


def smoky_frames(count: int = FRAMES, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Frames (H, W, 3) uint8 of a red scene under a veil that thickens."""
    rng = np.random.default_rng(0)
    height, width = size
    scene = np.empty((height, width, 3))
    scene[:] = (150, 60, 50)
    scene[height // 4 : height // 2, width // 4 :] = rng.integers(0, 90, (width - width // 4, 3))
    frames = []
    for number in range(count):
        opacity = 0.2 + 0.4 * number / count
        frames.append(((1 - opacity) * scene + opacity * 220).astype(np.uint8))
    return frames


def add_clip(name: str = "Laparoscopy", frames: Any = None) -> Any:
    """A sequence of smoky frames, 25 per second."""
    with recording(name, 25) as append:
        for frame in smoky_frames() if frames is None else frames:
            sequence = append(frame)
    return sequence


def pixels(volume: Any) -> np.ndarray:
    """The picture (H, W[, 3]) that a volume shows."""
    return np.array(slicer.util.arrayFromVolume(volume)[0])


@pytest.fixture
def module(scene: Any) -> Iterator[Any]:
    """The module, opened by the user in a Slicer with its views."""
    host.show_views()
    loaded = host.load_module(MODULE)
    loaded.enter()
    loaded.widget.parameterNode.method = "classical"
    yield loaded
    loaded.exit()
    loaded.cleanup()
    host.hide_views()


def apply_button(module: Any) -> Any:
    """The Apply button."""
    return module.widget._runUi.applyButton


def status(module: Any) -> str:
    """The line under the button."""
    return str(module.widget._runUi.statusLabel.text)


def idle(module: Any) -> bool:
    """Whether nothing runs, and nothing waits to be put into the scene."""
    widget = module.widget
    return not (widget.busy or widget.live.live.busy)
