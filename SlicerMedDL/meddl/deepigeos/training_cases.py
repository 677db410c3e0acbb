"""Cases on the networks' grid: read, checked, prepared once and kept in a cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path
from meddl.core.image import Image
from meddl.core.image_io import PICTURES, file_suffix, read_image
from meddl.core.pictures import read_label_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.run_record import make_folder
from meddl.deepigeos.correction import IGNORED
from meddl.deepigeos.preprocessing import normalized, on_grid
from meddl.deepigeos.training_config import LabelScheme
from meddl.deepigeos.training_files import CaseFiles
from meddl.deepigeos.training_parameters import NetworkTraining

CACHE_VERSION = 1
KEPT_POINTS = 5000  # voxels of each class that patches are centred on


@dataclass(frozen=True, eq=False)
class Case:
    """A case on the networks' grid.

    Attributes:
        name: of the case.
        image: (C, K, J, I) float32, normalised; read from the disk as it is used.
        labels: (K, J, I) uint8 class numbers, IGNORED where a voxel does not count.
        spacing: (3,) mm along k, j, i.
    """

    name: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    spacing: tuple[float, float, float]

    @cached_property
    def points(self) -> dict[int, NDArray[np.int64]]:
        """Voxels (n, 3) along k, j, i of each class but the background, at most KEPT_POINTS."""
        found = {}
        for number in np.unique(self.labels):
            if 0 < number < IGNORED:
                voxels = np.argwhere(self.labels == number)
                found[int(number)] = voxels[:: -(-len(voxels) // KEPT_POINTS)]
        return found

    def slab(self, start: int, stop: int) -> Case:
        """The slices from ``start`` to before ``stop``."""
        return Case(self.name, self.image[:, start:stop], self.labels[start:stop], self.spacing)


def read_case(files: CaseFiles, scheme: LabelScheme) -> tuple[Image, NDArray[np.uint8]]:
    """The image of a case, (K, J, I, C) float32, and its class numbers (K, J, I).

    A picture in colours has a channel per colour.

    Raises:
        FileError: a file that is missing or damaged.
        InputError: other grids in its files, values that are not finite or have no class.
    """
    images = [read_image(path) for path in files.images]
    first = images[0]
    channels = []
    for path, image in zip(files.images, images, strict=True):
        image.require_finite(f"image {path}")
        _same_grid(files.images[0], first, path, image)
        channels.append(image.array if image.array.ndim == 4 else image.array[..., None])
    picture = file_suffix(files.labels) in PICTURES
    truth = read_label_picture(files.labels) if picture else read_image(files.labels)
    _same_grid(files.images[0], first, files.labels, truth)
    if truth.components != 1:
        raise InputError(f"{files.labels} has {truth.components} values per voxel, one expected")
    array = truth.array[..., 0] if truth.array.ndim == 4 else truth.array
    image = first.with_array(np.concatenate(channels, axis=-1).astype(np.float32))
    return image, class_numbers(array, scheme, str(files.labels))


def _same_grid(one_path: Path, one: Image, path: Path, other: Image) -> None:
    if one.size != other.size:
        here, there = ("x".join(map(str, image.size)) for image in (one, other))
        raise InputError(
            f"{one_path} has {here} voxels, {path} has {there}; images and labels of a case need "
            "one grid"
        )
    shift = np.abs(one.ras_from_ijk - other.ras_from_ijk) @ np.append(one.size, 1)
    tolerance = 0.1 * one.spacing.min()
    if shift.max() > tolerance:
        raise InputError(
            f"{one_path} and {path} lie {shift.max():.3g} mm apart; images and labels of a case "
            "need one grid: resample the labels to the image"
        )


def class_numbers(values: NDArray[Any], scheme: LabelScheme, what: str) -> NDArray[np.uint8]:
    """Label values as class numbers: 0 background, 1 the first class, …, IGNORED.

    Raises:
        InputError: a value without a class; ``what`` names the file.
    """
    found = np.full(values.shape, 0, np.uint8)
    known = values == 0
    table = [*enumerate(scheme.classes.values(), 1), (IGNORED, scheme.ignored)]
    for number, numbers in table:
        mask = np.isin(values, numbers)
        found[mask] = number
        known |= mask
    if not scheme.others and not known.all():
        stray = np.unique(values[~known])
        shown = ", ".join(f"{value:g}" for value in stray[:5])
        names = {0: "background", **{n: name for name, ns in scheme.classes.items() for n in ns}}
        raise InputError(
            f"{what} has the value {shown}{', …' if len(stray) > 5 else ''}, which is no class; "
            f"classes are {names}; name it under classes or ignored, or set others: background"
        )
    return found


def prepare_cases(
    cases: Sequence[CaseFiles],
    scheme: LabelScheme,
    parameters: NetworkTraining,
    cache: Path,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[Case]:
    """Read, check and prepare all cases, or take them from the cache.

    Args:
        cases: the files.
        cache: a folder, made if missing; a changed file or setting makes a new entry.

    Returns:
        Cases in the same order; their arrays are mapped into memory.

    Raises:
        FileError, InputError: see :func:`read_case`; or cases with different numbers of channels.
        Cancelled: between cases; the entries that are done stay.
    """
    make_folder(cache)
    # Processes of one run begin with different cases, so that each prepares its share.
    rank, processes = (int(os.environ.get(name, d)) for name, d in _SHARE.items())
    order = sorted(range(len(cases)), key=lambda index: (index - rank) % processes)
    found: dict[int, Case] = {}
    for index in steps(order, len(order), "preparing case", progress, cancel):
        found[index] = _cached(cases[index], scheme, parameters, cache)
        first, case = found[order[0]], found[index]
        if len(case.image) != len(first.image):
            raise InputError(
                f"case {case.name} has {len(case.image)} channels, case {first.name} has "
                f"{len(first.image)}; all cases need the same"
            )
    return [found[index] for index in range(len(cases))]


_SHARE = {"RANK": "0", "WORLD_SIZE": "1"}  # of a process under torchrun


def _cached(
    files: CaseFiles, scheme: LabelScheme, parameters: NetworkTraining, cache: Path
) -> Case:
    key = _key(files, scheme, parameters)
    paths = {part: cache / f"{key}-{part}" for part in ("image.npy", "labels.npy", "grid.json")}
    if not all(path.exists() for path in paths.values()):
        image, labels, spacing = _prepared(files, scheme, parameters)
        for name, array in (("image.npy", image), ("labels.npy", labels)):
            with atomic_path(paths[name]) as temporary:
                np.save(temporary, array, allow_pickle=False)
        with atomic_path(paths["grid.json"]) as temporary:  # last: it completes the entry
            temporary.write_text(json.dumps({"case": files.name, "spacing": spacing}))
    try:
        grid = json.loads(paths["grid.json"].read_text())
        image, labels = (
            np.load(paths[name], mmap_mode="r", allow_pickle=False)
            for name in ("image.npy", "labels.npy")
        )
        k, j, i = grid["spacing"]
        return Case(files.name, image, labels, (k, j, i))
    except (OSError, ValueError, KeyError) as error:
        raise FileError(f"the cache {cache} is damaged ({error}); delete it") from error


def _key(files: CaseFiles, scheme: LabelScheme, parameters: NetworkTraining) -> str:
    stats = [path.stat() for path in (*files.images, files.labels)]
    record = [
        CACHE_VERSION,
        [str(path.resolve()) for path in (*files.images, files.labels)],
        [(stat.st_size, stat.st_mtime_ns) for stat in stats],
        [[*scheme.classes.values()], scheme.ignored, scheme.others],
        [getattr(parameters, name) for name in GRID_SETTINGS],
    ]
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()[:20]


GRID_SETTINGS = ("orientation", "spacing", "normalization", "window", "crop_to_nonzero")


def _prepared(
    files: CaseFiles, scheme: LabelScheme, parameters: NetworkTraining
) -> tuple[NDArray[np.float32], NDArray[np.uint8], list[float]]:
    """Image (C, K, J, I), labels (K, J, I) and spacing (k, j, i) on the networks' grid."""
    image, labels = read_case(files, scheme)
    channels = np.moveaxis(image.array, -1, 0)
    affine = image.ras_from_ijk
    picture = file_suffix(files.images[0]) in PICTURES
    if not picture:  # a picture has no patient
        grid = (affine, parameters.orientation, parameters.spacing)
        channels, affine = on_grid(channels, *grid)
        labels = on_grid(labels[None], *grid, labels=True)[0][0]
        if parameters.crop_to_nonzero:
            box = _nonzero_box(channels)
            channels, labels = channels[(slice(None), *box)], labels[box]
    channels = normalized(channels, parameters.normalization, parameters.window)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    return channels, np.ascontiguousarray(labels), [float(step) for step in spacing]


def _nonzero_box(channels: NDArray[np.float32]) -> tuple[slice, slice, slice]:
    """The smallest box with all voxels at which a channel is not 0; all if there are none."""
    filled = (channels != 0).any(0)
    box = []
    for axis in range(3):
        along = np.flatnonzero(filled.any(tuple(n for n in range(3) if n != axis)))
        box.append(slice(along[0], along[-1] + 1) if len(along) else slice(None))
    k, j, i = box
    return k, j, i
