"""``meddl endodepth``: depth and surface from endoscopic video."""

from __future__ import annotations

from typing import Any

from meddl.cli.parts import add_parts


def configure(subparsers: Any) -> None:
    """Add ``meddl endodepth``."""
    add_parts(
        subparsers,
        "endodepth",
        "depth and surface from endoscopic video",
        "Depth and surface from monocular endoscopic video.",
    )
