"""Tables and the plot of an evaluation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from meddl.core.files import atomic_path, write_json
from meddl.core.optional import is_installed
from meddl.core.parameters import to_dict
from meddl.core.run_record import make_folder
from meddl.core.tables import write_csv
from meddl.deepigeos.evaluation import REPORTED, Run
from meddl.deepigeos.evaluation_parameters import EvaluationParameters

logger = logging.getLogger(__name__)


def summary(run: Run, interactions: int) -> dict[str, Any]:
    """One row of the table: Dice and NSD after :data:`REPORTED` interactions, area, seconds."""
    row: dict[str, Any] = {"case": run.case, "method": run.method}
    for number in [n for n in REPORTED if n <= interactions]:
        row[f"dice_{number}"] = round(run.at(number).dice, 4)
    for number in [n for n in REPORTED if n <= interactions]:
        row[f"nsd_{number}"] = round(run.at(number).nsd, 4)
    row["dice_area"] = round(run.area(interactions), 4)
    # The first interaction prepares the method for the image; corrections are what one waits for.
    corrections = [step for step in run.steps if step.interaction > 1] or run.steps
    row["first_seconds"] = round(run.at(1).seconds, 4)
    row["seconds"] = round(float(np.median([step.seconds for step in corrections])), 4)
    row["cpu_seconds"] = round(float(np.median([step.cpu_seconds for step in corrections])), 4)
    return row


def means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per method: means over the cases, for the times the medians."""
    result = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        mean: dict[str, Any] = {"case": f"mean of {len(own)}", "method": method}
        for name in [name for name in own[0] if name not in ("case", "method")]:
            average = np.median if name.endswith("seconds") else np.mean
            mean[name] = round(float(average([row[name] for row in own])), 4)
        result.append(mean)
    return result


def write_report(
    runs: Sequence[Run], parameters: EvaluationParameters, folder: str | Path
) -> dict[str, Any]:
    """Write ``evaluation.json``, ``evaluation.csv`` and ``evaluation.png``.

    The JSON file has the parameters, the table, its means and every step; the CSV file the table;
    the picture Dice against interactions and the seconds of each. The picture is left out with a
    warning where matplotlib is missing.

    Returns:
        ``table`` and ``means``, lists of rows.

    Raises:
        FileError: the folder cannot be made or written.
    """
    folder = make_folder(Path(folder))
    rows = [summary(run, parameters.interactions) for run in runs]
    result = {"table": rows, "means": means(rows)}
    write_json(
        folder / "evaluation.json",
        {"parameters": to_dict(parameters), **result, "runs": [asdict(run) for run in runs]},
    )
    write_csv(folder / "evaluation.csv", rows)
    if is_installed("matplotlib"):
        _plot(runs, parameters, folder / "evaluation.png")
    else:
        logger.warning("no plot: the package matplotlib is not installed")
    return result


def _plot(runs: Sequence[Run], parameters: EvaluationParameters, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2)
    numbers = list(range(1, parameters.interactions + 1))
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        values = np.array([[run.at(n).dice for n in numbers] for run in own])
        (line,) = left.plot(numbers, values.mean(axis=0), marker="o", ms=3, label=method)
        if len(own) > 1:
            left.fill_between(
                numbers,
                *np.quantile(values, [0.25, 0.75], axis=0),
                color=line.get_color(),
                alpha=0.12,
            )
        seconds = [
            [step.seconds for run in own for step in run.steps if step.interaction == n]
            for n in numbers
        ]
        shown = [(n, np.median(s)) for n, s in zip(numbers, seconds, strict=True) if s]
        right.plot(*zip(*shown, strict=True), marker="o", ms=3, color=line.get_color())
    cases = len({run.case for run in runs})
    left.set(
        xlabel="interactions", ylabel=f"Dice (mean of {cases}, quartiles)" if cases > 1 else "Dice"
    )
    right.set(xlabel="interaction", ylabel="seconds (median)", yscale="log")
    left.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
