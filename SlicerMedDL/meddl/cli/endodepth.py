"""``meddl endodepth``: depth and surface from endoscopic video, each command in its own file."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any


def configure(subparsers: Any) -> None:
    """Add ``meddl endodepth`` and its commands: ``add(actions)`` of each file endodepth_NAME.py."""
    parser = subparsers.add_parser(
        "endodepth",
        help="depth and surface from endoscopic video",
        description="Depth and surface from monocular endoscopic video.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    for path in sorted(Path(__file__).parent.glob("endodepth_*.py")):
        import_module(f"meddl.cli.{path.stem}").add(actions)
