"""CRF-Net: a conditional random field with learned pairwise potentials, as the end of a network.

E(x) = sum_i u_i(x_i) + sum_{i,j} mu(x_i, x_j) f(f_i - f_j, p_i - p_j) over the pairs of voxels of a
local patch (Wang et al., DeepIGeoS, IEEE TPAMI 41(7), 2019, arXiv:1707.00652, section 3.3). The
unary terms are a network's -log p. The freeform f is a small network on the difference of the
features and the relative position. CRF-Net(f) infers by mean field, unrolled as in CRF as RNN
(Zheng et al., ICCV 2015, arXiv:1502.03240); in CRF-Net(fu) a user's seeds cannot change.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Offset = tuple[int, ...]
HIDDEN = (32, 16)
PATCHES = {2: (7, 7), 3: (3, 5, 5)}  # voxels along (k,) j, i, by dimensions
ITERATIONS = 5
FORBIDDEN = 1e4  # the unary term of a label that a seed excludes
# Of the kernel that pretraining imitates: standard deviations of normalised features and of
# positions (share of the reach), and the cost of equal neighbours.
CONTRAST, NEARNESS, STRENGTH = 0.5, 0.5, 0.2


class PairwiseNet(nn.Module):
    """f: the cost of giving two voxels different labels, never negative.

    Args:
        features: values per voxel.
        dimensions: of the relative position.
        reach: the unit of positions inside, mm; about half of the patch.
    """

    def __init__(self, features: int, dimensions: int, reach: float = 1.0) -> None:
        super().__init__()
        self.reach = reach
        sizes = (features + dimensions, *HIDDEN)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        last = nn.Linear(sizes[-1], 1)
        nn.init.constant_(last.bias, -3.0)  # costs of 0.05, not of 0.7
        # Not negative: unequal labels are never rewarded, so that mean field does not oscillate.
        self.layers = nn.Sequential(*layers, last, nn.Softplus())

    def forward(self, differences: Tensor, positions: Tensor) -> Tensor:
        """Differences (..., features) and positions (..., dimensions) in mm to costs (...)."""
        cost: Tensor = self.layers(torch.cat([differences, positions / self.reach], -1))
        return cost[..., 0]


class CRFNet(nn.Module):
    """A network followed by mean-field inference.

    Args:
        network: (N, channels, ...) to logits (N, classes, ...).
        features: the first so many channels of its input are the features of a voxel.
        classes: of the network.
        spacing: of the voxels along (k,) j, i, mm (pixels in pictures); its length decides between
            2-D and 3-D.
        patch: voxels along the same axes, odd numbers; None takes the published 7 x 7, 3 x 5 x 5.
        iterations: of the mean field.
    """

    positions: Tensor

    def __init__(
        self,
        network: nn.Module,
        features: int,
        classes: int,
        spacing: Sequence[float],
        patch: Sequence[int] | None = None,
        iterations: int = ITERATIONS,
    ) -> None:
        super().__init__()
        dimensions = len(spacing)
        self.network, self.features, self.iterations = network, features, iterations
        self.offsets = half_patch(patch or PATCHES[dimensions])
        steps = torch.tensor(self.offsets, dtype=torch.float32) * torch.tensor(list(spacing))
        self.register_buffer("positions", steps, persistent=False)
        self.pairwise = PairwiseNet(features, dimensions, float(steps.abs().max()))
        self.compatibility = nn.Parameter(1 - torch.eye(classes))  # Potts, to begin with

    def forward(self, inputs: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Log-probabilities (N, classes, ...) of the labels.

        Args:
            inputs: of the network.
            seeds: (N, ...) 0: none, 1 + class: the label is known.
        """
        unary = -F.log_softmax(self.network(inputs), 1)
        costs = self.pair_costs(inputs[:, : self.features])
        return mean_field(
            unary, costs, self.offsets, self.symmetric_compatibility(), self.iterations, seeds
        )

    def symmetric_compatibility(self) -> Tensor:
        """mu (classes, classes): symmetric, 0 between equal labels."""
        both = (self.compatibility + self.compatibility.T) / 2
        return both * (1 - torch.eye(len(both), device=both.device, dtype=both.dtype))

    def pair_costs(self, features: Tensor) -> list[Tensor]:
        """f of every pair, one tensor (N, 1, ...) per offset, over the voxels that have both ends.

        Each pair is looked at once, from its first voxel, so that the field is symmetric. Training
        recomputes the hidden values offset by offset instead of keeping all: the memory is that of
        one offset's and of the costs.
        """
        costs = []
        for offset, position in zip(self.offsets, self.positions, strict=True):
            here, there = ends(offset)

            def cost(
                values: Tensor,
                here: tuple = here,
                there: tuple = there,
                position: Tensor = position,
            ) -> Tensor:
                difference = (values[here] - values[there]).movedim(1, -1)
                return self.pairwise(
                    difference, position.expand(*difference.shape[:-1], -1)
                ).unsqueeze(1)

            if torch.is_grad_enabled():
                costs.append(checkpoint(cost, features, use_reentrant=False))
            else:
                costs.append(cost(features))
        return costs


