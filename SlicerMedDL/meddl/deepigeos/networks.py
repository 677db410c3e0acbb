"""The networks that training can choose from, behind one call."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.deepigeos.pnet import PNet

NETWORKS = ("pnet", "dynunet")
LEVELS = 4  # of the U-Net
UNET_WIDTH = 16  # channels of its first level


def make_network(
    name: str, channels: int, classes: int, dimensions: int, width: int = 0
) -> nn.Module:
    """A network from (N, channels, [K,] J, I) to logits (N, classes, [K,] J, I) of any size.

    Args:
        name: ``"pnet"``, the published one, or ``"dynunet"``, the U-Net with residual blocks and
            instance normalisation of MONAI.
        channels: of the input; for R-Net see :func:`meddl.deepigeos.pnet.correction_channels`.
        classes: background included.
        dimensions: 2 or 3.
        width: channels at full resolution; 0 takes the network's own default.

    Raises:
        InputError: no such network, or a number that it cannot have.
        DependencyError: MONAI is not installed (dynunet).
    """
    if dimensions not in (2, 3):
        raise InputError(f"dimensions is {dimensions}, 2 or 3 was expected")
    if channels < 1 or classes < 2 or width < 0 or width % 4:
        raise InputError(
            f"a network of {channels} channels, {classes} classes and width {width}: at least one "
            "channel, two classes and a multiple of 4 were expected"
        )
    if name == "pnet":
        return PNet(channels, classes, dimensions, width or None)
    if name == "dynunet":
        return DynUNet(channels, classes, dimensions, width or UNET_WIDTH)
    raise InputError(f"network is {name!r}, expected one of: {', '.join(NETWORKS)}")


class DynUNet(nn.Module):
    """MONAI's DynUNet (the U-Net of nnU-Net) with four levels, for images of any size.

    Args:
        channels, classes, dimensions: see :func:`make_network`.
        width: channels of the first level; each deeper one has twice as many.
    """

    def __init__(self, channels: int, classes: int, dimensions: int, width: int) -> None:
        super().__init__()
        nets: Any = require("monai.networks.nets", "the network dynunet")
        strides = [1] + [2] * (LEVELS - 1)
        self.unet = nets.DynUNet(
            spatial_dims=dimensions,
            in_channels=channels,
            out_channels=classes,
            kernel_size=[3] * LEVELS,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=[width * 2**level for level in range(LEVELS)],
            res_block=True,
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """As :meth:`meddl.deepigeos.pnet.PNet.forward`; sides are filled up to multiples of 8.

        Every side becomes at least 16, because instance normalisation needs two voxels.
        """
        sides = inputs.shape[2:]
        multiple = 2 ** (LEVELS - 1)
        padding: list[int] = []
        for side in reversed(sides):
            padding += [0, max(2 * multiple, -(-side // multiple) * multiple) - side]
        logits: Tensor = self.unet(F.pad(inputs, padding))
        kept = tuple(slice(0, side) for side in sides)
        return logits[(slice(None), slice(None), *kept)]
