"""The report of an evaluation: JSON, a table, a plot, and pictures side by side."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.files import atomic_folder, atomic_path, report_path, write_json
from meddl.core.image import Image
from meddl.core.optional import is_installed, require
from meddl.core.pictures import RAS_FROM_PICTURE, write_picture
from meddl.core.tables import write_csv
from meddl.desmoke.evaluation_sets import FrameSets
from meddl.desmoke.metrics import FULL_REFERENCE, Frame

logger = logging.getLogger(__name__)

ROLES = ("input", "output", "reference")  # from left to right
_LABELS = {"psnr": "PSNR, dB", "ssim": "SSIM", "uqi": "UQI", "fsimc": "FSIMc"}


def write_report(path: str | Path, result: dict[str, Any], sets: FrameSets) -> None:
    """Write ``REPORT.json``, and beside it a row per frame (``REPORT.csv``), a plot
    (``REPORT.png``) and, in the folder ``REPORT_pictures``, input, output and reference side by
    side.

    The plot is left out with a warning where matplotlib is missing.

    Raises:
        FileError: not ``.json``, or a folder that takes no file.
    """
    path = report_path(path)
    write_json(path, result)
    write_csv(path.with_suffix(".csv"), result["frames"])
    if is_installed("matplotlib"):
        _plot(path.with_suffix(".png"), result)
    else:
        logger.warning("no plot: the package matplotlib is not installed")
    count = min(result["parameters"]["pictures"], len(sets))
    if count:
        with atomic_folder(path.with_name(f"{path.stem}_pictures")) as folder:
            for number in np.linspace(0, len(sets) - 1, count).round().astype(int):
                frames = sets[int(number)]
                picture = side_by_side([frames[role] for role in ROLES if role in frames])
                name = folder / f"{sets.names[number]}.png"
                write_picture(name, Image(picture[None], RAS_FROM_PICTURE))


def side_by_side(frames: list[Frame], gap: int = 4) -> Frame:
    """Frames (H, W, 3) of one height from left to right, ``gap`` white pixels between them."""
    white = np.full((frames[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for frame in frames for part in (white, frame)][1:]
    return np.concatenate(parts, axis=1)


def _plot(path: Path, result: dict[str, Any]) -> None:
    rows = result["frames"]
    figure = require("matplotlib.figure", "the plot").Figure((10, 5), layout="constrained")
    numbers = range(len(rows))
    names = (*FULL_REFERENCE, "smoke_density", "contrast")
    panels_of = [name for name in names if f"output_{name}" in rows[0]]
    panels = figure.subplots(2, len(panels_of) // 2).ravel()
    colours = {"input": "tab:grey", "output": "tab:blue", "reference": "tab:green"}
    for panel, name in zip(panels, panels_of, strict=True):
        for role in ROLES:
            if f"{role}_{name}" in rows[0]:
                values = [row[f"{role}_{name}"] for row in rows]
                mark = "o" if len(rows) == 1 else None
                panel.plot(numbers, values, marker=mark, color=colours[role], label=role, lw=1)
        panel.set(title=_LABELS.get(name, name.replace("_", " ")), xlabel="frame")
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
