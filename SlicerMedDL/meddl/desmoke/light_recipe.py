"""Training of the light network over clips."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from meddl.core.weights import load_weights
from meddl.desmoke.light_network import (
    BLOCKS,
    RESIDUAL,
    SMOOTHING,
    WIDTHS,
    LightNetwork,
    recovered,
)
from meddl.desmoke.light_training import clip_loss, unrolled
from meddl.desmoke.scattering import LEAST_TRANSMISSION
from meddl.desmoke.training_parameters import DesmokeTraining
from meddl.desmoke.training_recipe import Recipe, make_schedule


class UnrolledLoss(nn.Module):
    """The network over all frames of a clip in one forward pass, as several processes need it."""

    def __init__(self, network: LightNetwork, parameters: DesmokeTraining) -> None:
        super().__init__()
        self.network, self.settings = network, parameters

    def forward(self, clips: dict[str, Tensor], cut: Tensor) -> dict[str, Tensor]:
        """See :func:`meddl.desmoke.light_training.clip_loss`."""
        return clip_loss(self.network, clips, self.settings, cut)


def light_recipe(parameters: DesmokeTraining, steps: int) -> Recipe:
    """The light network and how it is trained: AdamW over unrolled clips.

    Args:
        parameters: rate, schedule and share of cuts.
        steps: of the whole run.

    Raises:
        FileError, InputError: initial weights that are missing or do not fit.
    """
    p = parameters
    network = LightNetwork(smoothing=SMOOTHING)
    if p.initial:
        load_weights(network, p.initial)
    optimizer = torch.optim.AdamW(network.parameters(), p.rate)

    def step(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        cut = torch.rand(len(batch["smoky"])) < p.cut_share  # by the generator that resume restores
        loss: dict[str, Tensor] = model(batch, cut.to(batch["smoky"].device))
        return loss

    return Recipe(
        model=UnrolledLoss(network, p),
        result=network,
        optimizer=optimizer,
        scheduler=make_schedule(optimizer, p, steps),
        training_step=step,
        restore=restore,
        arguments={
            "network": {
                "widths": list(WIDTHS),
                "blocks": list(BLOCKS),
                "residual": RESIDUAL,
                "smoothing": SMOOTHING,
            }
        },
    )


def restore(network: nn.Module, smoky: Tensor) -> tuple[Tensor, Tensor]:
    """See :class:`meddl.desmoke.training_recipe.Recipe`."""
    smoke = torch.stack(unrolled(network, smoky), 1)
    clear = recovered(smoky.flatten(0, 1), smoke.flatten(0, 1), LEAST_TRANSMISSION)
    return clear.clamp(0, 1).view_as(smoky), smoke[:, :, :1]
