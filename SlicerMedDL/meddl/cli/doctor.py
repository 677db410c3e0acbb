"""``meddl doctor``: what is installed, devices, weights, and what is missing."""

from __future__ import annotations

import argparse
from typing import Any

DESCRIPTION = """\
Say what is installed (and which version was tested), which devices there are and how much memory
they have, which weights are here, and what is missing with the way to get it. Changes nothing;
leaves with 0 also if something is missing. Add its output to a report of an error.
"""


def configure(subparsers: Any) -> None:
    """Add the parser of ``meddl doctor``."""
    parser = subparsers.add_parser(
        "doctor", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the diagnostics; returns 0."""
    from meddl.cli.console import print_json
    from meddl.core.diagnostics import as_text, collect

    record = collect()
    if args.json:
        print_json(record)
    else:
        print(as_text(record), end="")
    return 0
