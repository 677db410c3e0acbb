"""The veil by the light network, frame after frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meddl.core.devices import choose_device
from meddl.core.inference import installed_engines
from meddl.desmoke.card_network import NetworkRunner, load_network
from meddl.desmoke.scattering import Array, Veil

WEIGHTS = "desmoke-light"
ARCHITECTURE = "desmoke-light"
SIDE = 256  # pixels: longer side of what the network sees, as in training
MULTIPLE = 16  # of its sides; fewer shapes for the engines
BYTES = 4000  # per pixel that the network sees, at most
# Opacity below the first is no smoke, from the second on all of it is. On the clear frames that
# validated the training (clip 8) the change falls from 1.69 to 0.38 %; light, medium and heavy
# smoke lose 0.3, 0.5 and 0.2 dB.
TRACES = (0.15, 0.5)


def without_traces(smoke: Array) -> tuple[Array, Array, Array]:
    """Transmission (h, w), airlight (3, h, w), residual (3, h, w) of the network's maps (7, h, w);
    traces of smoke are faded out smoothly, see :data:`TRACES`."""
    opacity = np.clip(1 - smoke[0], 0, 1)
    share = np.clip((opacity - TRACES[0]) / (TRACES[1] - TRACES[0]), 0, 1)
    share = share * share * (3 - 2 * share)
    return 1 - share * opacity, np.clip(smoke[1:4], 0, 1), share * smoke[4:]


class NetworkEstimator:
    """See :class:`meddl.desmoke.scattering.Estimator`.

    Args:
        weights: name or path, see :func:`meddl.core.weights.find_weights`.
        device: see :func:`meddl.core.devices.choose_device`.
        engine: ``"torch"``, ``"openvino"``, ``"onnxruntime"``, or ``"auto"``: ONNX Runtime, else
            OpenVINO, else torch; torch on other devices than the CPU.

    Attributes:
        network: in evaluation mode.
        card: of the weights.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another task.
    """

    def __init__(
        self, weights: str | Path | None = None, device: str = "auto", engine: str = "auto"
    ) -> None:
        from meddl.desmoke.light_network import LightNetwork

        self.network, self.card = load_network(weights or WEIGHTS, ARCHITECTURE, LightNetwork)
        device = choose_device(device, BYTES * SIDE * SIDE).name
        if engine == "auto":
            # Measured order for this network, see Docs/validation.md.
            there = installed_engines() if device == "cpu" else ["torch"]
            engine = next(name for name in ("onnxruntime", "openvino", "torch") if name in there)
        self._run = NetworkRunner(self.network, self.card.name, engine, device)
        self._state: NDArray[np.float32] | None = None

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Sides of about the picture's proportions, the longer one 256, multiples of 16."""
        scale = SIDE / max(height, width)
        rows, columns = (
            max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width)
        )
        return rows, columns

    def __call__(self, picture: Array, mask: NDArray[np.bool_] | None = None) -> Veil:
        """The veil of the next frame, (h, w, 3) float32 RGB 0..1 on :meth:`grid`.

        Outside ``mask`` there is no smoke. A frame of another size than the one before begins anew.

        Raises:
            MedDLError: the network's output is not finite.
        """
        if mask is not None:
            picture = picture * mask[..., None]
        rgb = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)[None]
        if self._state is None or self._state.shape[2:] != rgb.shape[2:]:
            # Seen twice: beside a frame without smoke it finds less, by 6 to 30 %, than beside a
            # frame with what it has found there; the second frame jumped.
            no_smoke = np.zeros_like(rgb)
            self._state = np.concatenate([rgb, no_smoke[:, :1] + 1, no_smoke], 1)
            self._state = self._see(rgb, self._state)[1]
        smoke, self._state = self._see(rgb, self._state)
        maps = smoke[0]
        t, airlight, residual = without_traces(maps)
        if mask is not None:
            t = np.where(mask, t, np.float32(1))
            residual = residual * mask
        return Veil(t, airlight.transpose(1, 2, 0), residual.transpose(1, 2, 0))

    def _see(self, rgb: Array, before: Array) -> tuple[Array, Array]:
        """The network's maps (1, 7, h, w), and what it knows of this frame at the next one."""
        smoke = self._run(np.concatenate([rgb, before], 1))
        return smoke, np.concatenate([rgb, smoke[:, :4]], 1)

    def reset(self) -> None:
        """Forget the frames before."""
        self._state = None
