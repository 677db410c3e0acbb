"""What training draws from sequences: pairs of views that teach, single views that validate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.endodepth.augmentation import augment
from meddl.endodepth.networks import network_input
from meddl.endodepth.training_parameters import DepthTraining
from meddl.endodepth.training_sequences import TrainingSequence, depth_map

Sample = dict[str, NDArray[np.generic]]
HELD_OUT = 1_000_003  # the seed of the pairs that pictures show


def _partners(
    sequence: TrainingSequence, adjacent_range: tuple[int, int]
) -> dict[int, NDArray[np.int64]]:
    """View -> the views that make a pair with it: both have points, and their distance is allowed.

    Raises:
        InputError: there are none.
    """
    views = np.flatnonzero([len(points) > 0 for points in sequence.sparse])
    low, high = adjacent_range
    distances = np.abs(views[:, np.newaxis] - views)
    near = (distances >= low) & (distances <= high)
    if not near.any():
        raise InputError(
            f"{sequence.name} has {len(views)} views with points, none of them {low} to {high} "
            "views apart; lower adjacent_range"
        )
    return {int(view): views[row] for view, row in zip(views, near, strict=True) if row.any()}


class Pairs:
    """Random pairs of views of one sequence.

    A sample has ``colour`` (2, 3, h, w), ``sparse`` (2, 1, h, w), ``mask`` (1, h, w),
    ``intrinsics`` (3, 3) and ``other_from_this`` (2, 4, 4), all float32; see
    :func:`meddl.endodepth.losses.pair_losses`.

    Args:
        sequences: all of one size.
        parameters: of the run.
        count: samples per epoch.

    Raises:
        InputError: a sequence in which no two views with points are far enough apart.
    """

    def __init__(
        self, sequences: Sequence[TrainingSequence], parameters: DepthTraining, count: int
    ) -> None:
        self.sequences, self.parameters, self.count = sequences, parameters, count
        self.partners = [_partners(sequence, parameters.adjacent_range) for sequence in sequences]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self._make(np.random.default_rng([HELD_OUT, index]), 0.0)

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """A sequence by the number of its views, then a view, then its partner."""
        return self._make(generator, self.parameters.augmentation)

    def _make(self, generator: np.random.Generator, strength: float) -> Sample:
        views = np.array([len(partners) for partners in self.partners])
        number = int(generator.choice(len(views), p=views / views.sum()))
        sequence, partners = self.sequences[number], self.partners[number]
        first = list(partners)[generator.integers(len(partners))]
        both = (first, int(generator.choice(partners[first])))
        hsv = self.parameters.use_hsv_colorspace
        colour = [
            network_input(augment(sequence.pictures[n], strength, generator), sequence.mask, hsv)
            for n in both
        ]
        one, other = (sequence.world_from_camera[n] for n in both)
        second_from_first = np.linalg.inv(other) @ one
        return {
            "colour": np.stack(colour),
            "sparse": np.stack([depth_map(sequence.sparse[n], sequence.size)[None] for n in both]),
            "mask": sequence.mask[None].astype(np.float32),
            "intrinsics": sequence.intrinsics.astype(np.float32),
            "other_from_this": np.stack(
                [second_from_first, np.linalg.inv(second_from_first)]
            ).astype(np.float32),
        }


class Views:
    """Every view of some sequences, with the points that validate.

    A sample has ``colour`` (3, h, w) and ``truth`` (h, w), 0 where unknown, float32.

    Args:
        sequences: all of one size.
        hsv: see :func:`meddl.endodepth.networks.network_input`.
    """

    def __init__(self, sequences: Sequence[TrainingSequence], hsv: bool = False) -> None:
        self.sequences, self.hsv = sequences, hsv
        self.views = [
            (number, view)
            for number, sequence in enumerate(sequences)
            for view, points in enumerate(sequence.held_out)
            if len(points)
        ]

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> Sample:
        number, view = self.views[index]
        sequence = self.sequences[number]
        return {
            "colour": network_input(sequence.pictures[view], sequence.mask, self.hsv),
            "truth": depth_map(sequence.held_out[view], sequence.size),
        }
