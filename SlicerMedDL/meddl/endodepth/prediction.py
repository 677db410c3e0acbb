"""Depth of endoscopic pictures by a trained network, for one frame or a folder of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError, MedDLError
from meddl.core.image import Image
from meddl.core.inference import ENGINES, Engine, installed_engines, load_engine
from meddl.core.parameters import parameter
from meddl.core.pictures import write_picture
from meddl.core.progress import CancelToken, Progress, no_progress, steps, subprogress
from meddl.core.weights import Card, find_weights, load_weights, read_card
from meddl.endodepth.depth_maps import DepthCamera, DepthWriter, depth_writer
from meddl.endodepth.networks import MULTIPLE, make_network
from meddl.endodepth.prepare import PreparedSequence, prepare
from meddl.endodepth.sequence import EndoscopicSequence

if TYPE_CHECKING:
    from torch.nn import Module

logger = logging.getLogger(__name__)

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]

WEIGHTS = "endodepth-light"
SIDE = 256  # pixels: side of the square as large as the field of view, as the network sees it
BLACK = 8  # of 255: a frame that is nowhere brighter shows nothing
BYTES = 2000  # per pixel that the network sees, at most


@dataclass
class PredictionParameters:
    """How depth maps are predicted."""

    weights: str = parameter(WEIGHTS, "trained weights", metavar="NAME|FILE")
    scale: str = parameter(
        "auto",
        "sfm: in the unit of the sequence's structure from motion; none: as the network gives it, "
        "each frame of its own scale; auto: sfm where there is one",
        choices=("auto", "sfm", "none"),
    )
    mm_per_unit: float | None = parameter(
        None, "length of the sequence's unit, if it is known", unit="mm", minimum=1e-9
    )
    downsampling: float | None = parameter(
        None, "pixels of the frame per pixel of the map; by default as the network needs", minimum=1
    )
    engine: str = parameter(
        "auto", "what runs the network; auto: the fastest kind installed", choices=("auto", *ENGINES)
    )
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")
    preview: bool = parameter(False, "also write pictures of frame and depth, in DIR/preview")


class DepthPredictor:
    """A trained network, called with frames.

    Args:
        weights: name or path, see :func:`meddl.core.weights.find_weights`.
        device: see :func:`meddl.core.devices.choose_device`.
        engine: ``"torch"``, ``"openvino"``, ``"onnxruntime"``, or ``"auto"``.

    Attributes:
        card: of the weights.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another task.
    """

    def __init__(
        self, weights: str | Path = WEIGHTS, device: str = "auto", engine: str = "auto"
    ) -> None:
        self.card: Card = read_card(find_weights(weights))
        self._network: Module = make_network(self.card.architecture, **self.card.arguments)
        load_weights(self._network, weights)
        self._device, self._engine_name = device, engine
        self._engine: Engine | None = None

    def __call__(self, frame: NDArray[np.uint8], mask: Mask | None = None) -> Depth:
        """The relative depth of one frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            mask: (H, W) field of view; everything if None.

        Returns:
            (h, w) float32 of the whole frame, shrunk by :func:`downsampling_of` its mask; true up
            to one factor, 0 outside the field of view and wherever a black frame shows nothing.

        Raises:
            InputError: another shape or type.
        """
        frame = np.asarray(frame)
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
            raise InputError(
                f"the frame is {frame.shape} {frame.dtype}, (H, W, 3) uint8 was expected"
            )
        if mask is None:
            mask = np.ones(frame.shape[:2], bool)
        if mask.shape != frame.shape[:2]:
            raise InputError(f"the mask is {mask.shape}, the frame {frame.shape[:2]}")
        return self.depth(*shrunk(frame, mask, downsampling_of(mask)))

    def depth(self, picture: NDArray[np.float32], mask: Mask) -> Depth:
        """The relative depth of a picture as the network sees it.

        Args:
            picture: (h, w, 3) float32, -1..1, 0 outside the mask.
            mask: (h, w) field of view.

        Returns:
            (h, w) float32, positive inside the mask of a picture that is not black, else 0.

        Raises:
            MedDLError: the network's output is not finite.
        """
        if not mask.any() or picture[mask].max() <= 2 * BLACK / 255 - 1:
            return np.zeros(mask.shape, np.float32)
        height, width = mask.shape
        margins = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        inputs = np.moveaxis(np.pad(picture, margins), -1, 0)[np.newaxis]
        result = np.asarray(self._run(np.ascontiguousarray(inputs, np.float32)))
        depth = result[0, 0, :height, :width]
        if not np.isfinite(depth[mask]).all():
            raise MedDLError(
                f"the network {self.card.name} gave depths that are not finite; use other weights"
            )
        return np.where(mask, depth, np.float32(0))

    def _run(self, inputs: NDArray[np.float32]) -> Any:
        if self._engine is None:
            device = choose_device(self._device, BYTES * inputs.size // 3).name
            name = self._engine_name
            if name == "auto":
                # On one core the light network takes 20 ms by either of the two, 41 ms by torch.
                # Measuring them anew at each start would take longer than a short sequence.
                there = installed_engines() if device == "cpu" else ["torch"]
                name = next(n for n in ("openvino", "onnxruntime", "torch") if n in there)
            self._engine = load_engine(self._network, inputs, engine=name, device=device)
        return self._engine(inputs)


def downsampling_of(mask: Mask) -> float:
    """By how much frames with this field of view are shrunk for the network.

    In steps of one half, so that the field is about as large as SIDE x SIDE pixels: 4 for a round
    field in a frame of 1920x1080.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise InputError("the mask has no pixel inside; draw the field of view")
    area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return max(1.0, round(2 * math.sqrt(area) / SIDE) / 2)


