"""The methods that turn seeds into a probability, by name.

A method is made once per image, so that what depends on the image alone is prepared once::

    method = make_method("crf", image, spacing)
    probability = method(seeds)

``image`` is (K, J, I, C) float32, ``seeds`` (K, J, I) uint8: 0 none, 1 background, 2 foreground.
Further methods register as callables: ``METHODS["mine"] = make_mine``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meddl.core.errors import InputError
from meddl.core.optional import is_installed
from meddl.core.progress import CancelToken, Progress, no_progress

NONE, BACKGROUND, FOREGROUND = 0, 1, 2
P_NET, R_NET = "deepigeos-p-net", "deepigeos-r-net"  # the weights of "network"
TAKE_WEIGHTS = ("auto", "network")  # of a user's own training
Volume = NDArray[np.float32]
Seeds = NDArray[np.uint8]


class Method(Protocol):
    """What segments one image. Making one is quick; costly preparations wait for the first call.

    Optional attributes say how a session may use it. ``needs_seeds`` (absent: True; False: it can
    also start from nothing), ``uses_previous`` (absent: True; False: it cannot start from an
    initial segmentation alone, and the session turns one into seeds), ``takes_hints`` (absent:
    False; True: it has a further argument ``hints``, seeds of what is only likely, which guide
    it but hold no voxel; a session makes them from a box about the target).
    """

    def __call__(
        self,
        seeds: Seeds,
        previous: Volume | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
    ) -> Volume:
        """The probability of foreground, (K, J, I) float32 in 0..1.

        The result depends on the arguments alone, not on earlier calls.

        Args:
            seeds: (K, J, I) uint8, 0 none, 1 background, 2 foreground.
            previous: the probability before these seeds, or None.

        Raises:
            Cancelled: by the token; the method can be called again.
        """


Maker = Callable[..., Method]


def _later(module: str, function: str) -> Maker:
    """A maker that imports its module when it is first used."""

    def make(image: Volume, spacing: Sequence[float], **options: Any) -> Method:
        method: Method = getattr(import_module(module), function)(image, spacing, **options)
        return method

    return make


# name -> maker(image, spacing, device=...); spacing in mm along k, j, i.
METHODS: dict[str, Maker] = {
    "network": _later("meddl.deepigeos.generalist", "make_network_method"),
    "geodesic": _later("meddl.deepigeos.geodesic_method", "make_geodesic_method"),
    "crf": _later("meddl.deepigeos.crf_method", "make_crf_method"),
    "randomwalker": _later("meddl.deepigeos.random_walker", "make_random_walker_method"),
}


def with_hints(seeds: Seeds, hints: Seeds | None) -> Seeds:
    """What is likely, and the seeds over it; all (K, J, I) uint8."""
    return seeds if hints is None else np.where(seeds == NONE, hints, seeds)


def automatic() -> str:
    """What ``"auto"`` stands for: the network, which wins; ``crf`` without PyTorch."""
    return "network" if is_installed("torch") else "crf"


def make_method(
    name: str | Maker,
    image: Volume,
    spacing: Sequence[float],
    device: str = "auto",
    weights: str | None = None,
    ras_from_ijk: Any = None,
    segment: int = 1,
) -> Method:
    """Prepare a method for an image.

    Args:
        name: one of :data:`METHODS`, ``"auto"`` for :func:`automatic`, or a maker itself.
        image: (K, J, I, C) float32, finite.
        spacing: (3,) voxel size in mm along k, j, i.
        device: where networks compute.
        weights: name or path of the weights of a user's own P-Net, R-Net or both (joined by a
            comma), which ``"auto"`` and ``"network"`` then take.
        ras_from_ijk: 4x4, mm, of the image, for such weights, which want canonical axes.
        segment: number of the segment, from 1: the class, of such weights with several.

    Raises:
        InputError: an unknown name, weights for a method without or without a class for the
            segment, or an image of another shape or type.
        DependencyError: a package that the method needs is missing.
    """
    maker = METHODS.get(automatic() if name == "auto" else name) if isinstance(name, str) else name
    if maker is None:
        raise InputError(f"there is no method {name!r}; there are: auto, {', '.join(METHODS)}")
    if image.ndim != 4 or image.dtype != np.float32:
        raise InputError(
            f"the image is {image.shape} {image.dtype}, (K, J, I, C) float32 was expected"
        )
    steps = tuple(float(step) for step in spacing)
    if weights is None:
        return maker(image, steps, device=device)
    if name not in TAKE_WEIGHTS:
        raise InputError(f"method {name!r} takes no weights ({weights}); leave them or the method")
    from meddl.deepigeos.trained_method import make_trained_method

    make = make_trained_method(weights, segment)
    return make(image, steps, device=device, ras_from_ijk=ras_from_ijk)
