"""Triangle meshes with a texture, as OBJ, MTL and PNG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path
from meddl.core.image import Image
from meddl.core.mesh import Mesh, in_space
from meddl.core.pictures import write_picture

_MATERIAL = """\
newmtl surface
Ka 1 1 1
Kd 1 1 1
Ks 0 0 0
illum 1
map_Kd {picture}
"""


@dataclass(frozen=True, eq=False)
class Texture:
    """A picture on a mesh.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        coordinates: (T, 2) float64, u to the right and v upwards, 0..1 from the lower left corner
            of the picture's last row.
        faces: (M, 3) int64, the coordinates of the corners of the mesh's faces.

    Raises:
        InputError: another shape or data type, or an index that no coordinates have.
    """

    picture: NDArray[np.uint8]
    coordinates: NDArray[np.float64]
    faces: NDArray[np.int64]

    def __post_init__(self) -> None:
        picture, coordinates, faces = self.picture, self.coordinates, self.faces
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise InputError(
                f"the texture is {picture.shape} {picture.dtype}, (H, W, 3) uint8 was expected"
            )
        if coordinates.ndim != 2 or coordinates.shape[1] != 2 or faces.shape[1:] != (3,):
            raise InputError(
                f"a texture has (T, 2) coordinates and (M, 3) faces, got {coordinates.shape}, "
                f"{faces.shape}"
            )
        if not len(faces) or faces.min() < 0 or faces.max() >= len(coordinates):
            raise InputError(f"the texture's faces go beyond its {len(coordinates)} coordinates")


def split_vertices(mesh: Mesh, texture: Texture) -> Mesh:
    """The mesh with one vertex for each of the texture's coordinates, in their order.

    For programs in which a vertex has one pair of coordinates: those at seams become several.

    Raises:
        InputError: a texture of another number of faces.
    """
    _check(mesh, texture)
    vertex = np.zeros(len(texture.coordinates), dtype=np.int64)
    vertex[texture.faces] = mesh.faces
    colours = None if mesh.colours is None else mesh.colours[vertex]
    return Mesh(mesh.vertices[vertex], texture.faces, colours)


def _check(mesh: Mesh, texture: Texture) -> None:
    if len(texture.faces) != len(mesh.faces):
        raise InputError(f"the texture has {len(texture.faces)} faces, the mesh {len(mesh.faces)}")


def companions(path: str | Path) -> tuple[Path, Path]:
    """The ``.mtl`` and ``.png`` beside a textured ``.obj``.

    White space in their names becomes ``_``: many readers end a name there.
    """
    path = Path(path)
    stem = re.sub(r"\s+", "_", path.stem)
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}.png")


def write_textured_mesh(path: str | Path, mesh: Mesh, texture: Texture, space: str = "LPS") -> None:
    """Write ``.obj``, and ``.mtl`` and ``.png`` beside it (:func:`companions`), all or none.

    Positions keep nine digits; colours of vertices are left away, as some programs would multiply
    them with the texture.

    Args:
        path: of the ``.obj``.
        mesh: what to write.
        texture: of its faces.
        space: as of :func:`meddl.core.mesh.write_mesh`.

    Raises:
        InputError: a texture of another number of faces, or another space.
        FileError: another suffix, or a folder that takes no file.
    """
    path = Path(path)
    if path.suffix.lower() != ".obj":
        raise FileError(f"{path}: a mesh with a texture is written as .obj")
    _check(mesh, texture)
    vertices = in_space(mesh.vertices, space)
    material, picture = companions(path)
    # Closed from the last to the first: the .obj appears when what it names is there.
    with (
        atomic_path(path) as obj_file,
        atomic_path(material) as material_file,
        atomic_path(picture) as picture_file,
    ):
        write_picture(picture_file, Image(texture.picture[None]))
        material_file.write_text(_MATERIAL.format(picture=picture.name), encoding="utf-8")
        with obj_file.open("w", encoding="utf-8") as file:
            file.write(f"# MedDL. SPACE={space}\nmtllib {material.name}\nusemtl surface\n")
            file.writelines(_lines(vertices, mesh, texture))


def _lines(vertices: NDArray[np.float64], mesh: Mesh, texture: Texture) -> Iterator[str]:
    for x, y, z in vertices.tolist():
        yield f"v {x:.9g} {y:.9g} {z:.9g}\n"
    for u, v in texture.coordinates.tolist():
        yield f"vt {u:.8f} {v:.8f}\n"
    for (a, b, c), (d, e, f) in zip(
        (mesh.faces + 1).tolist(), (texture.faces + 1).tolist(), strict=True
    ):
        yield f"f {a}/{d} {b}/{e} {c}/{f}\n"
