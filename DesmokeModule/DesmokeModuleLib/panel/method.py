"""Section *Method*: how smoke is found, and what is made besides the cleared picture."""

from __future__ import annotations

from DesmokeModuleLib.weights import card_of, desmoke_weights
from meddl.core.errors import MedDLError
from meddl.core.weights import Card
from SlicerMedDLLib.section import Section
from SlicerMedDLLib.translation import said
from SlicerMedDLLib.weightlist import card_text, fill_weights


class MethodSection(Section):
    """Chooses method and weights; the rest is bound to the parameter node."""

    button = "methodButton"

    def connect(self) -> None:
        """The list holds what is installed now."""
        self.ui.weightsSelector.connect("activated(int)", self.onWeights)

    def follow(self) -> None:
        """Weights and their card, where a network may be used."""
        ui, node, cards = self.ui, self.node, desmoke_weights()
        fill_weights(ui.weightsSelector, [card.name for card in cards], node.weights)
        network = node.method != "classical"
        ui.weightsSelector.enabled = network
        ui.cardLabel.text = self._card(cards) if network else ""
        ui.cardLabel.visible = bool(ui.cardLabel.text)

    def _card(self, cards: list[Card]) -> str:
        if not self.node.weights:
            return card_text(cards[0]) if cards else ""
        try:
            return card_text(card_of(self.node.weights))
        except MedDLError as error:
            return said(error)

    def onWeights(self, index: int) -> None:
        """Clear with these from now on."""
        self.node.weights = str(self.ui.weightsSelector.itemData(index))
