"""What one step from a voxel to its neighbour costs.

L is the step's length in mm, dI the difference of the raw voxel values of both ends:

- ``product``: L |dI|2, as GeodisTK's fast marching; lambda is ignored.
- ``geodistk``: L / ((1 - lambda) + lambda / (|dI|2 + 1e-5)), as its raster scan.
- ``fastgeodis``: (1 - lambda) L + lambda sum|dI|, as FastGeodis.

|dI|2 is the Euclidean norm over the channels, sum|dI| the sum over them. With lambda = 0 the last
two ignore the image; the distance is then the Euclidean one (:func:`is_euclidean`), a jump, since
paths over a grid are up to 13 % longer than straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError

COSTS = ("product", "geodistk", "fastgeodis")
PRODUCT, GEODISTK, FASTGEODIS = range(3)
EPSILON = 1e-5  # of the cost `geodistk`
SLACK = 8  # voxels behind a padded grid that vectors of eight may touch


@dataclass(frozen=True)
class StepCost:
    """A step cost by name and its weight.

    Attributes:
        name: one of :data:`COSTS`.
        lambda_: 0 (lengths alone) to 1 (image alone); ``product`` ignores it.

    Raises:
        InputError: another name, or lambda outside 0..1.
    """

    name: str = "product"
    lambda_: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in COSTS:
            raise InputError(f"cost {self.name!r}, one of {', '.join(COSTS)} was expected")
        if not 0 <= self.lambda_ <= 1:
            raise InputError(f"lambda is {self.lambda_}, a number from 0 to 1 was expected")

    @property
    def code(self) -> int:
        """The name as the number that compiled code branches on."""
        return COSTS.index(self.name)

    @property
    def is_euclidean(self) -> bool:
        """Whether the image has no say, so that distances are straight lines."""
        return self.name != "product" and self.lambda_ == 0

    @property
    def image_scale(self) -> float:
        """What the image is multiplied with before the differences are taken."""
        return self.lambda_ if self.name == "fastgeodis" else 1.0

    @property
    def length_scale(self) -> float:
        """What the lengths are multiplied with before the steps are computed."""
        return 1 - self.lambda_ if self.name == "fastgeodis" else 1.0

    def step(self, length: Any, differences: NDArray[Any]) -> NDArray[Any]:
        """The cost from the length in mm and the absolute differences (C, ...) of the channels."""
        if self.name == "fastgeodis":
            return (1 - self.lambda_) * length + self.lambda_ * differences.sum(axis=0)
        difference = np.sqrt(np.square(differences).sum(axis=0))
        if self.name == "product":
            return length * difference
        return length / ((1 - self.lambda_) + self.lambda_ / (difference + EPSILON))
