"""Building blocks of small 3-D networks that several systems use."""

from __future__ import annotations

from torch import Tensor, nn


def convolution_unit(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU: (N, inputs, K, J, I) to outputs."""
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, size, stride, padding=(size - 1) // 2, bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Units of convolution whose input is added to their output."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.units = nn.Sequential(*(convolution_unit(width, width) for _ in range(units)))

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, K, J, I) to the same."""
        result: Tensor = values + self.units(values)
        return result
