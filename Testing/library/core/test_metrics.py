"""Metrics against analytic values, brute force and other packages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from meddl.core.errors import InputError
from meddl.core.metrics import depth_metrics, dice, psnr, ssim, surface_dice, surface_distances


def ball(shape, center, radius, spacing):
    grid = np.indices(shape).reshape(len(shape), -1).T * spacing
    inside = ((grid - np.asarray(center)) ** 2).sum(axis=1) <= radius**2
    return inside.reshape(shape)


def brute_force(a, b, spacing):
    """Border voxels by looking at every neighbour, all pairwise distances."""

    def border(mask):
        padded = np.pad(mask, 1)
        points = []
        for index in np.argwhere(mask):
            for axis in range(mask.ndim):
                for step in (-1, 1):
                    neighbour = index + 1
                    neighbour[axis] += step
                    if not padded[tuple(neighbour)]:
                        points.append(tuple(index))
        return np.array(sorted(set(points))) * spacing

    pairwise = np.linalg.norm(border(a)[:, None] - border(b)[None], axis=2)
    to_b, to_a = pairwise.min(axis=1), pairwise.min(axis=0)
    assd = np.concatenate([to_b, to_a]).mean()
    return assd, max(np.percentile(to_b, 95), np.percentile(to_a, 95))


def test_dice_of_half_overlapping_boxes():
    a, b = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    a[:, :4] = 3
    b[:, 2:6] = 7
    assert dice(a, b) == pytest.approx(0.5)
    assert dice(a, a) == 1.0
    empty = np.zeros_like(a)
    assert dice(a, empty) == 0.0 and dice(empty, empty) == 1.0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 1.3)])
def test_surface_distances_equal_brute_force(spacing):
    generator = np.random.default_rng(0)
    a = ball((9, 14, 12), (9, 5, 7), 4.5, spacing) | (generator.random((9, 14, 12)) > 0.97)
    b = ball((9, 14, 12), (10, 4, 6), 4.0, spacing)
    b[:, 0] = True  # a surface at the edge of the picture
    assert surface_distances(a, b, spacing) == pytest.approx(brute_force(a, b, spacing), rel=1e-5)
    plane = slice(4, 5)
    a2, b2 = a[plane][0], b[plane][0]
    assert surface_distances(a2, b2, spacing[1:]) == pytest.approx(
        brute_force(a2, b2, spacing[1:]), rel=1e-5
    )


def test_concentric_spheres_are_apart_by_the_difference_of_their_radii():
    spacing = np.array([1.0, 0.5, 0.5])
    center = np.array([20, 20, 20.0])
    inner = ball((41, 81, 81), center, 10, spacing)
    outer = ball((41, 81, 81), center, 15, spacing)
    assd, hd95 = surface_distances(inner, outer, spacing)
    assert assd == pytest.approx(5, abs=0.2)
    assert hd95 == pytest.approx(5, abs=0.7)


def test_surface_distances_equal_monais():
    pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    import torch

    spacing = (3.0, 0.8, 0.8)
    a = ball((16, 24, 24), (20, 9, 9), 7, spacing)
    b = ball((16, 24, 24), (24, 10, 8), 6, spacing)
    batch = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (a, b)]
    arguments = {"include_background": True, "spacing": list(spacing)}
    assd = monai.compute_average_surface_distance(*batch, symmetric=True, **arguments)
    hd95 = monai.compute_hausdorff_distance(*batch, percentile=95, **arguments)
    ours = surface_distances(a, b, spacing)
    assert ours.hd95 == pytest.approx(float(hd95), rel=1e-4)
    assert ours.assd == pytest.approx(float(assd), rel=1e-4)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.0, 3.0, 5.0])
def test_surface_dice_equals_monais(tolerance):
    pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    import torch

    spacing = (3.0, 0.8, 0.8)
    generator = np.random.default_rng(1)
    a = ball((16, 24, 24), (20, 9, 9), 7, spacing) | (generator.random((16, 24, 24)) > 0.995)
    b = ball((16, 24, 24), (24, 10, 8), 6, spacing)
    b[:, 0] = True
    batch = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (a, b)]
    theirs = monai.compute_surface_dice(
        *batch, class_thresholds=[tolerance], include_background=True, spacing=list(spacing)
    )
    assert surface_dice(a, b, spacing, tolerance) == pytest.approx(float(theirs), rel=1e-6)


def test_surface_dice_of_empty_and_shifted_masks():
    cube, empty = np.zeros((12, 12, 12), bool), np.zeros((12, 12, 12), bool)
    cube[3:8, 3:8, 3:8] = True
    shifted = np.roll(cube, 1, axis=0)
    spacing = (2.0, 1.0, 1.0)
    assert surface_dice(cube, shifted, spacing, 2) == 1
    # Each has 98 border voxels; the rings of 16 in the 4 slices that both fill are common.
    common = 2 * 16 * 4 / (2 * 98)
    assert surface_dice(cube, shifted, spacing, 0) == pytest.approx(common)
    assert surface_dice(empty, empty, spacing, 1) == 1
    assert surface_dice(cube, empty, spacing, 1) == surface_dice(empty, cube, spacing, 1) == 0
    with pytest.raises(InputError, match="tolerance"):
        surface_dice(cube, cube, spacing, -1)


def test_empty_masks_are_defined():
    full, empty = np.ones((3, 3, 3)), np.zeros((3, 3, 3))
    assert surface_distances(empty, empty, (1, 1, 1)) == (0.0, 0.0)
    assert surface_distances(full, empty, (1, 1, 1)) == (math.inf, math.inf)
    assert surface_distances(full, full, (1, 1, 1)) == (0.0, 0.0)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_psnr_and_ssim_equal_scikit_images(channels):
    skimage = pytest.importorskip("skimage.metrics")
    generator = np.random.default_rng(1)
    reference = generator.random((48, 40, *channels))
    reference = np.cumsum(reference, axis=0) / 48
    image = np.clip(reference + generator.normal(0, 0.05, reference.shape), 0, 1)
    assert psnr(image, reference, 1.0) == pytest.approx(
        skimage.peak_signal_noise_ratio(reference, image, data_range=1.0)
    )
    expected = skimage.structural_similarity(
        reference,
        image,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if channels else None,
    )
    assert ssim(image, reference, 1.0) == pytest.approx(expected, abs=1e-6)


def test_ssim_equals_that_of_torchmetrics_inside_the_picture():
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.functional.image")
    generator = np.random.default_rng(3)
    reference = generator.integers(0, 256, (17, 30, 3)).astype(np.float64)
    image = np.clip(reference + generator.normal(0, 20, reference.shape), 0, 255)
    batch = [
        torch.from_numpy(array.transpose(2, 0, 1)[None].copy()) for array in (image, reference)
    ]
    _, pixels = peer.structural_similarity_index_measure(
        *batch, data_range=255.0, sigma=1.5, kernel_size=11, return_full_image=True
    )
    expected = float(pixels[..., 5:-5, 5:-5].mean())
    assert ssim(image, reference, 255) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_a_constant_error_and_of_none():
    zeros = np.zeros((11, 11), np.uint8)
    assert psnr(zeros + 255, zeros, 255) == pytest.approx(0.0)
    assert psnr(zeros + np.uint8(51), zeros, 255) == pytest.approx(20 * math.log10(5))
    assert psnr(zeros, zeros, 255) == math.inf
    assert ssim(zeros, zeros, 255) == pytest.approx(1.0)


def test_depth_metrics_by_hand():
    truth = np.array([1.0, 2.0, 4.0, 0.0])
    result = depth_metrics(np.array([1.2, 2.0, 2.0, 9.0]), truth)
    assert result["pixels"] == 3
    assert result["abs_rel"] == pytest.approx((0.2 + 0 + 0.5) / 3)
    assert result["sq_rel"] == pytest.approx((0.04 + 0 + 1.0) / 3)
    assert result["rmse"] == pytest.approx(math.sqrt((0.04 + 4) / 3))
    logs = [math.log(1.2), 0.0, math.log(0.5)]
    assert result["rmse_log"] == pytest.approx(math.sqrt(sum(x * x for x in logs) / 3))
    assert result["log10"] == pytest.approx((math.log10(1.2) + math.log10(2)) / 3)
    deltas = [result[f"delta{n}"] for n in (1, 2, 3)]
    assert deltas == pytest.approx([2 / 3, 2 / 3, 2 / 3])  # 2 is above 1.25^3 = 1.953


def test_median_scaling_removes_an_unknown_scale():
    truth = np.random.default_rng(2).uniform(1, 9, (20, 30))
    result = depth_metrics(truth / 7, truth, median_scaling=True)
    assert result["scale"] == pytest.approx(7)
    assert result["abs_rel"] == pytest.approx(0, abs=1e-12)
    clipped = depth_metrics(truth * 100, truth, limits=(1, 9))
    assert clipped["rmse"] == pytest.approx(math.sqrt(np.mean((9 - truth) ** 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dice(np.zeros(3), np.zeros(4)), r"\(3,\) and \(4,\)"),
        (lambda: dice(np.zeros(0), np.zeros(0)), "non-empty"),
        (lambda: dice(np.array([np.nan]), np.array([1.0])), "not finite"),
        (lambda: surface_distances(np.ones((2, 2)), np.ones((2, 2)), (1, 0)), "positive"),
        (lambda: surface_distances(np.ones((2, 2)), np.ones((2, 2)), (1, 1, 1)), "3 spacings"),
        (lambda: psnr(np.ones(3), np.ones(3), 0), "data range is 0"),
        (lambda: ssim(np.ones((8, 8)), np.ones((8, 8)), 1), "at least 11"),
        (lambda: depth_metrics(np.ones(2), np.zeros(2)), "no pixel"),
        (lambda: depth_metrics(np.array([-1.0]), np.ones(1)), "prediction holds"),
        (lambda: depth_metrics(np.ones(1), np.zeros(1), np.ones(1)), "truth holds"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
