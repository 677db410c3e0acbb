"""A running mean of the weights that a training run passes through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """The exponential running mean of a network's parameters and buffers.

    Steps lead round a good place more than to it; the mean lies nearer to it than the last step
    (Polyak and Juditsky, SIAM J. Control Optim. 30(4), 1992).

    Args:
        network: trained by somebody else, on its device.
        decay: 0..1, share of the mean that stays at each step: 0.99 is a mean of about 100 steps.
    """

    def __init__(self, network: Module, decay: float) -> None:
        self._network = network
        mean = get_ema_multi_avg_fn(decay)
        self._average = AveragedModel(network, multi_avg_fn=mean, use_buffers=True)

    def update(self) -> None:
        """Count the network as it is now; the first time it is the mean."""
        self._average.update_parameters(self._network)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network has the mean's weights inside, and its own again, bit for bit, behind."""
        own = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._fill(self._average.module.state_dict())
        try:
            yield
        finally:
            self._fill(own)

    def _fill(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self._network.state_dict().items():
                value.copy_(values[name])

    def buffers(self) -> Iterator[Tensor]:
        """Those of the mean."""
        return self._average.module.buffers()

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return dict(self._average.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint.

        Raises:
            RuntimeError: of another network.
        """
        self._average.load_state_dict(state)
