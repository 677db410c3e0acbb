"""Loads the module in the headless host, as Slicer has done before its tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

import host

FOLDER = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def load() -> None:
    """Anew: other tests of this process may have unloaded it."""
    _load()


def _load() -> None:
    host.load_module(FOLDER / "EndoDepthModule.py")


host.start()
_load()  # the tests import from it
