"""Several volumes rendered as one: where volumes overlap, the one of highest priority wins.

Each volume keeps its own grid, and every ray sums the line integrals of all of them. Before that,
the volumes of lower priority are emptied where one of higher priority is. At the seam a voxel is
emptied by the covered part of its volume (27 points), so that the mass along a ray is right to a
fraction of a voxel of the volume below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.geometry import Matrix, inverse
from meddl.core.image import Image
from meddl.core.image_io import read_image
from meddl.deepdrr.columns import as_columns
from meddl.deepdrr.compositions import find_material, split_material
from meddl.deepdrr.density_grid import DensityGrid
from meddl.deepdrr.materials import MaterialParameters, MaterialVolume, decompose
from meddl.deepdrr.voxel_means import voxel_means


@dataclass(frozen=True, eq=False)
class Layer:
    """A decomposed volume in the patient.

    Attributes:
        materials: what its voxels are.
        ras_from_ijk: 4x4, mm.
        covers: (K, J, I) True where it wins over lower layers; None: its whole box, air included.
        name: for records.
    """

    materials: MaterialVolume
    ras_from_ijk: Matrix
    covers: NDArray[np.bool_] | None = None
    name: str = "volume"

    def to_dict(self) -> dict[str, Any]:
        """What a radiograph's metadata says about it."""
        return {"name": self.name, "materials": list(self.materials.names)}


def ct_layer(ct: Image, parameters: MaterialParameters | None = None, name: str = "CT") -> Layer:
    """A CT that wins in its whole box."""
    return Layer(decompose(ct, parameters), ct.ras_from_ijk, name=name)


def mask_layer(mask: Image, material: str, name: str = "mask") -> Layer:
    """A segmented thing of one material: an implant, an instrument; it wins where the mask is set.

    Args:
        mask: volume; voxels that are not 0 belong to the thing.
        material: with its nominal density; see :func:`meddl.deepdrr.compositions.find_material`.
        name: for records.

    Raises:
        InputError: no volume, an empty mask, or an unknown material.
    """
    inside: NDArray[np.bool_] = mask.require_volume("mask").require_finite("mask").array != 0
    if not inside.any():
        raise InputError(f"the mask of {material} is empty: no voxel differs from 0")
    density = np.where(inside, np.float32(find_material(material).density), np.float32(0))
    volume = MaterialVolume((material,), density, np.zeros(inside.shape, np.uint8))
    return Layer(volume, mask.ras_from_ijk, inside, name)


def parse_mask(text: str) -> Layer:
    """The layer of ``FILE:MATERIAL``.

    Raises:
        InputError: another form, an unknown material, or an empty mask.
        FileError: no volume file.
    """
    path, material = split_material(text, "--mask")
    find_material(material)
    # The name goes into records and DICOM files: not the folders of the user.
    return mask_layer(read_image(path), material, Path(path).name)


def stack_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Empty every layer where a higher one covers it.

    Args:
        layers: highest priority first.

    Returns:
        As many layers; the first is the same object, the densities of the others are new.
    """
    result = []
    for number, layer in enumerate(layers):
        density = layer.materials.density
        for upper in layers[:number]:
            part, covered = _coverage(layer, upper)
            if covered.any():
                density = density.copy("K") if density is layer.materials.density else density
                # Covered shares of two upper layers add: they do not overlap each other's voxels.
                density[part] -= layer.materials.density[part] * covered
        density = density if density is layer.materials.density else np.maximum(density, 0)
        result.append(replace(layer, materials=replace(layer.materials, density=density)))
    return result


def density_grids(layers: Sequence[Layer]) -> tuple[tuple[str, ...], list[DensityGrid]]:
    """What a projector takes of stacked layers: the names of all materials, and one grid a layer.

    The names of the last layer, the CT, come first, in the order of its decomposition.
    """
    names = tuple(dict.fromkeys(n for layer in layers[::-1] for n in layer.materials.names))
    grids = []
    for layer in layers:
        materials = layer.materials
        components = tuple(names.index(name) for name in materials.names)
        label = as_columns(materials.label) if len(components) > 1 else None
        density = as_columns(materials.density)
        grids.append(DensityGrid(density, label, components, inverse(layer.ras_from_ijk)))
    return names, grids


def _coverage(lower: Layer, upper: Layer) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """Which part of ``lower``'s voxels may be covered, and how much of each (0 to 1)."""
    covers = upper.covers
    if covers is None:
        covers = np.ones(upper.materials.density.shape, bool)
    lower_from_upper = inverse(lower.ras_from_ijk) @ upper.ras_from_ijk
    return voxel_means(covers, lower_from_upper, lower.materials.density.shape)
