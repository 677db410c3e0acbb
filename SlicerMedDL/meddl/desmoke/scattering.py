"""Light through smoke: what a camera sees is the clear picture, dimmed, under a veil.

I = J t + A (1 - t), with the smoky picture I, the clear one J, the transmission t (the share of
light that passes the smoke) and the airlight A, the light that the smoke itself sends to the camera
(Koschmieder 1924; He, Sun and Tang, IEEE TPAMI 33:2341, 2011, equation 1). All of it is linear in
the picture's values, as in that work: gamma is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# He, Sun and Tang keep a tenth of the airlight, below which the recovered noise takes over.
LEAST_TRANSMISSION = 0.1


@dataclass(frozen=True)
class Veil:
    """The smoke of one picture, on a grid of its own.

    Attributes:
        transmission: (h, w) float32, 0 (nothing passes) to 1 (no smoke).
        airlight: (h, w, 3) float32, RGB 0..1.
        residual: (h, w, 3) float32 that is added to the recovered picture, or None.
    """

    transmission: Array
    airlight: Array
    residual: Array | None = None


class Estimator(Protocol):
    """Finds the smoke of a picture; it may remember the pictures before."""

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns at which it wants to see pictures of that size."""

    def __call__(self, picture: Array, mask: NDArray[np.bool_] | None = None) -> Veil:
        """The veil of ``picture``, (h, w, 3) float32 RGB 0..1 on its grid; ``mask`` (h, w) is True
        in the field of view."""

    def reset(self) -> None:
        """Forget the pictures before."""


def blend(clear: Array, transmission: Array, airlight: Array) -> Array:
    """The smoky picture, (..., H, W, 3) float32.

    Args:
        clear: (..., H, W, 3) float32 RGB 0..1.
        transmission: (..., H, W) float32 0..1.
        airlight: (3,) or (..., H, W, 3) float32 RGB 0..1.
    """
    t = np.asarray(transmission, np.float32)[..., None]
    result: Array = clear * t + np.asarray(airlight, np.float32) * (1 - t)
    return result


def recover(smoky: Array, veil: Veil, least_transmission: float = LEAST_TRANSMISSION) -> Array:
    """The clear picture, (H, W, 3) float32, clipped to 0..1, of a veil on the picture's own grid.

    ``least_transmission`` bounds the gain: J = (I - A (1 - t)) / max(t, least) + residual.
    """
    t = veil.transmission[..., None]
    gain = 1 / np.maximum(t, np.float32(least_transmission))
    clear: NDArray[Any] = gain * (smoky - veil.airlight * (1 - t))
    if veil.residual is not None:
        clear = clear + veil.residual
    return np.clip(clear, 0, 1, dtype=np.float32)


def mean_opacity(transmission: Any, mask: NDArray[np.bool_] | None = None) -> float:
    """Mean of 1 - t where ``mask`` is True (everywhere without one); 0 where there is nothing."""
    opacity = 1 - np.asarray(transmission, np.float32)
    opacity = opacity if mask is None else opacity[..., mask]
    return float(opacity.mean(dtype=np.float64)) if opacity.size else 0.0
