"""Depth from one picture by trained weights: frames, folders of pictures, videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.depth_maps import DepthCamera, depth_writer
from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.files import atomic_path
from meddl.core.image import Image
from meddl.core.image_io import PICTURES
from meddl.core.optional import require
from meddl.core.parameters import parameter
from meddl.core.picture_size import resize_frame
from meddl.core.pictures import RAS_FROM_PICTURE, read_rgb, write_picture
from meddl.core.pinhole import backproject
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.video import picture_files, probe_video, read_frames
from meddl.core.weights import Card, find_weights, load_weights, read_card
from meddl.monodepth.depth_colours import coloured
from meddl.monodepth.samples import normalized
from meddl.monodepth.training import ARCHITECTURE

if TYPE_CHECKING:
    from meddl.core.inference import Engine

MM_PER_M = 1000
SHORTEST_SIDE = 32  # pixels that the network needs
LEAST_FOCAL = 0.01  # of the width: 178 degrees


@dataclass
class PredictionParameters:
    """How pictures become depth maps."""

    weights: str = parameter("", "a file or a name", metavar="NAME|FILE")
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps")
    engine: str = parameter(
        "torch",
        "what runs the network on the CPU",
        choices=("auto", "torch", "openvino", "onnxruntime"),
    )
    stride: int = parameter(1, "take every n-th frame of a video or folder", minimum=1)
    focal: float = parameter(
        0.0,
        "focal length over the width of the picture; writes camera.json and allows points; 0: "
        "unknown",
        minimum=0,
        maximum=10,
    )
    points: bool = parameter(False, "write a coloured point cloud (.ply) of every frame")
    pictures: bool = parameter(False, "write frame and depth side by side (.png) of every frame")


class Predictor:
    """A trained network; call it with frames.

    Attributes:
        card: of the weights.
        size: rows and columns that the network saw in training.
    """

    def __init__(self, weights: str | Path, device: str = "auto", engine: str = "torch") -> None:
        from meddl.core.inference import load_engine

        self.card, network, self.size = _load(weights)
        example = np.zeros((1, 3, *self.size), np.float32)
        chosen = choose_device(device).name
        if chosen != "cpu" and engine == "auto":
            engine = "torch"
        self.engine: Engine = load_engine(network, example, engine, chosen)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Depth (H, W) float32 in mm along the camera's z, of a frame (H, W, 3) uint8 RGB."""
        return self.metres(frame) * np.float32(MM_PER_M)

    def metres(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same in metres.

        Raises:
            InputError: no (H, W, 3) uint8 frame.
        """
        from PIL import Image as pillow

        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise InputError(
                f"the frame is {frame.shape} {frame.dtype}, (H, W, 3) uint8 was expected"
            )
        picture = normalized(resize_frame(frame, self._grid(frame.shape[:2])))
        depth = np.asarray(self.engine(picture[None]))[0, 0]
        enlarged = pillow.fromarray(depth).resize(frame.shape[1::-1], pillow.Resampling.BILINEAR)
        return np.array(enlarged)

    def _grid(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """As many pixels as in training, with the frame's aspect."""
        factor = np.sqrt(self.size[0] * self.size[1] / (shape[0] * shape[1]))
        rows, columns = (max(SHORTEST_SIDE, round(side * factor)) for side in shape)
        return rows, columns


def _load(weights: str | Path) -> tuple[Card, Any, tuple[int, int]]:
    """The card, the network, and the rows and columns that it saw in training."""
    require("torch", "depth from one picture")
    card = read_card(find_weights(weights))
    try:
        if card.architecture != ARCHITECTURE:
            raise ValueError
        widths = tuple(map(int, card.arguments["network"]["widths"]))
        rows, columns = map(int, card.arguments["use"]["size"])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"the weights {card.name} are for {card.task!r} ({card.architecture}); weights of "
            "meddl monodepth train were expected"
        ) from None
    from meddl.monodepth.network import DepthNetwork

    network = DepthNetwork(widths)
    load_weights(network, weights)
    return card, network.eval(), (rows, columns)


def load_predictor(weights: str | Path, device: str = "auto", engine: str = "torch") -> Predictor:
    """A callable frame (H, W, 3) uint8 RGB -> depth (H, W) float32 in mm.

    Args:
        weights: name or path.
        device: ``"auto"``, ``"cpu"``, ``"cuda:0"``, …
        engine: see :func:`meddl.core.inference.load_engine`.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another kind.
        DependencyError: torch is not installed.
    """
    return Predictor(weights, device, engine)


