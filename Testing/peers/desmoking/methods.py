"""The methods that are compared: frames in order in, frames out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from desmoking.dark_channel_prior import dehaze
from meddl.core.errors import FileError
from meddl.core.weights import find_weights
from meddl.desmoke import VideoDesmoker
from meddl.desmoke.network_estimator import WEIGHTS
from meddl.desmoke.pix2pix_estimator import Pix2PixEstimator

Frame = NDArray[np.uint8]
INPUT = "smoky input"


@dataclass(frozen=True)
class Method:
    """A way to remove smoke.

    Attributes:
        name: in the tables.
        run: the next frame of a video -> the same without smoke.
        reset: forget the frames before.
    """

    name: str
    run: Callable[[Frame], Frame]
    reset: Callable[[], None] = lambda: None


def clahe(frame: Frame) -> Frame:
    """Contrast limited adaptive histogram equalisation of L in Lab, OpenCV's usual settings."""
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def ours(name: str, method: str, weights: str | Path | None = None) -> Method:
    """:class:`meddl.desmoke.VideoDesmoker` at full strength."""
    desmoker = VideoDesmoker(method, weights=weights)
    return Method(name, desmoker, desmoker.reset)


def painter(name: str, weights: str | Path) -> Method:
    """A U-Net of the published kind; its picture as it is, at the size of the frame."""
    network = Pix2PixEstimator(weights)

    def run(frame: Frame) -> Frame:
        clear = network.paint(frame.astype(np.float32) / np.float32(255))
        return np.rint(255 * clear).astype(np.uint8)

    return Method(name, run)


def methods(
    network: str | None = None, unet: str | None = None, unet_without: str | None = None
) -> list[Method]:
    """All that can be had.

    Args:
        network: weights of the light network; None: the bundled ones, if they are there.
        unet, unet_without: weights of a plain U-Net with and without the dark channel.
    """
    found = [
        Method(INPUT, lambda frame: frame),
        Method("CLAHE", clahe),
        Method("He et al.", dehaze),
        ours("classical", "classical"),
    ]
    try:
        found.append(ours("network", "network", network or find_weights(WEIGHTS)))
    except FileError:
        if network:
            raise
    if unet:
        found.append(painter("U-Net, dark channel", unet))
    if unet_without:
        found.append(painter("U-Net, RGB alone", unet_without))
    return found
