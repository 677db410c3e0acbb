"""Scale, flow, warp and the two losses against scenes that are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from library.endodepth import torus_sequence as torus
from library.endodepth.analytic_scenes import INTRINSICS, SIZE, motion, plane_depth
from meddl.core.pinhole import backproject, project

torch = pytest.importorskip("torch")

from meddl.endodepth.layers import (  # noqa: E402
    flow,
    positions_in_second,
    scale_to_sparse,
    warp_depth,
)
from meddl.endodepth.losses import (  # noqa: E402
    depth_consistency_loss,
    pair_losses,
    sparse_flow_loss,
)

NORMAL = np.array([0.2, -0.3, 1.0]) / np.linalg.norm([0.2, -0.3, 1.0])
OFFSET = 1.5


def tensors(seed: int, dtype: torch.dtype = torch.float64):
    """Depth (1, 2, 1, h, w), mask, intrinsics and motion (1, 2, 4, 4) of two views of a plane."""
    poses = [np.eye(4), motion(seed)]
    depth = np.stack([plane_depth(pose, NORMAL, OFFSET) for pose in poses])
    forth = np.linalg.inv(poses[1]) @ poses[0]
    return (
        torch.tensor(depth, dtype=dtype)[None, :, None],
        torch.ones(1, 1, *SIZE, dtype=dtype),
        torch.tensor(INTRINSICS, dtype=dtype)[None],
        torch.tensor(np.stack([forth, np.linalg.inv(forth)]), dtype=dtype)[None],
    )


def every(depth: torch.Tensor, step: int) -> torch.Tensor:
    """Sparse depth: every so manieth pixel."""
    sparse = torch.zeros_like(depth)
    sparse.flatten(-2)[..., ::step] = depth.flatten(-2)[..., ::step]
    return sparse


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_positions_and_flow_are_those_of_the_pinhole_camera_within_a_thousandth_pixel(seed):
    depth, _, intrinsics, motions = tensors(seed, torch.float32)
    found = positions_in_second(depth[:, 0], intrinsics, motions[:, 0])
    points = backproject(depth[0, 0, 0].double().numpy(), INTRINSICS)
    second_from_first = motions[0, 0].double().numpy()
    moved = points @ second_from_first[:3, :3].T + second_from_first[:3, 3]
    pixels, z = project(moved, INTRINSICS)
    assert np.abs(found[0, :2].numpy() - pixels.transpose(2, 0, 1)).max() < 1e-3
    assert np.abs(found[0, 2].numpy() - z).max() < 1e-5
    start, _ = project(points, INTRINSICS)
    expected = (pixels - start) / SIZE[::-1]
    assert np.abs(flow(found)[0].numpy() - expected.transpose(2, 0, 1)).max() < 1e-3 / SIZE[1]
    assert np.abs(expected).max() > 0.02


def test_pixels_of_one_picture_land_on_the_plane_as_the_other_camera_sees_it():
    """Half a pixel of shift would show: the plane's depth changes by 0.3 % per pixel."""
    depth, mask, intrinsics, motions = tensors(1)
    positions = positions_in_second(depth[:, 0], intrinsics, motions[:, 0])
    warped, valid = warp_depth(depth[:, 1], mask, positions, intrinsics, motions[:, 1])
    assert valid.float().mean() > 0.6
    assert (warped - depth[:, 0]).abs()[valid].max() < 1e-12
    assert not valid.all() and (warped[~valid] == 0).all()
    shifted, valid = warp_depth(depth[:, 1], mask, positions + 0.5, intrinsics, motions[:, 1])
    assert (shifted - depth[:, 0]).abs()[valid].mean() > 1e-3


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_the_losses_are_zero_at_the_true_depth_of_any_scale(dtype, tolerance):
    depth, mask, intrinsics, motions = tensors(2, dtype)
    found = pair_losses(0.37 * depth, every(depth, 53), mask, intrinsics, motions)
    assert found.sparse_flow < tolerance
    assert found.depth_consistency < tolerance
    assert found.deviation < 10 * tolerance
    assert (found.depth - depth.flatten(0, 1)).abs().max() < 10 * tolerance
    wrong = pair_losses(depth**2, every(depth, 53), mask, intrinsics, motions)
    assert wrong.sparse_flow > 1e-3 and wrong.depth_consistency > 1e-2


def test_on_a_curved_surface_the_flow_loss_is_zero_and_warping_errs_by_interpolation_only():
    found = []
    for size in ((52, 64), (104, 128)):
        factor = size[1] / torus.WIDTH
        intrinsics = np.diag([factor, factor, 1]) @ torus.FRAME_INTRINSICS
        poses = [torus.pose(angle, np.random.default_rng(1)) for angle in (0.0, 0.1)]
        maps = [torus.true_points(intrinsics, size, pose)[1] for pose in poses]
        depth = torch.tensor(np.stack(maps))[None, :, None]
        # Depths of the few pixels that graze the wall are unknown; a warp must not read them.
        known = binary_erosion((np.stack(maps) > 0).all(0), np.ones((3, 3)))
        mask = torch.tensor(known)[None, None].double()
        forth = np.linalg.inv(poses[1]) @ poses[0]
        motions = torch.tensor(np.stack([forth, np.linalg.inv(forth)]))[None]
        result = pair_losses(
            2 * depth, every(depth, 53), mask, torch.tensor(intrinsics)[None], motions
        )
        assert result.sparse_flow < 1e-14
        found.append(result.depth_consistency.item())
    # Half the pixel, a quarter of the error.
    assert found[1] < 1e-3 and 2 < found[0] / found[1] < 8


