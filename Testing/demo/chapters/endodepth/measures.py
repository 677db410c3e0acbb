"""What the chapter measures, against the truth of the rendering."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from demo.report import Number
from EndoDepthModuleLib import clouds, depths, placing, video
from EndoDepthModuleLib.player import player
from meddl.core.depth_maps import read_depth_folder
from meddl.core.geometry import Matrix, apply
from meddl.core.mesh import Mesh
from meddl.core.pinhole import pixel_centres
from meddl.endodepth.views import frame_positions, posed_depths
from SlicerMedDLLib.models import mesh_from_model
from SlicerMedDLLib.transforms import matrix_from_transform

LARGEST_ERROR = 0.25  # AbsRel; a constant depth has about 0.4
LARGEST_DISTANCE = 2.0  # mm, median of the surface to the anatomy
LARGEST_SHIFT = 3.0  # mm, median error of the place of the surface


class Pair(NamedTuple):
    """A frame (H, W, 3) uint8 and its depths (H, W), mm, on the grid of the network."""

    number: int
    frame: NDArray[np.uint8]
    predicted: NDArray[Any]
    true: NDArray[Any]


def pairs_of_depth(browser: Any) -> list[Pair]:
    """All frames with their predicted and true depths."""
    sequence = player().sequence(browser)
    truth = read_depth_folder(sequence.folder / video.DEPTH)
    posed = posed_depths(sequence, depths.depth_folder(browser), "none")
    positions = frame_positions(posed.camera, pixel_centres(*posed.mask.shape))
    column, row = np.floor(positions).astype(int).transpose(2, 0, 1)
    height, width = sequence.size
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = row.clip(0, height - 1), column.clip(0, width - 1)
    pairs = []
    for view in posed:
        frame = sequence.frame(view.number)[row, column] * inside[..., np.newaxis]
        true = truth.depth(view.name)[row, column] * inside
        pairs.append(Pair(view.number, frame, view.depth, true))
    return pairs


def absolute_relative(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean of |predicted - true| / true over the pixels that both know."""
    known = (predicted > 0) & (true > 0)
    return float(np.mean(np.abs(predicted[known] - true[known]) / true[known]))


def depth(browser: Any) -> list[Number]:
    """The error of the depths, beside that of the best constant."""
    pairs = pairs_of_depth(browser)
    error = float(np.mean([absolute_relative(pair.predicted, pair.true) for pair in pairs]))
    level = np.median(np.concatenate([pair.true[pair.true > 0] for pair in pairs]))
    constants = [absolute_relative(np.full_like(p.true, level), p.true) for p in pairs]
    constant = float(np.mean(constants))
    return [
        Number(
            f"mean relative error of the depth (AbsRel, {len(pairs)} frames)",
            f"{error:.3f}",
            f"below {LARGEST_ERROR} and below {constant:.3f}, that of one constant depth",
            error < min(LARGEST_ERROR, constant),
        )
    ]


def spread_points(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """``count`` of the points, each as far as possible from those before."""
    chosen = [points[0]]
    distance = np.full(len(points), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.linalg.norm(points - chosen[-1], axis=1))
        chosen.append(points[int(distance.argmax())])
    return np.array(chosen)


def nearest(surface: Mesh, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vertices of a surface nearest to points (N, 3)."""
    return surface.vertices[KDTree(surface.vertices).query(points)[1]]


def place(browser: Any, found: Any, ras_from_scene: Matrix) -> list[Number]:
    """How well the surface lies on the anatomy, and where it should be."""
    vertices = mesh_from_model(video.part(browser, clouds.MESH)).vertices
    ras_from_world = matrix_from_transform(placing.place_of(browser))
    local = apply(np.linalg.inv(ras_from_world), vertices)
    shift = np.linalg.norm(vertices - apply(ras_from_scene, local), axis=1)
    middle, off = float(np.median(found.residuals)), float(np.median(shift))
    scale = placing.mm_per_unit(browser) or 0.0
    return [
        Number(
            "distance of the registered surface to the anatomy (median)",
            f"{middle:.2f} mm",
            f"below {LARGEST_DISTANCE} mm",
            middle < LARGEST_DISTANCE,
        ),
        Number(
            "error of its place (median over the surface)",
            f"{off:.2f} mm",
            f"below {LARGEST_SHIFT} mm",
            off < LARGEST_SHIFT,
        ),
        Number(
            "mm per unit that the registration found",
            f"{scale:.3f}",
            "0.75 to 1.25 (weights not adapted)",
            bool(abs(scale - 1) < 0.25),
        ),
    ]
