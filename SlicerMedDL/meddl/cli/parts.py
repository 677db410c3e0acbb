"""A system whose commands lie in files of their own."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any


def add_parts(subparsers: Any, system: str, summary: str, description: str) -> None:
    """Add ``meddl SYSTEM`` and its commands: ``add(actions)`` of each file ``SYSTEM_NAME.py``."""
    parser = subparsers.add_parser(
        system,
        help=summary,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    for path in sorted(Path(__file__).parent.glob(f"{system}_*.py")):
        import_module(f"meddl.cli.{path.stem}").add(actions)
