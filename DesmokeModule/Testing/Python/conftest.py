"""Loads the module in the headless host, as Slicer has done before its tests run."""

from __future__ import annotations

from pathlib import Path

import host

host.start()
host.load_module(Path(__file__).parents[2] / "DesmokeModule.py")
