"""The coloured point cloud of the shown frame, where the frame was taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from EndoDepthModuleLib import depths, placing, surfaces, video
from EndoDepthModuleLib.player import player
from meddl.core.errors import InputError
from meddl.core.pinhole import Floats, backproject
from meddl.endodepth.depth_maps import DepthCamera
from SlicerMedDLLib.nodes import describe

CLOUD = "MedDL.EndoDepth.cloud"


def show_cloud(browser: Any) -> Any:
    """Show the depth map of the shown frame as points; returns the model node.

    Raises:
        InputError: the frame has no depth or no pose.
    """
    sequence, number = player().sequence(browser), video.frame_number(browser)
    views = np.flatnonzero(sequence.view_numbers == number)
    if not len(views):
        raise InputError(f"frame {number} of {describe(browser)} has no pose; choose another frame")
    depth, camera = depths.shown_depth(browser)
    points, colors = cloud_of(
        depth, camera, player().frame(browser, number), sequence.world_from_camera[views[0]]
    )
    node = surfaces.model_from_cloud(
        points, colors, f"{browser.GetName()} cloud", video.part(browser, CLOUD)
    )
    placing.put_in_place(browser, node)
    video.set_part(browser, CLOUD, node)
    return node


def cloud_of(
    depth: NDArray[np.float32],
    camera: DepthCamera,
    frame: NDArray[np.uint8],
    world_from_camera: Floats,
) -> tuple[Floats, NDArray[np.uint8]]:
    """Points (N, 3), world frame, and RGB (N, 3) of the known pixels of a depth map (H, W).

    Raises:
        InputError: no depth is known.
    """
    known = depth > 0
    if not known.any():
        raise InputError("the depth map has no known depth")
    points = backproject(depth, camera.intrinsics)[known]
    points = points @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]
    matrix = depths.frame_from_map(known.shape, frame.shape[:2], camera)
    row, column = np.nonzero(known)
    x = np.rint(matrix[0, 0] * column + matrix[0, 3]).astype(int).clip(0, frame.shape[1] - 1)
    y = np.rint(matrix[1, 1] * row + matrix[1, 3]).astype(int).clip(0, frame.shape[0] - 1)
    return points, frame[y, x]
