"""The two losses that teach depth from structure from motion alone.

Liu et al., IEEE TMI 2019 (arXiv 1902.07766): sparse flow loss and depth consistency loss. With the
true depth and the true poses both are 0. Everything stays finite for pictures without points,
pairs that do not overlap and depths of 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from meddl.endodepth.layers import (
    flow,
    pixel_centres,
    positions_in_second,
    scale_to_sparse,
    warp_depth,
)

LARGEST_FLOW = 5.0  # in widths and heights of the picture; what moves farther is not used


class PairLosses(NamedTuple):
    """Means over the pictures of a batch that count, and what they were made of.

    Attributes:
        sparse_flow, depth_consistency: scalars.
        deviation: scalar, mean of the score of :func:`meddl.endodepth.layers.scale_to_sparse`.
        depth: (2 B, 1, h, w) in the unit of the sparse depth.
        dense_flow, sparse_flow_map: (2 B, 2, h, w).
    """

    sparse_flow: Tensor
    depth_consistency: Tensor
    deviation: Tensor
    depth: Tensor
    dense_flow: Tensor
    sparse_flow_map: Tensor


def sparse_flow_loss(predicted: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean distance (L1) of two flows over the pixels that have a point: (B,).

    Args:
        predicted, target: (B, 2, h, w), 1 = width and height of the picture.
        known: (B, 1, h, w) bool.
    """
    distance = torch.where(known, (predicted - target).abs(), 0).sum((1, 2, 3))
    return distance / (1 + known.sum((1, 2, 3)))


def depth_consistency_loss(
    depth: Tensor, warped: Tensor, valid: Tensor, intrinsics: Tensor
) -> Tensor:
    """Distance of the points of two depth maps of one camera, relative to their depth: (B,).

    Args:
        depth, warped: (B, 1, h, w).
        valid: (B, 1, h, w) bool.
        intrinsics: (B, 3, 3).
    """
    rays = torch.linalg.inv(intrinsics) @ pixel_centres(depth).flatten(1)
    length = rays.norm(dim=1, keepdim=True).unflatten(2, depth.shape[-2:])
    distance = torch.where(valid, (depth - warped).abs() * length, 0).sum((1, 2, 3))
    both = torch.where(valid, depth + warped, 0).sum((1, 2, 3))
    return 2 * distance / (1e-5 * depth.mean((1, 2, 3)) + both + torch.finfo(depth.dtype).tiny)


def pair_losses(
    depth: Tensor, sparse: Tensor, mask: Tensor, intrinsics: Tensor, other_from_this: Tensor
) -> PairLosses:
    """Both losses over B pairs of pictures, each in both directions at once.

    Args:
        depth: (B, 2, 1, h, w), relative, as the network gives it.
        sparse: (B, 2, 1, h, w), 0 where unknown.
        mask: (B, 1, h, w), 1 inside the field of view.
        intrinsics: (B, 3, 3), pixels.
        other_from_this: (B, 2, 4, 4), from the first to the second camera frame, and back.
    """
    known = (sparse > 0).flatten(0, 1)
    scaled, deviation, has_points = scale_to_sparse(depth.flatten(0, 1), sparse.flatten(0, 1))
    pairs = scaled.unflatten(0, (-1, 2))
    # A pair counts only if both of its pictures have a scale.
    counts = has_points.unflatten(0, (-1, 2)).all(1).repeat_interleave(2)
    mask, intrinsics = mask.repeat_interleave(2, 0), intrinsics.repeat_interleave(2, 0)
    forth, back = other_from_this.flatten(0, 1), other_from_this.flip(1).flatten(0, 1)

    positions = positions_in_second(scaled, intrinsics, forth)
    predicted = flow(positions)
    landed = positions_in_second(sparse.flatten(0, 1), intrinsics, forth)
    target = flow(landed)
    usable = known & (landed[:, 2:] > 0) & (target.abs() <= LARGEST_FLOW).all(1, keepdim=True)
    flows = sparse_flow_loss(predicted, target, usable)

    other = pairs.flip(1).flatten(0, 1)
    warped, valid = warp_depth(other, mask, positions, intrinsics, back)
    consistency = depth_consistency_loss(scaled, warped, valid, intrinsics)

    def mean(values: Tensor) -> Tensor:
        return torch.where(counts, values, 0).sum() / counts.sum().clamp(min=1)

    return PairLosses(
        mean(flows),
        mean(consistency),
        mean(deviation.detach()),
        scaled.detach(),
        predicted.detach(),
        torch.where(usable, target, 0),
    )