def test_a_mask_limits_where_the_warp_is_valid():
    depth, mask, intrinsics, motions = tensors(3)
    mask[..., :32, :] = 0
    positions = positions_in_second(depth[:, 0], intrinsics, motions[:, 0])
    _, valid = warp_depth(depth[:, 1], mask, positions, intrinsics, motions[:, 1])
    rows, columns = np.nonzero(valid[0, 0].numpy())
    landed = positions[0, :2, rows, columns].numpy()
    assert len(rows) > 500 and rows.min() >= 32
    # 0.9 of the bilinear weight lies in rows from 32 on, whose centres begin at 32.5.
    assert landed[1].min() >= 32.4 - 1e-6


def test_the_scale_is_the_mean_ratio_over_points_beyond_half_the_mean_depth():
    depth = torch.full((2, 1, 4, 4), 2.0)
    sparse = torch.zeros(2, 1, 4, 4)
    sparse[0, 0, 0, :3] = torch.tensor([1.0, 4.0, 7.0])  # mean 4: the first is too close
    scaled, deviation, has_points = scale_to_sparse(depth, sparse)
    assert has_points.tolist() == [True, False]
    assert torch.allclose(scaled[0], torch.tensor(2 * (2.0 + 3.5) / 2))
    assert deviation[0] == pytest.approx(0.75 / 2.75)
    assert torch.equal(scaled[1], depth[1]) and deviation[1] == 0


def test_the_losses_by_hand():
    known = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    known[..., 0, :] = True
    predicted = torch.zeros(1, 2, 2, 2)
    target = torch.ones(1, 2, 2, 2)
    assert sparse_flow_loss(predicted, target, known).item() == pytest.approx(4 / 3)
    depth, warped = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 1.0)
    intrinsics = torch.tensor([[[1e9, 0, 1], [0, 1e9, 1], [0, 0, 1]]])  # all rays have length 1
    found = depth_consistency_loss(depth, warped, known, intrinsics).item()
    assert found == pytest.approx(2 * 2 * 2 / (2 * 4), rel=1e-4)


def hostile(name: str):
    """Batches that must not make anything NaN: (depth, sparse, mask, intrinsics, motions)."""
    depth, mask, intrinsics, motions = tensors(1, torch.float32)
    sparse = every(depth, 53)
    if name == "no points":
        sparse = torch.zeros_like(sparse)
    elif name == "points in one picture":
        sparse[:, 1] = 0
    elif name == "depth 0":
        depth = torch.zeros_like(depth)
    elif name == "depth 0 in places":
        depth[..., ::2] = 0
    elif name == "no overlap":
        motions = motions.clone()
        motions[0, 0, 0, 3], motions[0, 1, 0, 3] = 50, -50
    elif name == "behind the camera":
        motions = motions.clone()
        motions[0, 0, 2, 3], motions[0, 1, 2, 3] = -50, 50
    elif name == "empty mask":
        mask = torch.zeros_like(mask)
    elif name == "no motion":
        motions = torch.eye(4).expand(1, 2, 4, 4)
    return depth, sparse, mask, intrinsics, motions


@pytest.mark.parametrize(
    "name",
    [
        "no points",
        "points in one picture",
        "depth 0",
        "depth 0 in places",
        "no overlap",
        "behind the camera",
        "empty mask",
        "no motion",
    ],
)
def test_nothing_becomes_nan(name):
    depth, *rest = hostile(name)
    depth = depth.clone().requires_grad_()
    found = pair_losses(depth, *rest)
    (found.sparse_flow + found.depth_consistency).backward()
    assert all(torch.isfinite(tensor).all() for tensor in (*found, depth.grad))
    if "points" in name:
        assert found.sparse_flow == 0 and found.depth_consistency == 0 and not depth.grad.any()


def test_the_gradients_are_those_of_finite_differences():
    depth, mask, intrinsics, motions = tensors(1)
    depth, mask = depth[..., ::16, ::16], mask[..., ::16, ::16]
    intrinsics = intrinsics / 16
    intrinsics[:, 2, 2] = 1
    sparse = every(depth, 5)
    generator = torch.Generator().manual_seed(0)
    noise = 1 + 0.1 * torch.rand(depth.shape, generator=generator, dtype=depth.dtype)

    def loss(values: torch.Tensor) -> torch.Tensor:
        found = pair_losses(values, sparse, mask, intrinsics, motions)
        return 20 * found.sparse_flow + 5 * found.depth_consistency

    values = (depth * noise).requires_grad_()
    loss(values).backward()
    direction = torch.rand(depth.shape, generator=generator, dtype=depth.dtype) - 0.5
    step = 1e-6 * direction
    with torch.no_grad():
        slope = (loss(values + step) - loss(values - step)) / 2e-6
    assert (values.grad * direction).sum().item() == pytest.approx(slope.item(), rel=1e-5)
