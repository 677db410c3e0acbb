"""Loads the modules in the headless host, as Slicer has done before their tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

import host

FOLDER = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def load() -> None:
    """Anew: other tests of this process may have unloaded them."""
    _load()


def _load() -> None:
    for name in ("SegmentEditorDeepIGeoS", "DeepIGeoSModule"):
        host.load_module(FOLDER / f"{name}.py")


host.start()
_load()  # the tests import from them
