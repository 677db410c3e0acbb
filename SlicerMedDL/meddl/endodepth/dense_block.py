"""A dense block that keeps one copy of its features.

In the plain form each of the four layers joins all features before it, normalises them and clips
them, and all three results wait for the backward pass. Here the features of a block lie in one
tensor that every layer extends; normalised features are made again in the backward pass, and the
batch statistics of a feature, which all later layers share, are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        result: Tensor = self.convolution(F.relu(self.norm(features), inplace=True))
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
            for norm, convolution in self._parts()
            for tensor in (norm.weight, norm.bias, convolution.weight, convolution.bias)
        ]
        with torch.autocast(inputs[0].device.type, enabled=False):
            features, mean, variance = _Grow.apply(
                len(inputs), *(part.to(parameters[0].dtype) for part in inputs), *parameters
            )
        self._follow(mean, variance, features.numel() // features.shape[1])
        return features

    def _parts(self) -> list[tuple[Any, Any]]:
        """Normalisation and convolution of each layer."""
        return [(layer.norm, layer.convolution) for layer in self.layers]

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics, as nn.BatchNorm2d keeps them (with the unbiased variance)."""
        for norm, _ in self._parts():
            channels = norm.num_features
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean[:channels], norm.momentum)
            unbiased = variance[:channels] * (count / max(count - 1, 1))
            norm.running_var.lerp_(unbiased, norm.momentum)


class _Grow(torch.autograd.Function):
    """The layers of a block in one tensor; see the head of this file."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inputs, parameters = tensors[:count], tensors[count:]
        sizes = [part.shape[1] for part in inputs]
        batch, _, height, width = inputs[0].shape
        total = sum(sizes) + sum(kernel.shape[0] for kernel in parameters[2::4])
        features = inputs[0].new_empty(batch, total, height, width)
        mean, variance = features.new_empty(total), features.new_empty(total)

        def measure(start: int, stop: int) -> None:
            part = features[:, start:stop]
            middle = part.mean((0, 2, 3))
            squares = torch.zeros_like(middle)
            for picture in _portions(part):
                centred = picture - middle[:, None, None]
                squares += _dot(centred, centred)
            mean[start:stop], variance[start:stop] = middle, squares / (part.numel() / len(middle))

        torch.cat(inputs, 1, out=features[:, : sum(sizes)])
        measure(0, sum(sizes))
        for weight, bias, kernel, offset in _of_layers(parameters):
            start, stop = kernel.shape[1], kernel.shape[1] + kernel.shape[0]
            for part in _portions(features):
                seen = _normalised(part[:, :start], mean, variance, weight, bias)
                part[:, start:stop] = F.conv2d(seen, kernel, offset, padding=1)
            measure(start, stop)
        ctx.sizes = sizes
        ctx.save_for_backward(features, mean, variance, *parameters)
        ctx.mark_non_differentiable(mean, variance)
        return features, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        features, mean, variance, *parameters = ctx.saved_tensors
        inverse = (variance + EPSILON).rsqrt()
        gradient = gradient.clone()
        # What flows through the batch statistics is constant + linear x features in each channel;
        # it is summed over the layers and added when the channel's turn comes.
        constant, linear = torch.zeros_like(mean), torch.zeros_like(mean)
        found: list[Tensor] = []

        def settle(start: int, stop: int) -> None:
            here = slice(start, stop)
            gradient[:, here] += constant[here, None, None]
            gradient[:, here].addcmul_(features[:, here], linear[here, None, None])

        for weight, bias, kernel, offset in reversed(_of_layers(parameters)):
            start, stop = kernel.shape[1], kernel.shape[1] + kernel.shape[0]
            settle(start, stop)
            scale = weight * inverse[:start]
            sums = torch.zeros(2, start, dtype=mean.dtype, device=mean.device)
            kernel_gradient, offset_gradient = torch.zeros_like(kernel), torch.zeros_like(offset)
            for part, change in zip(_portions(features), _portions(gradient), strict=True):
                below = part[:, :start]
                seen = _normalised(below, mean, variance, weight, bias)
                above, kernel_part, offset_part = torch.ops.aten.convolution_backward(
                    change[:, start:stop], seen, kernel, offset.shape,
                    [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, True],
                )  # fmt: skip
                kernel_gradient += kernel_part
                offset_gradient += offset_part
                torch.ops.aten.threshold_backward.grad_input(above, seen, 0, grad_input=above)
                sums[0] += above.sum((0, 2, 3))
                sums[1] += _dot(above, below)
                change[:, :start].addcmul_(above, scale[:, None, None])
            weight_gradient = (sums[1] - mean[:start] * sums[0]) * inverse[:start]
            slope = -scale * inverse[:start] * weight_gradient / (features.numel() / len(mean))
            linear[:start] += slope
            constant[:start] -= mean[:start] * slope
            constant[:start] -= scale * sums[0] / (features.numel() / len(mean))
            found = [weight_gradient, sums[0], kernel_gradient, offset_gradient, *found]
        settle(0, sum(ctx.sizes))
        return (None, *gradient[:, : sum(ctx.sizes)].split(ctx.sizes, 1), *found)


def _portions(features: Tensor) -> tuple[Tensor, ...]:
    """The batch in parts, as views: one by one on the CPU, at once where starting a kernel costs.

    The first channels of one picture lie together in memory: a block of 192 channels takes 0.63 s
    with pictures one by one and 0.84 s with two at once (two pictures 128x160, one core).
    """
    return features.split(1 if features.device.type == "cpu" else len(features))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The sum of products of (B, C, h, w) with (B, C, h, w), by channel.

    For 156 channels of 256x320, one core, einsum takes 7 ms, linalg.vecdot 56 ms.
    """
    return torch.einsum("bchw,bchw->c", a, b)


def _of_layers(parameters: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """Weight and bias of the normalisation, kernel and offset of the convolution, by layer."""
    return [tuple(parameters[n : n + 4]) for n in range(0, len(parameters), 4)]


def _normalised(
    features: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """Normalised by the statistics of the first channels, and clipped at 0."""
    count = features.shape[1]
    normal = F.batch_norm(features, mean[:count], variance[:count], weight, bias, eps=EPSILON)
    return normal.relu_()
