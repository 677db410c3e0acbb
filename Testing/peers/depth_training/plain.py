"""The published network and losses written down from the papers' formulas, as plainly as can be.

FC-DenseNet57 (Jegou et al., CVPRW 2017) as Liu et al. (IEEE TMI 2019, arXiv 1902.07766) vary it,
and their three layers and two losses. Each picture of a pair goes through the network by itself,
every dense layer joins its inputs, and each direction of a pair is computed by itself. What an
earlier choice left open (the half pixel of the grid, pictures without points) is as in meddl, so
that the losses are equal and only the way differs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def layer(channels: int) -> nn.Sequential:
    """A layer of a dense block."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, 12, 3, padding=1))


class Block(nn.Module):
    """Four layers, each on everything before it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(channels + 12 * n) for n in range(4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All features, and the new ones."""
        new = []
        for one in self.layers:
            new.append(one(x))
            x = torch.cat([x, new[-1]], 1)
        return x, torch.cat(new, 1)


class Network(nn.Module):
    """(B, 3, h, w) to (B, 1, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 48, 3, padding=1)
        skips = [48 * (n + 2) for n in range(5)]
        self.down = nn.ModuleList(Block(c - 48) for c in skips)
        self.pool = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, c, 1), nn.MaxPool2d(2))
            for c in skips
        )
        self.bottom = Block(288)
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(48, 48, 3, padding=1))
            for _ in skips
        )
        self.up = nn.ModuleList(Block(48 + c) for c in reversed(skips))
        self.last = nn.Conv2d(192, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Relative depth."""
        x, skips = self.first(x), []
        for block, pool in zip(self.down, self.pool, strict=True):
            x, _ = block(x)
            skips.append(x)
            x = pool(x)
        _, new = self.bottom(x)
        for grow, block, skip in zip(self.grow, self.up, reversed(skips), strict=True):
            x, new = block(torch.cat([grow(new), skip], 1))
        return torch.abs(self.last(x))


def scale(depth: Tensor, sparse: Tensor) -> Tensor:
    """Depth in the unit of the sparse depth."""
    result = []
    for one, points in zip(depth, sparse, strict=True):
        used = points > 0.5 * points[points > 0].mean()
        result.append(one * (points[used] / (1e-8 + one[used])).mean())
    return torch.stack(result)


def centres(depth: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the pixels (h, w)."""
    height, width = depth.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return x, y


def landing(
    depth: Tensor, intrinsics: Tensor, rotation: Tensor, shift: Tensor
) -> tuple[Tensor, ...]:
    """x and y (B, 1, h, w) in picture 2 of the pixels of picture 1; X1 = R X2 + t."""
    x, y = centres(depth)
    inverse = torch.linalg.inv(intrinsics)
    m = intrinsics @ rotation.transpose(1, 2) @ inverse
    w = -intrinsics @ rotation.transpose(1, 2) @ shift

    def row(n: int) -> Tensor:
        a, b, c = (m[:, n, k].view(-1, 1, 1, 1) for k in range(3))
        return depth * (a * x + b * y + c) + w[:, n].view(-1, 1, 1, 1)

    z = row(2)
    return row(0) / z, row(1) / z, z


def flow(depth: Tensor, *camera: Tensor) -> Tensor:
    """Flow (B, 2, h, w) in widths and heights."""
    x, y = centres(depth)
    u, v, _ = landing(depth, *camera)
    height, width = depth.shape[-2:]
    return torch.cat([(u - x) / width, (v - y) / height], 1)


def sparse_flow_loss(depth: Tensor, sparse: Tensor, *camera: Tensor) -> Tensor:
    """Of one direction."""
    known = (sparse > 0).float()
    target = flow(sparse, *camera) * known
    known = known * (target.abs() < 5).all(1, keepdim=True)
    difference = (known * (flow(depth, *camera) - target).abs()).sum((1, 2, 3))
    return (difference / (1 + known.sum((1, 2, 3)))).mean()


def consistency_loss(one: Tensor, two: Tensor, mask: Tensor, *camera: Tensor) -> Tensor:
    """Of one direction."""
    intrinsics, rotation, shift = camera
    u, v, _ = landing(one, *camera)
    height, width = one.shape[-2:]
    grid = torch.cat([2 * u / width - 1, 2 * v / height - 1], 1).permute(0, 2, 3, 1)
    read = F.grid_sample(two, grid, align_corners=False)
    valid = (F.grid_sample(mask, grid, align_corners=False) * mask >= 0.9).float()
    ray = rotation[:, 2:] @ torch.linalg.inv(intrinsics)
    a, b, c = (ray[:, 0, k].view(-1, 1, 1, 1) for k in range(3))
    warped = read * (a * u + b * v + c) + shift[:, 2].view(-1, 1, 1, 1)
    x, y = centres(one)
    pixels = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    rays = (torch.linalg.inv(intrinsics) @ pixels).unflatten(2, (height, width))
    distance = ((rays * one - rays * warped) * valid).norm(dim=1).sum((1, 2))
    total = (valid * (one + warped)).sum((1, 2, 3))
    return (2 * distance / (1e-5 * one.mean((1, 2, 3)) + total)).mean()


def pair_loss(network: nn.Module, batch: dict[str, Tensor], weights: tuple[float, float]) -> Tensor:
    """The loss of a batch of :class:`meddl.endodepth.training_samples.Pairs`."""
    colour, sparse, mask = batch["colour"], batch["sparse"], batch["mask"]
    intrinsics = batch["intrinsics"]
    depth = [scale(network(colour[:, n]), sparse[:, n]) for n in (0, 1)]
    total = torch.zeros(())
    for n, other in ((0, 1), (1, 0)):
        this_from_other = torch.linalg.inv(batch["other_from_this"][:, n])
        camera = (intrinsics, this_from_other[:, :3, :3], this_from_other[:, :3, 3:])
        total = total + weights[0] / 2 * sparse_flow_loss(depth[n], sparse[:, n], *camera)
        total = total + weights[1] / 2 * consistency_loss(depth[n], depth[other], mask, *camera)
    return total
