"""The Markdown tables and the plot of a comparison."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from reproduction.report import Report

from .measure import ALIGNED
from .truth import MODELS

SLOPES = {
    "pixels": ("pixels", "256^3 voxels"),
    "depth": ("voxels along the rays", "256 x n x 256 voxels, 512^2 pixels"),
    "cube": ("n", "n^3 voxels, (2n)^2 pixels"),
}

FACTORS = {"rtk": 7, "exact-plm": 8, "siddon": 100, "trilinear": 100}  # in general poses


def slope(points: list[tuple[int, float]]) -> float:
    """Exponent of a power law by least squares."""
    x, y = np.log(np.array(points, float)).T
    return float(np.polyfit(x, y, 1)[0])


def write(report: Report, results: dict[str, Any]) -> None:
    """All measurements as blocks of a report."""
    report.figures = results
    if records := results["projectors"]:
        versions = sorted({record["version"] for record in records})
        text = f"{results['processor'] or platform.machine()}; {', '.join(versions)}. "
        report.lines("drr_speed/versions", f"{text}Medians of {records[0]['repeats']}.")
        head = ("volume -> picture", "pose", "projector", "CPU s, 1 thread", "over `numba`")
        head += ("wall s, 2 threads", "error", "error, own model")
        report.table("drr_speed/projectors", head, map(partial(_row, records), records))
        models = [
            f"- {', '.join(dict.fromkeys(titles))}: {text}"
            for model, text in MODELS.items()
            if (titles := [record["title"] for record in records if record["model"] == model])
        ]
        report.lines("drr_speed/models", "\n".join(models))
    report.table("drr_speed/bars", ("bar", "required", "measured"), bars(results))
    if "scaling" in results:
        rows = []
        for name, points in results["scaling"].items():
            axis, text = SLOPES[name]
            ends = f"{points[0][0]} to {points[-1][0]}"
            rows.append((f"{axis} ({text})", ends, f"{slope(points):.2f}"))
        report.table("drr_speed/scaling", ("cost against", "range", "exponent"), rows)


def _row(records: list[dict[str, Any]], record: dict[str, Any]) -> tuple[str, ...]:
    title = "**`numba`**" if record["projector"] == "numba" else record["title"]
    part = f" (1/{record['rows']} of the rows)" if record["rows"] > 1 else ""
    ratio = record["cpu"] / _record(records, record, "numba")["cpu"]
    return (
        f"{record['volume']} -> {record['pixels']}²",
        record["pose"],
        f"{title}{part}",
        f"{record['cpu']:.3f}",
        f"{ratio:.1f}",
        f"{record['wall_2']:.3f}",
        f"{record['error']:.1e}",
        f"{record['own_error']:.1e}",
    )


def _record(records: list[dict[str, Any]], like: dict[str, Any], projector: str) -> dict[str, Any]:
    same = ("volume", "pixels", "pose")
    return next(
        record
        for record in records
        if record["projector"] == projector and all(record[k] == like[k] for k in same)
    )


def bars(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, requirement and measurement of each bar; bold where it is not met."""
    rows = []
    records = results["projectors"]
    for volume in dict.fromkeys(record["volume"] for record in records):
        full = "full" in volume
        for aligned in (False, True):
            kind = "aligned poses" if aligned else "general poses"
            for peer, factor in FACTORS.items():
                if (aligned or full) and peer != "rtk":
                    continue
                factor = 5 if full else 15 if aligned else factor
                ratios = [
                    record["cpu"] / _record(records, record, "numba")["cpu"]
                    for record in records
                    if record["projector"] == peer
                    and record["volume"] == volume
                    and (record["pose"] in ALIGNED) == aligned
                ]
                if ratios:
                    title = next(r["title"] for r in records if r["projector"] == peer)
                    found = ", ".join(_least(ratio, factor) for ratio in ratios)
                    rows.append((f"{title} / `numba`, {volume}, {kind}", f"{factor}", found))
    for name, found in results.get("around", {}).items():
        seconds = f"({found['rtk']:.1f} s / {found['numba']:.2f} s)"
        text = f"{_least(found['rtk'] / found['numba'], 10)} {seconds}"
        rows.append((f"RTK Joseph / `numba`, {name}, 60 views around", "10", text))
    for name, poses in results.get("first", {}).items():
        text = ", ".join(_least(found["rtk"] / found["numba"], 1) for found in poses.values())
        what = f"RTK Joseph / `numba`, first picture with preparation, {name}, {', '.join(poses)}"
        rows.append((what, "1", text))
    if poses := results.get("materials"):
        text = ", ".join(_most(found["three"] / found["one"], 1.6) for found in poses.values())
        rows.append((f"three materials / one, {', '.join(poses)}", "< 1.6", text))
    for name, poses in results.get("memory", {}).items():
        what = f"peak memory with the CT, three materials / float32 volume, {name}, "
        text = ", ".join(_most(ratio, 2) for ratio in poses.values())
        rows.append((what + ", ".join(poses), "< 2", text))
    return rows


def _least(value: float, bar: float) -> str:
    return f"{value:.1f}" if value >= bar else f"**{value:.1f}**"


def _most(value: float, bar: float) -> str:
    return f"{value:.2f}" if value < bar else f"**{value:.2f}**"


def plot(scaling: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """CPU seconds on logarithmic axes, with a line of proportionality through the last point."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    for axis, (name, points) in zip(axes, scaling.items(), strict=True):
        x, y = np.array(points, float).T
        label, title = SLOPES[name]
        power = 3 if name == "cube" else 1  # pixels x depth
        proportional = "pixels x depth" if name == "cube" else label
        axis.loglog(x, y[-1] * (x / x[-1]) ** power, "--", color="grey", label=f"~ {proportional}")
        axis.loglog(x, y, "o-", label=f"measured, exponent {slope(points):.2f}")
        axis.set(xlabel=label, title=title)
        axis.set_xticks(x, [f"{int(n)}" for n in x], fontsize=7)
        axis.minorticks_off()
        axis.legend(fontsize=8)
    axes[0].set_ylabel("CPU seconds, one thread")
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
