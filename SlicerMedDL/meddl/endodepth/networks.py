"""The depth networks that training and prediction can choose from, behind one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import require

if TYPE_CHECKING:
    from torch.nn import Module

ARCHITECTURES = ("fcdensenet57", "light")
MULTIPLE = 32  # the sides of a picture are multiples of it


def make_network(architecture: str, **arguments: Any) -> Module:
    """A network from pictures (B, 3, h, w), -1..1, to relative depth (B, 1, h, w), positive.

    Pictures are float32 RGB (or HSV, for weights that were trained so), 0 outside the endoscope's
    field; h and w are multiples of :data:`MULTIPLE`.

    Args:
        architecture: ``"fcdensenet57"``, the published one, or ``"light"``, for real time.
        arguments: of its class.

    Raises:
        InputError: no such architecture, or arguments that it does not take.
    """
    network: Callable[..., Module]
    if architecture == "fcdensenet57":
        from meddl.endodepth.fcdensenet import FCDenseNet57

        network = FCDenseNet57
    elif architecture == "light":
        from meddl.endodepth.light_network import LightNetwork

        network = LightNetwork
    else:
        raise InputError(
            f"architecture is {architecture!r}, expected one of: {', '.join(ARCHITECTURES)}"
        )
    try:
        return network(**arguments)
    except TypeError as error:
        raise InputError(f"the network {architecture} cannot be made: {error}") from error


def network_input(
    picture: NDArray[np.uint8], mask: NDArray[np.bool_], hsv: bool = False
) -> NDArray[np.float32]:
    """A picture (h, w, 3) uint8 RGB and its field of view (h, w) as networks take it.

    Args:
        hsv: hue, saturation and value instead of red, green and blue.

    Returns:
        (3, h, w) float32, -1..1, 0 outside the mask.
    """
    if hsv:
        cv2 = require("cv2", "HSV colours")
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    scaled = np.moveaxis(picture, -1, 0).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.where(mask, scaled, np.float32(0))
