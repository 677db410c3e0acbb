"""The curves of a training run as a picture, from the history that :mod:`core.training` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meddl.core.errors import InputError
from meddl.core.files import atomic_path
from meddl.core.optional import require


def plot_history(
    path: str | Path, history: Sequence[Mapping[str, Any]], figures: Sequence[str]
) -> None:
    """Write ``path`` (.png): one panel per figure, training and validation over the epochs.

    Args:
        history: rows with ``epoch``, ``train/NAME`` and ``validation/NAME``.
        figures: names, for example ``"loss"``; those that no row has are left out.

    Raises:
        InputError: nothing to draw.
        FileError: the folder takes no file.
        DependencyError: matplotlib is not installed.
    """
    require("matplotlib", "drawing curves")
    from matplotlib.figure import Figure

    kinds = ("train", "validation")
    names = [n for n in figures if any(f"{k}/{n}" in row for k in kinds for row in history)]
    if not names:
        raise InputError(f"the history has none of {', '.join(figures)}")
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for kind in kinds:
            points = [
                (row["epoch"], row[f"{kind}/{name}"]) for row in history if f"{kind}/{name}" in row
            ]
            if points:
                panel.plot(*zip(*points, strict=True), label=kind)
        panel.set(title=name, xlabel="epoch")
        panel.grid(alpha=0.3)
        panel.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
