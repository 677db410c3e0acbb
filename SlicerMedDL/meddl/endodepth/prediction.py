"""Depth of endoscopic pictures by a trained network, for one frame or a folder of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import DepthCamera, depth_writer
from meddl.core.devices import choose_device
from meddl.core.errors import InputError, MedDLError
from meddl.core.image import Image
from meddl.core.inference import Engine, installed_engines, load_engine
from meddl.core.optional import require
from meddl.core.pictures import write_picture
from meddl.core.pinhole import Floats
from meddl.core.progress import CancelToken, Progress, no_progress, steps
from meddl.core.weights import Card, find_weights, load_weights, read_card
from meddl.endodepth.networks import MULTIPLE, make_network, network_input
from meddl.endodepth.prediction_parameters import WEIGHTS, PredictionParameters
from meddl.endodepth.prepare import PreparedSequence, crop_picture, prepare, smaller_mask
from meddl.endodepth.sequence import EndoscopicSequence
from meddl.endodepth.views import frame_scale, point_ratios

if TYPE_CHECKING:
    from torch.nn import Module

logger = logging.getLogger(__name__)

Depth = NDArray[np.float32]
Mask = NDArray[np.bool_]
Predicted = tuple[str, NDArray[np.uint8], Depth]  # name, picture and map of a frame

SIDE = 256  # pixels: side of the square as large as the field of view, as the network sees it
BLACK = 8  # of 255: a frame that is nowhere brighter shows nothing
BYTES = 2000  # per pixel that the network sees, at most


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

    @property
    def about(self) -> dict[str, str]:
        """Names of the weights and of the engine."""
        engine = self._engine_name if self._engine is None else self._engine.name
        return {"weights": self.card.name, "engine": engine}

    def depth(self, picture: NDArray[np.uint8], mask: Mask) -> Depth:
        """The relative depth of a picture as the network sees it.

        Args:
            picture: (h, w, 3) uint8 RGB.
            mask: (h, w) field of view.

        Returns:
            (h, w) float32, positive inside the mask of a picture that is not black, else 0.

        Raises:
            MedDLError: the network's output is not finite.
        """
        if not mask.any() or picture[mask].max() <= BLACK:
            return np.zeros(mask.shape, np.float32)
        height, width = mask.shape
        margins = ((0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE))
        hsv = self.card.input_range.startswith("HSV")
        inputs = np.pad(network_input(picture, mask, hsv), margins)[np.newaxis]
        depth = np.asarray(self._run(inputs))[0, 0, :height, :width]
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
                # Either of the first two runs the light network about twice as fast as torch does.
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
) -> tuple[NDArray[np.uint8], Mask]:
    """A whole frame and its mask at the size that the network sees.

    Returns:
        (h, w, 3) uint8 and the mask (h, w), its border eroded as in training.
    """
    height, width = (max(1, round(side / downsampling)) for side in mask.shape)
    field = smaller_mask(mask, (height, width))
    return crop_picture(frame, (height, width), slice(0, height), slice(0, width)), field


def make_predictor(parameters: PredictionParameters) -> DepthPredictor:
    """The predictor that the parameters describe."""
    return DepthPredictor(parameters.weights or WEIGHTS, parameters.device, parameters.engine)


def predict_sequence(
    sequence: EndoscopicSequence,
    output: str | Path,
    parameters: PredictionParameters | None = None,
    predictor: DepthPredictor | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write the depth map of every frame of a sequence; see :mod:`meddl.core.depth_maps`.

    With structure from motion every map is brought to the points that its frame sees, so that the
    maps are in the unit of the poses; see :func:`meddl.endodepth.views.frame_scale`.

    Args:
        output: folder of depth maps; it appears when all are done.
        predictor: made from the parameters if None.

    Returns:
        Numbers of ``frames``, of ``black`` ones and of ``scaled`` ones (by their own points), and
        ``weights`` and ``engine``.

    Raises:
        InputError: a scale is asked for and there is no structure from motion; all frames black.
        FileError: ``output`` takes no folder, or a frame is missing or damaged.
        Cancelled: by the token, between frames; nothing is left.
    """
    parameters = parameters or PredictionParameters()
    view_of: dict[int, int] = {}
    if _is_scaled(parameters, bool(len(sequence.view_numbers))):
        view_of = {int(number): view for view, number in enumerate(sequence.view_numbers)}
    downsampling = parameters.downsampling or downsampling_of(sequence.mask)
    prepared = prepare(sequence, downsampling, inlier_percentage=1)
    camera = _camera(prepared)
    predictor = predictor or make_predictor(parameters)
    ratios: list[Floats] = []

    def points(number: int) -> int:
        return int(sequence.visibility[view_of[number]].sum()) if number in view_of else 0

    def maps() -> Iterator[Predicted]:
        # Frames with many points first: those with few take what these have found.
        for number in sorted(map(int, sequence.frame_numbers), key=points, reverse=True):
            picture = prepared.picture(number)
            depth = predictor.depth(picture, prepared.mask)
            if view_of and depth.any():
                own = np.zeros(0)
                if number in view_of and camera is not None:
                    own = point_ratios(sequence, view_of[number], camera, depth)
                ratios.append(own)
                depth *= np.float32(frame_scale(sequence, own, ratios))
            yield sequence.file_of(number).stem, picture, depth

    total = len(sequence.frame_numbers)
    done = _write(output, maps(), total, parameters, camera, progress, cancel)
    return {**done, "scaled": sum(len(own) > 0 for own in ratios), **predictor.about}


