"""Fused surfaces and point clouds in files."""

from __future__ import annotations

from pathlib import Path

from meddl.core.errors import FileError
from meddl.core.files import atomic_folder, writable_parent, write_json
from meddl.core.mesh import SUFFIXES, write_mesh
from meddl.core.point_cloud import write_point_cloud
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.endodepth.depth_maps import DepthFolder
from meddl.endodepth.fusion import FusedSurface, millimetres, point_cloud
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.views import posed_depths


def check_output(path: str | Path) -> Path:
    """``path`` if a mesh can be written there.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = writable_parent(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path}: a surface is written as {', '.join(SUFFIXES)}")
    return path


def write_surface(path: str | Path, surface: FusedSurface) -> None:
    """Write the mesh with the numbers of its frame (``SPACE=RAS``), and ``.json`` of its name.

    The record says the unit, ``mm_per_unit`` and how the mesh was made.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = check_output(path)
    write_mesh(path, surface.mesh, space="RAS")
    write_json(path.with_suffix(".json"), surface.record)


def write_point_clouds(
    folder: str | Path,
    sequence: EndoscopicSequence,
    depths: DepthFolder,
    parameters: FusionParameters | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Write the coloured points of every frame as ``{frame name}.ply``, in the unit of the mesh.

    An earlier folder of point clouds is replaced; a folder of other files is refused.

    Raises:
        FileError: a damaged map or frame, a folder that holds other files.
        Cancelled: by the token; no folder is made then.
    """
    folder = Path(folder)
    parameters = parameters or FusionParameters()
    if folder.is_dir() and any(path.suffix != ".ply" for path in folder.iterdir()):
        raise FileError(f"{folder} holds other files than point clouds; choose another folder")
    posed = posed_depths(sequence, depths, parameters.scaling)
    scale = millimetres(depths, parameters) or 1.0
    with atomic_folder(folder) as temporary:
        for view in steps(posed, len(posed), "point cloud", progress, cancel):
            points, colours = point_cloud(view, sequence)
            write_point_cloud(temporary / f"{view.name}.ply", points * scale, colours)
