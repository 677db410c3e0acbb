"""Folders of depth maps, which single-image depth writes too: see :mod:`meddl.core.depth_maps`."""

from __future__ import annotations

from meddl.core.depth_maps import (
    Depth,
    DepthCamera,
    DepthFolder,
    DepthWriter,
    camera_of,
    depth_writer,
    read_depth_folder,
    set_scale,
)

__all__ = [
    "Depth",
    "DepthCamera",
    "DepthFolder",
    "DepthWriter",
    "camera_of",
    "depth_writer",
    "read_depth_folder",
    "set_scale",
]
