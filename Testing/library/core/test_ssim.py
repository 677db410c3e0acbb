"""Structural similarity in torch against that of numpy, channel by channel."""

import numpy as np
import pytest
import torch

from meddl.core.metrics import ssim
from meddl.core.ssim import ssim_map


def test_ssim_is_that_of_numpy():
    rng = np.random.default_rng(2)
    first = rng.uniform(0, 10, (3, 40, 50)).astype(np.float32)
    second = (first + rng.normal(0, 1, first.shape)).astype(np.float32)
    tensors = [torch.from_numpy(a)[None].double() for a in (first, second)]
    found = ssim_map(*tensors, data_range=10.0)
    assert found.shape == (1, 3, 30, 40)
    for channel in range(3):
        expected = ssim(first[channel], second[channel], 10.0)
        assert found[0, channel].mean().item() == pytest.approx(expected, abs=1e-6)


def test_half_precision_is_kept_out():
    rng = np.random.default_rng(3)
    first = torch.from_numpy(0.8 + 0.01 * rng.random((1, 3, 40, 50), np.float32))  # pale and flat
    second = (first + 0.002).requires_grad_()
    expected = ssim_map(first, second, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = ssim_map(first, second, 1.0)
        half = ssim_map(first.bfloat16(), second.bfloat16(), 1.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert half.dtype == torch.float32 and half.max() <= 1
    found.mean().backward()
    assert torch.isfinite(second.grad).all() and second.grad.abs().max() > 0
