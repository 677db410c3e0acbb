"""A trained desmoking network, built as its card says and run by an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from meddl.core.errors import InputError, MedDLError
from meddl.core.inference import Engine, load_engine
from meddl.core.weights import Card, find_weights, load_weights, read_card
from meddl.desmoke.scattering import Array

if TYPE_CHECKING:
    from torch.nn import Module


def load_network(
    weights: str | Path, architecture: str, make: Callable[..., Module]
) -> tuple[Any, Card]:
    """The network in evaluation mode, and its card.

    Args:
        weights: name or path, see :func:`meddl.core.weights.find_weights`.
        architecture: that the card must name.
        make: takes the card's arguments of the network.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another architecture.
    """
    path = find_weights(weights)
    card = read_card(path)
    if card.architecture != architecture:
        raise InputError(
            f"the weights {card.name} are of the architecture {card.architecture}, "
            f"{architecture} was expected; choose weights that `meddl desmoke train` has made"
        )
    network = make(**card.arguments.get("network", {})).eval()
    load_weights(network, path)
    return network, card


class NetworkRunner:
    """A network in an engine, which is loaded for the first input.

    Args:
        network: see :func:`load_network`.
        name: of its weights.
        engine, device: see :func:`meddl.core.inference.load_engine`.
    """

    def __init__(self, network: Any, name: str, engine: str, device: str) -> None:
        self._network, self._name = network, name
        self._engine_name, self._device = engine, device
        self._engine: Engine | None = None

    def __call__(self, seen: Array) -> Array:
        """The network's output for (B, C, h, w) float32.

        Raises:
            MedDLError: it is not finite.
        """
        if self._engine is None:
            self._engine = load_engine(self._network, seen, self._engine_name, self._device)
        result: Array = np.asarray(self._engine(seen))
        if not np.isfinite(result).all():
            raise MedDLError(
                f"the network {self._name} gave values that are not finite; use other weights"
            )
        return result
