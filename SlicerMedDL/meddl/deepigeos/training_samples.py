"""What training draws from the cases: patches, augmented, with simulated interactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.optional import require
from meddl.deepigeos.correction import (
    IGNORED,
    SeedEncoding,
    correction_input,
    simulated_seeds,
)
from meddl.deepigeos.training_cases import Case
from meddl.deepigeos.training_parameters import NetworkTraining

Sample = dict[str, Any]
# Probabilities (classes, K, J, I) of an image (C, K, J, I): the network whose mistakes count.
First = Callable[[NDArray[np.float32]], NDArray[np.float32]]
HELD_OUT = 1_000_003  # the seed of the validation's interactions


class Patches:
    """Training samples.

    A sample has ``inputs`` (channels, [K,] J, I) float32, ``labels`` ([K,] J, I) int64 class
    numbers, and ``seeds`` of the same shape, 0 without one and 1 + class (all 0 for P-Net).

    Args:
        cases: to draw from, each ``patches_per_case`` times in an epoch.
        parameters: of the run.
        first: for R-Net, the P-Net that it corrects.
    """

    def __init__(
        self, cases: Sequence[Case], parameters: NetworkTraining, first: First | None = None
    ) -> None:
        self.cases, self.parameters, self.first = cases, parameters, first
        self.augment = Augmentation(parameters)

    def __len__(self) -> int:
        return len(self.cases) * self.parameters.patches_per_case

    def __getitem__(self, index: int) -> Sample:
        return self.draw(index, np.random.default_rng([HELD_OUT, index]))

    def draw(self, index: int, generator: np.random.Generator) -> Sample:
        """A patch about a random voxel."""
        case = self.cases[index % len(self.cases)]
        centre = _centre(case, self.parameters.foreground_share, generator)
        image, labels = self.augment(*_cut(case, centre, self.augment.cut_shape), generator)
        sample = make_sample(image, labels, case.spacing, self.parameters, self.first, generator)
        if self.parameters.dimensions == 2:
            sample = {name: array.squeeze(-3) for name, array in sample.items()}
        return sample


class WholeCases:
    """Validation samples: whole cases, with the same simulated interactions in every epoch.

    Samples are those of :class:`Patches` with all three axes and ``spacing`` (3,), mm. The slices
    of a volume are corrected one by one for a 2-D network.
    """

    def __init__(
        self, cases: Sequence[Case], parameters: NetworkTraining, first: First | None = None
    ) -> None:
        self.cases, self.parameters, self.first = cases, parameters, first
        self._samples: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Sample:
        if self.first is None:
            return self._make(index)
        if index not in self._samples:  # P-Net does not change
            self._samples[index] = self._make(index)
        return self._samples[index]

    def _make(self, index: int) -> Sample:
        case = self.cases[index]
        generator = np.random.default_rng([HELD_OUT, index])
        slabs = [case]
        if self.parameters.dimensions == 2:
            slabs = [case.slab(k, k + 1) for k in range(len(case.labels))]
        parts = [
            make_sample(
                np.array(slab.image),
                np.array(slab.labels),
                case.spacing,
                self.parameters,
                self.first,
                generator,
            )
            for slab in slabs
        ]
        sample = {name: np.concatenate([part[name] for part in parts], -3) for name in parts[0]}
        return {**sample, "spacing": np.array(case.spacing)}


def make_sample(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    spacing: Sequence[float],
    parameters: NetworkTraining,
    first: First | None,
    generator: np.random.Generator,
) -> Sample:
    """A sample of an image (C, K, J, I) and its labels (K, J, I), all axes kept.

    For R-Net it has ``before``, the class numbers (K, J, I) of P-Net.
    """
    inputs, seeds = image, np.zeros(labels.shape, np.uint8)
    before = None
    if first is not None:
        probability = first(image)
        before = probability.argmax(0)
        rule, strokes = parameters.interactions, parameters.strokes
        seeds = simulated_seeds(before, labels, spacing, rule, strokes, generator)
        inputs = correction_input(image, probability, seeds, spacing, encoding_of(parameters))
    sample = {
        "inputs": np.ascontiguousarray(inputs, dtype=np.float32),
        "labels": labels.astype(np.int64),
        "seeds": seeds.astype(np.int64),
    }
    if before is not None:
        sample["before"] = before.astype(np.int64)
    return sample


def encoding_of(parameters: NetworkTraining) -> SeedEncoding:
    """The seeds' channels of a run."""
    return SeedEncoding(
        parameters.geodesic_cost, parameters.geodesic_lambda, parameters.geodesic_scale
    )


