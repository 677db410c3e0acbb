"""The method ``network``: any target from scribbles, with the weights that come with MedDL.

A coarse grid over the whole region is segmented by a network from the image and the encoded seeds,
together with the geodesic distances to the seeds; the sum of both log-odds is interpolated to the
voxels and refined there by the conditional random field. The P-Net gives the first segmentation,
the R-Net corrects the one before.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit, logit

from meddl.core.devices import choose_device
from meddl.core.errors import DependencyError, InputError, one_line
from meddl.core.optional import is_installed, require_installed
from meddl.core.progress import CancelToken, Progress, no_progress
from meddl.deepigeos.crf import refine
from meddl.deepigeos.encoding import encode
from meddl.deepigeos.geodesic_method import GeodesicMethod
from meddl.deepigeos.methods import P_NET, R_NET, with_hints

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

GRID = 64  # voxels along the longest side of the coarse grid
MULTIPLE = 8  # its sides are multiples of it
# Of the geodesic distances' log-odds beside the network's, which lie within LIMIT; see
# Docs/validation.md. The network alone is better than they are on real images and worse on plain
# shapes in white noise; the sum is better than both.
GEODESIC_WEIGHT = 2.0
LIMIT, GEODESIC_LIMIT = 8.0, 4.0
SMOOTH = 0.7  # of the finest spacing, for the geodesic distances
BYTES = 1200  # per voxel of the coarse grid, at most


class CoarseGrid:
    """A grid of at most GRID voxels a side over a volume, with voxels as cubic as that allows.

    Args:
        shape: (K, J, I) of the volume.
        spacing: its voxel size in mm along k, j, i.
    """

    def __init__(self, shape: Sequence[int], spacing: Sequence[float], grid: int = GRID) -> None:
        lengths = np.asarray(shape) * spacing
        step = max(float(lengths.max()) / grid, float(min(spacing)))
        wanted = np.clip(np.rint(lengths / step), 1, shape).astype(int)
        self.volume: tuple[int, ...] = tuple(int(n) for n in shape)
        k, j, i = (int(n) for n in wanted)
        self.shape: tuple[int, int, int] = (k, j, i)
        self.spacing: tuple[float, ...] = tuple(lengths / wanted)
        self._margins = [(0, -n % MULTIPLE) for n in self.shape]

    def mean(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Means over the voxels of the grid."""
        from torch.nn.functional import adaptive_avg_pool3d

        return np.asarray(adaptive_avg_pool3d(_tensor(volume), self.shape)[0, 0])

    def seeds(self, seeds: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Seeds on the grid; where both kinds fall into one voxel, foreground."""
        result = np.zeros(self.shape, np.uint8)
        voxels = np.nonzero(seeds)
        places = tuple(
            axis * coarse // fine
            for axis, coarse, fine in zip(voxels, self.shape, self.volume, strict=True)
        )
        np.maximum.at(result, places, seeds[voxels])
        return result

    def padded(self, channels: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, K, J, I) with its border repeated up to multiples of MULTIPLE."""
        return np.pad(channels, [(0, 0), *self._margins], mode="edge")

    def to_volume(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Padded values of the grid, interpolated linearly at the voxels of the volume."""
        from torch.nn.functional import interpolate

        inner = values[tuple(slice(0, n) for n in self.shape)]
        return np.asarray(interpolate(_tensor(inner), self.volume, mode="trilinear")[0, 0])


def _tensor(volume: NDArray[np.float32]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(volume))[None, None]


class NetworkMethod:
    """See the module; made by :func:`make_network_method`."""

    needs_seeds = True
    takes_hints = True
    uses_previous = False  # an initial segmentation becomes seeds, which the encodings need

    def __init__(
        self, image: NDArray[np.float32], spacing: Sequence[float], device: str, grid: int = GRID
    ) -> None:
        self.image, self.spacing, self.device = image, tuple(spacing), device
        self.grid = CoarseGrid(image.shape[:3], spacing, grid)
        self._coarse: NDArray[np.float32] | None = None
        self._geodesic: GeodesicMethod | None = None

    def __call__(
        self,
        seeds: NDArray[np.uint8],
        previous: NDArray[np.float32] | None = None,
        progress: Progress = no_progress,
        cancel: CancelToken | None = None,
        hints: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.float32]:
        """See :class:`meddl.deepigeos.methods.Method`."""
        token = cancel or CancelToken()
        if self._coarse is None or self._geodesic is None:
            channels = np.moveaxis(self.image, -1, 0)
            self._coarse = np.stack([self.grid.mean(channel) for channel in channels])
            self._geodesic = self._distances(self._coarse)
        coarse_seeds = self.grid.seeds(with_hints(seeds, hints))
        inputs = encode(one_channel(self._coarse, coarse_seeds), coarse_seeds, self.grid.spacing)
        if previous is not None:
            inputs = np.concatenate([inputs, self.grid.mean(previous)[None]])
        progress(0.3, "seeds encoded")
        token.check()
        name = choose_device(self.device, BYTES * int(np.prod(self.grid.shape))).name
        network = _network(P_NET if previous is None else R_NET, name)
        log_odds = np.clip(network(self.grid.padded(inputs)[None])[0, 0], -LIMIT, LIMIT)
        progress(0.6, "coarse segmentation")
        token.check()
        nearer = self._geodesic(coarse_seeds, cancel=cancel)
        likely = np.clip(logit(nearer), -GEODESIC_LIMIT, GEODESIC_LIMIT)
        log_odds += GEODESIC_WEIGHT * self.grid.padded(likely[None])[0]
        probability = expit(self.grid.to_volume(log_odds))
        progress(0.8, "geodesic distances")
        band = 1 + math.ceil(max(np.divide(self.grid.volume, self.grid.shape)))
        result = refine(self.image, probability, seeds, self.spacing, band=band, cancel=cancel)
        progress(1.0, "refined")
        return result

    def _distances(self, coarse: NDArray[np.float32]) -> GeodesicMethod:
        """The geodesic distances on the lightly smoothed image, as ``crf`` takes them."""
        sigma = SMOOTH * min(self.spacing) / np.array(self.grid.spacing)
        smooth = [gaussian_filter(channel, sigma) for channel in coarse]
        return GeodesicMethod(np.stack(smooth, -1), self.grid.spacing)


def make_network_method(
    image: NDArray[np.float32],
    spacing: Sequence[float],
    device: str = "auto",
    weights: str | None = None,
) -> Any:
    """The generalist networks, or with ``weights`` those of a user's own training.

    Args:
        image: (K, J, I, C) float32, finite.
        spacing: voxel size in mm along k, j, i.
        device: see :func:`meddl.core.devices.choose_device`.
        weights: name or path of weights trained by ``meddl deepigeos train``.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    require_installed("torch", "method network")
    if weights is not None:
        from meddl.deepigeos.trained_method import make_trained_method

        return make_trained_method(weights)(image, spacing, device=device)
    return NetworkMethod(image, spacing, device)


def one_channel(channels: NDArray[np.float32], seeds: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The combination of the channels that tells foreground from background best.

    Fisher's linear discriminant of the values at the seeds (Annals of Eugenics 7, 1936); without
    seeds of one kind the whole image stands for it.

    Args:
        channels: (C, K, J, I).
        seeds: (K, J, I), 1 background, 2 foreground.

    Returns:
        (K, J, I) float32; the channel itself if there is only one.
    """
    if len(channels) == 1:
        return channels[0]
    flat = channels.reshape(len(channels), -1).astype(np.float64)
    flat = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-12)
    groups = []
    for label in (1, 2):
        values = flat[:, seeds.ravel() == label]
        groups.append(values if values.shape[1] > len(channels) else flat)
    within = sum(np.cov(group) for group in groups) + 0.1 * np.eye(len(channels))
    direction = np.linalg.solve(within, groups[1].mean(1) - groups[0].mean(1))
    if not np.any(direction):
        direction = np.ones(len(channels))
    return (direction @ flat).reshape(seeds.shape).astype(np.float32)


@lru_cache(maxsize=4)
def _network(weights: str, device: str) -> Any:
    """A network as a function of numpy arrays.

    On the CPU by OpenVINO where it is installed: 0.24 s for 64^3 voxels on one core, 0.48 s by ONNX
    Runtime, 0.39 s by PyTorch. Measuring that anew at each start would take 5 s.
    """
    from meddl.core.inference import load_engine
    from meddl.deepigeos.generalist_network import load_p_net

    network = load_p_net(weights)
    example = np.zeros((1, network.channels, 32, 32, 32), np.float32)
    if device == "cpu" and is_installed("openvino"):
        try:
            return load_engine(network, example, engine="openvino", device=device)
        except (DependencyError, InputError) as error:  # a broken installation, another processor
            logger.warning("PyTorch takes the place of OpenVINO: %s", one_line(error))
    return load_engine(network, example, engine="torch", device=device)
