"""The tables of Docs/validation.md from simulated runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reproduction.report import Report

from meddl.deepigeos.evaluation import REPORTED, Run
from meddl.deepigeos.evaluation_report import means, summary

Rows = list[dict[str, Any]]  # of meddl's summary: case, method, figures
HEAD = (
    "method",
    *(f"Dice after {n}" if n == 1 else str(n) for n in REPORTED),
    "area",
    *(f"NSD (2 mm) after {n}" if n == 1 else str(n) for n in REPORTED),
    "CPU s",
)


def methods_of(rows: Rows) -> list[str]:
    """In the order in which they were run."""
    return list(dict.fromkeys(row["method"] for row in rows))


def common(rows: Rows) -> Rows:
    """Those of the cases that every method was run on."""
    methods = methods_of(rows)
    done = {(row["case"], row["method"]) for row in rows}
    return [row for row in rows if all((row["case"], method) in done for method in methods)]


def mean_rows(rows: Rows) -> Iterable[list[str]]:
    """Means over the cases, for the time the median of a correction, a row per method."""
    for row in means(rows):
        dice, nsd = ([f"{row[f'{kind}_{n}']:.3f}" for n in REPORTED] for kind in ("dice", "nsd"))
        yield [
            f"`{row['method']}`",
            *dice,
            f"{row['dice_area']:.3f}",
            *nsd,
            f"{row['cpu_seconds']:.2f}",
        ]


def target_rows(rows: Rows) -> Iterable[list[str]]:
    """Area under Dice (Dice after 1, at the end), a row per case and a column per method."""
    for case in dict.fromkeys(row["case"] for row in rows):
        cells = []
        for method in methods_of(rows):
            own = [row for row in rows if (row["case"], row["method"]) == (case, method)]
            cells += [
                f"{row['dice_area']:.2f} ({row['dice_1']:.2f}, {row[f'dice_{REPORTED[-1]}']:.2f})"
                for row in own
            ] or [""]
        yield [case, *cells]


def wins(rows: Rows) -> str:
    """How often the first method has the larger area than each other."""
    area = {(row["case"], row["method"]): row["dice_area"] for row in rows}
    first, *others = methods_of(rows)
    parts = []
    for other in others:
        cases = [case for case, method in area if method == other]
        won = sum(area[case, first] > area[case, other] for case in cases)
        parts.append(f"{won} of {len(cases)} against `{other}`")
    return f"`{first}` has the larger area in {', '.join(parts)}." if others else ""


def write(report: Report, name: str, runs: Sequence[Run], interactions: int) -> None:
    """Blocks NAME/real, NAME/procedural, NAME/all and NAME/targets of what was run."""
    rows = common([summary(run, interactions) for run in runs])
    procedural = [row for row in rows if row["case"].startswith("procedural")]
    real = [row for row in rows if row not in procedural]
    for part, own in (("real", real), ("procedural", procedural), ("all", rows)):
        if own and (part != "all" or (real and procedural)):
            report.table(f"{name}/{part}", HEAD, mean_rows(own))
    methods = [f"`{method}`" for method in methods_of(rows)]
    report.table(f"{name}/targets", ("target", *methods), target_rows(rows))
    if text := wins(rows):
        report.lines(f"{name}/wins", text)
