"""P-Net and R-Net: the published numbers of parameters, what they see, and their peers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from meddl.core.errors import InputError  # noqa: E402
from meddl.deepigeos.networks import make_network  # noqa: E402
from meddl.deepigeos.pnet import RECEPTIVE_FIELD, PNet, correction_channels  # noqa: E402


def parameters(network) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def test_the_3d_networks_have_the_published_numbers_of_parameters():
    assert parameters(make_network("pnet", 1, 2, 3)) == 48_262
    assert parameters(make_network("pnet", correction_channels(1, 2), 2, 3)) == 49_558


def test_the_2d_network_has_the_parameters_of_its_layers():
    convolutions = (9 + 1) * 64 + 12 * (9 * 64 + 1) * 64  # 13, the first of one channel
    classifier = (5 * 64 + 1) * 64 + (9 * 64 + 1) * 2  # of the five blocks' outputs, joined
    count = parameters(make_network("pnet", 1, 2, 2))
    assert count == convolutions + classifier
    assert round(count / 1e6, 3) == 0.465  # as published


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((191, 191), [183, 183]),
        # Through the planes: a 3 x 3 x 3 convolution in each of five blocks and at the end.
        ((15, 191, 1), [13, 183, 1]),
        ((15, 1, 191), [13, 1, 183]),
    ],
)
def test_the_receptive_field_is_the_published_one(shape, expected):
    """With positive weights every voxel that a result depends on has a positive gradient."""
    network = PNet(1, 2, len(shape), width=4).double().eval()
    for name, tensor in network.named_parameters():
        tensor.data.fill_(0.0 if name.endswith("bias") else 1 / tensor[0].numel())
    image = torch.ones(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    middle = tuple(side // 2 for side in shape)
    network(image)[(0, 0, *middle)].backward()
    seen = torch.nonzero(image.grad[0, 0])
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == expected
    assert RECEPTIVE_FIELD == 183


@pytest.mark.parametrize("name", ["pnet", "dynunet"])
@pytest.mark.parametrize("shape", [(13, 9), (1, 1), (5, 17, 10), (1, 16, 16)])
def test_any_channels_classes_and_sizes(name, shape):
    network = make_network(name, 3, 5, len(shape), width=4).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, *shape)).shape == (2, 5, *shape)


def test_a_result_does_not_depend_on_what_is_far_away():
    network = PNet(1, 2, 2, width=4).eval()
    image = torch.randn(1, 1, 8, 260)
    changed = image.clone()
    changed[..., 200:] += 5
    with torch.no_grad():
        difference = (network(image) - network(changed)).abs().amax((0, 1, 2))
    assert difference[: 200 - RECEPTIVE_FIELD // 2].max() < 1e-6 and difference[200:].min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vnet", 1, 2, 3), "network is 'vnet', expected one of: pnet, dynunet"),
        (("pnet", 0, 2, 3), "0 channels"),
        (("pnet", 1, 1, 3), "1 classes"),
        (("pnet", 1, 2, 4), "dimensions is 4"),
        (("pnet", 1, 2, 3, 6), "width 6"),
    ],
)
def test_impossible_networks_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        make_network(*arguments)
