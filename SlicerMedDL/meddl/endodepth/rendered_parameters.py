"""What decides a training run on rendered endoscopy."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.parameters import parameter
from meddl.core.training import TrainingParameters
from meddl.endodepth.networks import ARCHITECTURES


@dataclass
class RenderedTraining(TrainingParameters):
    """A training run on rendered pictures."""

    epochs: int = parameter(12, "passes over the pictures", minimum=1)
    batch_size: int = parameter(8, "pictures per step", minimum=2)
    learning_rate: float = parameter(2e-3, "of the optimiser, at its highest", minimum=0)
    clip_norm: float = parameter(5.0, "largest norm of the gradient; 0: no clipping", minimum=0)
    weight_bits: int = parameter(
        16,
        "per number of the convolutions in the kept weights; 16 halve the file",
        choices=(32, 16),
    )
    scenes: int = parameter(150, "rendered scenes", minimum=1)
    views: int = parameter(20, "pictures per scene", minimum=1)
    architecture: str = parameter("light", "the network", choices=ARCHITECTURES)
    start: str = parameter("", "weights to begin with", metavar="NAME|PATH")
    gradient_weight: float = parameter(0.5, "of the gradient loss", minimum=0)
    pictures: str = parameter(
        "", "folder of the rendered pictures; by default OUTPUT/pictures", metavar="DIR"
    )
