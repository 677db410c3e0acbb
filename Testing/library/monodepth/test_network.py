"""The network's size and start, and the loss against other implementations and hand values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from meddl.monodepth.losses import depth_loss
from meddl.monodepth.network import DepthNetwork


def test_half_a_million_parameters_that_start_as_xavier_says():
    torch.manual_seed(0)
    network = DepthNetwork()
    assert sum(p.numel() for p in network.parameters()) == 498_253
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            outputs, inputs, *kernel = module.weight.shape
            expected = 2 / ((inputs + outputs) * np.prod(kernel))
            assert module.weight.var().item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("shape", [(120, 160), (33, 47), (64, 32)])
def test_pictures_of_any_size_give_depths_above_0(shape):
    torch.manual_seed(1)
    network = DepthNetwork().eval()
    with torch.no_grad():
        depth = network(torch.rand(2, 3, *shape) * 2 - 1)
    assert depth.shape == (2, 1, *shape)
    assert depth.min() > 0 and 0.5 < depth.mean() < 10


def test_the_loss_is_the_weighted_sum_of_its_terms():
    rng = torch.Generator().manual_seed(3)
    truth = torch.rand((2, 1, 24, 30), generator=rng, dtype=torch.float64) * 5 + 1
    exact = depth_loss(truth, truth, 1.0, 1.0, 10.0)
    assert exact["loss"].item() == pytest.approx(0, abs=1e-6)
    shifted = depth_loss(truth + 0.5, truth, 3.0, 2.0, 10.0)
    assert shifted["mse"].item() == pytest.approx(0.25, rel=1e-5)
    expected = 3 * shifted["dissimilarity"] + 2 * shifted["mse"]
    assert shifted["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    # A constant picture of 2 m against one of 3 m, by hand: only the means differ.
    two = torch.full((1, 1, 20, 20), 2.0, dtype=torch.float64)
    flat = depth_loss(two, two + 1, 1.0, 0.0, 10.0)
    by_hand = (1 - (2 * 2 * 3 + 0.01) / (4 + 9 + 0.01)) / 2
    assert flat["loss"].item() == pytest.approx(by_hand, rel=1e-4)


def test_unknown_pixels_have_no_say():
    rng = torch.Generator().manual_seed(4)
    truth = torch.rand((1, 1, 30, 40), generator=rng) * 5 + 1
    truth[..., 10:20, 15:25] = 0
    prediction = (torch.rand(truth.shape, generator=rng) * 5 + 1).requires_grad_()
    loss = depth_loss(prediction, truth, 1.0, 1.0, 10.0)["loss"]
    loss.backward()
    assert prediction.grad is not None
    assert (prediction.grad[truth == 0] == 0).all()
    assert (prediction.grad[truth > 0] != 0).any()
    none = depth_loss(prediction, torch.zeros_like(truth), 1.0, 1.0, 10.0)["loss"]
    assert none.item() == 0
