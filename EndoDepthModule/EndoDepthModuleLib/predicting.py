"""Depth by trained weights, of one frame or of a whole video, as work for the worker thread.

Weights of ``meddl endodepth`` and of ``meddl monodepth`` do: the card says which they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from meddl.core.depth_maps import DepthCamera
from meddl.core.errors import InputError, MedDLError
from meddl.core.pinhole import resized
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.core.weights import Card, find_weights, list_weights, read_card
from meddl.endodepth.networks import ARCHITECTURES
from meddl.endodepth.sequence import EndoscopicSequence

# Translated here: a worker must not (see tasks).
LOADING_THE_NETWORK = _("loading the network")
NO_DEPTH = _("the weights {name} are for {task!r}; weights that predict depth were expected")

DEFAULT = "endodepth-light"  # of the shipped weights
MONODEPTH = "monodepth"  # how the architectures of the other kind are called
SFM, RELATIVE, MM = "sfm", "relative", "mm"  # units of a predicted map

Predictor = Callable[[NDArray[np.uint8], NDArray[np.bool_]], NDArray[np.float32]]

_loaded: tuple[tuple[str, str], tuple[Predictor, str]] | None = None  # the worker's last one


def is_depth_card(card: Card) -> bool:
    """Whether weights predict depth."""
    return card.architecture in ARCHITECTURES or card.architecture.startswith(MONODEPTH)


def depth_weights() -> list[Card]:
    """The cards of all installed weights that predict depth, the default first."""
    cards = [card for card in list_weights() if is_depth_card(card)]
    return sorted(cards, key=lambda card: card.name != DEFAULT)


def card_of(weights: str) -> Card:
    """The card of some weights.

    Raises:
        MedDLError: no such weights, or they predict something else.
    """
    card = read_card(find_weights(weights))
    if not is_depth_card(card):
        raise InputError(NO_DEPTH.format(name=card.name, task=card.task))
    return card


def load_predictor(weights: str, device: str) -> tuple[Predictor, str]:
    """The predictor (frame, mask) -> depth of some weights, and the unit of its maps.

    The last one is kept.

    Raises:
        MedDLError: as :func:`card_of`, or their packages are missing.
    """
    global _loaded
    if _loaded is None or _loaded[0] != (weights, device):
        _loaded = (weights, device), _make_predictor(weights, device)
    return _loaded[1]


def _make_predictor(weights: str, device: str) -> tuple[Predictor, str]:
    if card_of(weights).architecture in ARCHITECTURES:
        from meddl.endodepth.prediction import DepthPredictor

        return DepthPredictor(weights, device), RELATIVE
    from meddl.monodepth.prediction import load_predictor as load

    predictor = load(weights, device)

    def inside(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        return predictor(frame) * mask

    return inside, MM


@dataclass(frozen=True, eq=False)
class FrameRequest:
    """A frame whose depth is wanted.

    Attributes:
        browser: the node of its video.
        number: of the frame.
        frame: (H, W, 3) uint8.
        sequence: of the video.
        weights: name or path.
        device: as :func:`meddl.core.choose_device` takes it.
    """

    browser: Any
    number: int
    frame: NDArray[np.uint8]
    sequence: EndoscopicSequence
    weights: str
    device: str


def predict_frame(
    request: FrameRequest, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> tuple[NDArray[np.float32], str]:
    """The depth map (h, w) of a whole frame and its unit.

    A frame that shows points of structure from motion is brought to their unit (:data:`SFM`) as
    in a whole sequence.

    Raises:
        MedDLError: see :func:`load_predictor`, or the network gave no finite depth.
    """
    progress(0.0, LOADING_THE_NETWORK)
    predictor, unit = load_predictor(request.weights, request.device)
    if cancel is not None:
        cancel.check()
    depth = np.asarray(predictor(request.frame, request.sequence.mask))
    factor = _factor_to_points(depth, request.sequence, request.number)
    return (depth, unit) if factor is None else (depth * np.float32(factor), SFM)


def _factor_to_points(
    depth: NDArray[np.float32], sequence: EndoscopicSequence, number: int
) -> float | None:
    views = np.flatnonzero(sequence.view_numbers == number)
    if not len(views):
        return None
    from meddl.endodepth.views import frame_scale, point_ratios

    height, width = depth.shape
    factors = (width / sequence.size[1], height / sequence.size[0])
    camera = DepthCamera(resized(sequence.require_intrinsics(), factors), height, width)
    ratios = point_ratios(sequence, int(views[0]), camera, depth)
    return frame_scale(sequence, ratios, [ratios]) if len(ratios) else None


def predict_video(
    sequence: EndoscopicSequence,
    output: str | Path,
    weights: str,
    device: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Write the depth maps of all frames into a folder; it appears when all are done.

    Raises:
        MedDLError: no such weights, a frame that cannot be read, all black, or cancelled.
    """
    if card_of(weights).architecture in ARCHITECTURES:
        from meddl.endodepth.prediction import predict_sequence
        from meddl.endodepth.prediction_parameters import PredictionParameters

        own = PredictionParameters(weights=weights, device=device)
        predict_sequence(sequence, output, own, progress=progress, cancel=cancel)
        return
    from meddl.monodepth.prediction import PredictionParameters as Parameters
    from meddl.monodepth.prediction import predict

    other = Parameters(weights=weights, device=device)
    predict([str(p) for p in sequence.frame_files], output, other, progress, cancel)


def require_weights(weights: str) -> str:
    """``weights``, or the first of those that are installed if it is empty.

    Raises:
        MedDLError: there are none.
    """
    if weights:
        return weights
    installed = depth_weights()
    if not installed:
        raise MedDLError(
            _(
                "no weights that predict depth are installed; train some, or import them in "
                "MedDL Home"
            )
        )
    return installed[0].name
