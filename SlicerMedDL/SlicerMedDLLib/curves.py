"""The history of a training run, and its curves as a picture for a panel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import qt

HISTORY = "history.jsonl"
BACKGROUND, AXIS = "#101418", "#8a949e"
COLORS = ("#ffb347", "#78d6dc", "#b6e388", "#f38ba8")
MARGIN = 6  # pixels


def read_history(folder: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Name of a figure -> (step, value) of every epoch; half-written lines are left out."""
    found: dict[str, list[tuple[int, float]]] = {}
    path = Path(folder) / HISTORY
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        for name, value in row.items():
            if name.startswith(("train/", "validation/")) and isinstance(value, (int, float)):
                found.setdefault(name, []).append((int(row["step"]), float(value)))
    return found


def curve_pixmap(
    curves: dict[str, Sequence[tuple[int, float]]], width: int, height: int
) -> qt.QPixmap:
    """Curves over steps, each in a scale of its own, with its last value beside its name."""
    pixmap = qt.QPixmap(width, height)
    pixmap.fill(qt.QColor(BACKGROUND))
    painter = qt.QPainter()
    painter.begin(pixmap)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    font = painter.font()
    font.setPixelSize(11)
    painter.setFont(font)
    bottom = height - MARGIN
    painter.setPen(qt.QColor(AXIS))
    painter.drawLine(MARGIN, bottom, width - MARGIN, bottom)
    for number, (name, points) in enumerate(list(curves.items())[: len(COLORS)]):
        painter.setPen(qt.QPen(qt.QColor(COLORS[number]), 2))
        places = _places(points, width, height)
        for (x0, y0), (x1, y1) in pairwise(places):
            painter.drawLine(x0, y0, x1, y1)
        painter.drawText(MARGIN + 2, 14 + 14 * number, f"{name}  {points[-1][1]:.4g}")
    painter.end()
    return pixmap


def _places(points: Sequence[tuple[int, float]], width: int, height: int) -> list[Any]:
    steps, values = [p[0] for p in points], [p[1] for p in points]
    first, span = min(steps), max(max(steps) - min(steps), 1)
    low, rise = min(values), max(max(values) - min(values), 1e-9)
    inner_w, inner_h = width - 2 * MARGIN, height - 2 * MARGIN
    return [
        (
            MARGIN + round((step - first) / span * inner_w),
            height - MARGIN - round((value - low) / rise * inner_h),
        )
        for step, value in points
    ]
