"""An image made ready for shortest paths: padded, flat, with the steps to the neighbours."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.geodesic.steps import SLACK, StepCost

# Pairs of neighbours that the mean step is estimated from.
SAMPLES = 4096


@dataclass(eq=False)
class Grid:
    """An image of C channels on a grid (K, J, I), padded by one voxel on all sides.

    Attributes:
        image: (C, K, J, I) float32.
        spacing: (3,) mm, along k, j, i.
        cost: of a step.
        padded: (C * N + SLACK,) float32, the image times ``cost.image_scale``, N padded voxels per
            channel, NaN in the padding; more, since vectors read on.
        rows: (9,) uint64 from a voxel to the first of each row of three neighbours (itself in the
            middle row) in the flat grid, modulo 2^64.
        lengths: (40,) float32, of the steps to lanes 4 row + 0..2 in mm, times
            ``cost.length_scale``; infinity where no neighbour is.
    """

    image: NDArray[np.float32]
    spacing: NDArray[np.float64]
    cost: StepCost
    padded: NDArray[np.float32] = field(init=False)
    rows: NDArray[np.uint64] = field(init=False)
    lengths: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        channels, padded_shape = len(self.image), self.padded_shape
        self.padded = np.empty(channels * math.prod(padded_shape) + SLACK, np.float32)
        whole = self.padded[:-SLACK].reshape(channels, *padded_shape)
        for axis in (1, 2, 3):
            np.moveaxis(whole, axis, 0)[[0, -1]] = np.nan
        self.padded[-SLACK:] = np.nan
        inside = whole[:, 1:-1, 1:-1, 1:-1]
        np.multiply(self.image, np.float32(self.cost.image_scale), out=inside)
        steps = np.array(list(itertools.product((-1, 0, 1), repeat=2)))
        rows = steps @ [padded_shape[1] * padded_shape[2], padded_shape[2]] - 1
        self.rows = rows.astype(np.int64).view(np.uint64)
        lengths = np.full((10, 4), np.inf)
        for row, lane in np.ndindex(9, 3):
            millimetres = np.linalg.norm([*steps[row], lane - 1] * self.spacing)
            lengths[row, lane] = millimetres * self.cost.length_scale
        lengths[4, 1] = np.inf  # the voxel itself
        self.lengths = lengths.astype(np.float32).reshape(-1)

    def unreached(self) -> NDArray[np.float32]:
        """(N + SLACK,) float32, infinity: a padded distance map without seeds."""
        return np.full(math.prod(self.padded_shape) + SLACK, np.inf, np.float32)

    def inside(self, flat: NDArray[Any]) -> NDArray[Any]:
        """The view (K, J, I) of what is not padding in an array of N or more padded voxels."""
        whole = flat[: math.prod(self.padded_shape)].reshape(self.padded_shape)
        return whole[1:-1, 1:-1, 1:-1]

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

    def places(self, mask: NDArray[Any]) -> NDArray[np.uint64]:
        """Flat indices in the padded grid of what is not 0 in a mask (K, J, I)."""
        index = np.unravel_index(np.flatnonzero(mask), self.shape)
        padded = np.ravel_multi_index([n + 1 for n in index], self.padded_shape)
        return np.asarray(padded).astype(np.uint64)

    @cached_property
    def largest_step(self) -> float:
        """An upper bound of one step."""
        length = float(np.linalg.norm(self.spacing))
        ranges = np.array([float(c.max()) - float(c.min()) for c in self.image])
        return float(self.cost.step(length, ranges))

    @cached_property
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
