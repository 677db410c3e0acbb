"""Smoke removed from a video, frame after frame: uint8 in, uint8 out."""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.desmoke.scattering import Estimator, Veil, mean_opacity

if TYPE_CHECKING:
    from meddl.desmoke.field_of_view import Mask
    from meddl.desmoke.recovery import HostFrame
    from meddl.desmoke.recovery_torch import TorchFrame

Frame = NDArray[np.uint8]
Array = NDArray[np.float32]

METHODS = ("auto", "classical", "network")
BYTES = 400_000_000  # on a device, for a frame of 1920x1080


def make_estimator(
    method: str = "auto", weights: str | Path | None = None, device: str = "auto"
) -> Estimator:
    """The estimator of a method; ``auto`` takes the network if its weights are there.

    Raises:
        InputError: another method, or weights for the classical one.
        FileError, DependencyError, DeviceError: the network cannot be used.
    """
    if method not in METHODS:
        raise InputError(f"the method is {method!r}, expected one of: {', '.join(METHODS)}")
    if method == "classical" and weights:
        raise InputError(f"the classical method needs no weights, {weights} were given")
    require("cv2", "removing smoke")
    if method == "network" or (method == "auto" and _has_network(weights)):
        return _network_estimator(weights, device)
    from meddl.desmoke.classical import DarkChannelEstimator

    return DarkChannelEstimator()


def _network_estimator(weights: str | Path | None, device: str) -> Estimator:
    """The estimator that the architecture on the weights' card asks for."""
    from meddl.core.weights import find_weights, read_card
    from meddl.desmoke import network_estimator, pix2pix_estimator

    path = find_weights(weights or network_estimator.WEIGHTS)
    published = read_card(path).architecture == pix2pix_estimator.ARCHITECTURE
    require("torch", "removing smoke by a network")
    if published:
        return pix2pix_estimator.Pix2PixEstimator(path, device)
    return network_estimator.NetworkEstimator(path, device)


def _has_network(weights: str | Path | None) -> bool:
    from meddl.core.errors import FileError
    from meddl.core.optional import is_installed
    from meddl.core.weights import find_weights
    from meddl.desmoke.network_estimator import WEIGHTS

    if weights:
        return True
    try:
        find_weights(WEIGHTS)
    except FileError:
        return False
    return is_installed("torch")


def check_strength(strength: Any) -> float:
    """``strength`` if it is a number from 0 to 1.

    Raises:
        InputError: anything else.
    """
    if not (isinstance(strength, Real) and 0 <= float(strength) <= 1):
        raise InputError(f"the strength is {strength!r}, a number from 0 to 1 was expected")
    return float(strength)


def on_device(frame: Frame, device: str) -> HostFrame | TorchFrame:
    """The frame where it is worked on: main memory for ``"cpu"``, else the torch device."""
    if device == "cpu":
        from meddl.desmoke.recovery import HostFrame

        return HostFrame(frame)
    from meddl.desmoke.recovery_torch import TorchFrame

    return TorchFrame(frame, device)


class VideoDesmoker:
    """Call it with the frames of a video, in order.

    Args:
        method: ``"classical"``, ``"network"``, or ``"auto"``: the network if its weights are there.
        strength: 0 (the frame as it is, bit for bit) to 1 (all smoke that was found removed).
        weights: name or path of a network's weights.
        device: of the network and of the frames, see :func:`meddl.core.devices.choose_device`.

    Attributes:
        estimator: what finds the smoke.
        method: ``"classical"`` or ``"network"``, whichever it is.
        device: where the full frames are worked on.
        veil: the :class:`Veil` of the last frame, on the estimator's grid; None before the first.
        smoke_level: mean opacity 1 - t of the last frame in the field of view, 0..1.

    Raises:
        InputError, FileError, DependencyError, DeviceError: see :func:`make_estimator`.
    """

    def __init__(
        self,
        method: str = "auto",
        strength: float = 1.0,
        weights: str | Path | None = None,
        device: str = "auto",
    ) -> None:
        from meddl.desmoke.field_of_view import FieldOfView

        self.strength = strength
        self.estimator = make_estimator(method, weights, device)
        classical = type(self.estimator).__name__ == "DarkChannelEstimator"
        self.method = "classical" if classical else "network"
        self.device = choose_device(device, BYTES).name
        self._field = FieldOfView()
        self.reset()

    @property
    def strength(self) -> float:
        """0..1; may be set between frames."""
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        self._strength = check_strength(value)

    def reset(self) -> None:
        """Forget the frames before, as another video begins."""
        self.estimator.reset()
        self._field.reset()
        self.veil: Veil | None = None
        self.smoke_level = 0.0
        self._last: tuple[tuple[int, int], Mask] | None = None

    def __call__(self, frame: Frame) -> Frame:
        """The next frame without smoke.

        Args:
            frame: (H, W, 3) uint8 RGB; another size than before begins anew.

        Returns:
            A new (H, W, 3) uint8; black surround is left as it is.

        Raises:
            InputError: another shape or type.
        """
        from meddl.desmoke.metrics import check_frame
        from meddl.desmoke.recovery import veil_maps

        frame = check_frame(frame)
        if self._last is not None and self._last[0] != frame.shape[:2]:
            self.reset()
        full = on_device(frame, self.device)
        small = full.shrunk(self.estimator.grid(*frame.shape[:2]))
        mask = self._field(small)
        self.veil = self.estimator(small, mask)
        self.smoke_level = mean_opacity(self.veil.transmission, mask)
        inside = np.ones(small.shape[:2], np.bool_) if mask is None else mask
        self._last = (frame.shape[0], frame.shape[1]), inside
        if self.strength == 0:
            return frame.copy()
        return full.recovered(veil_maps(self.veil), inside, self.strength)

    @property
    def transmission(self) -> Array:
        """(H, W) float32 0..1 of the last frame at its full size; 1 outside the field of view.

        Raises:
            InputError: there was no frame.
        """
        import cv2

        from meddl.desmoke.recovery import cells_of

        if self.veil is None or self._last is None:
            raise InputError("there is no transmission before the first frame")
        (height, width), inside = self._last
        t = cv2.resize(self.veil.transmission, (width, height), interpolation=cv2.INTER_LINEAR)
        rows, columns = cells_of(height, len(inside)), cells_of(width, inside.shape[1])
        return np.where(inside[np.ix_(rows, columns)], t, np.float32(1))
