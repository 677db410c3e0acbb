"""The light desmoking network: it finds smoke, it does not paint pictures.

It gives the transmission and the airlight of the scattering model, from which the clear picture
follows by the model's equation, and a residual of limited size. So what is not in the smoky picture
cannot appear in the clear one. It sees the picture before and that picture's smoke too: smoke moves
and what lies behind it stands still.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meddl.core.light_unet import LightUNet

WIDTHS = (24, 32, 64, 96, 128)  # channels at 1/2, 1/4, … of the picture
BLOCKS = (1, 1, 2, 2, 1)  # residual blocks there
RESIDUAL = 0.1  # largest residual, of the range 0..1
SMOOTHING = 4  # means over 5 x 5 pixels of the half size: a deviation of 6 pixels of the picture
INPUTS = 10  # picture 3, picture before 3, its transmission 1, its airlight 3
MULTIPLE = 2  # of the sides of a picture


class LightNetwork(LightUNet):
    """Transmission, airlight and residual of a picture.

    Args:
        widths: channels of the levels, each of half the size of the one before.
        blocks: residual blocks of the levels.
        residual: its largest magnitude, in a range of 0..1.
        smoothing: so many means over 5 x 5 pixels are taken of the maps at half the size. Smoke is
            smooth; maps that follow the tissue take its contrast away with the smoke. Four
            lift UQI by .02 and FSIMc by .01 in heavy smoke (clip 8), by .004 and .001 elsewhere.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = WIDTHS,
        blocks: tuple[int, ...] = BLOCKS,
        residual: float = RESIDUAL,
        smoothing: int = 0,
    ) -> None:
        super().__init__(INPUTS, 7, widths, blocks)
        self.residual, self.smoothing = residual, smoothing

    def maps(self, values: Tensor) -> Tensor:
        """See :meth:`LightUNet.maps`; smoothed."""
        maps = super().maps(values)
        for _ in range(self.smoothing):
            maps = functional.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
        return maps

    def forward(self, seen: Tensor) -> Tensor:
        """The smoke of pictures.

        Args:
            seen: (B, 10, H, W) float32 0..1: RGB of the picture; RGB, transmission and airlight of
                the picture before (its own RGB, 1 and 0 where there is none).

        Returns:
            (B, 7, H, W) float32: transmission 0..1, airlight RGB 0..1, residual RGB.
        """
        result = super().forward(seen)
        return torch.cat(
            [torch.sigmoid(result[:, :4]), self.residual * torch.tanh(result[:, 4:])], 1
        )


def first_state(picture: Tensor) -> Tensor:
    """(B, 7, H, W): what takes the place of the picture before, for pictures (B, 3, H, W)."""
    no_smoke = torch.zeros_like(picture[:, :1])
    return torch.cat([picture, no_smoke + 1, no_smoke.expand(-1, 3, -1, -1)], 1)


def next_state(picture: Tensor, smoke: Tensor) -> Tensor:
    """(B, 7, H, W) for the picture after ``picture``, of whose ``smoke`` the network has told."""
    return torch.cat([picture, smoke[:, :4]], 1)


def recovered(picture: Tensor, smoke: Tensor, least_transmission: float) -> Tensor:
    """(B, 3, H, W) not clipped: the clear pictures, as :func:`meddl.desmoke.scattering.recover`."""
    t, airlight, residual = smoke[:, :1], smoke[:, 1:4], smoke[:, 4:]
    return (picture - airlight * (1 - t)) / t.clamp(min=least_transmission) + residual
