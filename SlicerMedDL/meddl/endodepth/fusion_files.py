"""Fused surfaces and point clouds in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from meddl.core.depth_maps import DepthFolder, read_depth_folder
from meddl.core.errors import FileError, InputError
from meddl.core.files import (
    atomic_folder,
    read_json,
    replaceable_folder,
    writable_parent,
    write_json,
)
from meddl.core.mesh import SUFFIXES, write_mesh
from meddl.core.point_cloud import write_point_cloud
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.textured_mesh import write_textured_mesh
from meddl.endodepth.fusion import FusedSurface, millimetres, point_cloud
from meddl.endodepth.fusion_parameters import FusionParameters
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.views import posed_depths

# Frames whose scales differ by more than this part have no common scale.
_COMMON_SCALE = 0.1


def check_output(path: str | Path, texture: bool = False) -> Path:
    """``path`` if a mesh, or one with a texture, can be written there.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = writable_parent(path)
    if texture and path.suffix.lower() != ".obj":
        raise FileError(f"{path}: a texture goes with .obj; write {path.with_suffix('.obj').name}")
    if path.suffix.lower() not in SUFFIXES:
        raise FileError(f"{path}: a surface is written as {', '.join(SUFFIXES)}")
    return path


def write_surface(path: str | Path, surface: FusedSurface) -> None:
    """Write the mesh with the numbers of its frame (``SPACE=RAS``), and ``.json`` of its name.

    One with a texture is ``.obj``, with ``.mtl`` and ``.png`` beside it.
    The record says the unit, ``mm_per_unit`` and how the mesh was made.

    Raises:
        FileError: another suffix, or a folder that takes no file.
    """
    path = check_output(path, surface.texture is not None)
    if surface.texture is None:
        write_mesh(path, surface.mesh, space="RAS")
    else:
        write_textured_mesh(path, surface.mesh, surface.texture, space="RAS")
    write_json(path.with_suffix(".json"), surface.record)


def scale_of_maps(mesh: str | Path, depth_folder: str | Path) -> float:
    """How many units of a fused mesh one unit of the depth maps is that it was made from.

    Args:
        mesh: the file; its record (``.json``) lies beside it.
        depth_folder: of the maps.

    Raises:
        FileError: no record, or a damaged one.
        InputError: the maps are in mm, or have no common scale.
    """
    path = Path(mesh).with_suffix(".json")
    record = read_json(path, "record of the fused surface")
    try:
        scales = np.array(record["scales"], dtype=np.float64)
        length = float(record["mm_per_unit"] or 1.0)
        middle = float(np.median(scales))
        if not (scales.size and np.isfinite(scales).all() and scales.min() > 0 and length > 0):
            raise ValueError("scales that are not positive")
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no record of a fused surface ({error!r})") from error
    if read_depth_folder(depth_folder).unit == "mm":
        raise InputError(f"the maps in {depth_folder} are in mm; they need no scale")
    if np.abs(scales / middle - 1).max() > _COMMON_SCALE:
        raise InputError(
            f"the maps in {depth_folder} had scales from {scales.min():.4g} to {scales.max():.4g} "
            "when they were fused: no one length holds for all; fuse with --scaling sequence"
        )
    return middle * length


def check_point_clouds(folder: str | Path) -> Path:
    """``folder`` if point clouds can be written there.

    Raises:
        FileError: it holds other files, or its parent takes no folder.
    """
    return replaceable_folder(folder, "point clouds", "*.ply")


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
    folder = check_point_clouds(folder)
    parameters = parameters or FusionParameters()
    posed = posed_depths(sequence, depths, parameters.scaling)
    scale = millimetres(depths, parameters) or 1.0
    with atomic_folder(folder) as temporary:
        for view in steps(posed, len(posed), "point cloud", progress, cancel):
            points, colours = point_cloud(view, sequence)
            write_point_cloud(temporary / f"{view.name}.ply", points * scale, colours)
