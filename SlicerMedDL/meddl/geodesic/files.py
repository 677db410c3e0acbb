"""Seeds from files, and distance maps of images with their geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, GeometryError, InputError
from meddl.core.files import writable_parent
from meddl.core.geometry import apply
from meddl.core.image import Image
from meddl.core.image_io import file_suffix, read_image
from meddl.core.markups import read_points
from meddl.geodesic.distance import geodesic_distance

POINTS = (".json", ".fcsv", ".csv")
WRITTEN = (".nii", ".nii.gz", ".nrrd", ".mha")


def check_output(path: str | Path) -> Path:
    """The path of a map that is to be written, before it is computed.

    Raises:
        FileError: no suffix of a volume, or a folder that takes no file.
    """
    if file_suffix(path) not in WRITTEN:
        raise FileError(
            f"{path} is no name for a distance map; its ending must be {', '.join(WRITTEN)}"
        )
    return writable_parent(path)


def read_seeds(path: str | Path, image: Image) -> NDArray[np.bool_]:
    """Seeds of an image: a mask on its grid, or points, each for its nearest voxel.

    Returns:
        (K, J, I) boolean.

    Raises:
        FileError: the file is missing, unreadable or of another kind.
        GeometryError: the mask lies on another grid.
        InputError: several components, no voxel that is not 0, or a point outside of the image.
    """
    shape = image.array.shape[:3]
    if file_suffix(path) in POINTS:
        points = read_points(path)
        places = np.rint(apply(image.ijk_from_ras, points.ras)).astype(int)
        outside = ((places < 0) | (places >= image.size)).any(axis=1)
        if outside.any():
            first = int(np.flatnonzero(outside)[0])
            raise InputError(
                f"{path}: point {first + 1} {points.labels[first]!r} at RAS "
                f"{points.ras[first].round(2).tolist()} lies outside of the image; move or remove "
                "it"
            )
        seeds = np.zeros(shape, bool)
        seeds[tuple(places[:, ::-1].T)] = True
        return seeds
    mask = read_image(path).require_finite(f"mask {path}")
    if mask.components != 1:
        raise InputError(f"{path} has {mask.components} components, a mask has one")
    if mask.array.shape[:3] != shape:
        raise GeometryError(
            f"{path} has {'x'.join(map(str, mask.size))} voxels, the image "
            f"{'x'.join(map(str, image.size))}; resample the mask to the image's grid"
        )
    if not np.allclose(mask.ras_from_ijk, image.ras_from_ijk, atol=1e-3):
        raise GeometryError(
            f"{path} lies elsewhere than the image: origin {mask.origin.round(3).tolist()} against "
            f"{image.origin.round(3).tolist()} mm, spacing {mask.spacing.round(4).tolist()} "
            f"against {image.spacing.round(4).tolist()} mm, or other axes; resample it to the "
            "image's grid"
        )
    seeds = mask.array.reshape(shape) != 0
    if not seeds.any():
        raise InputError(f"{path} has no voxel that is not 0: there is no seed; mark at least one")
    return seeds


def distance_image(image: Image, seeds: NDArray[Any], **settings: Any) -> Image:
    """The geodesic distance on an image's grid, in its geometry.

    Args:
        image: any number of components.
        seeds: (K, J, I), not 0 at the seeds.
        settings: those of :func:`meddl.geodesic.geodesic_distance`, which see for the errors.
    """
    distance = geodesic_distance(image.array, seeds, image.spacing[::-1], **settings)
    return Image(distance, image.ras_from_ijk)
