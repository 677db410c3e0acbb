"""Layers between depth and structure from motion: scale, flow, warp. Torch, differentiable.

Liu et al., IEEE TMI 2019 (arXiv 1902.07766), section III. Shapes and conventions are those of
:mod:`meddl.core.pinhole`: depth is z of the camera frame and the centre of the first pixel lies at
(0.5, 0.5), so that :func:`torch.nn.functional.grid_sample` with ``align_corners=False`` meets a
position (x, y) at (2 x / w - 1, 2 y / h - 1) exactly.

``second_from_first`` (B, 4, 4) maps points of the first camera frame to the second.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEAREST = 1e-3  # depth, of the scaled scene (size 1 to a few); what lies nearer is moved there
FLOOR = 1e-2  # of the mean depth; smaller depths count as that where depth divides


def pixel_centres(depth: Tensor) -> Tensor:
    """(3, h, w) homogeneous positions (x, y, 1) of the pixels of (…, h, w)."""
    height, width = depth.shape[-2:]
    y = torch.arange(height, dtype=depth.dtype, device=depth.device) + 0.5
    x = torch.arange(width, dtype=depth.dtype, device=depth.device) + 0.5
    return torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.ones_like(depth[0, 0])])


def scale_to_sparse(depth: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The depth scaling layer: relative depth in the unit of the sparse depth.

    The scale is the mean of sparse over predicted depth where the sparse depth is above half its
    mean (points close to the camera have the largest errors of position, relative to their depth).

    Args:
        depth: (B, 1, h, w), not negative, of any scale.
        sparse: (B, 1, h, w), 0 where unknown.

    Returns:
        The scaled depth (B, 1, h, w); the standard deviation of the ratio over its mean, a score
        of quality (B,); and whether a picture has points (B,). One without keeps its scale.
    """
    known = sparse > 0
    count = known.sum((1, 2, 3))
    mean = sparse.sum((1, 2, 3)) / count.clamp(min=1)
    used = known & (sparse > 0.5 * mean.view(-1, 1, 1, 1))
    floor = FLOOR * depth.mean((1, 2, 3), keepdim=True) + 1e-8
    ratio = torch.where(used, sparse / torch.maximum(depth, floor), 0)
    number = used.sum((1, 2, 3)).clamp(min=1)
    scale = ratio.sum((1, 2, 3)) / number
    deviation = torch.where(used, ratio - scale.view(-1, 1, 1, 1), 0).square().sum((1, 2, 3))
    has_points = count > 0
    scale = torch.where(has_points, scale, 1)
    return depth * scale.view(-1, 1, 1, 1), (deviation / number).sqrt() / scale, has_points


def positions_in_second(depth: Tensor, intrinsics: Tensor, second_from_first: Tensor) -> Tensor:
    """Where the surface seen by each pixel of the first picture appears in the second.

    Args:
        depth: (B, 1, h, w) of the first picture.
        intrinsics: (B, 3, 3) of both, pixels.
        second_from_first: (B, 4, 4), in the unit of the depth.

    Returns:
        (B, 3, h, w): x and y in pixels, and the depth in the second camera frame. What comes to
        lie behind that camera gets the depth :data:`NEAREST` for the division, so that positions
        stay finite; the third channel still tells it.
    """
    rotation, translation = second_from_first[:, :3, :3], second_from_first[:, :3, 3:]
    turned = intrinsics @ rotation @ torch.linalg.inv(intrinsics) @ pixel_centres(depth).flatten(1)
    homogeneous = depth.flatten(2) * turned + intrinsics @ translation
    z = homogeneous[:, 2:]
    positions = torch.cat([homogeneous[:, :2] / z.clamp(min=NEAREST), z], 1)
    return positions.unflatten(2, depth.shape[-2:])


def flow(positions: Tensor) -> Tensor:
    """(B, 3, h, w) of :func:`positions_in_second` to flow (B, 2, h, w), 1 = width and height."""
    size = positions.new_tensor(positions.shape[:-3:-1]).view(2, 1, 1)
    return (positions[:, :2] - pixel_centres(positions)[:2]) / size


def warp_depth(
    depth_second: Tensor,
    mask: Tensor,
    positions: Tensor,
    intrinsics: Tensor,
    first_from_second: Tensor,
) -> tuple[Tensor, Tensor]:
    """The depth warping layer: the second picture's depth as the first camera would see it.

    At the position of each pixel of the first picture the second depth is read and its point
    carried into the first camera frame. Between pixels the inverse depth is linear, which is exact
    on a plane (the published layer has the depth itself linear there; on the plane of the tests
    that costs 5e-5 of the depth).

    Args:
        depth_second: (B, 1, h, w).
        mask: (B, 1, h, w), 1 inside the field of view, of both pictures.
        positions: (B, 3, h, w), see :func:`positions_in_second`.
        intrinsics: (B, 3, 3).
        first_from_second: (B, 4, 4).

    Returns:
        The depth (B, 1, h, w), and where it has a meaning (B, 1, h, w) bool: the pixel lies inside
        the mask, and its position in the second picture as well (bilinear mask of at least 0.9).
    """
    height, width = depth_second.shape[-2:]
    size = positions.new_tensor([width, height]).view(2, 1, 1)
    grid = (2 * positions[:, :2] / size - 1).permute(0, 2, 3, 1)
    floor = FLOOR * depth_second.mean((1, 2, 3), keepdim=True) + NEAREST
    source = torch.cat([1 / torch.maximum(depth_second, floor), mask.to(depth_second.dtype)], 1)
    inverse, inside = F.grid_sample(source, grid, align_corners=False).split(1, 1)
    within = (grid.abs() <= 1 - 1 / size.view(2)).all(-1).unsqueeze(1)  # all four neighbours exist
    valid = (inside * mask >= 0.9) & within & (positions[:, 2:] > NEAREST)
    depth = 1 / torch.where(valid, inverse, 1)
    back = first_from_second[:, 2:3, :3] @ torch.linalg.inv(intrinsics)  # (B, 1, 3)
    landed = torch.cat([positions[:, :2], torch.ones_like(depth)], 1).flatten(2)
    ray = (back @ landed).unflatten(2, (height, width))
    warped = depth * ray + first_from_second[:, 2, 3].view(-1, 1, 1, 1)
    valid = valid & (warped > 0)
    return torch.where(valid, warped, 0), valid
