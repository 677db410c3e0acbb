"""The chapters in order: name to the module that has ``run(context) -> Chapter``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meddl.core.progress import CancelToken

CHAPTERS = {
    "deepdrr": "demo.chapters.deepdrr",
    "deepigeos": "demo.chapters.deepigeos",
    "endodepth": "demo.chapters.endodepth",
    "desmoke": "demo.chapters.desmoke",
}


@dataclass(frozen=True)
class Context:
    """What a chapter works with.

    Attributes:
        folder: where its files go.
        data: folder of the bundled samples.
        progress: called with the fraction done and what is being done.
        cancel: checked between steps.
        scale: divides the sides of all pictures; above 1 for tests.
        problem: why slice and 3-D views cannot be rendered here; None if they can.
    """

    folder: Path
    data: Path
    progress: Callable[[float, str], None]
    cancel: CancelToken
    scale: int
    problem: str | None

    def step(self, fraction: float, message: str) -> None:
        """Say what begins now.

        Raises:
            Cancelled: the user cancelled.
        """
        self.cancel.check()
        self.progress(fraction, message)
