"""Triangle meshes in and out of files, by trimesh; VTK's ``.vtp`` is read too.

Slicer writes STL, OBJ and PLY in LPS and says so in the header (``SPACE=LPS``). A file that says
nothing is taken for LPS, as Slicer does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import FileError, InputError
from meddl.core.files import atomic_path, existing_file, parsing
from meddl.core.optional import require
from meddl.core.vtp import read_vtp

SUFFIXES = (".stl", ".obj", ".ply")
_FLIP = np.array([-1.0, -1.0, 1.0])
_HEADER_BYTES = 4096


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the patient.

    Attributes:
        vertices: (N, 3) float64, RAS, mm.
        faces: (M, 3) int64 indices into ``vertices``, counter-clockwise as seen from outside.
        colours: (N, 3) uint8 RGB of the vertices, or None.

    Raises:
        InputError: another shape, no triangle, a vertex that is not finite, or an index that no
            vertex has.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colours: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        vertices = np.asarray(self.vertices, dtype=np.float64)
        faces = np.asarray(self.faces)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
            raise InputError(
                f"a mesh has (N, 3) vertices and (M, 3) faces, got {vertices.shape}, {faces.shape}"
            )
        if not len(faces):
            raise InputError("the mesh has no triangle")
        if faces.dtype.kind not in "iu":
            raise InputError(f"the faces of a mesh are whole numbers, got {faces.dtype}")
        if not np.isfinite(vertices).all():
            raise InputError("the mesh has vertices that are NaN or infinite")
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise InputError(
                f"the mesh has faces of vertices {faces.min()} to {faces.max()}, "
                f"there are {len(vertices)}"
            )
        colours = self.colours
        if colours is not None and (colours.shape != vertices.shape or colours.dtype != np.uint8):
            raise InputError(
                f"the colours are {colours.shape} {colours.dtype}, {vertices.shape} uint8 was "
                "expected"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces.astype(np.int64))


def join_vertices(mesh: Mesh, name: str = "mesh") -> Mesh:
    """The mesh with equal vertices made one, without triangles that then have two equal corners.

    Raises:
        InputError: no triangle is left; the message names the mesh.
    """
    vertices, first, joined = np.unique(
        mesh.vertices, axis=0, return_index=True, return_inverse=True
    )
    faces = joined.reshape(-1)[mesh.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    if not len(faces):
        raise InputError(f"{name} has no triangle with three different corners; export it anew")
    return Mesh(vertices, faces, None if mesh.colours is None else mesh.colours[first])


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".vtp", ".vtk"):
        raise FileError(f"{path}: VTK models are not written; write .ply, which Slicer reads too")
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: a mesh file ends in {', '.join(SUFFIXES)}")
    return suffix


def read_mesh(path: str | Path) -> Mesh:
    """Read ``.stl``, ``.obj``, ``.ply`` or ``.vtp`` (:mod:`meddl.core.vtp`).

    Polygons become triangles, materials are not followed.

    ``SPACE=RAS`` or ``SPACE=LPS`` in the header says how the file counts; without it LPS is
    assumed. Equal corners of STL triangles become one vertex.

    Raises:
        FileError: missing, damaged, of another kind, or without triangles.
        DependencyError: trimesh is not installed.
    """
    path = existing_file(path, "mesh")
    if path.suffix.lower() == ".vtp":
        vertices, faces, space = read_vtp(path)
        with parsing(path, "VTK file of polygonal data"):
            return Mesh(vertices if space == "RAS" else vertices * _FLIP, faces)
    if path.suffix.lower() == ".vtk":
        raise FileError(f"{path}: old VTK files are read in Slicer; open it there, save it as .vtp")
    kind = _suffix(path)[1:]
    trimesh = require("trimesh", "reading meshes")
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)  # what matters it raises as well
    with path.open("rb") as file:
        is_ras = b"SPACE=RAS" in file.read(_HEADER_BYTES)
        file.seek(0)
        with parsing(path, f"{kind.upper()} mesh"), np.errstate(invalid="ignore"):
            options: dict[str, Any] = {"process": False, "skip_materials": True}
            if kind == "obj":
                options["maintain_order"] = True
            loaded = trimesh.load(
                file, file_type=kind, force="mesh", resolver=None, allow_remote=False, **options
            )
            vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
            if kind == "stl":
                vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
                faces = inverse.reshape(-1)[faces]
            colours = None
            if kind != "stl" and loaded.visual.kind == "vertex":
                colours = np.asarray(loaded.visual.vertex_colors)[:, :3].astype(np.uint8)
            return Mesh(vertices if is_ras else vertices * _FLIP, faces, colours)


def in_space(vertices: NDArray[np.float64], space: str) -> NDArray[np.float64]:
    """Vertices (N, 3) in RAS as a file counts them: ``"LPS"``, or ``"RAS"`` as they are.

    Raises:
        InputError: another space.
    """
    if space not in ("LPS", "RAS"):
        raise InputError(f"the space is {space!r}, LPS or RAS was expected")
    return vertices * _FLIP if space == "LPS" else vertices


def write_mesh(path: str | Path, mesh: Mesh, space: str = "LPS") -> None:
    """Write ``.stl`` (binary), ``.obj`` or ``.ply`` (binary), atomically.

    STL keeps float32 positions, OBJ and PLY about nine digits; OBJ and PLY keep the colours.

    Args:
        path: of the file.
        mesh: what to write.
        space: ``"LPS"``, as Slicer writes, or ``"RAS"``: the numbers as they are, for meshes whose
            frame is no patient's. The header says which.

    Raises:
        InputError: another space.
        FileError: another suffix, or a folder that takes no file.
        DependencyError: trimesh is not installed.
    """
    vertices = in_space(mesh.vertices, space)
    path = Path(path)
    kind = _suffix(path)[1:]
    trimesh = require("trimesh", "writing meshes")
    surface = trimesh.Trimesh(vertices, mesh.faces, process=False, vertex_colors=mesh.colours)
    if kind == "stl":
        content = trimesh.exchange.stl.export_stl(surface)
        content = f"MedDL. SPACE={space}".encode().ljust(80) + content[80:]
    elif kind == "obj":
        text = trimesh.exchange.obj.export_obj(surface, include_normals=False, header=None)
        content = f"# MedDL. SPACE={space}\n{text}\n".encode()
    else:
        content = trimesh.exchange.ply.export_ply(surface, vertex_normal=False)
        content = content.replace(b"\nelement", f"\ncomment SPACE={space}\nelement".encode(), 1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
