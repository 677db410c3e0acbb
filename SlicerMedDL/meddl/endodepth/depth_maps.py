"""Folders of depth maps, which single-image depth writes too: see :mod:`meddl.core.depth_maps`."""

from __future__ import annotations

from meddl.core.depth_maps import (
    DepthCamera,
    DepthFolder,
    DepthWriter,
    camera_of,
    depth_writer,
    read_depth_folder,
    set_scale,
)

__all__ = [
    "DepthCamera",
    "DepthFolder",
    "DepthWriter",
    "camera_of",
    "depth_writer",
    "read_depth_folder",
    "set_scale",
]
