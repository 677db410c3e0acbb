"""The smoke level over a video, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError
from meddl.core.files import atomic_path, writable_parent
from meddl.core.optional import require
from meddl.core.tables import write_csv

TABLE, PLOT = ".csv", ".png"


def check_curve(path: str | Path) -> Path:
    """``path``, if a curve can be written there.

    Raises:
        FileError: neither ``.csv`` nor ``.png``, or a folder that takes no file.
        DependencyError: matplotlib is missing for a ``.png``.
    """
    path = writable_parent(path)
    if path.suffix.lower() not in (TABLE, PLOT):
        raise FileError(f"{path}: the smoke level is written as .csv (table) or .png (plot)")
    if path.suffix.lower() == PLOT:
        require("matplotlib", "drawing the smoke level")
    return path


def write_curve(
    path: str | Path, levels: Sequence[float], times: Sequence[float] | NDArray[np.float64]
) -> None:
    """Write a table (``.csv``: frame, seconds, smoke_level) or a plot (``.png``), atomically.

    Args:
        levels: 0..1 of each frame.
        times: of the frames, s.

    Raises:
        FileError, DependencyError: see :func:`check_curve`.
    """
    path = check_curve(path)
    if path.suffix.lower() == TABLE:
        rows = [
            {"frame": n, "seconds": f"{time:.6g}", "smoke_level": f"{level:.4f}"}
            for n, (time, level) in enumerate(zip(times, levels, strict=True))
        ]
        write_csv(path, rows, ("frame", "seconds", "smoke_level"))
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    panel = figure.subplots()
    panel.fill_between(times, levels, alpha=0.5)
    panel.set(xlabel="seconds", ylabel="smoke level", ylim=(0, 1), xmargin=0)
    panel.grid(alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
