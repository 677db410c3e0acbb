"""What decides how smoke is removed; the command line and the module share it."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter
from meddl.desmoke.desmoker import METHODS, VideoDesmoker


@dataclass
class DesmokeParameters:
    """How smoke is removed from frames."""

    method: str = parameter(
        "auto",
        "classical: dark channel prior, needs no weights; network: the light network; auto: the "
        "network if its weights are there",
        choices=METHODS,
    )
    strength: float = parameter(
        1.0, "0 leaves the frame, 1 removes all smoke found", minimum=0, maximum=1
    )
    weights: str = parameter(
        "", "trained weights of the network; by default desmoke-light", metavar="NAME|FILE"
    )
    device: str = parameter("auto", "auto, cpu, cuda or cuda:N")


def desmoker_of(parameters: DesmokeParameters) -> VideoDesmoker:
    """The filter that the parameters describe; its errors are :class:`VideoDesmoker`'s."""
    return VideoDesmoker(
        parameters.method, parameters.strength, parameters.weights or None, parameters.device
    )
