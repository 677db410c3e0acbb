"""``meddl deepigeos``: interactive segmentation. Parsing and printing only."""

from __future__ import annotations

from typing import Any


def configure(subparsers: Any) -> None:
    """Add the parsers of ``meddl deepigeos``."""
    from meddl.cli.deepigeos_train import configure_train

    parser = subparsers.add_parser(
        "deepigeos", help="interactive segmentation by scribbles (DeepIGeoS)"
    )
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    configure_train(commands)
