"""The coloured points of the shown frame, and the surface of all frames, where they were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from EndoDepthModuleLib import depths, placing, surfaces, video
from EndoDepthModuleLib.player import player
from meddl.core.errors import InputError
from meddl.core.mesh import Mesh
from meddl.endodepth.views import View, map_mask
from SlicerMedDLLib.nodes import describe

if TYPE_CHECKING:
    from meddl.endodepth.depth_maps import DepthFolder
    from meddl.endodepth.fusion import FusedSurface
    from meddl.endodepth.fusion_parameters import FusionParameters

CLOUD = "MedDL.EndoDepth.cloud"  # roles of model nodes
MESH = "MedDL.EndoDepth.mesh"


def show_cloud(browser: Any) -> Any:
    """Show the depth map of the shown frame as points; returns the model node.

    Raises:
        InputError: the frame has no depth or no pose.
    """
    from meddl.endodepth.fusion import point_cloud  # compiles kernels: not while Slicer starts

    sequence, number = player().sequence(browser), video.frame_number(browser)
    views = np.flatnonzero(sequence.view_numbers == number)
    if not len(views):
        raise InputError(f"frame {number} of {describe(browser)} has no pose; choose another frame")
    depth, camera = depths.shown_depth(browser)
    view = View(
        int(views[0]),
        number,
        sequence.file_of(number).stem,
        np.where(map_mask(sequence, camera), depth, np.float32(0)),
        camera,
        sequence.world_from_camera[views[0]],
    )
    if not view.depth.any():
        raise InputError(f"no depth of frame {number} of {describe(browser)} is known")
    name = f"{browser.GetName()} cloud"
    node = surfaces.model_from_cloud(*point_cloud(view, sequence), name, video.part(browser, CLOUD))
    placing.put_in_place(browser, node)
    video.set_part(browser, CLOUD, node)
    return node


def fusion_parameters(browser: Any, folder: DepthFolder) -> FusionParameters:
    """How a video's depths are fused: maps in mm are scaled to poses whose unit is not known."""
    from meddl.endodepth.fusion_parameters import FusionParameters

    unknown = folder.unit == "mm" and placing.mm_per_unit(browser) is None
    return FusionParameters(scaling="frame" if unknown else "auto")


def show_mesh(browser: Any, surface: FusedSurface) -> Any:
    """Show a fused surface in its colours; returns the model node."""
    mesh = surface.mesh
    in_units = Mesh(mesh.vertices / (surface.mm_per_unit or 1.0), mesh.faces)
    node = surfaces.model_from_surface(
        in_units, mesh.colours, f"{browser.GetName()} surface", video.part(browser, MESH)
    )
    placing.put_in_place(browser, node)
    video.set_part(browser, MESH, node)
    return node
