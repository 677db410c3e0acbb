"""``meddl demo``: the main jobs on bundled real data, in a real MRML scene."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Run the main jobs on the bundled real data, in 3D Slicer's own MRML but without its window, and
write figures, a scene for desktop Slicer (.mrb) and a report (report.html).
"""


def configure(subparsers: Any) -> None:
    """Add the parser of ``meddl demo``."""
    parser = subparsers.add_parser("demo", description=DESCRIPTION)
    parser.add_argument(
        "--chapter", action="append", metavar="NAME", help="one chapter, for example deepdrr"
    )
    parser.add_argument(
        "--output", metavar="FOLDER", help="where to (default: demo in the checkout)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo of the checkout; returns its exit code."""
    from meddl.cli.checkout import become_python, checkout

    folder = checkout("Testing/demo")
    output = Path(args.output).absolute() if args.output else folder / "demo"
    chapters = [part for name in args.chapter or [] for part in ("--chapter", name)]
    return become_python(["Testing/demo", "--output", output, *chapters], folder)
