"""What a comparison says: tables and lines as they come, and all of it in a folder at the end."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from meddl.core.files import atomic_path
from reproduction.blocks import marked


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option that all comparisons share."""
    parser.add_argument("--output", type=Path, help="folder for report.md and what belongs to it")


class Report:
    """A ``with`` block that prints what it is given and leaves ``report.md`` if it ends well.

    Args:
        folder: made if it is not there; None prints alone.

    Attributes:
        figures: whatever belongs into ``report.json``, JSON types and numpy's; None: nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.text = ""
        self.figures: Any = None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "report.md").unlink(missing_ok=True)

    def table(self, name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A Markdown table under ``name``; rows are printed as they come."""
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        print("\n".join(["", *lines]), flush=True)
        for row in rows:
            lines.append("| " + " | ".join(map(str, row)) + " |")
            print(lines[-1], flush=True)
        self.text += marked(name, "\n".join(lines) + "\n")

    def lines(self, name: str, text: str) -> None:
        """Lines of Markdown under ``name``."""
        print("\n" + text.rstrip("\n"), flush=True)
        self.text += marked(name, text.rstrip("\n") + "\n")

    def picture(self, name: str) -> Path | None:
        """Where a picture of that file name goes; None if there is no folder."""
        return self.folder / name if self.folder else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if kind is not None or self.folder is None:
            return
        if self.figures is not None:
            with atomic_path(self.folder / "report.json") as path:
                path.write_text(json.dumps(self.figures, indent=1, default=_plain) + "\n")
        with atomic_path(self.folder / "report.md") as path:
            path.write_text(self.text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """numpy's scalars and arrays as Python's."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
