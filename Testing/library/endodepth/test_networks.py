"""The published network and its dense blocks."""

from __future__ import annotations

import copy

import pytest

from meddl.core.errors import InputError

torch = pytest.importorskip("torch")

from meddl.endodepth.dense_block import DenseBlock  # noqa: E402
from meddl.endodepth.networks import make_network  # noqa: E402


def test_the_published_network_has_the_published_number_of_parameters():
    network = make_network("fcdensenet57")
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_374_865
    network.eval()
    with torch.no_grad():
        depth = network(torch.rand(2, 3, 64, 96) * 2 - 1)
    assert depth.shape == (2, 1, 64, 96) and (depth >= 0).all() and depth.std() > 0


@pytest.mark.parametrize("shape", [(1, 3, 60, 96), (1, 1, 64, 96)])
def test_pictures_of_other_sizes_are_refused(shape):
    with pytest.raises(InputError, match=r"multiples of 32"):
        make_network("fcdensenet57")(torch.zeros(shape))


def test_other_architectures_and_arguments_are_refused():
    with pytest.raises(InputError, match="fcdensenet57, light"):
        make_network("resnet")
    with pytest.raises(InputError, match="colour"):
        make_network("fcdensenet57", colour=3)


def plain(block: DenseBlock, *inputs: torch.Tensor) -> torch.Tensor:
    """What a dense block is, from torch's own layers."""
    features = torch.cat(inputs, 1)
    for layer in block.layers:
        features = torch.cat([features, layer(features)], 1)
    return features


@pytest.mark.parametrize("portion", [1, 2])
def test_a_dense_block_equals_torch_layers_in_value_gradient_and_statistics(portion, monkeypatch):
    monkeypatch.setattr("meddl.endodepth.dense_block._portions", lambda f: f.split(portion))
    torch.manual_seed(0)
    block = DenseBlock(7, growth=3, layers=3).double()
    for layer in block.layers:  # other than 1 and 0, where mistakes could hide
        torch.nn.init.uniform_(layer.norm.weight, 0.5, 2)
        torch.nn.init.uniform_(layer.norm.bias, -1, 1)
    reference = copy.deepcopy(block)
    inputs = [torch.randn(2, n, 6, 5, dtype=torch.float64) for n in (4, 3)]
    results = []
    for network, run in ((block, block), (reference, lambda *x: plain(reference, *x))):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        output = run(*leaves)
        (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
        results.append(
            [output, *(leaf.grad for leaf in leaves)]
            + [parameter.grad for parameter in network.parameters()]
            + list(network.buffers())
        )
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-10)


def test_evaluation_uses_the_statistics_that_training_kept():
    torch.manual_seed(0)
    block, picture = DenseBlock(5), torch.randn(4, 5, 16, 16)
    for _ in range(200):
        trained = block(picture)
    assert torch.allclose(block.eval()(picture), trained, atol=2e-2)
    assert torch.equal(block(picture), plain(block, picture))
