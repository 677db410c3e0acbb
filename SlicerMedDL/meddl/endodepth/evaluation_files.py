"""The report of an evaluation: JSON, a table and a plot."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.files import atomic_path, report_path, write_json
from meddl.core.optional import is_installed, require
from meddl.core.tables import write_csv

logger = logging.getLogger(__name__)


def write_report(path: str | Path, result: dict[str, Any]) -> None:
    """Write ``REPORT.json``, and beside it a row per frame (``.csv``) and a plot (``.png``).

    The picture is left out with a warning where matplotlib is missing.

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


def _plot(path: Path, result: dict[str, Any]) -> None:
    figure = require("matplotlib.figure", "the plot").Figure((8, 3.5), layout="constrained")
    errors, ratios = figure.subplots(1, 2)
    rows = result["frames"]
    scored = [number for number, row in enumerate(rows) if row["samples"]]
    for name, label, style in (
        ("abs_rel", "depth", "-"),
        ("abs_rel_brightness", "inverse root of brightness", "--"),
        ("abs_rel_constant", "one depth", ":"),
    ):
        errors.plot(scored, [rows[number][name] for number in scored], style, label=label)
    errors.set(xlabel="frame", ylabel="absolute relative error", ylim=(0, None))
    errors.legend(fontsize=8)
    limits = [1.25, 1.25**2, 1.25**3]
    groups = {"depth": result["pooled"], **result["baselines"]}
    for offset, (name, found) in enumerate(groups.items()):
        heights = [found[f"delta{n}"] for n in (1, 2, 3)]
        ratios.bar(np.arange(3) + 0.27 * (offset - 1), heights, 0.25, label=name)
    ratios.set_xticks(range(3), [f"< {limit:.3g}" for limit in limits])
    ratios.set(xlabel="ratio to the truth", ylabel="part of the samples", ylim=(0, 1))
    ratios.legend(fontsize=8, loc="lower right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
