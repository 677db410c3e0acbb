"""Figures of the chapter: frames with their depths, and the surface on the anatomy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from demo.chapters.endodepth.measures import pairs_of_depth
from demo.figures import Tile, panel
from demo.report import Picture
from demo.views import three_d_view
from EndoDepthModuleLib import cameras, clouds, video
from SlicerMedDLLib.models import mesh_from_model
from SlicerMedDLLib.transforms import world_from_node

COLUMNS = 3  # frames in the figure


def coloured(depth: NDArray[Any], farthest: float) -> NDArray[np.uint8]:
    """A depth map (H, W) in colours, near is red; unknown is black."""
    part = np.clip(depth / farthest, 0, 1)
    colours = (255 * colormaps["turbo_r"](part)[..., :3]).astype(np.uint8)
    return np.where(depth[..., np.newaxis] > 0, colours, 0).astype(np.uint8)


def depths(path: Path, browser: Any) -> Picture:
    """Some frames, what was predicted, and the truth, in colours of one range."""
    pairs = pairs_of_depth(browser)
    chosen = [pairs[n] for n in np.linspace(0, len(pairs) - 1, COLUMNS).round().astype(int)]
    farthest = max(float(np.percentile(pair.true[pair.true > 0], 99)) for pair in chosen)
    frames = [Tile(pair.frame, f"frame {pair.number}") for pair in chosen]
    predicted = [Tile(coloured(pair.predicted, farthest), "predicted") for pair in chosen]
    truth = [Tile(coloured(pair.true, farthest), "truth") for pair in chosen]
    panel(path, [*frames, *predicted, *truth], COLUMNS)
    caption = f"Frames, predicted and true depth, from red (near) to violet ({farthest:.0f} mm)."
    return Picture(path.name, caption)


def viewpoint(browser: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Eye and focus, RAS mm, from behind the camera onto the surface."""
    vertices = mesh_from_model(video.part(browser, clouds.MESH)).vertices
    focus, extent = np.median(vertices, axis=0), np.ptp(vertices, axis=0).max()
    pose = world_from_node(video.part(browser, cameras.CAMERA))
    side = pose[:3, 0] / np.linalg.norm(pose[:3, 0])
    up = -pose[:3, 1] / np.linalg.norm(pose[:3, 1])
    return focus + 1.9 * extent * side + 0.9 * extent * up, focus


def space(path: Path, browser: Any, scale: int) -> Picture:
    """The surface with its distances, the anatomy and the camera's path."""
    eye, focus = viewpoint(browser)
    size = (1200 // scale, 700 // scale)
    scene = video.frame_volume(browser).GetScene()
    panel(path, [Tile(three_d_view(scene, size, eye, focus).picture, "")], 1)
    return Picture(
        path.name,
        "The fused surface on the anatomy, coloured by its distance (yellow near, red far), and "
        "the camera with its path.",
    )
