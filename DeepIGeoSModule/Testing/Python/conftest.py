"""Loads the modules in the headless host, as Slicer has done before their tests run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import host

FOLDER = Path(__file__).parents[2]
MODULES = ("SegmentEditorDeepIGeoS", "DeepIGeoSModule")


def _load() -> list[Any]:
    return [host.load_module(FOLDER / f"{name}.py") for name in MODULES]


@pytest.fixture(autouse=True, scope="module")
def load() -> Iterator[None]:
    """Anew, as other tests of this process may have unloaded them; panels are for these alone."""
    modules = _load()
    yield
    for module in modules:
        module.cleanup()


host.start()
_load()  # the tests import from them
