"""Loads the modules in the headless host, as Slicer has done before their tests run."""

from __future__ import annotations

from pathlib import Path

import host

FOLDER = Path(__file__).parents[2]

host.start()
for name in ("SegmentEditorDeepIGeoS", "DeepIGeoSModule"):
    host.load_module(FOLDER / f"{name}.py")
