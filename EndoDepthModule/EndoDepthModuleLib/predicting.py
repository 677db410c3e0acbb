"""The depth of single frames by trained weights, as work for the worker thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.pinhole import Floats, project
from meddl.core.progress import CancelToken, Progress
from meddl.endodepth.sequence import EndoscopicSequence

Predictor = Callable[[NDArray[np.uint8], NDArray[np.bool_]], NDArray[np.float32]]

_loaded: tuple[tuple[str, str], Predictor] | None = None  # the last one, in the worker


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """A frame whose depth is wanted.

    Attributes:
        browser: the node of its video.
        number: of the frame.
        frame: (H, W, 3) uint8.
        mask: (H, W) bool.
        sparse: positions (N, 2), pixels of the frame, and depths (N,) of the points of structure
            from motion that the frame shows; empty without a pose.
        weights: name or path.
        device: as :func:`meddl.core.choose_device` takes it.
    """

    browser: Any
    number: int
    frame: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    sparse: tuple[Floats, Floats]
    weights: str
    device: str


def sparse_depths(sequence: EndoscopicSequence, number: int) -> tuple[Floats, Floats]:
    """Positions (N, 2), pixels, and depths (N,) of the points that a frame shows."""
    views = np.flatnonzero(sequence.view_numbers == number)
    if not len(views):
        return np.empty((0, 2)), np.empty(0)
    camera_from_world = np.linalg.inv(sequence.world_from_camera[views[0]])
    points = sequence.points[sequence.visibility[views[0]]]
    pixels, depth = project(
        points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3],
        sequence.require_intrinsics(),
    )
    height, width = sequence.size
    inside = (depth > 0) & (pixels >= 0).all(axis=-1) & (pixels < (width, height)).all(axis=-1)
    return pixels[inside], depth[inside]


def load_predictor(weights: str, device: str) -> Predictor:
    """The predictor of some weights, kept until other ones are asked for.

    Raises:
        MedDLError: no such weights, or their packages are missing.
    """
    global _loaded
    if _loaded is None or _loaded[0] != (weights, device):
        from meddl.endodepth.prediction import DepthPredictor

        _loaded = (weights, device), DepthPredictor(weights, device)
    return _loaded[1]


def predict_frame(
    request: FrameRequest, progress: Progress, cancel: CancelToken
) -> tuple[NDArray[np.float32], bool]:
    """The depth map (h, w) of the whole frame, and whether it is in units of structure from motion.

    Raises:
        MedDLError: see :func:`load_predictor`, or the network gave no finite depth.
    """
    predictor = load_predictor(request.weights, request.device)
    cancel.check()
    depth = predictor(request.frame, request.mask)
    from meddl.endodepth.prediction import scale_factor

    positions, depths = request.sparse
    step = np.array(depth.shape[::-1]) / np.array(request.mask.shape[::-1])
    column, row = (positions * step).astype(int).T
    sparse = np.zeros_like(depth)
    sparse[row, column] = depths
    factor = scale_factor(depth, sparse)
    return (depth, False) if factor is None else (depth * np.float32(factor), True)
