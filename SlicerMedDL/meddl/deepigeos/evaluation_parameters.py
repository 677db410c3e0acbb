"""What a simulated user does and what is measured."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter, validate


@dataclass(frozen=True)
class EvaluationParameters:
    """The settings of :func:`meddl.deepigeos.evaluation.evaluate`."""

    interactions: int = parameter(10, "interactions per case", minimum=1, maximum=1000)
    methods: str = parameter(
        "auto,network,crf,geodesic,randomwalker", "methods, joined by commas", metavar="NAMES"
    )
    rule: str = parameter("scribbles", "how the user corrects", choices=("scribbles", "random"))
    seed: int = parameter(0, "seed of the simulated user", minimum=0, metavar="N")
    tolerance: float = parameter(2.0, "of the surface distance", "mm", minimum=0)
    weights: str | None = parameter(
        None,
        "your own P-Net, R-Net or both (joined by a comma), for auto and network",
        metavar="NAME|PATH",
    )
    device: str = parameter("auto", "where networks compute: auto, cpu, cuda:0, mps")

    def __post_init__(self) -> None:
        validate(self)
