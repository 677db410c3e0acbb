"""The depth networks that training and prediction can choose from, behind one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meddl.core.errors import InputError

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
    if architecture == "fcdensenet57":
        from meddl.endodepth.fcdensenet import FCDenseNet57 as network
    elif architecture == "light":
        from meddl.endodepth.light_network import LightNetwork as network
    else:
        raise InputError(
            f"architecture is {architecture!r}, expected one of: {', '.join(ARCHITECTURES)}"
        )
    try:
        return network(**arguments)
    except TypeError as error:
        raise InputError(f"the network {architecture} cannot be made: {error}") from error
