"""An image made ready for shortest paths: padded, flat, with the steps to the neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from meddl.geodesic.steps import StepCost, neighbour_steps, step_lengths

# Pairs of neighbours that the mean step is estimated from.
SAMPLES = 4096


@dataclass(eq=False)
class Grid:
    """An image of C channels on a grid (K, J, I), padded by one voxel on all sides.

    Attributes:
        image: (C, K, J, I) float32.
        spacing: (3,) mm, along k, j, i.
        cost: of a step.
        padded: (C * N,) float32, the padded image times ``cost.image_scale``, N padded voxels per
            channel.
        offsets: (26,) uint64 from a voxel to its neighbours in the flat grid, modulo 2^64.
        lengths: (26,) float32, mm, times ``cost.length_scale``.
    """

    image: NDArray[np.float32]
    spacing: NDArray[np.float64]
    cost: StepCost
    padded: NDArray[np.float32] = field(init=False)
    offsets: NDArray[np.uint64] = field(init=False)
    lengths: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        padded = np.zeros((len(self.image), *self.padded_shape), np.float32)
        np.multiply(self.image, np.float32(self.cost.image_scale), out=padded[:, 1:-1, 1:-1, 1:-1])
        self.padded = padded.reshape(-1)
        _, rows, columns = self.padded_shape
        strides = np.array([rows * columns, columns, 1])
        self.offsets = (neighbour_steps() @ strides).astype(np.int64).view(np.uint64)
        self.lengths = (step_lengths(self.spacing) * self.cost.length_scale).astype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, J, I)."""
        _, k, j, i = self.image.shape
        return k, j, i

    @property
    def padded_shape(self) -> tuple[int, int, int]:
        """(K + 2, J + 2, I + 2)."""
        k, j, i = self.shape
        return k + 2, j + 2, i + 2

    def largest_step(self) -> float:
        """An upper bound of one step."""
        length = float(np.linalg.norm(self.spacing))
        ranges = np.array([float(c.max()) - float(c.min()) for c in self.image])
        return float(self.cost.step(length, ranges))

    def mean_step(self) -> float:
        """The mean step along the axes, estimated from a few thousand pairs of neighbours."""
        rng = np.random.default_rng(0)  # sets the buckets' width, no result depends on it
        means = []
        for axis, length in enumerate(self.spacing):
            last = np.array(self.shape)
            last[axis] -= 1
            if last[axis] > 0:
                here = rng.integers(0, last, (SAMPLES, 3))
                there = here + np.eye(3, dtype=int)[axis]
                values = [self.image[:, k, j, i] for k, j, i in (here.T, there.T)]
                means.append(self.cost.step(length, abs(values[1] - values[0])).mean())
        return float(np.mean(means)) if means else 0.0
