"""Training of the published network against its adversary.

One Adam steps both at once, which it can because the published settings are the same for both and
it treats every parameter alone: the adversary's parameters are constants in the generator's term,
and the generator's pictures in the adversary's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from meddl.core.weights import load_weights
from meddl.desmoke.patch_gan import PatchGAN, adversarial_loss, discriminator_loss
from meddl.desmoke.pix2pix import Generator
from meddl.desmoke.training_parameters import DesmokeTraining
from meddl.desmoke.training_recipe import Recipe, make_schedule

BETA2 = 0.999


class Adversaries(nn.Module):
    """Smoky and clear RGB (B, 3, h, w) 0..1 -> loss terms, scalars.

    ``l1`` of pictures in -1..1; ``adversarial`` (moves the generator only), ``discriminator``
    (moves the adversary only), and the mean probabilities of being real that the adversary gives to
    ``score_real`` and ``score_fake`` pictures. Without an adversary there is ``l1`` alone.
    """

    def __init__(self, generator: Generator, discriminator: PatchGAN | None) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    def forward(self, smoky: Tensor, clear: Tensor) -> dict[str, Tensor]:
        condition, real = self.generator.condition(smoky), 2 * clear - 1
        fake = self.generator.paint(condition)
        self.step += 1
        terms = {"l1": functional.l1_loss(fake, real)}
        if self.discriminator is not None:
            constants = {name: p.detach() for name, p in self.discriminator.named_parameters()}
            judged = functional_call(self.discriminator, constants, (condition, fake))
            logits_fake = self.discriminator(condition, fake.detach())
            logits_real = self.discriminator(condition, real)
            terms["adversarial"] = adversarial_loss(judged)
            terms["discriminator"] = discriminator_loss(logits_real, logits_fake)
            terms["score_fake"] = logits_fake.detach().sigmoid().mean()
            terms["score_real"] = logits_real.detach().sigmoid().mean()
        return terms


def total_loss(terms: dict[str, Tensor], loss: str, l1_weight: float, step: int) -> Tensor:
    """The sum that is minimised.

    Args:
        terms: of :class:`Adversaries`.
        loss: ``"adversarial"``: BCE + ``l1_weight`` L1; ``"l1"``; ``"alternating"``: weighted L1 in
            odd steps, BCE in even ones. The adversary learns in every step.
        step: from 1.
    """
    if loss == "l1":
        return l1_weight * terms["l1"]
    use_l1 = loss == "adversarial" or step % 2 == 1
    use_bce = loss == "adversarial" or step % 2 == 0
    return (
        use_l1 * l1_weight * terms["l1"] + use_bce * terms["adversarial"] + terms["discriminator"]
    )


def pix2pix_recipe(parameters: DesmokeTraining, steps: int) -> Recipe:
    """The published network and how it is trained.

    Args:
        parameters: guide, layers, loss, … of the run; the rate falls to 0 in its second half.
        steps: of the whole run.

    Raises:
        FileError, InputError: initial weights that are missing or do not fit.
    """
    p = parameters
    arguments: dict[str, Any] = {"guide": p.guide, "layers": p.layers, "filters": p.filters}
    generator = Generator(**arguments)
    if p.initial:
        load_weights(generator, p.initial)
    channels = 3 if p.guide == "none" else 4
    discriminator = None if p.loss == "l1" else PatchGAN(channels, p.filters)
    adversaries = Adversaries(generator, discriminator)
    optimizer = torch.optim.Adam(adversaries.parameters(), p.rate, (p.beta1, BETA2))

    def step(model: Any, batch: Any) -> dict[str, Any]:
        terms = model(batch["smoky"].flatten(0, 1), batch["clear"].flatten(0, 1))
        number = int(adversaries.step)
        return {"loss": total_loss(terms, p.loss, p.l1_weight, number), **terms}

    return Recipe(
        model=adversaries,
        result=generator,
        optimizer=optimizer,
        scheduler=make_schedule(optimizer, p, steps),
        training_step=step,
        restore=restore,
        arguments={"network": arguments, "use": {"size": list(p.size)}},
    )


def restore(network: nn.Module, smoky: Tensor) -> tuple[Tensor, None]:
    """See :class:`Recipe`."""
    clear: Tensor = network(smoky.flatten(0, 1))
    return clear.unflatten(0, smoky.shape[:2]), None