def predict_frames(
    frames: Iterable[tuple[str, NDArray[np.uint8]]],
    output: str | Path,
    parameters: PredictionParameters | None = None,
    predictor: Callable[[NDArray[np.uint8], Mask | None], Depth] | None = None,
    mask: Mask | None = None,
    total: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Write depth maps of frames that no structure from motion belongs to.

    Args:
        frames: names and (H, W, 3) uint8 RGB pictures of one size; may be longer than memory.
        output: folder of depth maps of the whole, smaller frames; it appears when all are done.
        predictor: (frame, mask) -> depth; made from the parameters if None.
        mask: (H, W) field of view of all frames.
        total: number of frames, for the progress; 0 if unknown.

    Returns:
        Numbers of ``frames`` and of ``black`` ones.

    Raises:
        InputError: a scale is asked for, frames of different size, no frame, or all black.
        FileError: ``output`` takes no folder.
        Cancelled: by the token, between frames; nothing is left.
    """
    parameters = parameters or PredictionParameters()
    _is_scaled(parameters, False)
    call = predictor or make_predictor(parameters)
    shape: tuple[int, ...] | None = None if mask is None else (*mask.shape, 3)

    def maps() -> Iterator[Predicted]:
        nonlocal shape
        for name, frame in frames:
            shape = shape or frame.shape
            if frame.shape != shape:
                raise InputError(
                    f"the frame {name} is {frame.shape[:2]}, {shape[:2]} was expected; give frames "
                    "and mask one size"
                )
            depth = call(frame, mask)
            height, width = depth.shape
            yield (
                name,
                crop_picture(frame, (height, width), slice(0, height), slice(0, width)),
                depth,
            )

    return _write(output, maps(), total, parameters, None, progress, cancel)


def _is_scaled(parameters: PredictionParameters, structure: bool) -> bool:
    """Whether maps get the unit of structure from motion; refuses what cannot be."""
    scaled = parameters.scale == "sfm" or (parameters.scale == "auto" and structure)
    if scaled and not structure:
        raise InputError(
            "there is no structure from motion to take the scale from; run meddl endodepth sfm, or "
            "predict with --scale none"
        )
    if parameters.mm_per_unit is not None and not scaled:
        raise InputError(
            f"--mm-per-unit {parameters.mm_per_unit:g} needs maps of one unit; without structure "
            "from motion each frame has a scale of its own"
        )
    return scaled


def _camera(prepared: PreparedSequence) -> DepthCamera | None:
    """The camera of the maps; None before the calibration."""
    if prepared.intrinsics is None:
        return None
    height, width = prepared.mask.shape
    return DepthCamera(
        prepared.intrinsics,
        height,
        width,
        rows=(prepared.rows.start, prepared.rows.stop),
        columns=(prepared.columns.start, prepared.columns.stop),
        downsampling=math.sqrt(math.prod(prepared.downsampling)),
    )


def _write(
    output: str | Path,
    maps: Iterator[Predicted],
    total: int,
    parameters: PredictionParameters,
    camera: DepthCamera | None,
    progress: Progress,
    cancel: CancelToken | None,
) -> dict[str, Any]:
    """Write maps as they come; all or nothing."""
    names: set[str] = set()
    black = 0
    farthest = 0.0  # in the previews
    with depth_writer(output, "relative", parameters.mm_per_unit, camera) as writer:
        if parameters.preview:
            (writer.folder / "preview").mkdir()
        for name, picture, depth in steps(maps, total, "depth of frame", progress, cancel):
            if name in names:
                raise InputError(f"two frames are called {name}; give them different names")
            names.add(name)
            black += not depth.any()
            writer.write(name, depth)
            if parameters.preview:
                farthest = farthest or 1.25 * float(np.percentile(depth, 98))
                path = writer.folder / "preview" / f"{name}.png"
                write_picture(path, Image(preview(picture, depth, farthest)[np.newaxis]))
        if black == len(names):
            raise InputError(
                f"all {black} frames are black or there are none; nothing has depth in the dark"
            )
    if black:
        logger.warning("%d of %d frames are black; their maps are empty", black, len(names))
    return {"frames": len(names), "black": black}


def preview(picture: NDArray[np.uint8], depth: Depth, farthest: float) -> NDArray[np.uint8]:
    """A frame (h, w, 3) beside its depth in colours, blue at 0 to red: (h, 2 w, 3) uint8."""
    cv2 = require("cv2", "previews")
    share = np.clip(depth / (farthest or 1.0), 0, 1)
    colours = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    return np.hstack([picture, np.where(depth[..., np.newaxis] > 0, colours, 0)]).astype(np.uint8)
