"""Loads the module in the headless host, as Slicer has done before its tests run."""

from __future__ import annotations

from pathlib import Path

from host.fixtures import loaded

load = loaded(Path(__file__).parents[2] / "DeepDRRModule.py")
