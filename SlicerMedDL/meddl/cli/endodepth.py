"""``meddl endodepth``: depth and surface from endoscopic video. Each command has its file."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

# Files endodepth_NAME.py of this folder; each has ``add(actions)``.
PARTS: tuple[str, ...] = ("calibrate", "frames")


def configure(subparsers: Any) -> None:
    """Add ``meddl endodepth`` and its commands."""
    parser = subparsers.add_parser(
        "endodepth",
        help="depth and surface from endoscopic video",
        description="Depth and surface from monocular endoscopic video.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    for part in PARTS:
        import_module(f"meddl.cli.endodepth_{part}").add(actions)
