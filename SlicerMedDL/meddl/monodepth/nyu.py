"""NYU Depth v2: ``nyu_depth_v2_labeled.mat`` with its 1449 pairs, and the official split.

Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images, ECCV
2012. MATLAB writes arrays with the last axis first: a picture of 480 rows and 640 columns comes as
(3, 640, 480).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import existing_file, parsing
from meddl.core.optional import require
from meddl.monodepth.mat_file import read_vectors
from meddl.monodepth.pairs import Colour, Depth

SPLITS = "http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat"


class NyuPairs:
    """The pairs of the labelled file, read one at a time.

    Args:
        path: ``nyu_depth_v2_labeled.mat``.
        indices: which of them, from 0; all by default.

    Raises:
        FileError: missing, no HDF5, or without pictures and depths of equal number and size.
        InputError: an index that the file does not have.
        DependencyError: h5py is not installed.
    """

    def __init__(self, path: str | Path, indices: Sequence[int] | None = None) -> None:
        self.path = existing_file(path, "NYU Depth v2 file")
        h5py = require("h5py", "reading NYU Depth v2")
        with parsing(self.path, "NYU Depth v2 file"), h5py.File(self.path, "r") as file:
            shapes = [tuple(file[name].shape) for name in ("images", "depths")]
        images, depths = shapes
        if len(images) != 4 or images[1] != 3 or (images[0], *images[2:]) != depths:
            raise FileError(
                f"{path} has images {images} and depths {depths}; (N, 3, W, H) and (N, W, H) were "
                "expected"
            )
        self.indices = list(range(images[0]) if indices is None else indices)
        outside = [index for index in self.indices if not 0 <= index < images[0]]
        if outside:
            raise InputError(f"{path} has {images[0]} pairs, number {outside[0] + 1} was asked for")
        self.names = [f"{index + 1:04d}" for index in self.indices]
        self._file: Any = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Colour, Depth]:
        if self._file is None:  # opened by the process that reads: HDF5 handles cannot be shared
            self._file = require("h5py", "reading NYU Depth v2").File(self.path, "r")
        number = self.indices[index]
        with parsing(self.path, "NYU Depth v2 file"):
            colour = np.asarray(self._file["images"][number]).transpose(2, 1, 0)
            depth = np.asarray(self._file["depths"][number]).T
        known = np.isfinite(depth) & (depth > 0)
        return (
            np.ascontiguousarray(colour, dtype=np.uint8),
            np.where(known, depth, 0).astype(np.float32),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def read_split(path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices from 0 of the training (795) and the test pairs (654) of ``splits.mat``.

    Raises:
        FileError: missing, no MATLAB file, or without ``trainNdxs`` and ``testNdxs``.
        InputError: numbers below 1, or a pair in both.
    """
    if not Path(path).exists():
        raise FileError(f"{path} does not exist; the official split is at {SPLITS}")
    table = read_vectors(path)
    parts = []
    for name in ("trainNdxs", "testNdxs"):
        if name not in table:
            raise FileError(f"{path} has no {name}; splits.mat of NYU Depth v2 was expected")
        values = table[name]
        numbers = values.astype(np.int64) if np.isfinite(values).all() else np.zeros(1, np.int64)
        if not numbers.size or numbers.min() < 1:
            raise InputError(f"{path}: {name} holds no numbers from 1 on")
        parts.append(np.sort(numbers) - 1)
    both = np.intersect1d(parts[0], parts[1])
    if both.size:
        raise InputError(f"{path}: pair {both[0] + 1} is in both parts of the split")
    return parts[0], parts[1]
