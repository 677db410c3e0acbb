"""The parameters of a training run for depth from one picture."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.errors import InputError
from meddl.core.parameters import parameter, validate
from meddl.core.training import TrainingParameters


@dataclass
class MonodepthTraining(TrainingParameters):
    """A training run. The pairs are described apart, see :mod:`meddl.monodepth.training_config`.

    Raises:
        InputError: values that do not fit together.
    """

    name: str = parameter("monodepth", "of the weights")
    initial: str = parameter("", "weights to start from: a file or a name; otherwise random ones")
    # Pictures
    size: tuple[int, int] = parameter(
        (120, 160), "rows and columns that the network sees", "pixels", minimum=32, maximum=2048
    )
    largest_depth: float = parameter(
        10.0, "beyond it a depth counts as unknown; the range of SSIM", "m", minimum=0.1
    )
    noise: float = parameter(
        0.02, "deviation of the noise in training; pictures are -1..1", minimum=0, maximum=1
    )
    flip: bool = parameter(True, "mirror every other picture in training, left to right")
    # Loss and learning
    ssim_weight: float = parameter(5.0, "of (1 - SSIM) / 2", minimum=0)
    mse_weight: float = parameter(1.0, "of the mean squared error", "1/m^2", minimum=0)
    epochs: int = parameter(50, "passes over the pairs", minimum=1)
    batch_size: int = parameter(16, "pairs per step and process (published: 16)", minimum=1)
    learning_rate: float = parameter(1e-4, "of Adam (published: 0.0001)", minimum=0)
    schedule: str = parameter(
        "constant",
        "constant as published, or cosine: to 0 over the run",
        choices=("constant", "cosine"),
    )
    data: str = parameter("", "what it was trained on, written by the run itself")

    def __post_init__(self) -> None:
        validate(self)
        if not self.ssim_weight + self.mse_weight > 0:
            raise InputError("ssim_weight and mse_weight are both 0, there is nothing to learn")