def half_patch(patch: Sequence[int]) -> list[Offset]:
    """One of each pair of opposite offsets in a patch, centre excluded: (prod(patch) - 1) / 2.

    Args:
        patch: voxels along each axis, odd.
    """
    offsets = product(*(range(-(side // 2), side // 2 + 1) for side in patch))
    return [offset for offset in offsets if offset > (0,) * len(patch)]


def ends(offset: Offset) -> tuple[tuple, tuple]:
    """Index of the first and of the second voxel of all pairs of an offset in (N, C, ...)."""
    here: list[slice] = [slice(None), slice(None)]
    there = list(here)
    for step in offset:
        here.append(slice(max(0, -step), -step if step > 0 else None))
        there.append(slice(max(0, step), step if step < 0 else None))
    return tuple(here), tuple(there)


def mean_field(
    unary: Tensor,
    costs: Sequence[Tensor],
    offsets: Sequence[Offset],
    compatibility: Tensor,
    iterations: int = ITERATIONS,
    seeds: Tensor | None = None,
) -> Tensor:
    """Mean-field inference: Q_i(l) ~ exp(-u_i(l) - sum_l' mu(l, l') sum_j f_ij Q_j(l')).

    All voxels are updated at once (Krähenbühl and Koltun, NIPS 2011, arXiv:1210.5644, algorithm 1).

    Args:
        unary: (N, classes, ...).
        costs: f_ij of the pairs of each offset, see :meth:`CRFNet.pair_costs`.
        offsets: from i to j, see :func:`half_patch`.
        compatibility: mu (classes, classes).
        seeds: (N, ...) 0: none, 1 + class: the label is known and stays.

    Returns:
        log Q (N, classes, ...), normalised over the classes.
    """
    if seeds is not None:
        labels = torch.arange(1, unary.shape[1] + 1, device=unary.device)
        labels = labels.view(1, -1, *[1] * (unary.ndim - 2))
        known = seeds.unsqueeze(1)
        unary = torch.where(known == 0, unary, FORBIDDEN * (known != labels))
    log_q = F.log_softmax(-unary, 1)
    for _ in range(iterations):
        q = log_q.exp()
        message = torch.zeros_like(q)
        for offset, cost in zip(offsets, costs, strict=True):
            here, there = ends(offset)
            message[here] += cost * q[there]
            message[there] += cost * q[here]
        energy = torch.einsum("ab,nb...->na...", compatibility, message)
        # A seed's own energy must not outweigh its constraint, however many neighbours it has.
        if seeds is not None:
            energy = energy * (known == 0)
        log_q = F.log_softmax(-unary - energy, 1)
    return log_q


def gaussian_costs(differences: Tensor, positions: Tensor, reach: float) -> Tensor:
    """The Gaussian kernel of the dense CRF, which the Pairwise-Net replaces and starts from.

    STRENGTH exp(-|f_i - f_j|^2 / (2 CONTRAST^2) - |p_i - p_j|^2 / (2 NEARNESS^2)), the appearance
    kernel of Krähenbühl and Koltun, NIPS 2011, arXiv:1210.5644, equation 3.

    Args:
        differences: (..., features); the mean of their squares counts.
        positions: (..., dimensions) mm.
        reach: the unit of NEARNESS, mm.
    """
    contrast = (differences**2).mean(-1) / CONTRAST**2
    distance = (positions**2).sum(-1) / (reach * NEARNESS) ** 2
    return STRENGTH * torch.exp(-(contrast + distance) / 2)


def pretrain_pairs(
    crf: CRFNet,
    images: Sequence[NDArray[np.float32]],
    generator: np.random.Generator,
    pairs: int = 2048,
    steps: int = 800,
) -> float:
    """Fit the Pairwise-Net to :func:`gaussian_costs` on pairs sampled from images.

    Args:
        images: (features, ...) normalised, each with the CRF's spacing.
        generator: draws the pairs.
        pairs: per step, from one image.
        steps: of Adam.

    Returns:
        Root mean square error of the last step's pairs.
    """
    positions = crf.positions.cpu()
    optimizer = torch.optim.Adam(crf.pairwise.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    error = torch.zeros(())
    for _ in range(steps):
        image = images[int(generator.integers(len(images)))]
        chosen, differences = _sample_pairs(image, crf.offsets, generator, pairs)
        target = gaussian_costs(differences, positions[chosen], crf.pairwise.reach)
        error = ((crf.pairwise(differences, positions[chosen]) - target) ** 2).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        schedule.step()
    return float(error.detach().sqrt())


def _sample_pairs(
    image: NDArray[np.float32],
    offsets: Sequence[Offset],
    generator: np.random.Generator,
    count: int,
) -> tuple[Tensor, Tensor]:
    """Which offset each pair has, and the difference of its features (count, features)."""
    shape = np.array(image.shape[1:])
    chosen = generator.integers(len(offsets), size=count)
    here = np.stack([generator.integers(side, size=count) for side in shape], 1)
    there = np.clip(here + np.array(offsets)[chosen], 0, shape - 1)
    values = [image[(slice(None), *index.T)].T for index in (here, there)]
    differences = np.ascontiguousarray(values[0] - values[1])
    return torch.from_numpy(chosen), torch.from_numpy(differences)
