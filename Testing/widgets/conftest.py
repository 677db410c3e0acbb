"""Starts the headless host before the tests of this folder import ``slicer``."""

from __future__ import annotations

import host

host.start()
