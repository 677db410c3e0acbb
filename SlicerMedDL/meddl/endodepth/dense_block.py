"""A dense block that keeps one copy of its features.

In the plain form each of the four layers joins all features before it, normalises them and clips
them, and all three results wait for the backward pass. Here the features of a block lie in one
tensor that every layer extends; normalised features are made again in the backward pass, and the
batch statistics of a feature, which all later layers share, are computed once.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5  # of the batch normalisation


class DenseLayer(nn.Module):
    """Batch normalisation, ReLU and a 3x3 convolution to ``growth`` new features."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, EPSILON)
        self.convolution = nn.Conv2d(channels, growth, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, h, w) to (B, growth, h, w)."""
        result: Tensor = self.convolution(F.relu(self.norm(features)))
        return result


class DenseBlock(nn.Module):
    """Layers each of which sees the features of all before it (Jegou et al., CVPRW 2017).

    Args:
        channels: of the input.
        growth: new features per layer.
        layers: their number.
    """

    def __init__(self, channels: int, growth: int = 12, layers: int = 4) -> None:
        super().__init__()
        self.new_channels = growth * layers
        self.layers = nn.ModuleList(
            DenseLayer(channels + index * growth, growth) for index in range(layers)
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Inputs (B, c_n, h, w) to (B, sum of c_n + growth x layers, h, w), the inputs first."""
        if not self.training:
            features = torch.cat(inputs, 1)
            for layer in self.layers:
                features = torch.cat([features, layer(features)], 1)
            return features
        parameters = [
            tensor
            for layer in self.layers
            for tensor in (
                layer.norm.weight,
                layer.norm.bias,
                layer.convolution.weight,
                layer.convolution.bias,
            )
        ]
        with torch.autocast(inputs[0].device.type, enabled=False):
            features, mean, variance = _Grow.apply(
                len(inputs), *(part.to(parameters[0].dtype) for part in inputs), *parameters
            )
        self._follow(mean, variance, features.numel() // features.shape[1])
        return features

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics, as nn.BatchNorm2d keeps them (with the unbiased variance)."""
        for layer in self.layers:
            norm = layer.norm
            channels = norm.num_features
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean[:channels], norm.momentum)
            unbiased = variance[:channels] * (count / max(count - 1, 1))
            norm.running_var.lerp_(unbiased, norm.momentum)


def _normalised(features: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor):  # type: ignore[no-untyped-def]
    return F.batch_norm(features, mean, variance, weight, bias, eps=EPSILON).relu_()


class _Grow(torch.autograd.Function):
    """The layers of a block in one tensor; see the head of this file."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, parameters = tensors[:count], tensors[count:]
        layers = [parameters[n : n + 4] for n in range(0, len(parameters), 4)]
        sizes = [tensor.shape[1] for tensor in inputs]
        growth = layers[0][2].shape[0]
        batch, _, height, width = inputs[0].shape
        total = sum(sizes) + growth * len(layers)
        features = inputs[0].new_empty(batch, total, height, width)
        mean, variance = features.new_empty(total), features.new_empty(total)

        def put(start: int, part: Tensor) -> int:
            stop = start + part.shape[1]
            features[:, start:stop] = part
            variance[start:stop], mean[start:stop] = torch.var_mean(part, (0, 2, 3), correction=0)
            return stop

        filled = 0
        for part in inputs:
            filled = put(filled, part)
        for weight, bias, kernel, offset in layers:
            seen = _normalised(features[:, :filled], mean[:filled], variance[:filled], weight, bias)
            filled = put(filled, F.conv2d(seen, kernel, offset, padding=1))
        ctx.sizes, ctx.layers = sizes, len(layers)
        ctx.save_for_backward(features, mean, variance, *parameters)
        ctx.mark_non_differentiable(mean, variance)
        return features, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        features, mean, variance, *parameters = ctx.saved_tensors
        inverse = (variance + EPSILON).rsqrt()
        gradient = gradient.clone()
        found: list[Tensor] = []
        stop = features.shape[1]
        for layer in reversed(range(ctx.layers)):
            weight, bias, kernel, offset = parameters[4 * layer : 4 * layer + 4]
            start = kernel.shape[1]
            below = features[:, :start]
            seen = _normalised(below, mean[:start], variance[:start], weight, bias)
            above, kernel_gradient, offset_gradient = torch.ops.aten.convolution_backward(
                gradient[:, start:stop], seen, kernel, offset.shape,
                [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, True],
            )  # fmt: skip
            above = torch.ops.aten.threshold_backward(above, seen, 0)
            del seen
            above, weight_gradient, bias_gradient = torch.ops.aten.native_batch_norm_backward(
                above, below, weight, None, None, mean[:start], inverse[:start], True, EPSILON,
                [True, True, True],
            )  # fmt: skip
            gradient[:, :start] += above
            found = [weight_gradient, bias_gradient, kernel_gradient, offset_gradient, *found]
            stop = start
        return (None, *gradient[:, :stop].split(ctx.sizes, 1), *found)
