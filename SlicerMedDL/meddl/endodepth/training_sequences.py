"""Sequences ready for training: prepared once, their pictures on disk, their points split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.files import allocate, atomic_path
from meddl.core.pinhole import cropped
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.run_record import make_folder
from meddl.endodepth.prediction import downsampling_of
from meddl.endodepth.prepare import PreparedSequence, prepare
from meddl.endodepth.sequence import read_sequence
from meddl.endodepth.training_parameters import DepthTraining

Floats = NDArray[np.float64]
FEWEST_POINTS = 10  # of a sequence, after the filter


@dataclass(frozen=True, eq=False)
class TrainingSequence:
    """One sequence at the size of the network.

    Attributes:
        name: of its folder.
        pictures: (V, h, w, 3) uint8 RGB of the views; lies on disk.
        mask: (h, w) bool.
        intrinsics: (3, 3), pixels.
        world_from_camera: (V, 4, 4).
        sparse: V lists (n, 3) of float32 row, column and depth of the points that teach.
        held_out: the same of the points that validate.
    """

    name: str
    pictures: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    intrinsics: Floats
    world_from_camera: Floats
    sparse: tuple[NDArray[np.float32], ...]
    held_out: tuple[NDArray[np.float32], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.mask.shape
        return height, width


def depth_map(points: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w) of a list (n, 3) of row, column and depth; 0 where there is no point."""
    result = np.zeros(size, np.float32)
    rows, columns = points[:, :2].astype(np.int64).T
    result[rows, columns] = points[:, 2]
    return result


def load_sequences(
    folders: Sequence[Path],
    parameters: DepthTraining,
    cache: Path,
    held_out: float,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[TrainingSequence]:
    """Read, prepare and check sequences; pictures and filter go to ``cache``.

    Args:
        folders: of sequences.
        held_out: share of the points that validate; 0: all teach; 1: all validate.

    Raises:
        InputError: no structure from motion, too few views or points, or another size.
        FileError: damaged files.
        Cancelled: by the token.
    """
    make_folder(cache)
    result: list[TrainingSequence] = []
    size = parameters.input_size
    for number, folder in enumerate(folders):
        part = subprogress(progress, number / len(folders), (number + 1) / len(folders))
        prepared, pictures = _prepared(folder, parameters, cache, part, cancel)
        sequence = _split(prepared, pictures, held_out, parameters.seed)
        size = size or sequence.size
        result.append(_fitted(sequence, size))
    return result


def _prepared(
    folder: Path,
    parameters: DepthTraining,
    cache: Path,
    progress: Progress,
    cancel: CancelToken | None,
) -> tuple[PreparedSequence, NDArray[np.uint8]]:
    """The sequence after the filter, and its pictures (V, h, w, 3) as a map of a file."""
    sequence = read_sequence(folder).require_structure()
    sequence.require_intrinsics()
    downsampling = parameters.input_downsampling or downsampling_of(sequence.mask)
    decisive = {
        "folder": str(folder.resolve()),
        "downsampling": downsampling,
        "multiple": parameters.network_downsampling,
        "visibility_overlap": parameters.visibility_overlap,
    }
    inliers = parameters.inlier_percentage
    text = json.dumps({**decisive, "inliers": inliers}, sort_keys=True)
    key = f"{folder.name[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    kept_file, pictures_file = cache / f"{key}-kept.npy", cache / f"{key}-pictures.npy"
    known = parameters.load_intermediate_data and kept_file.exists() and pictures_file.exists()
    prepared = prepare(
        sequence,
        downsampling=downsampling,
        multiple=parameters.network_downsampling,
        inlier_percentage=1.0 if known else inliers,
        visibility_overlap=parameters.visibility_overlap,
        progress=subprogress(progress, 0, 0.6),
        cancel=cancel,
    )
    if known:
        kept = np.load(kept_file)
        prepared = replace(
            prepared,
            points=prepared.points[kept],
            visibility=prepared.visibility[:, kept],
            kept=kept,
        )
    else:
        _write_pictures(prepared, pictures_file, subprogress(progress, 0.6, 1), cancel)
        with atomic_path(kept_file) as temporary:
            np.save(temporary, prepared.kept)
    return prepared, np.load(pictures_file, mmap_mode="r")


def _write_pictures(
    prepared: PreparedSequence, path: Path, progress: Progress, cancel: CancelToken | None
) -> None:
    numbers = prepared.sequence.view_numbers
    shape = (len(numbers), *prepared.mask.shape, 3)
    with atomic_path(path) as temporary:
        pictures = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        allocate(temporary)
        views = enumerate(numbers)
        for view, number in steps(views, len(numbers), "reading view", progress, cancel):
            pictures[view] = prepared.picture(int(number))
        pictures.flush()


def _split(
    prepared: PreparedSequence, pictures: NDArray[np.uint8], held_out: float, seed: int
) -> TrainingSequence:
    """Divide the points, by a permutation, into those that teach and those that validate."""
    folder, count = prepared.sequence.folder, len(prepared.points)
    if count < FEWEST_POINTS:
        raise InputError(
            f"{folder} has {count} points left of {len(prepared.kept)}, at least {FEWEST_POINTS} "
            "were expected; check the poses with: meddl endodepth sfm, or raise inlier_percentage"
        )
    validates = np.zeros(count, np.bool_)
    validates[np.random.default_rng(seed).permutation(count)[: round(held_out * count)]] = True
    views = range(len(prepared.world_from_camera))
    lists = []
    for chosen in (~validates, validates):
        part = replace(prepared, visibility=prepared.visibility & chosen)
        lists.append(tuple(_points(part, view) for view in views))
    return TrainingSequence(
        name=folder.name,
        pictures=pictures,
        mask=prepared.mask,
        intrinsics=prepared.require_intrinsics(),
        world_from_camera=prepared.world_from_camera,
        sparse=lists[0],
        held_out=lists[1],
    )


def _points(prepared: PreparedSequence, view: int) -> NDArray[np.float32]:
    sparse = prepared.sparse_depth(view)
    rows, columns = np.nonzero(sparse)
    return np.stack([rows, columns, sparse[rows, columns]], 1).astype(np.float32)


def _fitted(sequence: TrainingSequence, size: tuple[int, int]) -> TrainingSequence:
    """The sequence cut or filled up with zeros about its middle, if it has another size."""
    if sequence.size == size:
        return sequence
    start = [(old - new) // 2 for old, new in zip(sequence.size, size, strict=True)]

    def fit(array: NDArray[Any], axis: int) -> NDArray[Any]:
        for n, (first, length) in enumerate(zip(start, size, strict=True), start=axis):
            last = first + length
            padding = [(0, 0)] * array.ndim
            padding[n] = (max(-first, 0), max(last - array.shape[n], 0))
            kept = slice(max(first, 0), min(last, array.shape[n]))
            array = np.pad(array[(slice(None),) * n + (kept,)], padding)
        return array

    def moved(points: NDArray[np.float32]) -> NDArray[np.float32]:
        points = points - np.array([*start, 0], np.float32)
        inside = ((points[:, :2] >= 0) & (points[:, :2] < size)).all(1)
        return points[inside]

    mask = fit(sequence.mask, 0).astype(np.bool_)
    if not mask.any():
        raise InputError(f"input_size {size} leaves nothing of the field of {sequence.name}")
    return replace(
        sequence,
        pictures=fit(sequence.pictures, 1),
        mask=mask,
        intrinsics=cropped(sequence.intrinsics, *start),
        sparse=tuple(moved(points) for points in sequence.sparse),
        held_out=tuple(moved(points) for points in sequence.held_out),
    )
