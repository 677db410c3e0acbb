"""CRF-Net: against a dense field, exact enumeration, finite differences; seeds; learning."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from meddl.deepigeos.crfnet import (  # noqa: E402
    CRFNet,
    half_patch,
    mean_field,
    pretrain_pairs,
)

CASES = [((5, 6), (3.0, 2.0), (3, 5)), ((3, 4, 3), (2.0, 1.0, 1.5), (3, 3, 5))]


def field(shape, spacing, patch, classes=3, **others) -> CRFNet:
    torch.manual_seed(0)
    network = (torch.nn.Conv2d if len(shape) == 2 else torch.nn.Conv3d)(2, classes, 1)
    crf = CRFNet(network, 2, classes, spacing, patch, **others).double().eval()
    crf.compatibility.data = torch.rand(classes, classes, dtype=torch.float64)
    crf.pairwise.layers[-2].bias.data.zero_()  # a strong field
    return crf


def dense_costs(crf, features, spacing, patch) -> np.ndarray:
    """f of every pair of voxels as a full matrix, by a loop over all pairs."""
    shape = features.shape[1:]
    voxels = list(product(*(range(side) for side in shape)))
    reach = [side // 2 for side in patch]
    costs = np.zeros((len(voxels), len(voxels)))
    for a, first in enumerate(voxels):
        for b, second in enumerate(voxels[a + 1 :], a + 1):
            step = [y - x for x, y in zip(first, second, strict=True)]
            if all(abs(s) <= r for s, r in zip(step, reach, strict=True)):
                difference = features[(slice(None), *first)] - features[(slice(None), *second)]
                position = torch.tensor([s * mm for s, mm in zip(step, spacing, strict=True)])
                with torch.no_grad():
                    costs[a, b] = costs[b, a] = crf.pairwise(difference, position.double())
    return costs


def dense_mean_field(unary, costs, compatibility, iterations, seeds=None) -> np.ndarray:
    """Q (classes, voxels) with matrices, in numpy."""
    q = np.exp(-unary)
    q /= q.sum(0)
    for iteration in range(iterations + 1):
        if seeds is not None:
            for voxel in np.flatnonzero(seeds):
                q[:, voxel] = np.eye(len(q))[seeds[voxel] - 1]
        if iteration < iterations:
            q = np.exp(-unary - compatibility @ (q @ costs))
            q /= q.sum(0)
    return q


@pytest.mark.parametrize(("shape", "spacing", "patch"), CASES)
@pytest.mark.parametrize("seeded", [False, True])
def test_it_equals_the_dense_field(shape, spacing, patch, seeded):
    crf = field(shape, spacing, patch)
    inputs = torch.randn(1, 2, *shape, dtype=torch.float64)
    seeds = torch.zeros(1, *shape, dtype=torch.long)
    if seeded:
        seeds.view(-1)[[0, 7, 20]] = torch.tensor([1, 3, 2])
    with torch.no_grad():
        found = crf(inputs, seeds if seeded else None).exp()[0].flatten(1).numpy()
        unary = -crf.network(inputs).log_softmax(1)[0].flatten(1).numpy()
        mu = crf.symmetric_compatibility().numpy()
    costs = dense_costs(crf, inputs[0], spacing, patch)
    known = seeds.flatten().numpy() if seeded else None
    expected = dense_mean_field(unary, costs, mu, crf.iterations, known)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.abs(found - np.exp(-unary)).max() > 0.05  # the field does something


def test_weak_fields_have_the_marginals_of_the_exact_distribution():
    """Mean field is exact to first order in the pairwise terms: an error of second order."""
    shape, offsets = (3, 3), half_patch((3, 3))
    generator = torch.Generator().manual_seed(1)
    unary = torch.randn(1, 2, *shape, dtype=torch.float64, generator=generator)
    indices = torch.arange(9).view(shape)
    mu = 1 - torch.eye(2, dtype=torch.float64)
    errors = []
    for strength in (0.02, 0.01):
        costs, pairs = [], []
        for offset in offsets:
            ends = [(a, b) for a, b in product(range(3), repeat=2)]
            pairs += [
                (int(indices[a, b]), int(indices[a + offset[0], b + offset[1]]))
                for a, b in ends
                if 0 <= a + offset[0] < 3 and 0 <= b + offset[1] < 3
            ]
            size = (1, 1, 3 - abs(offset[0]), 3 - abs(offset[1]))
            costs.append(torch.full(size, strength, dtype=torch.float64))
        exact, flat = np.zeros((2, 9)), unary[0].flatten(1).numpy()
        for labels in product((0, 1), repeat=9):
            energy = sum(flat[label, voxel] for voxel, label in enumerate(labels))
            energy += strength * sum(labels[a] != labels[b] for a, b in pairs)
            exact[labels, range(9)] += np.exp(-energy)
        exact /= exact.sum(0)
        found = mean_field(unary, costs, offsets, mu, iterations=20).exp()[0].flatten(1).numpy()
        errors.append(np.abs(found - exact).max())
    assert errors[0] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_seeds_are_kept_against_any_neighbours_and_move_them():
    crf = field((9, 9), (1.0, 1.0), (5, 5), classes=2)
    crf.compatibility.data = 1 - torch.eye(2, dtype=torch.float64)
    inputs = torch.randn(1, 2, 9, 9, dtype=torch.float64)
    seeds = torch.zeros(1, 9, 9, dtype=torch.long)
    seeds[0, 4, 4], seeds[0, 0, 0] = 2, 1
    for bias in (-2.0, 50.0):  # ordinary and overwhelming neighbours
        crf.pairwise.layers[-2].bias.data.fill_(bias)
        with torch.no_grad():
            free, held = crf(inputs).exp(), crf(inputs, seeds).exp()
        assert held[0, 1, 4, 4] == 1 and held[0, 0, 0, 0] == 1 and torch.isfinite(held).all()
        if bias < 0:
            for label, near in ((1, (slice(2, 7), slice(2, 7))), (0, (slice(3), slice(3)))):
                around = seeds[0][near] == 0
                gained = (held - free)[0, label][near][around]
                assert gained.mean() > 0


def test_the_whole_is_differentiable():
    crf = field((3, 4), (1.0, 1.0), (3, 3), iterations=2)
    inputs = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    seeds = torch.zeros(1, 3, 4, dtype=torch.long)
    seeds[0, 1, 1] = 2
    free = (seeds[:, None] == 0).expand(1, 3, 3, 4)
    assert torch.autograd.gradcheck(lambda x: crf(x, seeds)[free], inputs, fast_mode=True)
    crf(inputs, seeds)[free].sum().backward()
    gradients = [tensor.grad for tensor in crf.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert crf.compatibility.grad.abs().max() > 0 and crf.pairwise.layers[0].weight.grad.any()


def test_pretraining_on_pairs_imitates_the_gaussian_kernel():
    generator = np.random.default_rng(0)
    crf = CRFNet(torch.nn.Identity(), 1, 2, (2.0, 1.0), (7, 7))
    torch.manual_seed(0)
    images = [generator.normal(size=(1, 20, 24)).astype(np.float32) for _ in range(2)]
    assert pretrain_pairs(crf, images, generator) < 0.02
    differences = torch.linspace(-2, 2, 41)[:, None]
    assert crf.pairwise.reach == 6  # mm: three voxels of 2 mm
    for offset, position in zip(crf.offsets, crf.positions, strict=True):
        with torch.no_grad():
            found = crf.pairwise(differences, position.expand(41, -1))
        exponent = (differences[:, 0].numpy() / 0.5) ** 2
        exponent += ((2.0 * offset[0]) ** 2 + offset[1] ** 2) / 3.0**2
        np.testing.assert_allclose(found, 0.2 * np.exp(-exponent / 2), atol=0.05)


def test_a_field_trained_end_to_end_removes_noise():
    """The network gives noisy labels of a disc; the field learns from the picture to join them."""
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    truth = ((rows - 12) ** 2 + (columns - 11) ** 2 < 49).long()
    picture = truth.float() + 0.1 * torch.randn(24, 24)

    class Noisy(torch.nn.Module):
        def forward(self, inputs):
            score = 2 * (2 * inputs[:, :1].round() - 1) * inputs[:, 1:]
            return torch.cat([-score, score], 1)

    crf = CRFNet(Noisy(), 1, 2, (1.0, 1.0), (5, 5))
    optimizer = torch.optim.Adam(crf.parameters(), 0.02)

    def batch():
        flips = torch.where(torch.rand(24, 24) < 0.2, -1.0, 1.0)
        return torch.stack([picture, flips])[None]

    def errors():
        torch.manual_seed(7)
        with torch.no_grad():
            return float(((crf(batch())[0, 1] > np.log(0.5)) != (truth == 1)).float().mean())

    for _ in range(60):
        loss = torch.nn.functional.nll_loss(crf(batch()), truth[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert errors() < 0.01  # of 20 % that the network gets wrong
