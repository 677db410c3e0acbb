"""The Markdown tables and the plot of a comparison."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np

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


def tables(results: dict[str, Any]) -> str:
    """All measurements as Markdown."""
    records = results["projectors"]
    if not records:
        return "\n".join(_bar_lines(results) + _scaling_lines(results)) + "\n"
    versions = sorted({record["version"] for record in records})
    lines = [
        f"{platform.machine()}, {results['processor']}; {', '.join(versions)}.",
        f"Medians of {records[0]['repeats']}, projectors in turn; the detector sees "
        f"{results['field']} longest edges of the volume.",
        "",
        "| volume -> picture | pose | projector | CPU s, 1 thread | times `numba` "
        "| wall s, 2 threads | error | error, own model |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        part = f" (1/{record['rows']} of the rows)" if record["rows"] > 1 else ""
        ours = _record(records, record, "numba")
        lines.append(
            f"| {record['volume']} -> {record['pixels']}² | {record['pose']} "
            f"| {record['title']}{part} | {record['cpu']:.3f} "
            f"| {record['cpu'] / ours['cpu']:.1f} | {record['wall_2']:.3f} "
            f"| {record['error']:.1e} | {record['own_error']:.1e} |"
        )
    lines += ["", "How the projectors read voxels between their centres (*own model*):", ""]
    lines += [
        f"- {', '.join(dict.fromkeys(titles))}: {text}"
        for model, text in MODELS.items()
        if (titles := [record["title"] for record in records if record["model"] == model])
    ]
    return "\n".join(lines + _bar_lines(results) + _scaling_lines(results)) + "\n"


def _bar_lines(results: dict[str, Any]) -> list[str]:
    rows = [f"| {name} | {required} | {found} |" for name, required, found in bars(results)]
    return ["", "| bar | required | measured |", "|---|---|---|", *rows]


def _scaling_lines(results: dict[str, Any]) -> list[str]:
    if "scaling" not in results:
        return []
    lines = ["", "| cost against | range | exponent |", "|---|---|---|"]
    for name, points in results["scaling"].items():
        axis, text = SLOPES[name]
        ends = f"{points[0][0]} to {points[-1][0]}"
        lines.append(f"| {axis} ({text}) | {ends} | {slope(points):.2f} |")
    return lines


def _record(records: list[dict[str, Any]], like: dict[str, Any], projector: str) -> dict[str, Any]:
    same = ("volume", "pixels", "pose")
    return next(
        record
        for record in records
        if record["projector"] == projector and all(record[k] == like[k] for k in same)
    )


def bars(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, requirement and measurement of each bar of the issue."""
    rows = []
    records = results["projectors"]
    for volume in dict.fromkeys(record["volume"] for record in records):
        full = "full" in volume
        for aligned in (False, True):
            kind = "aligned pose" if aligned else "general pose"
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
                    found = ", ".join(f"{ratio:.1f}" for ratio in ratios)
                    rows.append((f"{title} / `numba`, {volume}, {kind}", f">= {factor}", found))
    for name, found in results.get("around", {}).items():
        ratio = found["rtk"] / found["numba"]
        text = f"{ratio:.1f} ({found['rtk']:.1f} s / {found['numba']:.2f} s)"
        rows.append((f"RTK Joseph / `numba`, {name}, 60 views around", ">= 10", text))
    for name, poses in results.get("first", {}).items():
        for pose, found in poses.items():
            ratio = found["rtk"] / found["numba"]
            text = f"{ratio:.1f} ({found['rtk']:.2f} s / {found['numba']:.2f} s)"
            rows.append((f"the same, {name}, first picture with preparation, {pose}", ">= 1", text))
    for pose, found in results.get("materials", {}).items():
        text = (
            f"{found['three'] / found['one']:.2f} ({found['three']:.3f} s / {found['one']:.3f} s)"
        )
        rows.append((f"three materials / one, {pose}", "< 1.6", text))
    for name, poses in results.get("memory", {}).items():
        for pose, ratio in poses.items():
            what = f"peak memory with the CT, three materials / float32 volume, {name}, {pose}"
            rows.append((what, "< 2", f"{ratio:.2f}"))
    return rows


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