def shrunk(
    frame: NDArray[np.uint8], mask: Mask, downsampling: float
) -> tuple[NDArray[np.float32], Mask]:
    """A whole frame and its mask as the network sees them.

    Returns:
        (h, w, 3) float32, -1..1, times the mask, and the mask (h, w), eroded as in training.
    """
    height, width = (max(1, round(side / downsampling)) for side in mask.shape)
    field = mask if mask.all() else smaller_mask(mask, (height, width))
    if field.shape != (height, width):
        field = np.ones((height, width), bool)
    small = crop_picture(frame, (height, width), slice(0, height), slice(0, width))
    picture = small.astype(np.float32) / np.float32(127.5) - np.float32(1)
    picture[~field] = 0
    return picture, field


def predict_sequence(
    sequence: EndoscopicSequence,
    output: str | Path,
    parameters: PredictionParameters | None = None,
    predictor: DepthPredictor | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write the depth map of every frame of a sequence; see :mod:`meddl.endodepth.depth_maps`.

    With structure from motion every map is multiplied by the factor of the depth scaling layer, so
    that the maps are in the unit of the poses. Frames without a pose get the median factor.

    Args:
        output: folder of depth maps; it appears when all are done.
        predictor: made from the parameters if None.

    Returns:
        ``frames``, ``black`` ones, ``scaled`` ones, ``unit``, ``mm_per_unit``, ``engine``.

    Raises:
        InputError: a scale is asked for and there is no structure from motion; all frames black.
        FileError: ``output`` takes no folder, or a frame is missing or damaged.
        Cancelled: by the token, between frames; nothing is left.
    """
    parameters = parameters or PredictionParameters()
    scaled = _is_scaled(parameters, bool(len(sequence.view_numbers)))
    downsampling = parameters.downsampling or downsampling_of(sequence.mask)
    prepared = prepare(
        sequence, downsampling, progress=subprogress(progress, 0, 0.1), cancel=cancel
    )
    view_of = {int(number): view for view, number in enumerate(prepared.sequence.view_numbers)}
    pictures = (
        (path.stem, int(number), prepared.colour(int(number)))
        for number, path in zip(sequence.frame_numbers, sequence.frame_files, strict=True)
    )
    predictor = predictor or make_predictor(parameters)
    factors: dict[str, float] = {}
    with _writer(output, parameters, _camera_of(prepared)) as maps:
        total = len(sequence.frame_numbers)
        part = subprogress(progress, 0.1, 0.8)
        for name, number, picture in steps(pictures, total, "depth of frame", part, cancel):
            depth = predictor.depth(picture, prepared.mask)
            if scaled and number in view_of:
                factor = scale_factor(depth, prepared.sparse_depth(view_of[number]))
                if factor is not None:
                    factors[name] = factor * prepared.scale
            maps.add(name, depth, picture)
        if scaled:
            if not factors:
                raise InputError(
                    f"no frame of {sequence.folder} shows a point of structure from motion; "
                    "predict with --scale none"
                )
            maps.rescale(factors, subprogress(progress, 0.8, 0.9), cancel)
        maps.finish(subprogress(progress, 0.9, 1.0), cancel)
    return {**maps.counts(), "scaled": len(factors), **_units(parameters), **predictor.about()}
