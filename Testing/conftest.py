"""Shared by all tests: the headless host on sys.path, and fixtures that keep tests apart."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.setdefault("PIP_NO_INDEX", "1")  # no test may download a package
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def no_host_errors() -> Iterator[None]:
    """Fail the test when a slot or observer raised, or a worker thread touched the scene."""
    import host

    host.start()
    host.clear()
    yield
    errors = host.errors()
    host.clear()
    if errors:
        pytest.fail("the host recorded errors:\n" + "\n".join(errors))


@pytest.fixture
def scene(no_host_errors: None) -> Iterator[Any]:
    """The application's MRML scene, cleared before and after; host errors fail the test."""
    import host

    host.clear_scene()
    import slicer

    yield slicer.mrmlScene
    host.clear_scene()
    slicer.app.processEvents()
