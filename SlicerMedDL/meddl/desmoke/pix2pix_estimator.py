"""The veil by the published network, which paints clear pictures and knows no smoke.

What it changes is split into smoke, by the scattering model, and a residual, so that everything
that works with a veil works with it: strength, smoke level, frames larger than the network's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from meddl.core.devices import choose_device
from meddl.core.optional import require
from meddl.desmoke.card_network import NetworkRunner, load_network
from meddl.desmoke.scattering import LEAST_TRANSMISSION, Array, Veil

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHITECTURE = "desmoke-pix2pix"
AIRLIGHT = 0.8  # grey; smoke under a laparoscope's lamp has 0.5 to 0.85
WINDOW = 1 / 8  # of the longer side: the smoke between two pictures is found over such squares
BYTES = 20_000  # per pixel that the network sees, at most


def veil_between(smoky: Array, clear: Array, mask: NDArray[np.bool_] | None = None) -> Veil:
    """A veil with which :func:`meddl.desmoke.scattering.recover` makes ``clear`` of ``smoky``.

    From I - J = (A - J) (1 - t) with a grey airlight A, the opacity 1 - t is the least squares over
    a square around each pixel; the residual is what is left.

    Args:
        smoky, clear: (h, w, 3) float32 RGB 0..1.
        mask: (h, w), True in the field of view; outside t is 1 and the residual 0.
    """
    cv2 = require("cv2", "removing smoke")
    inside = np.ones(smoky.shape[:2], np.bool_) if mask is None else mask
    veiled = np.float32(AIRLIGHT) - clear
    products = np.stack([(smoky - clear) * veiled, veiled * veiled]).sum(-1) * inside
    side = 2 * int(max(inside.shape) * WINDOW / 2) + 1
    above, below = (cv2.blur(np.asarray(part, np.float32), (side, side)) for part in products)
    opacity = np.clip(above / np.maximum(below, 1e-6), 0, 1 - LEAST_TRANSMISSION).reshape(
        inside.shape
    )
    t = np.where(inside, 1 - opacity, 1).astype(np.float32)
    airlight = np.full(smoky.shape, AIRLIGHT, np.float32)
    gain = 1 / t[..., None]
    residual = (clear - gain * (smoky - airlight * (1 - t[..., None]))) * inside[..., None]
    return Veil(t, airlight, np.asarray(residual, np.float32))


class Pix2PixEstimator:
    """See :class:`meddl.desmoke.scattering.Estimator`. It remembers nothing.

    Args:
        weights: name or path, see :func:`meddl.core.weights.find_weights`.
        device: see :func:`meddl.core.devices.choose_device`.
        engine: see :func:`meddl.core.inference.load_engine`.

    Attributes:
        network: in evaluation mode.
        card: of the weights.
        side: longer side of what the network sees, pixels.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another task.
    """

    def __init__(self, weights: str | Path, device: str = "auto", engine: str = "torch") -> None:
        from meddl.desmoke.pix2pix import Generator

        self.network, self.card = load_network(weights, ARCHITECTURE, Generator)
        self.side = int(max(self.card.arguments.get("use", {}).get("size", [256])))
        device = choose_device(device, BYTES * self.side**2).name
        self._run = NetworkRunner(self.network, self.card.name, engine, device)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Sides of the picture's proportions, the longer one as in training."""
        scale = self.side / max(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def __call__(self, picture: Array, mask: NDArray[np.bool_] | None = None) -> Veil:
        """The veil of a frame, (h, w, 3) float32 RGB 0..1 on :meth:`grid`.

        Raises:
            MedDLError: the network's output is not finite.
        """
        clear = self.paint(picture)
        return veil_between(np.asarray(picture, np.float32), clear, mask)

    def paint(self, picture: Array) -> Array:
        """The network's clear picture, (h, w, 3) float32 0..1, of a picture of any size.

        Its sides are filled up with its mirror image to what the network takes.

        Raises:
            MedDLError: the network's output is not finite.
        """
        height, width = picture.shape[:2]
        multiple = 2**self.network.layers
        rows, columns = (-side % multiple for side in (height, width))
        filled = np.pad(picture, ((0, rows), (0, columns), (0, 0)), "symmetric")
        rgb = np.ascontiguousarray(filled.transpose(2, 0, 1), np.float32)[None]
        painted = self._run(rgb)[0].transpose(1, 2, 0)[:height, :width]
        return np.clip(painted, 0, 1)

    def reset(self) -> None:
        """Nothing to forget."""
