"""The network that segments any target from scribbles."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv3d_weight_memory_format

from meddl.core.blocks import Residual, convolution_unit
from meddl.core.weights import find_weights, load_weights, read_card

WIDTHS = (8, 24, 64, 96)
MULTIPLE = 2 ** (len(WIDTHS) - 1)  # the sides in voxels are multiples of it


class ScribbleNet(nn.Module):
    """A residual U-Net that is thin at full resolution, where most of the time is spent.

    U-Net: Ronneberger, Fischer, Brox, MICCAI 2015; residual blocks as in V-Net (Milletari, Navab,
    Ahmadi 2016). The channels of the input are added to the last layer's, so that the geodesic
    contrast and the likelihood ratio reach the output directly.

    Args:
        channels: of the input: those of meddl.deepigeos.encoding, and the previous probability for
            the network that corrects.
        widths: channels of the levels.
    """

    def __init__(self, channels: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.channels = channels
        self.first = convolution_unit(channels, widths[0])
        self.encode = nn.ModuleList(
            Residual(width, 1 if n == 0 else 2) for n, width in enumerate(widths)
        )
        self.down = nn.ModuleList(convolution_unit(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, 2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(convolution_unit(2 * a, a) for a in widths[:-1])
        self.decode = nn.ModuleList(Residual(a, 1) for a in widths[1:-1])
        self.last = nn.Conv3d(widths[0] + channels, 1, 1)
        # The layout of the weights is that of all results; this one is twice as fast on a CPU.
        convert_conv3d_weight_memory_format(self, torch.channels_last_3d)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, C, K, J, I), sides multiples of MULTIPLE, to logits (N, 1, K, J, I)."""
        result = self.first(inputs)
        passed = []
        for encode, down in zip(self.encode, self.down, strict=False):
            passed.append(encode(result))
            result = down(passed[-1])
        result = self.encode[-1](result)
        for level in reversed(range(len(passed))):
            result = self.merge[level](torch.cat([passed[level], self.up[level](result)], 1))
            if level > 0:
                result = self.decode[level - 1](result)
        logits: Tensor = self.last(torch.cat([result, inputs], 1))
        return logits


def load_p_net(weights: str, device: str = "cpu") -> ScribbleNet:
    """The network that a name or path of weights describes."""
    network = ScribbleNet(**read_card(find_weights(weights)).arguments)
    load_weights(network, weights, device)
    return network.eval()


def widened_p_net(p_net: ScribbleNet) -> ScribbleNet:
    """A network with one more input channel that, untrained, does what ``p_net`` does."""
    network = ScribbleNet(p_net.channels + 1)
    state = p_net.state_dict()
    for name in ("first.0.weight", "last.weight"):
        kernel = state[name]
        state[name] = torch.cat([kernel, torch.zeros_like(kernel[:, :1])], 1)
    network.load_state_dict(state)
    return network
