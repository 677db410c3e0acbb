"""What an architecture brings to a training run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meddl.desmoke.training_parameters import DesmokeTraining

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass(eq=False)
class Recipe:
    """Network, optimiser, losses. Batches are those of :class:`meddl.desmoke.samples.ClipSamples`.

    Attributes:
        model: all that is trained.
        result: the part of it whose weights are kept.
        optimizer, scheduler: over the model; the schedule steps with the optimiser.
        training_step: (model, batch) -> figures with ``loss``, see
            :class:`meddl.core.training.Trainer`.
        restore: (``result`` in evaluation mode, smoky (B, T, 3, h, w) 0..1) -> the clear clips, of
            the same form, and the transmission (B, T, 1, h, w) or None.
        arguments: that rebuild ``result``, for the card.
        input_range: of the card.
    """

    model: Module
    result: Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    training_step: Callable[[Any, Any], Mapping[str, Any]]
    restore: Callable[[Module, Tensor], tuple[Tensor, Tensor | None]]
    arguments: dict[str, Any]
    input_range: str = "RGB 0..1"


def make_schedule(optimizer: Optimizer, parameters: DesmokeTraining, steps: int) -> LRScheduler:
    """The learning rate over ``steps``, a function of the step alone: runs can be extended.

    ``linear``: constant, in the second half down to 0 (pix2pix); ``onecycle``: up in a tenth of the
    steps, then down to 0 by a cosine (Smith and Topin, 2019).
    """
    from torch.optim.lr_scheduler import LambdaLR

    rise = max(1, steps // 10)

    def linear(step: int) -> float:
        return min(1.0, max(0.0, (steps - step) / max(1, steps - steps // 2)))

    def onecycle(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        return (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise)))) / 2

    return LambdaLR(optimizer, onecycle if parameters.course == "onecycle" else linear)
