"""Solid bodies in the patient: closed surface meshes of one material each, in place of the CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.mesh import Mesh, join_vertices, read_mesh
from meddl.core.parameters import convert
from meddl.core.progress import CancelToken, Progress, no_progress, subprogress
from meddl.deepdrr.compositions import find_material, split_material

if TYPE_CHECKING:
    from meddl.deepdrr.camera import Camera
    from meddl.deepdrr.density_grid import DensityGrid


@dataclass(frozen=True, eq=False)
class Solid:
    """A body that displaces what the CT has in its place.

    Attributes:
        mesh: closed surface, RAS mm; parts may overlap or be hollow.
        material: what :func:`meddl.deepdrr.compositions.find_material` understands.
        density: g/cm3; without it the material's own.
        name: for messages and records.

    Raises:
        InputError: an open mesh, an unknown material, or a density out of bounds.
    """

    mesh: Mesh
    material: str
    density: float | None = None
    name: str = "mesh"

    def __post_init__(self) -> None:
        nominal = find_material(self.material).density
        density = nominal if self.density is None else self.density
        if not 0 < density <= 30:
            raise InputError(
                f"the density of {self.name} is {density:g} g/cm3, more than 0 and at most 30 were "
                "expected"
            )
        object.__setattr__(self, "density", float(density))
        object.__setattr__(self, "mesh", closed_mesh(self.mesh, self.name))

    def to_dict(self) -> dict[str, Any]:
        """What a radiograph's metadata says about it."""
        return {
            "name": self.name,
            "material": self.material,
            "density": self.density,
            "triangles": len(self.mesh.faces),
        }


def closed_mesh(mesh: Mesh, name: str = "mesh") -> Mesh:
    """The mesh with equal vertices joined, if it encloses a volume.

    Every edge must be passed as often in one direction as in the other.

    Raises:
        InputError: no triangle with an area, open, or inconsistently oriented; the message counts
            the edges.
    """
    mesh = join_vertices(mesh, name)
    faces = mesh.faces
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    forward = edges[:, 0] < edges[:, 1]
    _, index = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    index = index.reshape(-1)
    balance = np.bincount(index, np.where(forward, 1, -1))
    uses = np.bincount(index)
    if (uses % 2).any():
        raise InputError(
            f"{name} is an open surface ({int((uses % 2).sum())} edges with one side only), a "
            "closed one was expected; fill its holes, in Slicer with Surface Toolbox"
        )
    if balance.any():
        raise InputError(
            f"{name} has triangles that face inwards beside ones that face outwards "
            f"({int((balance != 0).sum())} edges); orient its normals, in Slicer with Surface "
            "Toolbox"
        )
    return mesh


def parse_solid(text: str) -> Solid:
    """The body of ``FILE:MATERIAL`` or ``FILE:MATERIAL:DENSITY`` (g/cm3).

    Raises:
        InputError: another form, an unknown material, an open mesh.
        FileError: no mesh file.
    """
    file, material = split_material(text, "--mesh")
    density = None
    own = "=" in material or "+iodine:" in material  # a colon of the material itself
    if material.count(":") > own:
        material, _, number = material.rpartition(":")
        density = _density(number, text)
    try:
        find_material(material)
    except InputError as error:
        raise InputError(f"--mesh {text}: {error}") from error
    path = Path(file)
    # The name goes into records and DICOM files: not the folders of the user.
    return Solid(read_mesh(path), material, density, path.name)


def _density(number: str, text: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise InputError(f"--mesh {text}: {number!r} is no density in g/cm3") from None


def parse_instrument(text: str) -> Solid:
    """The body of ``NAME:R,A,S:R,A,S``: an instrument from its tip to its end, RAS mm.

    Raises:
        InputError: another form, an unknown name, or a length that the instrument cannot have.
    """
    from meddl.deepdrr.instruments import INSTRUMENTS

    parts = text.split(":")
    if len(parts) != 3 or parts[0] not in INSTRUMENTS:
        raise InputError(
            f"--instrument is {text!r}, NAME:R,A,S:R,A,S (tip and end, mm) was expected, NAME one "
            f"of: {', '.join(INSTRUMENTS)}"
        )
    tip, end = (
        convert(part, tuple[float, float, float], f"--instrument {parts[0]} point")
        for part in parts[1:]
    )
    make, material = INSTRUMENTS[parts[0]]
    try:
        return Solid(make(tip, end), material, name=text)
    except InputError as error:
        raise InputError(f"--instrument {text}: {error}") from error


def insert_solids(
    integrals: NDArray[np.float32],
    materials: Sequence[str],
    solids: Sequence[Solid],
    camera: Camera,
    grids: Sequence[DensityGrid],
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Put bodies in the place of the CT along every ray.

    Args:
        integrals: (H, W, M) line integrals of the grids, density x mm.
        materials: M names.
        solids: a later one displaces an earlier one.
        camera: of the integrals.
        grids: the volumes that were integrated.

    Returns:
        (H, W, M') integrals and M' names; each material of the bodies has one component.
    """
    from meddl.deepdrr.ray_mesh import mesh_integrals

    names = tuple(dict.fromkeys([*materials, *(solid.material for solid in solids)]))
    height, width, components = integrals.shape
    result = np.zeros((height, width, len(names)), np.float32)
    result[..., :components] = integrals
    meshes = [solid.mesh for solid in solids]
    for number, grid in enumerate(grids):
        part = subprogress(progress, number / len(grids), (number + 1) / len(grids))
        lengths, displaced = mesh_integrals(meshes, camera, grid, part, cancel)
        result[..., list(grid.components)] -= displaced
    # Both are sums of the same samples up to rounding: below zero is zero.
    np.maximum(result, 0, out=result)
    for solid, length in zip(solids, np.moveaxis(lengths, -1, 0), strict=True):
        result[..., names.index(solid.material)] += np.float32(solid.density or 0) * length
    return result, names
