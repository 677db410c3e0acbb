"""Loads the module in the headless host, as Slicer has done before its tests run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import host

MODULE = Path(__file__).parents[2] / "SlicerMedDL.py"


@pytest.fixture(autouse=True, scope="module")
def load() -> Iterator[None]:
    """Anew, as other tests of this process may have unloaded it; its panel is for these alone."""
    module = host.load_module(MODULE)
    yield
    module.cleanup()


host.start()
host.load_module(MODULE)  # the tests import from it
