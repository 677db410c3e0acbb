"""Trained networks: rebuilt from their card, and run over images of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddl.core.errors import InputError
from meddl.core.optional import require
from meddl.core.weights import Card, find_weights, load_weights, read_card
from meddl.deepigeos.correction import SeedEncoding
from meddl.deepigeos.crfnet import CRFNet
from meddl.deepigeos.networks import make_network
from meddl.deepigeos.pnet import correction_channels

ARCHITECTURE = "deepigeos"
OVERLAP = 0.25  # of sliding windows


def build_network(
    network: str,
    model: str,
    channels: int,
    classes: int,
    dimensions: int,
    width: int,
    crf: bool,
    crf_iterations: int,
    spacing: Sequence[float],
) -> nn.Module:
    """The network of a run, as its card describes it.

    Args:
        network, dimensions, width: see :func:`meddl.deepigeos.networks.make_network`.
        model: ``"pnet"`` or ``"rnet"``.
        channels: of the image.
        classes: background included.
        crf: with a CRF-Net behind it.
        crf_iterations: of its mean field.
        spacing: (3,) mm along k, j, i, of the CRF's positions.
    """
    inputs = correction_channels(channels, classes) if model == "rnet" else channels
    built = make_network(network, inputs, classes, dimensions, width)
    if not crf:
        return built
    return CRFNet(built, channels, classes, spacing[3 - dimensions :], iterations=crf_iterations)


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network and what its card says about its input.

    Attributes:
        network: in evaluation mode, on its device.
        card: of the weights.
        model: ``"pnet"`` or ``"rnet"``.
        classes: names, background first.
        spacing: (3,) mm along k, j, i, or None: that of the image.
        orientation: of i, j, k, or keep.
        normalization, window: see :func:`meddl.deepigeos.preprocessing.normalized`.
        window_shape: of the sliding window, (k,) j, i.
        encoding: of the seeds (rnet).
        pnet: name of the weights that it corrects (rnet).
    """

    network: nn.Module
    card: Card
    model: str
    classes: tuple[str, ...]
    channels: int
    dimensions: int
    spacing: tuple[float, float, float] | None
    orientation: str
    normalization: str
    window: tuple[float, float]
    window_shape: tuple[int, ...]
    encoding: SeedEncoding
    pnet: str

    def probabilities(
        self,
        inputs: NDArray[np.float32],
        seeds: NDArray[np.integer] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities (classes, K, J, I) of an input (channels, K, J, I) on the network's grid.

        Args:
            seeds: (K, J, I) 0: none, 1 + class; hard constraints of a CRF-Net, else not used.
            tick: called before each window; may raise.
        """
        device = next(self.network.parameters()).device
        values = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
        known = None if seeds is None else torch.from_numpy(seeds.astype(np.int64)).to(device)
        with torch.inference_mode():
            log = log_probabilities(
                self.network, values, known, self.dimensions, self.window_shape, tick
            )
        return log.exp().cpu().numpy()


def load_trained(weights: str | Path, device: str = "cpu") -> Trained:
    """A network of `meddl deepigeos train` from its weights.

    Args:
        weights: name or path.
        device: a torch device name.

    Raises:
        FileError: no such weights, or damaged ones.
        InputError: weights of another kind.
    """
    path = find_weights(weights)
    return _load(path, path.stat().st_mtime_ns, device)


@lru_cache(maxsize=4)
def _load(path: Path, changed: int, device: str) -> Trained:
    card = read_card(path)
    about = card.arguments.get("use")
    if card.architecture != ARCHITECTURE or not isinstance(about, dict):
        raise InputError(
            f"{path} holds a {card.architecture}, weights of `meddl deepigeos train` were expected"
        )
    network = build_network(**card.arguments["network"])
    load_weights(network, path, device)
    spacing = about["spacing"]
    return Trained(
        network=network.eval(),
        card=card,
        model=card.arguments["network"]["model"],
        classes=tuple(about["classes"]),
        channels=card.arguments["network"]["channels"],
        dimensions=card.arguments["network"]["dimensions"],
        spacing=None if spacing is None else (spacing[0], spacing[1], spacing[2]),
        orientation=about["orientation"],
        normalization=about["normalization"],
        window=(about["window"][0], about["window"][1]),
        window_shape=tuple(about["window_shape"]),
        encoding=SeedEncoding(**about["seeds"]),
        pnet=about["pnet"],
    )


def log_probabilities(
    network: nn.Module,
    inputs: Tensor,
    seeds: Tensor | None,
    dimensions: int,
    window_shape: Sequence[int],
    tick: Callable[[], None] | None = None,
) -> Tensor:
    """Log-probabilities (classes, K, J, I) of a whole case, computed window by window.

    Overlapping windows are averaged with Gaussian weights (MONAI). A 2-D network gets slice by
    slice, a CRF-Net the seeds of each window.

    Args:
        network: in evaluation mode.
        inputs: (channels, K, J, I).
        seeds: (K, J, I) 0: none, 1 + class.
        dimensions: of the network.
        window_shape: (k,) j, i; along an axis on which the case is smaller, its own length.
        tick: called before each window; may raise.
    """
    inferers: Any = require("monai.inferers", "applying a network")
    uses_seeds = isinstance(network, CRFNet) and seeds is not None
    values = inputs
    if uses_seeds:
        assert seeds is not None
        values = torch.cat([inputs, seeds[None].to(inputs.dtype)])
    values = values.movedim(1, 0) if dimensions == 2 else values[None]

    def predict(window: Tensor) -> Tensor:
        if tick is not None:
            tick()
        if not uses_seeds:
            return network(window)
        return network(window[:, :-1], window[:, -1].long())

    sides = [min(side, length) for side, length in zip(window_shape, values.shape[2:], strict=True)]
    logits: Tensor = inferers.sliding_window_inference(
        values, sides, 1, predict, overlap=OVERLAP, mode="gaussian"
    )
    log = logits.log_softmax(1)
    return log.movedim(0, 1) if dimensions == 2 else log[0]
