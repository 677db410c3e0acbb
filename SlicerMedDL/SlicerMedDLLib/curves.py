"""The history of a training run, and its curves as a picture for a panel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import qt

HISTORY = "history.jsonl"
BACKGROUND, AXIS = "#101418", "#8a949e"
COLORS = ("#ffb347", "#78d6dc", "#b6e388", "#f38ba8")
MARGIN = 6  # pixels


Figures = dict[str, list[tuple[int, float]]]


class History:
    """The figures of a run's folder, which is looked at again and again while it trains."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._read = 0  # bytes: a thousand epochs take 30 ms, and are read once
        self._figures: Figures = {}

    def read(self, folder: str | Path) -> Figures:
        """Name of a figure -> (step, value) of every epoch; half-written lines are left out."""
        path = Path(folder) / HISTORY
        size = path.stat().st_size if path.is_file() else 0
        if path != self._path or size < self._read:
            self._path, self._read, self._figures = path, 0, {}
        if size > self._read:
            with path.open("rb") as file:
                file.seek(self._read)
                *lines, _half = file.read().split(b"\n")
            self._read += sum(len(line) + 1 for line in lines)
            for line in lines:
                self._add(line)
        return self._figures

    def _add(self, line: bytes) -> None:
        try:
            row = json.loads(line)
        except ValueError:
            return
        for name, value in row.items():
            if name.startswith(("train/", "validation/")) and isinstance(value, (int, float)):
                self._figures.setdefault(name, []).append((int(row["step"]), float(value)))


def curve_pixmap(
    curves: Mapping[str, Sequence[tuple[int, float]]], width: int, height: int
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
    points = points[:: -max(1, len(points) // width)][::-1]  # more than pixels only take time
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
