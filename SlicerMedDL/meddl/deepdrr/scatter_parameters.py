"""The parameters of a training run of the scatter models."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter
from meddl.core.training import TrainingParameters


@dataclass
class ScatterTraining(TrainingParameters):
    """A training run of the scatter network."""

    epochs: int = parameter(60, "passes over the training data", minimum=1)
    batch_size: int = parameter(8, "views per step", minimum=1)
    learning_rate: float = parameter(1e-3, "of the optimiser, at the start", minimum=0)
    examples: int = parameter(150, "random torsos, one view of each", minimum=8)
    photons: int = parameter(200_000, "photons of the Monte Carlo per view", minimum=1000)
    jitter: float = parameter(
        0.1,
        "standard deviation of random offsets of the inputs, against overfitting; 0: none",
        minimum=0,
        maximum=1,
    )
    width: int = parameter(16, "channels of the first level", minimum=4, maximum=128)
