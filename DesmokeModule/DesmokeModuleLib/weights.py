"""Which trained weights remove smoke."""

from __future__ import annotations

from slicer.i18n import tr as _

from meddl.core.errors import InputError
from meddl.core.weights import Card, find_weights, list_weights, read_card

ARCHITECTURES = "desmoke-"  # how their names begin


def desmoke_weights() -> list[Card]:
    """The cards of all installed weights that remove smoke."""
    return [card for card in list_weights() if card.architecture.startswith(ARCHITECTURES)]


def card_of(weights: str) -> Card:
    """The card of some weights.

    Raises:
        MedDLError: no such weights, or they do something else.
    """
    card = read_card(find_weights(weights))
    if not card.architecture.startswith(ARCHITECTURES):
        raise InputError(
            _(
                "the weights {name} are for {task!r}; weights that remove smoke from video "
                "were expected"
            ).format(name=card.name, task=card.task)
        )
    return card
