"""The coloured points of the shown frame, and the surface of all frames, where they were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from EndoDepthModuleLib import depths, placing, surfaces, textures, video
from EndoDepthModuleLib.player import player
from meddl.core.errors import InputError
from meddl.core.mesh import Mesh
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.textured_mesh import split_vertices
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.views import View, map_mask
from SlicerMedDLLib.nodes import describe

if TYPE_CHECKING:
    from meddl.core.depth_maps import DepthFolder
    from meddl.endodepth.fusion import FusedSurface
    from meddl.endodepth.fusion_parameters import FusionParameters

CLOUD = "MedDL.EndoDepth.cloud"  # roles of model nodes
MESH = "MedDL.EndoDepth.mesh"
TEXTURE_SIZE = 2048  # pixels: 12 MB of the scene


def shown_view(browser: Any) -> View:
    """The depth map of the shown frame with its pose.

    Raises:
        InputError: the frame has no depth or no pose.
    """
    sequence, number = player().sequence(browser), video.frame_number(browser)
    views = np.flatnonzero(sequence.view_numbers == number)
    if not len(views):
        raise InputError(
            _("frame {number} of {node} has no pose; choose another frame").format(
                number=number, node=describe(browser)
            )
        )
    depth, camera = depths.shown_depth(browser)
    depth = np.where(map_mask(sequence, camera), depth, np.float32(0))
    if not depth.any():
        raise InputError(
            _("no depth of frame {number} of {node} is known").format(
                number=number, node=describe(browser)
            )
        )
    name, pose = sequence.file_of(number).stem, sequence.world_from_camera[views[0]]
    return View(int(views[0]), number, name, depth, camera, pose)


# The worker imports what brings a compiler: it would stop the window for a second.


def cloud_of(
    view: View,
    sequence: EndoscopicSequence,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[Floats, NDArray[np.uint8]]:
    """:func:`meddl.endodepth.fusion.point_cloud` as a task."""
    from meddl.endodepth.fusion import point_cloud

    return point_cloud(view, sequence)


def surface_of(
    sequence: EndoscopicSequence,
    folder: DepthFolder,
    parameters: FusionParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FusedSurface:
    """:func:`meddl.endodepth.fusion.fuse` as a task."""
    from meddl.endodepth.fusion import fuse

    return fuse(sequence, folder, parameters, progress, cancel)


def show_cloud(browser: Any, points: Floats, colours: NDArray[np.uint8]) -> Any:
    """Show points (N, 3) in units of structure from motion and their RGB; returns the model."""
    name = f"{browser.GetName()} cloud"
    node = surfaces.model_from_cloud(points, colours, name, video.part(browser, CLOUD))
    placing.put_in_place(browser, node)
    video.set_part(browser, CLOUD, node)
    return node


def fusion_parameters(browser: Any, folder: DepthFolder, texture: bool = False) -> FusionParameters:
    """How a video's depths are fused: maps in mm are scaled to poses whose unit is not known."""
    from meddl.endodepth.fusion_parameters import FusionParameters

    unknown = folder.unit == "mm" and placing.mm_per_unit(browser) is None
    return FusionParameters(
        scaling="frame" if unknown else "auto", texture=texture, texture_size=TEXTURE_SIZE
    )


def show_mesh(browser: Any, surface: FusedSurface) -> Any:
    """Show a fused surface in its texture, or its colours; returns the model node."""
    mesh, texture = surface.mesh, surface.texture
    if texture is not None:
        mesh = split_vertices(mesh, texture)
    in_units = Mesh(mesh.vertices / (surface.mm_per_unit or 1.0), mesh.faces)
    node = surfaces.model_from_surface(
        in_units,
        mesh.colours,
        _("{name} surface").format(name=browser.GetName()),
        video.part(browser, MESH),
    )
    textures.put_on(node, texture)
    placing.put_in_place(browser, node)
    video.set_part(browser, MESH, node)
    return node