def predict(
    inputs: Sequence[str | Path],
    output: str | Path,
    parameters: PredictionParameters,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> list[str]:
    """Write a folder of depth maps in mm (:mod:`meddl.core.depth_maps`) and return their names.

    Args:
        inputs: pictures, one folder of pictures, or one video.
        output: the folder; maps are as large as their frames.

    Raises:
        InputError: nothing to predict, two pictures of one name, points without a focal length, one
            that no lens has, or weights of another kind.
        FileError: an input that cannot be read; a folder with other files.
        Cancelled: nothing is left.
    """
    if parameters.points and not parameters.focal:
        raise InputError("points need the lens: give focal, the focal length over the width")
    if 0 < parameters.focal < LEAST_FOCAL:
        raise InputError(
            f"focal is {parameters.focal:g} of the width; at least {LEAST_FOCAL}, or 0 for an "
            "unknown lens, was expected"
        )
    if not parameters.weights:
        raise InputError("weights are missing: give a name or a file of meddl monodepth train")
    frames, total = _frames(inputs, parameters.stride)
    predictor = load_predictor(parameters.weights, parameters.device, parameters.engine)
    name, frame = next(frames)
    camera = _camera(frame.shape, parameters.focal) if parameters.focal else None
    names = []
    with depth_writer(output, "mm", camera=camera) as writer:
        while True:
            if cancel is not None:
                cancel.check()
            depth = predictor(frame)
            writer.write(name, depth)
            if parameters.points and camera is not None:
                write_points(writer.folder / f"{name}.ply", frame, depth, camera)
            if parameters.pictures:
                sides = np.hstack([frame, coloured(depth, 0, float(depth.max()))])
                picture = Image(sides[None], RAS_FROM_PICTURE)
                write_picture(writer.folder / f"{name}.png", picture)
            names.append(name)
            progress(min(len(names) / max(total, 1), 1.0), f"depth of frame {len(names)}")
            following = next(frames, None)
            if following is None:
                return names
            name, frame = following


def _camera(shape: tuple[int, ...], focal: float) -> DepthCamera:
    height, width = shape[:2]
    length = focal * width
    matrix = np.array([[length, 0, width / 2], [0, length, height / 2], [0, 0, 1.0]])
    return DepthCamera(matrix, height, width)


def _frames(
    inputs: Sequence[str | Path], stride: int
) -> tuple[Iterator[tuple[str, NDArray[np.uint8]]], int]:
    """(name, frame) one by one, and how many there may be (0: unknown)."""
    paths = [Path(path) for path in inputs]
    if not paths:
        raise InputError("there is nothing to predict: give pictures, a folder or a video")
    if len(paths) == 1 and paths[0].is_dir():
        paths = picture_files(paths[0])[::stride]
    elif len(paths) == 1 and paths[0].suffix.lower() not in PICTURES:
        total = -(-probe_video(paths[0]).frames // stride)
        frames = read_frames(paths[0], step=stride)
        return ((f"{n * stride:08d}", frame) for n, frame in enumerate(frames)), total
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise InputError(f"two pictures are called {twice}; their depth maps would be one file")
    return ((path.stem, read_rgb(path)) for path in paths), len(paths)


def write_points(
    path: str | Path, frame: NDArray[np.uint8], depth: NDArray[np.floating], camera: DepthCamera
) -> None:
    """Write the points of a depth map as binary PLY: x, y, z in the camera frame, red, green, blue.

    Args:
        frame: (H, W, 3) uint8.
        depth: (H, W), 0 where unknown; the points have its unit.
    """
    known = depth > 0
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("r", "u1"), ("g", "u1"), ("b", "u1")]
    vertices = np.empty(int(known.sum()), dtype=fields)
    for axis, points in zip(
        "xyz", np.moveaxis(backproject(depth, camera.intrinsics), -1, 0), strict=True
    ):
        vertices[axis] = points[known]
    for channel, name in enumerate("rgb"):
        vertices[name] = frame[..., channel][known]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    with atomic_path(path) as temporary:
        temporary.write_bytes("\n".join([*header, "end_header\n"]).encode() + vertices.tobytes())