class Augmentation:
    """Random rotation, size, mirroring and intensities, by MONAI.

    Attributes:
        cut_shape: (k, j, i) to be cut out of a case, larger than a patch, so that a turned patch
            has few empty corners.
    """

    def __init__(self, parameters: NetworkTraining) -> None:
        transforms: Any = require("monai.transforms", "augmenting training data")
        self.dimensions = parameters.dimensions
        self.shape = parameters.patch_shape
        low, high = parameters.scale
        turns = parameters.rotation > 0 or low < 1 or high > 1
        room = 1.0
        if turns:
            angle = np.deg2rad(min(parameters.rotation, 45.0))
            room = high * (np.cos(angle) + np.sin(angle))
        sides = [int(np.ceil(side * room)) for side in self.shape[-2:]]
        depth = [int(np.ceil(side * high)) for side in self.shape[:-2]] if turns else []
        self.cut_shape = (*((depth or list(self.shape[:-2])) or [1]), *sides)
        keys = ("image", "labels")
        steps: list[Any] = []
        if turns:
            # MONAI takes radians, and the first angle of three turns about k.
            angle = float(np.deg2rad(parameters.rotation))
            angles = [angle] if self.dimensions == 2 else [angle, 0.0, 0.0]
            steps.append(
                transforms.RandAffined(
                    keys,
                    spatial_size=self.shape,
                    prob=1.0,
                    rotate_range=angles,
                    # MONAI's factor is that of the grid: 1.25 makes things smaller.
                    scale_range=[(1 / high - 1, 1 / low - 1)] * self.dimensions,
                    mode=("bilinear", "nearest"),
                    padding_mode="border",
                )
            )
        for letter in parameters.flips:
            axis = "kji".index(letter) - (3 - self.dimensions)
            steps.append(transforms.RandFlipd(keys, prob=0.5, spatial_axis=axis))
        if parameters.intensity > 0:
            steps += _intensities(transforms, parameters.intensity)
        self.transform = transforms.Compose(steps)

    def __call__(
        self,
        image: NDArray[np.float32],
        labels: NDArray[np.uint8],
        generator: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Patches (C, k, j, i) and (k, j, i) from what was cut."""
        flat = self.dimensions == 2
        table = {
            "image": image[:, 0] if flat else image,
            # float: MONAI interpolates nothing else.
            "labels": (labels if flat else labels[None]).astype(np.float32),
        }
        self.transform.set_random_state(seed=int(generator.integers(2**31)))
        table = self.transform(table)
        patch, classes = (np.asarray(table[name]) for name in ("image", "labels"))
        patch = patch[:, None] if flat else patch
        return patch.astype(np.float32), (classes if flat else classes[0]).astype(np.uint8)


def _intensities(transforms: Any, strength: float) -> list[Any]:
    key = "image"
    return [
        transforms.RandScaleIntensityd(key, factors=strength, prob=0.5),
        transforms.RandShiftIntensityd(key, offsets=strength, prob=0.5),
        transforms.RandGaussianNoised(key, prob=0.3, std=strength),
        transforms.RandAdjustContrastd(
            key, prob=0.3, gamma=(1 / (1 + 4 * strength), 1 + 4 * strength)
        ),
        transforms.RandGaussianSmoothd(key, (0.25, 1.0), (0.25, 1.0), (0.25, 1.0), prob=0.2),
    ]


def _centre(
    case: Case, foreground_share: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """A random voxel: of a random class with the given probability, otherwise any."""
    if case.points and generator.random() < foreground_share:
        points = case.points[int(generator.choice(sorted(case.points)))]
        return points[int(generator.integers(len(points)))]
    return np.array([int(generator.integers(side)) for side in case.labels.shape])


def _cut(
    case: Case, centre: NDArray[np.int64], shape: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A box of ``shape`` (k, j, i) about a voxel; outside the case labels are IGNORED.

    A box that fits into the case is moved into it. Beyond the border the image goes on as there.
    """
    starts, before, after = [], [], []
    for middle, side, length in zip(centre, shape, case.labels.shape, strict=True):
        spare = length - side
        start = min(max(int(middle) - side // 2, 0), spare) if spare >= 0 else spare // 2
        starts.append(slice(max(start, 0), min(start + side, length)))
        before.append(max(-start, 0))
        after.append(max(start + side - length, 0))
    padding = list(zip(before, after, strict=True))
    image = np.pad(case.image[(slice(None), *starts)], [(0, 0), *padding], mode="edge")
    labels = np.pad(case.labels[tuple(starts)], padding, constant_values=IGNORED)
    return image, labels
