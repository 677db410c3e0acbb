"""Loads the modules in the headless host, as Slicer has done before their tests run."""

from __future__ import annotations

from pathlib import Path

from host.fixtures import loaded

FOLDER = Path(__file__).parents[2]

load = loaded(FOLDER / "SegmentEditorDeepIGeoS.py", FOLDER / "DeepIGeoSModule.py")
