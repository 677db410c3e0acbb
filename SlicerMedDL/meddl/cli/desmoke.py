"""``meddl desmoke``: surgical smoke removed from laparoscopic video."""

from __future__ import annotations

from typing import Any

from meddl.cli.parts import add_parts


def configure(subparsers: Any) -> None:
    """Add ``meddl desmoke``."""
    add_parts(
        subparsers,
        "desmoke",
        "surgical smoke removed from laparoscopic video",
        "Surgical smoke removed from laparoscopic video.",
    )
