"""Choosing trained weights in a panel: the list, and what is known of the chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meddl.core.weights import Card


def fill_weights(selector: Any, names: Sequence[str], chosen: str) -> None:
    """Let a combo box offer weights by name, and by path those that are ``chosen`` and not listed.

    Args:
        selector: a QComboBox; its item data are the names and paths.
        names: of installed weights.
        chosen: name or path; empty for the first.
    """
    offered = [*names, chosen] if chosen and chosen not in names else list(names)
    if offered != [selector.itemData(index) for index in range(selector.count)]:
        selector.clear()
        for name in offered:
            path = Path(name)
            selector.addItem(path.stem if path.suffix == ".safetensors" else name, name)
    selector.currentIndex = max(selector.findData(chosen), 0) if offered else -1


def card_text(card: Card) -> str:
    """A card as a few lines of rich text: task, training data, figures."""
    lines = [f"<b>{card.name}</b>: {card.task}", card.training_data]
    for data, values in card.metrics.items():
        figures = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        lines.append(f"{data}: {figures}")
    return "<br>".join(line for line in lines if line)
