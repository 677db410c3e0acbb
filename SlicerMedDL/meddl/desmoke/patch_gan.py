"""The adversary of pix2pix: judges every 70 x 70 patch of a picture, and the losses of both sides.

Isola, Zhu, Zhou and Efros, CVPR 2017, section 3 and appendix 6.1.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from meddl.desmoke.pix2pix import initialize


class PatchGAN(nn.Module):
    """Condition (B, C, h, w) and picture (B, 3, h, w), in -1..1 -> logits (B, 1, h', w').

    A logit above 0 says that its patch of 70 x 70 pixels is real. 2,769,729 parameters with C = 4.

    Args:
        condition: channels of the condition.
        filters: channels of the first layer.
    """

    def __init__(self, condition: int = 4, filters: int = 64) -> None:
        super().__init__()
        widths = [filters, 2 * filters, 4 * filters, 8 * filters]
        layers: list[nn.Module] = [nn.Conv2d(condition + 3, filters, 4, 2, 1), nn.LeakyReLU(0.2)]
        for inputs, outputs, stride in zip(widths, widths[1:], (2, 2, 1), strict=False):
            layers += [
                nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.apply(initialize)

    def forward(self, condition: Tensor, pictures: Tensor) -> Tensor:
        result: Tensor = self.layers(torch.cat([condition, pictures], dim=1))
        return result


def adversarial_loss(logits_of_fakes: Tensor) -> Tensor:
    """The generator's: small where the adversary takes its pictures for real."""
    return binary_cross_entropy_with_logits(logits_of_fakes, torch.ones_like(logits_of_fakes))


def discriminator_loss(logits_of_reals: Tensor, logits_of_fakes: Tensor) -> Tensor:
    """The adversary's: small where it tells real pictures from the generator's.

    Half the sum, which slows the adversary down (pix2pix, appendix 6.2).
    """
    real = binary_cross_entropy_with_logits(logits_of_reals, torch.ones_like(logits_of_reals))
    fake = binary_cross_entropy_with_logits(logits_of_fakes, torch.zeros_like(logits_of_fakes))
    return (real + fake) / 2
