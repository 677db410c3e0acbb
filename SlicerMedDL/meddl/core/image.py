"""An image: an array and where its voxels lie in the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, affine, apply, inverse, orientation_code


@dataclass(frozen=True, eq=False)
class Image:
    """Voxels and their geometry.

    Attributes:
        array: (K, J, I) or (K, J, I, C); k is the slowest index, i the fastest, C components.
            A 2-D picture has K = 1. Booleans become uint8; float16 becomes float32.
        ras_from_ijk: 4x4 float64, mm; maps the index (i, j, k) of a voxel centre to RAS.
        metadata: what else the source said (component names, units, file, DICOM fields).

    Raises:
        InputError: the array has another number of dimensions, an axis of length 0, or no numbers.
        GeometryError: the matrix is no invertible affine 4x4.
    """

    array: NDArray[Any]
    ras_from_ijk: Matrix = field(default_factory=lambda: np.eye(4))
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim not in (3, 4):
            raise InputError(
                f"an image array has (K, J, I) or (K, J, I, C) axes, got shape {array.shape}"
            )
        if 0 in array.shape:
            raise InputError(f"an image array has no empty axis, got shape {array.shape}")
        if array.dtype == np.bool_:
            array = array.astype(np.uint8)
        elif array.dtype == np.float16:
            array = array.astype(np.float32)
        if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
            raise InputError(f"an image array holds real numbers, got dtype {array.dtype}")
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "ras_from_ijk", affine(self.ras_from_ijk, "ras_from_ijk"))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only mappings cannot be pickled, and images travel to worker processes.
        return type(self), (self.array, self.ras_from_ijk, dict(self.metadata))

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along i, j, k."""
        k, j, i = self.array.shape[:3]
        return i, j, k

    @property
    def components(self) -> int:
        """Values per voxel; 1 for a scalar image."""
        return self.array.shape[3] if self.array.ndim == 4 else 1

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) distance between voxel centres along i, j, k in mm."""
        lengths: NDArray[np.float64] = np.linalg.norm(self.ras_from_ijk[:3, :3], axis=0)
        return lengths

    @property
    def origin(self) -> NDArray[np.float64]:
        """(3,) RAS position of the centre of voxel (0, 0, 0) in mm."""
        return self.ras_from_ijk[:3, 3].copy()

    @property
    def direction(self) -> NDArray[np.float64]:
        """(3, 3) unit vectors of the i, j, k axes in RAS, as columns."""
        return self.ras_from_ijk[:3, :3] / self.spacing

    @property
    def ijk_from_ras(self) -> Matrix:
        """4x4 inverse of ``ras_from_ijk``."""
        return inverse(self.ras_from_ijk)

    @property
    def orientation(self) -> str:
        """Three letters, the directions in which i, j, k grow, for example ``"LPS"``."""
        return orientation_code(self.ras_from_ijk)

    @property
    def center(self) -> NDArray[np.float64]:
        """(3,) RAS position of the middle of the volume in mm."""
        return apply(self.ras_from_ijk, (np.array(self.size) - 1) / 2)

    def with_array(self, array: NDArray[Any]) -> Image:
        """The same geometry with other voxels; their (K, J, I) must stay.

        Raises:
            InputError: another number of voxels along an axis.
        """
        if np.shape(array)[:3] != self.array.shape[:3]:
            raise InputError(f"array of shape {np.shape(array)} for an image {self.array.shape}")
        return replace(self, array=array)

    def require_finite(self, what: str = "image") -> Image:
        """Return self if every voxel is finite.

        Raises:
            InputError: names how many voxels are NaN or infinite and the first one.
        """
        if np.issubdtype(self.array.dtype, np.floating):
            bad = ~np.isfinite(self.array)
            if bad.any():
                first = tuple(int(n) for n in np.argwhere(bad)[0][:3][::-1])
                raise InputError(
                    f"the {what} has {int(bad.sum())} voxels that are NaN or infinite, the first "
                    f"at ijk {first}; replace them before use"
                )
        return self

    def require_volume(self, what: str = "volume") -> Image:
        """Return self if it is a scalar 3-D volume (at least 2 voxels along every axis).

        Raises:
            InputError: a 2-D picture or several components.
        """
        if self.components != 1:
            raise InputError(
                f"the {what} has {self.components} values per voxel, one was expected; "
                "extract the component or time point that you mean"
            )
        if min(self.size) < 2:
            raise InputError(
                f"the {what} has {'x'.join(map(str, self.size))} voxels: it is a 2-D picture, "
                "a 3-D volume was expected"
            )
        array = self.array[..., 0] if self.array.ndim == 4 else self.array
        return self if array is self.array else replace(self, array=array)
